/**
 * Sealing a dispatch to a compute service, and opening it there.
 *
 * ```
 * message = u8 1 ‖ u8 suite ‖ ct ‖ ChaCha20-Poly1305(kq, nonce = 0^12, aad = message[0..2] ‖ serviceId, plaintext)
 * kq ‖ kr = HKDF-SHA-256(ikm = KEM secret, salt = "funion-dispatch-v1", info = u8 suite ‖ H256(job public key ‖ ct), 64)
 * ```
 * Suite 2 (X-Wing): ct 1120, message 1986 bytes. Suite 1 (X25519): ct = ephemeral public key 32, message 978 bytes.
 *
 * Contract: kq seals one message, so its nonce may be zero; kr is handed on for replies. Nothing that does not open tells why.
 * Every sealing draws fresh entropy: a retransmission never repeats bytes.
 * Knows nothing of: what the plaintext says, the queue, clocks.
 * Source: funion.md §6.2; departures: none.
 *
 * @module
 */
import { Data, Either } from "effect"
import { concatBytes, utf8 } from "../bytes/concat.ts"
import type { DecodeError } from "../bytes/decode-error.ts"
import { isAllZero } from "../bytes/equal.ts"
import type { CryptoBackend, XWingPrivateKey } from "../crypto/backend.ts"
import type { Entropy } from "../crypto/entropy.ts"
import { zeroize } from "../crypto/zeroize.ts"
import { decodeDispatch, dispatchPlaintextBytes, encodeDispatch, type Dispatch, type DispatchSuite } from "./dispatch.ts"

export const MESSAGE_TYPE_DISPATCH = 1
export const SERVICE_ID_BYTES = 32
const MESSAGE_HEADER_BYTES = 2
const TAG_BYTES = 16
const KEY_BYTES = 32
const XWING_COIN_BYTES = 64
const ZERO_NONCE = new Uint8Array(12)
const SALT = utf8("funion-dispatch-v1")

const CIPHERTEXT_BYTES: Readonly<Record<DispatchSuite, number>> = { 1: 32, 2: 1120 }
const PUBLIC_KEY_BYTES: Readonly<Record<DispatchSuite, number>> = { 1: 32, 2: 1216 }

/** 978 bytes for suite 1, 1986 for suite 2. */
export const dispatchMessageBytes = (suite: DispatchSuite): number =>
  MESSAGE_HEADER_BYTES + CIPHERTEXT_BYTES[suite] + dispatchPlaintextBytes(suite) + TAG_BYTES
/** 32 bytes for suite 1, 1216 for suite 2. */
export const jobPublicKeyBytes = (suite: DispatchSuite): number => PUBLIC_KEY_BYTES[suite]

if (dispatchMessageBytes(1) !== 978 || dispatchMessageBytes(2) !== 1986) throw new RangeError("dispatch message must be 978 or 1986 bytes")

/** The service published a job key that is none. */
export class JobKeyInvalid extends Data.TaggedError("JobKeyInvalid")<{}> {}

/** The body opens under none of the job keys. The queue gets filler; nobody learns why. */
export class DispatchUnreadable extends Data.TaggedError("DispatchUnreadable")<{}> {}

/** A job key of one epoch, prepared for use; `keyEpoch` is the PKI epoch that published it. */
export type JobPrivateKey =
  | { readonly suite: 1; readonly keyEpoch: number; readonly publicKey: Uint8Array; readonly scalar: Uint8Array }
  | { readonly suite: 2; readonly keyEpoch: number; readonly publicKey: Uint8Array; readonly key: XWingPrivateKey }

/** Expands a job key. @param secret  32 bytes: X25519 scalar or X-Wing seed; kept, wipe the result with `destroyJobKey` */
export const jobPrivateKey = (crypto: CryptoBackend, suite: DispatchSuite, keyEpoch: number, secret: Uint8Array): JobPrivateKey => {
  if (suite === 1) return { suite, keyEpoch, publicKey: crypto.x25519PublicKey(secret), scalar: secret }
  const key = crypto.xwingPrivateKey(secret)
  return { suite, keyEpoch, publicKey: key.publicKey, key }
}

