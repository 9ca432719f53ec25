/**
 * MKEM: one message encapsulated to several recipients, and the sealed reply of each, over any key exchange of the Diffie-Hellman kind.
 *
 *   ciphertext  nonce 12 ‖ ChaCha20-Poly1305(message key, message) ‖ tag 16
 *   DEK         nonce 12 ‖ ChaCha20-Poly1305(H256(shared secret), message key 32) ‖ tag 16                            60 bytes
 *   reply       nonce 12 ‖ ChaCha20-Poly1305(H256(shared secret), message) ‖ tag 16
 *
 * Contract: entropy is drawn in this order: sender key, message key 32, nonce 12 of the ciphertext, one nonce 12 for each DEK; a reply draws its
 * nonce 12. A recipient of wrong length or low order, and any ciphertext that does not open, are refused. With a mark, the nonce of the ciphertext is
 * not drawn but H256(mark ‖ message key)[0..12]: one bit from the sender to the recipients which nobody between them can see, set or clear.
 * Knows nothing of: envelopes, couriers, epochs. With X25519 or X448 it gives no protection against quantum computers.
 * Source: pigeonhole.md §4 (hpqc `kem/mkem`); departures: the exchange is X25519 or X448, not CTIDH-1024 with X25519; marks.
 *
 * @module
 */
import { Data, Either } from "effect"
import { concatBytes } from "../bytes/concat.ts"
import { constantTimeEqual } from "../bytes/equal.ts"
import type { CryptoBackend } from "./backend.ts"
import type { Entropy } from "./entropy.ts"

export const MKEM_DEK_BYTES = 60
/** What sealing adds to a message: nonce and tag. */
export const MKEM_OVERHEAD_BYTES = 28
const NONCE_BYTES = 12
const MESSAGE_KEY_BYTES = 32

/** `bad-peer-key`: wrong length or degenerate shared secret; `bad-dek`, `bad-ciphertext`: did not open. */
export class MkemFailed extends Data.TaggedError("MkemFailed")<{ readonly reason: "bad-peer-key" | "bad-dek" | "bad-ciphertext" }> {}

/** Made once: whoever opens a reply tries keys, and most of them fail. Their stacks say nothing. */
const FAILURES = {
  "bad-peer-key": Either.left(new MkemFailed({ reason: "bad-peer-key" })),
  "bad-dek": Either.left(new MkemFailed({ reason: "bad-dek" })),
  "bad-ciphertext": Either.left(new MkemFailed({ reason: "bad-ciphertext" }))
} as const

/** A non-interactive key exchange. */
export interface Nike {
  readonly name: "x25519" | "x448"
  readonly publicKeyBytes: number
  readonly privateKeyBytes: number
  readonly publicKey: (privateKey: Uint8Array) => Uint8Array
  /** `undefined` for a public key of wrong length or low order. */
  readonly sharedSecret: (privateKey: Uint8Array, publicKey: Uint8Array) => Uint8Array | undefined
}

export const nikeX25519 = (crypto: CryptoBackend): Nike => ({
  name: "x25519",
  publicKeyBytes: 32,
  privateKeyBytes: 32,
  publicKey: crypto.x25519PublicKey,
  sharedSecret: (privateKey, publicKey) => (publicKey.length === 32 ? crypto.x25519(privateKey, publicKey) : undefined)
})

export const nikeX448 = (crypto: CryptoBackend): Nike => ({
  name: "x448",
  publicKeyBytes: 56,
  privateKeyBytes: 56,
  publicKey: crypto.x448PublicKey,
  sharedSecret: (privateKey, publicKey) => (publicKey.length === 56 ? crypto.x448(privateKey, publicKey) : undefined)
})

/** H256 of the shared secret: the key of a DEK and of a reply. */
const pairKey = (crypto: CryptoBackend, nike: Nike, privateKey: Uint8Array, publicKey: Uint8Array): Either.Either<Uint8Array, MkemFailed> => {
  const secret = nike.sharedSecret(privateKey, publicKey)
  if (secret === undefined) return FAILURES["bad-peer-key"]
  const key = crypto.blake2b256(secret)
  secret.fill(0)
  return Either.right(key)
}

const NO_DATA = new Uint8Array(0)

const seal = (crypto: CryptoBackend, key: Uint8Array, nonce: Uint8Array, message: Uint8Array): Uint8Array =>
  concatBytes(nonce, crypto.chacha20Poly1305Seal(key, nonce, NO_DATA, message))

const open = (
  crypto: CryptoBackend, key: Uint8Array, sealed: Uint8Array, reason: "bad-dek" | "bad-ciphertext"
): Either.Either<Uint8Array, MkemFailed> => {
  const message = sealed.length < MKEM_OVERHEAD_BYTES
    ? undefined
    : crypto.chacha20Poly1305Open(key, sealed.subarray(0, NONCE_BYTES), NO_DATA, sealed.subarray(NONCE_BYTES))
  return message === undefined ? FAILURES[reason] : Either.right(message)
}

