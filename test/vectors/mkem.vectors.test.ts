/**
 * Goal: MKEM gives the bytes of the Go code, with the entropy in the documented order, for X25519 and X448, in both backends.
 * Method: recorded runs replayed with their random bytes; annex A9 of the Pigeonhole document; every refusal.
 *
 * @module
 */
import { Either } from "effect"
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { nativeBackend } from "../../src/crypto/backends/native.ts"
import { referenceBackend } from "../../src/crypto/backends/reference.ts"
import { type Entropy, seededEntropy } from "../../src/crypto/entropy.ts"
import { decapsulate, encapsulate, MKEM_DEK_BYTES, nikeX25519, nikeX448, openReply, sealReply } from "../../src/crypto/mkem.ts"

const file = JSON.parse(readFileSync(new URL("data/mkem_vectors.json", import.meta.url), "utf8"))
const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"))
const hex = (value: Uint8Array): string => Buffer.from(value).toString("hex")

/** Entropy that plays back recorded bytes and tells how many are left. */
const recorded = (all: Uint8Array): { readonly entropy: Entropy; readonly left: () => number } => {
  let at = 0
  return { entropy: (count) => all.slice(at, (at += count)), left: () => all.length - at }
}

const refusal = (result: Either.Either<unknown, { readonly reason: string }>): string =>
  Either.match(result, { onLeft: (failure) => failure.reason, onRight: () => "accepted" })