/** Overwrites what this process can overwrite of a job key; done with that of epoch c − 1 when c ends. */
export const destroyJobKey = (key: JobPrivateKey): void => zeroize(key.suite === 1 ? key.scalar : key.key.seed)

/** The keys to try at epoch c, in the order c, c − 1, c + 1; no key id travels. */
export const jobKeyCandidates = (keys: ReadonlyMap<number, JobPrivateKey>, epoch: number): ReadonlyArray<JobPrivateKey> =>
  [epoch, epoch - 1, epoch + 1].flatMap((candidate) => keys.get(candidate) ?? [])

interface DispatchKeys {
  /** kq, 32 bytes */
  readonly query: Uint8Array
  /** kr, 32 bytes */
  readonly reply: Uint8Array
}

const deriveKeys = (
  crypto: CryptoBackend,
  suite: DispatchSuite,
  secret: Uint8Array,
  jobPublicKey: Uint8Array,
  ciphertext: Uint8Array
): DispatchKeys => {
  const info = concatBytes(Uint8Array.of(suite), crypto.blake2b256(jobPublicKey, ciphertext))
  const okm = crypto.hkdfSha256(secret, SALT, info, 2 * KEY_BYTES)
  const keys = { query: okm.slice(0, KEY_BYTES), reply: okm.slice(KEY_BYTES) }
  zeroize(okm)
  return keys
}

const encapsulate = (
  crypto: CryptoBackend,
  suite: DispatchSuite,
  jobPublicKey: Uint8Array,
  entropy: Entropy
): { readonly ciphertext: Uint8Array; readonly sharedSecret: Uint8Array } | undefined => {
  if (suite === 2) return crypto.xwingEncapsulate(jobPublicKey, entropy(XWING_COIN_BYTES))
  const scalar = entropy(KEY_BYTES)
  const sharedSecret = crypto.x25519(scalar, jobPublicKey)
  return sharedSecret === undefined ? undefined : { ciphertext: crypto.x25519PublicKey(scalar), sharedSecret }
}

const decapsulate = (crypto: CryptoBackend, key: JobPrivateKey, ciphertext: Uint8Array): Uint8Array | undefined =>
  key.suite === 1 ? crypto.x25519(key.scalar, ciphertext) : crypto.xwingDecapsulate(key.key, ciphertext)

/** message[0..2] ‖ serviceId */
const associatedData = (suite: DispatchSuite, serviceId: Uint8Array): Uint8Array =>
  concatBytes(Uint8Array.of(MESSAGE_TYPE_DISPATCH, suite), serviceId)

export interface DispatchTarget {
  readonly suite: DispatchSuite
  /** From the threshold-signed document only (O22). */
  readonly jobPublicKey: Uint8Array
  /** H256(identity key of the service) */
  readonly serviceId: Uint8Array
}

export interface SealedDispatch {
  /** 978 or 1986 bytes; the session pads it to the user payload, or see `padMessage` */
  readonly message: Uint8Array
  /** kr, for `openReply` */
  readonly replyKey: Uint8Array
}

/**
 * Seals a dispatch anew.
 * @param entropy  asked for 64 bytes (X-Wing coins) or 32 (ephemeral scalar)
 * @errors JobKeyInvalid when the job key has the wrong length or is no key
 */
export const sealDispatch = (
  crypto: CryptoBackend,
  target: DispatchTarget,
  dispatch: Dispatch,
  entropy: Entropy
): Either.Either<SealedDispatch, JobKeyInvalid> =>
  sealDispatchPlaintext(crypto, target, encodeDispatch(target.suite, dispatch), entropy)