export interface Encapsulation {
  /** Kept by the sender to open the replies. */
  readonly senderPrivateKey: Uint8Array
  readonly senderPublicKey: Uint8Array
  /** 28 bytes longer than the message; the same for all recipients. */
  readonly ciphertext: Uint8Array
  /** One of 60 bytes for each recipient, in their order. */
  readonly deks: ReadonlyArray<Uint8Array>
}

/** The nonce by which a sender marks a ciphertext; as good as a random one to all who do not know the message key, which is used once. */
const markedNonce = (crypto: CryptoBackend, mark: Uint8Array, messageKey: Uint8Array): Uint8Array =>
  crypto.blake2b256(mark, messageKey).slice(0, NONCE_BYTES)

/**
 * Seals `plaintext` for all `recipients` (public keys).
 * @param mark  a public constant for `decapsulateMarked` to find; none in ordinary envelopes
 * @errors MkemFailed `bad-peer-key`
 */
export const encapsulate = (
  crypto: CryptoBackend, nike: Nike, recipients: ReadonlyArray<Uint8Array>, plaintext: Uint8Array, entropy: Entropy, mark?: Uint8Array
): Either.Either<Encapsulation, MkemFailed> => {
  const senderPrivateKey = entropy(nike.privateKeyBytes)
  const messageKey = entropy(MESSAGE_KEY_BYTES)
  const nonce = mark === undefined ? entropy(NONCE_BYTES) : markedNonce(crypto, mark, messageKey)
  const ciphertext = seal(crypto, messageKey, nonce, plaintext)
  const sealed = Either.all(recipients.map((recipient) =>
    Either.map(pairKey(crypto, nike, senderPrivateKey, recipient), (key) => {
      const dek = seal(crypto, key, entropy(NONCE_BYTES), messageKey)
      key.fill(0)
      return dek
    })
  ))
  messageKey.fill(0)
  if (Either.isLeft(sealed)) senderPrivateKey.fill(0)
  return Either.map(sealed, (deks) => ({ senderPrivateKey, senderPublicKey: nike.publicKey(senderPrivateKey), ciphertext, deks }))
}

/** What a recipient finds. */
export interface Decapsulation {
  readonly plaintext: Uint8Array
  /** Whether the sender used the mark that was looked for; by chance with probability 2^-96. */
  readonly isMarked: boolean
}

/**
 * Opens what `encapsulate` made, with this recipient's DEK, and looks for a mark.
 * @errors MkemFailed `bad-peer-key` | `bad-dek` | `bad-ciphertext`
 */
export const decapsulateMarked = (
  crypto: CryptoBackend, nike: Nike, privateKey: Uint8Array, senderPublicKey: Uint8Array, dek: Uint8Array, ciphertext: Uint8Array, mark: Uint8Array
): Either.Either<Decapsulation, MkemFailed> => {
  if (dek.length !== MKEM_DEK_BYTES) return FAILURES["bad-dek"]
  return Either.flatMap(pairKey(crypto, nike, privateKey, senderPublicKey), (key) => {
    const messageKey = open(crypto, key, dek, "bad-dek")
    key.fill(0)
    return Either.flatMap(messageKey, (opened) => {
      const isMarked = constantTimeEqual(markedNonce(crypto, mark, opened), ciphertext.subarray(0, NONCE_BYTES))
      const plaintext = open(crypto, opened, ciphertext, "bad-ciphertext")
      opened.fill(0)
      return Either.map(plaintext, (bytes) => ({ plaintext: bytes, isMarked }))
    })
  })
}

/**
 * As `decapsulateMarked`, for those who look for no mark.
 * @errors MkemFailed `bad-peer-key` | `bad-dek` | `bad-ciphertext`
 */
export const decapsulate = (
  crypto: CryptoBackend, nike: Nike, privateKey: Uint8Array, senderPublicKey: Uint8Array, dek: Uint8Array, ciphertext: Uint8Array
): Either.Either<Uint8Array, MkemFailed> =>
  Either.map(decapsulateMarked(crypto, nike, privateKey, senderPublicKey, dek, ciphertext, NO_DATA), ({ plaintext }) => plaintext)

/**
 * A recipient's reply, readable by the sender alone.
 * @errors MkemFailed `bad-peer-key`
 */
export const sealReply = (
  crypto: CryptoBackend, nike: Nike, privateKey: Uint8Array, senderPublicKey: Uint8Array, plaintext: Uint8Array, entropy: Entropy
): Either.Either<Uint8Array, MkemFailed> =>
  Either.map(pairKey(crypto, nike, privateKey, senderPublicKey), (key) => {
    const sealed = seal(crypto, key, entropy(NONCE_BYTES), plaintext)
    key.fill(0)
    return sealed
  })

/**
 * Opens a reply of the recipient with that public key.
 * @errors MkemFailed `bad-peer-key` | `bad-ciphertext`
 */
export const openReply = (
  crypto: CryptoBackend, nike: Nike, senderPrivateKey: Uint8Array, recipientPublicKey: Uint8Array, sealed: Uint8Array
): Either.Either<Uint8Array, MkemFailed> =>
  Either.flatMap(pairKey(crypto, nike, senderPrivateKey, recipientPublicKey), (key) => {
    const plaintext = open(crypto, key, sealed, "bad-ciphertext")
    key.fill(0)
    return plaintext
  })