for (const crypto of [referenceBackend, Either.getOrThrow(nativeBackend())]) {
  const nikes = { x25519: nikeX25519(crypto), x448: nikeX448(crypto) }

  describe(`MKEM, ${crypto.name} backend`, () => {
    it("replays every recorded encapsulation, decapsulation and reply", () => {
      const replayed = new Set<string>()
      expect(file.cases.length).toBe(3)
      for (const vector of file.cases) {
        const nike = nikes[String(vector.nike).toLowerCase() as keyof typeof nikes]
        replayed.add(nike.name)
        const { entropy, left } = recorded(bytes(vector.random_bytes_in_order))
        const recipients: ReadonlyArray<Record<string, string>> = vector.recipients
        const made = Either.getOrThrow(encapsulate(crypto, nike, recipients.map((r) => bytes(r["public_key"]!)), bytes(vector.plaintext), entropy))
        expect(left()).toBe(0)
        expect(hex(made.senderPrivateKey)).toBe(vector.sender_private_key)
        expect(hex(made.senderPublicKey)).toBe(vector.sender_public_key)
        expect(hex(made.ciphertext)).toBe(vector.envelope)
        expect(made.deks.map(hex)).toEqual(vector.deks)
        for (const [i, recipient] of recipients.entries()) {
          const privateKey = bytes(recipient["private_key"]!)
          const reply = bytes(recipient["envelope_reply"]!)
          const replyText = recipient["envelope_reply_plaintext"]!
          expect(hex(nike.publicKey(privateKey))).toBe(recipient["public_key"])
          expect(hex(nike.sharedSecret(privateKey, made.senderPublicKey)!)).toBe(recipient["nike_shared_secret"])
          expect(hex(Either.getOrThrow(decapsulate(crypto, nike, privateKey, made.senderPublicKey, made.deks[i]!, made.ciphertext)))).toBe(vector.plaintext)
          expect(hex(Either.getOrThrow(openReply(crypto, nike, made.senderPrivateKey, nike.publicKey(privateKey), reply)))).toBe(replyText)
          const sealed = sealReply(crypto, nike, privateKey, made.senderPublicKey, bytes(replyText), () => reply.slice(0, 12))
          expect(hex(Either.getOrThrow(sealed))).toBe(recipient["envelope_reply"])
        }
      }
      expect([...replayed].sort()).toEqual(["x25519", "x448"])
    })

    it("gives the values of annex A9", () => {
      const { entropy } = recorded(Uint8Array.from({ length: 100 }, (_, i) => i))
      const privateKeys = [0x40, 0x80].map((first) => Uint8Array.from({ length: 32 }, (_, i) => first + i))
      const publicKeys = privateKeys.map(nikes.x25519.publicKey)
      const made = Either.getOrThrow(encapsulate(crypto, nikes.x25519, publicKeys, Uint8Array.of(0, 1, 2, 3, 4), entropy))
      expect(hex(made.senderPublicKey)).toBe("8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f")
      expect(hex(made.ciphertext)).toBe("404142434445464748494a4b903495d64327de083dce73cc85615779a6f7fb85e0")
      expect(made.deks.map(hex)).toEqual([
        "4c4d4e4f50515253545556573c9c2911f5a85d6ba0a3e9ef919a07de757906ba08997d982b418c8d6f1b9a698e01c4cf0f8b28204b8795f5320f0d28",
        "58595a5b5c5d5e5f60616263934bb645643e239e416688281a65aa448783217e6dc3fa12268760198e9964796e6b7a304524fd9981991434b529b3f9"
      ])
    })

    it("refuses degenerate and wrong-length peers in all four operations", () => {
      const entropy = seededEntropy(1, "mkem")
      const nike = nikes.x25519
      const privateKey = entropy(32)
      const good = nike.publicKey(entropy(32))
      for (const bad of [new Uint8Array(32), Uint8Array.of(1, ...new Uint8Array(31)), new Uint8Array(31), new Uint8Array(0), new Uint8Array(33).fill(9)]) {
        expect(refusal(encapsulate(crypto, nike, [good, bad], entropy(10), entropy))).toBe("bad-peer-key")
        expect(refusal(decapsulate(crypto, nike, privateKey, bad, entropy(MKEM_DEK_BYTES), entropy(40)))).toBe("bad-peer-key")
        expect(refusal(sealReply(crypto, nike, privateKey, bad, entropy(10), entropy))).toBe("bad-peer-key")
        expect(refusal(openReply(crypto, nike, privateKey, bad, entropy(40)))).toBe("bad-peer-key")
      }
      expect(refusal(encapsulate(crypto, nikes.x448, [new Uint8Array(56)], entropy(10), entropy))).toBe("bad-peer-key")
    })

    it("overwrites what it drew when a peer's key is refused", () => {
      const drawn: Array<Uint8Array> = []
      const source = seededEntropy(3, "mkem")
      const entropy = (byteLength: number) => {
        const bytes = source(byteLength)
        drawn.push(bytes)
        return bytes
      }
      expect(refusal(encapsulate(crypto, nikes.x25519, [new Uint8Array(32)], Uint8Array.of(1), entropy))).toBe("bad-peer-key")
      const secrets = drawn.filter(({ length }) => length === 32)
      expect(secrets.map((secret) => secret.every((byte) => byte === 0))).toEqual([true, true])
    })

    it("refuses another's DEK, any altered byte and any shortened text", () => {
      const entropy = seededEntropy(2, "mkem")
      const nike = nikes.x25519
      const [first, second] = [entropy(32), entropy(32)]
      const made = Either.getOrThrow(encapsulate(crypto, nike, [nike.publicKey(first), nike.publicKey(second)], entropy(5), entropy))
      const openWith = (dek: Uint8Array, ciphertext: Uint8Array) => refusal(decapsulate(crypto, nike, first, made.senderPublicKey, dek, ciphertext))
      expect(openWith(made.deks[0]!, made.ciphertext)).toBe("accepted")
      expect(openWith(made.deks[1]!, made.ciphertext)).toBe("bad-dek")
      for (const at of [0, 11, 12, 43, 44, 59]) {
        expect(openWith(made.deks[0]!.map((byte, i) => (i === at ? byte ^ 1 : byte)), made.ciphertext)).toBe("bad-dek")
      }
      for (const length of [0, 11, 28, 59, 61]) expect(openWith(new Uint8Array(length), made.ciphertext)).toBe("bad-dek")
      for (let at = 0; at < made.ciphertext.length; at += 4) {
        expect(openWith(made.deks[0]!, made.ciphertext.map((byte, i) => (i === at ? byte ^ 0x80 : byte)))).toBe("bad-ciphertext")
        expect(openWith(made.deks[0]!, made.ciphertext.subarray(0, at))).toBe("bad-ciphertext")
      }
      const reply = Either.getOrThrow(sealReply(crypto, nike, first, made.senderPublicKey, entropy(3), entropy))
      expect(refusal(openReply(crypto, nike, made.senderPrivateKey, nike.publicKey(first), reply))).toBe("accepted")
      expect(refusal(openReply(crypto, nike, made.senderPrivateKey, nike.publicKey(second), reply))).toBe("bad-ciphertext")
      for (let length = 0; length < reply.length; length++) {
        expect(refusal(openReply(crypto, nike, made.senderPrivateKey, nike.publicKey(first), reply.subarray(0, length)))).toBe("bad-ciphertext")
      }
    })
  })
}
