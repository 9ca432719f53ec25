/**
 * Boxes: sealing one under a write cap, checking one as a stranger, opening one with a read cap.
 *
 * Contract: sealing is deterministic, so sending again after a crash gives the same bytes. Plaintexts are sealed as they are: padding them to
 * one size is the caller's (pigeonhole/padding). An empty ciphertext is a tombstone, the writer's signed statement that the box is deleted.
 * Knows nothing of: replicas, sizes, where boxes are kept.
 * Source: pigeonhole.md §1.2–§1.8; departures: none. AES-256-GCM-SIV with the first 12 bytes of the box id as nonce, box id as associated data.
 *
 * @module
 */
import { Data, Either } from "effect"
import { utf8 } from "../bytes/concat.ts"
import { constantTimeEqual, isAllZero } from "../bytes/equal.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { blindPrivateKey, blindPublicKey, signBlinded, type BlindedPrivateKey } from "../crypto/blinded-ed25519.ts"
import { BoxId } from "./box-id.ts"
import type { MessageBoxIndex } from "./box-index.ts"
import type { WriteCap } from "./capability.ts"

/** The one context of all Pigeonhole boxes. */
export const PIGEONHOLE_CONTEXT = utf8("pigeonhole context")
export const SIGNATURE_BYTES = 64
/** What sealing adds to a plaintext: the AEAD tag. */
export const BOX_OVERHEAD_BYTES = 16

const KEY_BYTES = 32
const NONCE_BYTES = 12
const EMPTY = new Uint8Array(0)

/** A box as it is stored and sent. */
export interface SealedBox {
  readonly boxId: BoxId
  /** Empty for a tombstone, else plaintext + 16 bytes. */
  readonly ciphertext: Uint8Array
  /** 64 bytes over the ciphertext, under the box id. */
  readonly signature: Uint8Array
}

export type BoxContent = { readonly _tag: "Data"; readonly plaintext: Uint8Array } | { readonly _tag: "Tombstone" }

/** Why a box was not accepted; a reader tells `box-mismatch` (another box) apart from a damaged one. */
export class BoxRefused extends Data.TaggedError("BoxRefused")<{
  readonly reason: "zero-box-id" | "not-a-point" | "box-mismatch" | "signature-invalid" | "decrypt-failed"
}> {}

/** K_ctx: the blinding factor of the box at `index`, 32 bytes. */
export const blindingFactorOf = (crypto: CryptoBackend, index: MessageBoxIndex, context: Uint8Array): Uint8Array =>
  crypto.hkdfBlake2b512(index.blindingKey, context, EMPTY, KEY_BYTES)

/** E_ctx: the AEAD key of the box at `index`, 32 bytes. */
export const encryptionKeyOf = (crypto: CryptoBackend, index: MessageBoxIndex, context: Uint8Array): Uint8Array =>
  crypto.hkdfBlake2b512(index.encryptionKey, context, EMPTY, KEY_BYTES)

/**
 * The box id that a reader derives.
 * @param publicKey  P_R of a decoded cap
 * @errors BoxRefused `not-a-point` for a root key that is none
 * @cost one scalar multiplication
 */
export const boxIdOf = (
  crypto: CryptoBackend,
  publicKey: Uint8Array,
  index: MessageBoxIndex,
  context: Uint8Array = PIGEONHOLE_CONTEXT
): Either.Either<BoxId, BoxRefused> => {
  const blinded = blindPublicKey(crypto, publicKey, blindingFactorOf(crypto, index, context))
  return blinded === undefined ? Either.left(new BoxRefused({ reason: "not-a-point" })) : Either.right(BoxId.unsafe(blinded))
}

/** The signing key of one box; its public half is the box id, so a writer derives both with one multiplication. */
const boxKeyOf = (crypto: CryptoBackend, writeCap: WriteCap, index: MessageBoxIndex, context: Uint8Array): BlindedPrivateKey =>
  blindPrivateKey(crypto, writeCap.seed, blindingFactorOf(crypto, index, context))

/**
 * Seals one plaintext at one index.
 * @param index  on the cap's stream; consumed the moment the box leaves the process
 * @cost two scalar multiplications, one AEAD pass
 */
export const sealBox = (
  crypto: CryptoBackend,
  writeCap: WriteCap,
  index: MessageBoxIndex,
  plaintext: Uint8Array,
  context: Uint8Array = PIGEONHOLE_CONTEXT
): SealedBox => {
  const key = boxKeyOf(crypto, writeCap, index, context)
  const boxId = BoxId.unsafe(key.publicKey)
  const aeadKey = encryptionKeyOf(crypto, index, context)
  const ciphertext = crypto.aes256GcmSivSeal(aeadKey, boxId.subarray(0, NONCE_BYTES), boxId, plaintext)
  return { boxId, ciphertext, signature: signBlinded(crypto, key, ciphertext) }
}

/** The deletion of the box at `index`: an empty ciphertext and a signature over it. */
export const sealTombstone = (
  crypto: CryptoBackend,
  writeCap: WriteCap,
  index: MessageBoxIndex,
  context: Uint8Array = PIGEONHOLE_CONTEXT
): SealedBox => {
  const key = boxKeyOf(crypto, writeCap, index, context)
  return { boxId: BoxId.unsafe(key.publicKey), ciphertext: EMPTY, signature: signBlinded(crypto, key, EMPTY) }
}

/** What anybody can check: the signature over the ciphertext under the box id. */
export const verifyBox = (crypto: CryptoBackend, boxId: Uint8Array, ciphertext: Uint8Array, signature: Uint8Array): boolean =>
  signature.length === SIGNATURE_BYTES && crypto.ed25519Verify(boxId, ciphertext, signature)

/**
 * Opens a box that somebody answered with.
 * @param publicKey  P_R of the read cap
 * @returns the plaintext as sealed (padding included), or the verified tombstone
 * @errors BoxRefused; the box id is compared first, because a tombstone of another box verifies on its own
 * @source pigeonhole.md §1.6 steps 1–4
 */
export const openBox = (
  crypto: CryptoBackend,
  publicKey: Uint8Array,
  index: MessageBoxIndex,
  box: { readonly boxId: Uint8Array; readonly ciphertext: Uint8Array; readonly signature: Uint8Array },
  context: Uint8Array = PIGEONHOLE_CONTEXT
): Either.Either<BoxContent, BoxRefused> => {
  const refuse = (reason: BoxRefused["reason"]) => Either.left(new BoxRefused({ reason }))
  if (isAllZero(box.boxId)) return refuse("zero-box-id")
  const expected = boxIdOf(crypto, publicKey, index, context)
  if (Either.isLeft(expected)) return Either.left(expected.left)
  const boxId = expected.right
  if (!constantTimeEqual(boxId, box.boxId)) return refuse("box-mismatch")
  if (!verifyBox(crypto, boxId, box.ciphertext, box.signature)) return refuse("signature-invalid")
  if (box.ciphertext.length === 0) return Either.right({ _tag: "Tombstone" })
  const aeadKey = encryptionKeyOf(crypto, index, context)
  const plaintext = crypto.aes256GcmSivOpen(aeadKey, boxId.subarray(0, NONCE_BYTES), boxId, box.ciphertext)
  return plaintext === undefined ? refuse("decrypt-failed") : Either.right({ _tag: "Data", plaintext })
}