/** As `sealDispatch`, for plaintext bytes of any content and the suite's length: what a broken client might send. */
export const sealDispatchPlaintext = (
  crypto: CryptoBackend,
  target: DispatchTarget,
  plaintext: Uint8Array,
  entropy: Entropy
): Either.Either<SealedDispatch, JobKeyInvalid> => {
  const { suite, jobPublicKey, serviceId } = target
  if (jobPublicKey.length !== PUBLIC_KEY_BYTES[suite]) return Either.left(new JobKeyInvalid())
  if (serviceId.length !== SERVICE_ID_BYTES || plaintext.length !== dispatchPlaintextBytes(suite)) throw new RangeError("dispatch has the wrong length")
  const encapsulated = encapsulate(crypto, suite, jobPublicKey, entropy)
  if (encapsulated === undefined) return Either.left(new JobKeyInvalid())
  const { ciphertext, sharedSecret } = encapsulated
  const keys = deriveKeys(crypto, suite, sharedSecret, jobPublicKey, ciphertext)
  const sealed = crypto.chacha20Poly1305Seal(keys.query, ZERO_NONCE, associatedData(suite, serviceId), plaintext)
  zeroize(sharedSecret, keys.query)
  const message = concatBytes(Uint8Array.of(MESSAGE_TYPE_DISPATCH, suite), ciphertext, sealed)
  return Either.right({ message, replyKey: keys.reply })
}

/** Zero-fills a message to the user payload of the network's geometry; a payload too short for it is a mistake of the topology's and dies. */
export const padMessage = (message: Uint8Array, userPayloadBytes: number): Uint8Array => {
  if (message.length > userPayloadBytes) throw new RangeError("message longer than the user payload")
  const payload = new Uint8Array(userPayloadBytes)
  payload.set(message)
  return payload
}

export interface OpenedDispatch {
  /** Left: the plaintext opened but breaks the form; answered with reason 1. */
  readonly dispatch: Either.Either<Dispatch, DecodeError>
  /** 848 or 928 bytes */
  readonly plaintext: Uint8Array
  /** kr, for `sealReply` */
  readonly replyKey: Uint8Array
  readonly keyEpoch: number
  /** H256(job public key): which key opened it, for the journal */
  readonly keyDigest: Uint8Array
}

/** Overwrites what an opened dispatch holds of secrets: caps and reply key. Its ids and digests stay. */
export const wipeOpenedDispatch = (
  { dispatch, plaintext, replyKey }: Pick<OpenedDispatch, "dispatch" | "plaintext"> & Partial<Pick<OpenedDispatch, "replyKey">>
): void => {
  zeroize(plaintext, ...(replyKey === undefined ? [] : [replyKey]))
  if (Either.isRight(dispatch)) zeroize(dispatch.right.inputReadCap, dispatch.right.outputWriteCap)
}

/**
 * Opens the body of one delivery.
 * @param candidates  the job keys in the order to try, see `jobKeyCandidates`
 * @param body        the message, followed by nothing but zeros
 * @errors DispatchUnreadable whatever is wrong
 */
export const openDispatch = (
  crypto: CryptoBackend,
  suite: DispatchSuite,
  candidates: ReadonlyArray<JobPrivateKey>,
  serviceId: Uint8Array,
  body: Uint8Array
): Either.Either<OpenedDispatch, DispatchUnreadable> => {
  const messageBytes = dispatchMessageBytes(suite)
  const wellFormed = body.length >= messageBytes && body[0] === MESSAGE_TYPE_DISPATCH && body[1] === suite && isAllZero(body.subarray(messageBytes))
  if (!wellFormed) return Either.left(new DispatchUnreadable())
  const sealedAt = MESSAGE_HEADER_BYTES + CIPHERTEXT_BYTES[suite]
  const ciphertext = body.slice(MESSAGE_HEADER_BYTES, sealedAt)
  const sealed = body.slice(sealedAt, messageBytes)
  const aad = associatedData(suite, serviceId)
  for (const key of candidates) {
    const secret = key.suite === suite ? decapsulate(crypto, key, ciphertext) : undefined
    if (secret === undefined) continue
    const keys = deriveKeys(crypto, suite, secret, key.publicKey, ciphertext)
    const plaintext = crypto.chacha20Poly1305Open(keys.query, ZERO_NONCE, aad, sealed)
    zeroize(secret, keys.query)
    if (plaintext === undefined) continue
    return Either.right({
      dispatch: decodeDispatch(suite, plaintext),
      plaintext,
      replyKey: keys.reply,
      keyEpoch: key.keyEpoch,
      keyDigest: crypto.blake2b256(key.publicKey)
    })
  }
  return Either.left(new DispatchUnreadable())
}
