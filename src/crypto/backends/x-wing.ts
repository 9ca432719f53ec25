/**
 * X-Wing, put together from ML-KEM-768, X25519 and SHA-3.
 *
 * Contract: the seed is expanded once per private key; encapsulation is deterministic in its coins. A ciphertext or public key of a wrong length,
 * an encapsulation key that is not reduced, and an X25519 part of low order are refused with `undefined`.
 * Knows nothing of: where the three primitives come from.
 * Source: draft-connolly-cfrg-xwing-kem-05; sphinx.md §13; departures: the draft goes on with an all-zero X25519 secret, here it is refused
 * (such a ciphertext is never made by an honest sender).
 *
 * @module
 */
import { concatBytes } from "../../bytes/concat.ts"
import type { CryptoBackend, XWingPrivateKey } from "../backend.ts"
import { requireLength } from "./length.ts"

const ML_KEM_PUBLIC_KEY_BYTES = 1184
const ML_KEM_CIPHERTEXT_BYTES = 1088
const PUBLIC_KEY_BYTES = ML_KEM_PUBLIC_KEY_BYTES + 32
const CIPHERTEXT_BYTES = ML_KEM_CIPHERTEXT_BYTES + 32
const LABEL = Uint8Array.of(0x5c, 0x2e, 0x2f, 0x2f, 0x5e, 0x5c)

/** ML-KEM-768 with the randomness as an argument. */
export interface MlKem768 {
  /** @param seed 64 bytes: d, z */
  readonly generate: (seed: Uint8Array) => { readonly publicKey: Uint8Array; readonly decapsulate: (ciphertext: Uint8Array) => Uint8Array }
  /** `undefined` for an encapsulation key that FIPS 203 §7.2 refuses. */
  readonly encapsulate: (publicKey: Uint8Array, coins: Uint8Array) => { readonly ciphertext: Uint8Array; readonly sharedSecret: Uint8Array } | undefined
}

export interface XWingParts extends Pick<CryptoBackend, "x25519" | "x25519PublicKey"> {
  readonly mlKem768: MlKem768
  readonly sha3_256: (...parts: ReadonlyArray<Uint8Array>) => Uint8Array
  readonly shake256: (input: Uint8Array, outputBytes: number) => Uint8Array
}

class Expanded {
  readonly decapsulate: (ciphertext: Uint8Array) => Uint8Array
  readonly x25519Key: Uint8Array
  constructor(decapsulate: (ciphertext: Uint8Array) => Uint8Array, x25519Key: Uint8Array) {
    this.decapsulate = decapsulate
    this.x25519Key = x25519Key
  }
}

export const makeXWing = (parts: XWingParts): Pick<CryptoBackend, "xwingPrivateKey" | "xwingEncapsulate" | "xwingDecapsulate"> => ({
  xwingPrivateKey: (seed) => {
    requireLength("X-Wing seed", seed, 32)
    const wide = parts.shake256(seed, 96)
    const { publicKey, decapsulate } = parts.mlKem768.generate(wide.subarray(0, 64))
    const x25519Key = wide.slice(64)
    wide.fill(0)
    return {
      seed: seed.slice(),
      publicKey: concatBytes(publicKey, parts.x25519PublicKey(x25519Key)),
      expanded: new Expanded(decapsulate, x25519Key)
    }
  },
  xwingEncapsulate: (publicKey, coins) => {
    requireLength("X-Wing coins", coins, 64)
    if (publicKey.length !== PUBLIC_KEY_BYTES) return undefined
    const x25519Peer = publicKey.subarray(ML_KEM_PUBLIC_KEY_BYTES)
    const ephemeral = coins.subarray(32)
    const x25519Secret = parts.x25519(ephemeral, x25519Peer)
    const mlKem = parts.mlKem768.encapsulate(publicKey.subarray(0, ML_KEM_PUBLIC_KEY_BYTES), coins.subarray(0, 32))
    if (x25519Secret === undefined || mlKem === undefined) return undefined
    const x25519Ciphertext = parts.x25519PublicKey(ephemeral)
    return {
      ciphertext: concatBytes(mlKem.ciphertext, x25519Ciphertext),
      sharedSecret: parts.sha3_256(mlKem.sharedSecret, x25519Secret, x25519Ciphertext, x25519Peer, LABEL)
    }
  },
  xwingDecapsulate: (privateKey: XWingPrivateKey, ciphertext) => {
    const { expanded } = privateKey
    if (!(expanded instanceof Expanded)) throw new RangeError("an X-Wing private key is made by xwingPrivateKey")
    if (ciphertext.length !== CIPHERTEXT_BYTES) return undefined
    const x25519Ciphertext = ciphertext.subarray(ML_KEM_CIPHERTEXT_BYTES)
    const x25519Secret = parts.x25519(expanded.x25519Key, x25519Ciphertext)
    if (x25519Secret === undefined) return undefined
    const mlKemSecret = expanded.decapsulate(ciphertext.subarray(0, ML_KEM_CIPHERTEXT_BYTES))
    return parts.sha3_256(mlKemSecret, x25519Secret, x25519Ciphertext, privateKey.publicKey.subarray(ML_KEM_PUBLIC_KEY_BYTES), LABEL)
  }
})
