/**
 * Goal: both backends give the published bytes of every primitive that the protocols use.
 * Method: vectors of the Sphinx and BACAP documents (made by the Go code), the X-Wing draft, RFC 7748, RFC 8032, RFC 8439 and RFC 8452.
 *
 * @module
 */
import { Either } from "effect"
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { nativeBackend } from "../../src/crypto/backends/native.ts"
import { referenceBackend } from "../../src/crypto/backends/reference.ts"
import { blindAgain, blindPrivateKey, blindPublicKey, factorScalar, signBlinded } from "../../src/crypto/blinded-ed25519.ts"

const load = (name: string) => JSON.parse(readFileSync(new URL(`data/${name}`, import.meta.url), "utf8"))
const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"))
const hex = (value: Uint8Array | undefined): string => (value === undefined ? "refused" : Buffer.from(value).toString("hex"))
const ascii = (text: string): Uint8Array => new TextEncoder().encode(text)

const sphinx = load("sphinx_primitives_vectors.json")
const bacap = load("bacap_vectors.json")
const sprpFile = load("aez_sprp_vectors.json")
const INFO = ascii("katzenpost-kdf-v0-hkdf-sha256")

for (const crypto of [referenceBackend, Either.getOrThrow(nativeBackend())]) {
  describe(`published values, ${crypto.name} backend`, () => {
    it("SHA-512/256 of the Sphinx document", () => {
      expect(hex(crypto.sha512_256(bytes(sphinx.hash.msg)))).toBe(sphinx.hash.digest)
    })

    it("AES-256-CTR keystream of the Sphinx document, 16-byte counter block", () => {
      const { key, iv, keystream } = sphinx.stream
      expect(hex(crypto.aes256Ctr(bytes(key), bytes(iv), new Uint8Array(keystream.length / 2)))).toBe(keystream)
    })

    it("packet keys: HKDF expand and the blinding factor", () => {
      const { ikm, headerMAC, headerEncryption, headerEncryptionIV, payloadEncryption, blindingFactor } = sphinx.kdf
      const okm = crypto.hkdfSha256Expand(bytes(ikm), INFO, 160)
      expect(hex(okm.subarray(0, 128))).toBe(headerMAC + headerEncryption + headerEncryptionIV + payloadEncryption)
      expect(hex(crypto.chacha20Block32(okm.subarray(128)))).toBe(blindingFactor)
    })

    it("packet keys recorded from Go, with MAC, stream and tag", () => {
      expect(sprpFile.packet_key_derivation.length).toBe(3)
      for (const vector of sprpFile.packet_key_derivation) {
        const okm = crypto.hkdfSha256Expand(bytes(vector.ikm), ascii(vector.hkdf_info_utf8), 160)
        const pattern = Uint8Array.from({ length: 100 }, (_, i) => 167 * i + Math.floor(i / 256))
        expect(hex(crypto.sha512_256(bytes(vector.ikm)))).toBe(vector.hash_sha512_256_of_ikm)
        expect(hex(okm.subarray(80, 128))).toBe(vector.payload_encryption_key)
        expect(hex(crypto.hmacSha256(okm.subarray(0, 32), pattern))).toBe(vector.mac_of_pattern_100)
        expect(hex(crypto.aes256Ctr(okm.subarray(32, 64), okm.subarray(64, 80), new Uint8Array(200)))).toBe(vector.stream_200)
        expect(hex(crypto.chacha20Block32(okm.subarray(128)))).toBe(vector.blinding_factor)
      }
    })

    it("the SPRP check value of the Sphinx document", () => {
      const key = bytes("ec6dc9fb5e68dbc2a7615c67baf5b8e472953b84918f1e0c4e01cf43387535d292c4be5657849d84246c7253a3252577")
      const iv = bytes("05ef180b20d561bf6024a4ecf725fc17")
      const plaintext = "82ed7abbe93cb1a7ec2d1072f591c058237ff54fc4d44d86cb07c0620675b56b"
      const ciphertext = "8adacd91e46ed69d6c7396c0933eb4d5c125b202875e496cb32f49fb3304e489"
      expect(hex(crypto.sprpEncipher(key, iv, bytes(plaintext)))).toBe(ciphertext)
      expect(hex(crypto.sprpDecipher(key, iv, bytes(ciphertext)))).toBe(plaintext)
    })

    it("X-Wing: key and decapsulation of the draft", () => {
      const { seed, publicKey, ciphertext, sharedSecret } = sphinx.xwing
      const key = crypto.xwingPrivateKey(bytes(seed))
      expect(hex(key.publicKey)).toBe(publicKey)
      expect(hex(crypto.xwingDecapsulate(key, bytes(ciphertext)))).toBe(sharedSecret)
    })

    it("X25519 and X448 of RFC 7748", () => {
      const k = bytes("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4")
      const u = bytes("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")
      expect(hex(crypto.x25519(k, u))).toBe("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552")
      const k448 = bytes("3d262fddf9ec8e88495266fea19a34d28882acef045104d0d1aae121700a779c984c24f8cdd78fbff44943eba368f54b29259a4f1c600ad3")
      const u448 = bytes("06fce640fa3487bfda5f6cf2d5263f8aad88334cbd07437f020f08f9814dc031ddbdc38c19c6da2583fa5429db94ada18aa7a7fb4ef8a086")
      expect(hex(crypto.x448(k448, u448))).toBe(
        "ce3e4ff95a60dc6697da1db1d85e6afbdf79b50a2412d7546d5f239fe14fbaadeb445fc66a01b0779d98223961111e21766282f73dd96b6f"
      )
    })

    it("Ed25519 of RFC 8032, tests 1 and 2", () => {
      const cases = [
        ["9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
          "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"],
        ["4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "72", "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
          "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"]
      ] as const
      for (const [seed, message, publicKey, signature] of cases) {
        expect(hex(crypto.ed25519PublicKey(bytes(seed)))).toBe(publicKey)
        expect(hex(crypto.ed25519Sign(bytes(seed), bytes(message)))).toBe(signature)
        expect(crypto.ed25519Verify(bytes(publicKey), bytes(message), bytes(signature))).toBe(true)
      }
    })

    it("ChaCha20-Poly1305 of RFC 8439 §2.8.2", () => {
      const key = Uint8Array.from({ length: 32 }, (_, i) => 0x80 + i)
      const nonce = bytes("070000004041424344454647")
      const aad = bytes("50515253c0c1c2c3c4c5c6c7")
      const text = ascii("Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.")
      const sealed = crypto.chacha20Poly1305Seal(key, nonce, aad, text)
      expect(hex(sealed.subarray(0, 16))).toBe("d31a8d34648e60db7b86afbc53ef7ec2")
      expect(hex(sealed.subarray(-16))).toBe("1ae10b594f09e26a7e902ecbd0600691")
      expect(crypto.chacha20Poly1305Open(key, nonce, aad, sealed)).toEqual(text)
    })

    it("AES-256-GCM-SIV of the BACAP vectors with the standard nonce", () => {
      const cases: ReadonlyArray<{ ad: string; ciphertext_and_tag: string; key: string; nonce: string; plaintext: string }> = bacap.aes256_gcm_siv
      const standard = cases.filter((vector) => vector.nonce.length === 24)
      expect(standard.length).toBeGreaterThanOrEqual(3)
      for (const { ad, ciphertext_and_tag, key, nonce, plaintext } of standard) {
        expect(hex(crypto.aes256GcmSivSeal(bytes(key), bytes(nonce), bytes(ad), bytes(plaintext)))).toBe(ciphertext_and_tag)
        expect(hex(crypto.aes256GcmSivOpen(bytes(key), bytes(nonce), bytes(ad), bytes(ciphertext_and_tag)))).toBe(plaintext)
      }
    })

    it("AES-256-GCM-SIV of RFC 8452 C.3: the counter wraps at 32 bits", () => {
      const key = new Uint8Array(32)
      const nonce = new Uint8Array(12)
      const cases = [
        ["000000000000000000000000000000004db923dc793ee6497c76dcc03a98e108",
          "f3f80f2cf0cb2dd9c5984fcda908456cc537703b5ba70324a6793a7bf218d3eaffffffff000000000000000000000000"],
        ["eb3640277c7ffd1303c7a542d02d3e4c0000000000000000", "18ce4f0b8cb4d0cac65fea8f79257b20888e53e72299e56dffffffff000000000000000000000000"]
      ] as const
      for (const [plaintext, sealed] of cases) {
        expect(hex(crypto.aes256GcmSivSeal(key, nonce, new Uint8Array(0), bytes(plaintext)))).toBe(sealed)
        expect(hex(crypto.aes256GcmSivOpen(key, nonce, new Uint8Array(0), bytes(sealed)))).toBe(plaintext)
      }
    })

    it("blinded Ed25519 keys, twice blinded keys and signatures of the Go code", () => {
      const vectors = Array.isArray(bacap.blinded_ed25519) ? bacap.blinded_ed25519 : [bacap.blinded_ed25519]
      expect(vectors.length).toBeGreaterThanOrEqual(1)
      for (const vector of vectors) {
        const seed = bytes(vector.seed)
        const factor = bytes(vector.factor)
        const key = blindPrivateKey(crypto, seed, factor)
        const twice = blindAgain(crypto, key, bytes(vector.second_factor))
        expect(hex(crypto.sha512_256(factor))).toBe(vector.factor_sha512_256)
        expect(hex(factorScalar(crypto, factor))).toBe(vector.factor_scalar_clamped_mod_l)
        expect(hex(crypto.ed25519PublicKey(seed))).toBe(vector.root_public_key)
        expect(hex(key.scalar)).toBe(vector.blinded_private_scalar)
        expect(hex(key.publicKey)).toBe(vector.blinded_public_key)
        expect(hex(blindPublicKey(crypto, bytes(vector.root_public_key), factor))).toBe(vector.blinded_public_key)
        expect(hex(twice.scalar)).toBe(vector.twice_blinded_scalar)
        expect(hex(twice.publicKey)).toBe(vector.twice_blinded_public_key)
        expect(vector.signatures.length).toBe(4)
        for (const { message, signature, verifies } of vector.signatures) {
          expect(hex(signBlinded(crypto, key, bytes(message)))).toBe(signature)
          expect(crypto.ed25519Verify(key.publicKey, bytes(message), bytes(signature))).toBe(verifies)
        }
      }
    })

    it("the blinded signature of annex A2 of the Pigeonhole document", () => {
      const seed = bytes("1ae969564b34a33ecd1af05fe6923d6de71870997d38ef60155c325957214c42")
      const factor = bytes("59d74b863e2fba93aeceb05d2fdcde0c9688d21d95aa7bedefc7f31b35731a3d")
      const message = bytes("297611a6b583a5c30587d4e530c948f013e96d5a4e653f0791899d6270c6f3c0")
      const key = blindPrivateKey(crypto, seed, factor)
      expect(hex(key.publicKey)).toBe("9040d29aefe0f045ffd580fb5e0d2f98c61df75e6b45c43a0b456f13e0fbc05b")
      expect(hex(signBlinded(crypto, key, message))).toBe(
        "c910841a0274ab6460151143b729d381b925073bbc3877a438fc99bff01e21debe840be097572f177991f896c5ae70401e8ba27c1170c3ac6f1d2f183c5ef303"
      )
    })
  })
}
