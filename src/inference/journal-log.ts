/**
 * A journal as a sequence of records: what both the service's and the client's journal stand on.
 *
 * A record is stored as msgpack of its public fields plus at most one secret byte string, which is sealed under a local key: nonce 12 random ‖
 * ChaCha20-Poly1305(key, nonce, aad = journal label ‖ public fields, secret).
 *
 * Contract: records come back in the order they were appended. A failed append may or may not have become durable, so nothing more is
 * appended until the journal is opened again. Opening cuts off a torn tail before anything is appended behind it.
 * Knows nothing of: what records mean, jobs.
 * Source: funion.md §8 (msgpack records, caps and tensors sealed under a local key); departures: none.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { Packr } from "msgpackr"
import { concatBytes, utf8 } from "../bytes/concat.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import type { Entropy } from "../crypto/entropy.ts"
import { JournalFile, JournalUnavailable, type JournalStorage } from "./journal-file.ts"
import { chainStart, encodeFrame, JournalCorrupt, readFrames } from "./journal-frame.ts"

const NONCE_BYTES = 12

/** One record as the log keeps it: public fields, and bytes that are sealed (empty: none). */
export interface StoredRecord {
  readonly fields: Readonly<Record<string, unknown>>
  readonly secret: Uint8Array
}

export interface JournalKeys {
  /** Names the kind of journal; bound into frames and seals */
  readonly label: string
  /** 32 bytes, known to this process only */
  readonly localKey: Uint8Array
  readonly entropy: Entropy
}

export interface JournalLog {
  /** Durable when it returns. */
  readonly append: (record: StoredRecord) => Effect.Effect<void, JournalUnavailable>
  /** Puts these records in place of all others, atomically. */
  readonly replaceAll: (records: ReadonlyArray<StoredRecord>) => Effect.Effect<void, JournalUnavailable>
}

const packer = new Packr({ useRecords: false, moreTypes: false, mapsAsObjects: true })

const pack = (value: unknown): Uint8Array => new Uint8Array(packer.pack(value))

/** Plain values and byte strings of our own; msgpackr's buffers become plain byte arrays. */
const unpack = (bytes: Uint8Array): Either.Either<unknown, Error> =>
  Either.try({ try: () => plain(packer.unpack(bytes)), catch: () => new Error("not msgpack") })

const plain = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return new Uint8Array(value)
  if (Array.isArray(value)) return value.map(plain)
  if (value === null || typeof value !== "object") return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
}

const encodeBody = (crypto: CryptoBackend, keys: JournalKeys, record: StoredRecord): Uint8Array => {
  const fields = pack(record.fields)
  if (record.secret.length === 0) return pack([fields, new Uint8Array(0)])
  const nonce = keys.entropy(NONCE_BYTES)
  const aad = concatBytes(utf8(keys.label), fields)
  return pack([fields, concatBytes(nonce, crypto.chacha20Poly1305Seal(keys.localKey, nonce, aad, record.secret))])
}

const decodeBody = (
  crypto: CryptoBackend,
  keys: Pick<JournalKeys, "label" | "localKey">,
  body: Uint8Array,
  recordIndex: number
): Either.Either<StoredRecord, JournalCorrupt> => {
  const corrupt = (reason: "record" | "seal") => Either.left(new JournalCorrupt({ reason, recordIndex }))
  const pair = Either.getOrUndefined(unpack(body))
  if (!Array.isArray(pair) || pair.length !== 2) return corrupt("record")
  const [packed, sealed]: ReadonlyArray<unknown> = pair
  if (!(packed instanceof Uint8Array) || !(sealed instanceof Uint8Array)) return corrupt("record")
  const fields = Either.getOrUndefined(unpack(packed))
  if (typeof fields !== "object" || fields === null || Array.isArray(fields)) return corrupt("record")
  const entries = Object.fromEntries(Object.entries(fields))
  if (sealed.length === 0) return Either.right({ fields: entries, secret: sealed })
  if (sealed.length < NONCE_BYTES) return corrupt("seal")
  const aad = concatBytes(utf8(keys.label), packed)
  const secret = crypto.chacha20Poly1305Open(keys.localKey, sealed.slice(0, NONCE_BYTES), aad, sealed.slice(NONCE_BYTES))
  return secret === undefined ? corrupt("seal") : Either.right({ fields: entries, secret })
}

const makeLog = (crypto: CryptoBackend, keys: JournalKeys, file: JournalStorage, start: Uint8Array, opened: Uint8Array): JournalLog => {
  let chain = opened
  let broken = false
  const guarded = <A>(operation: "append" | "replace", work: Effect.Effect<A, JournalUnavailable>): Effect.Effect<A, JournalUnavailable> =>
    Effect.suspend(() => (broken ? Effect.fail(new JournalUnavailable({ operation })) : work)).pipe(
      Effect.tapErrorCause(() => Effect.sync(() => {
        broken = true
      })),
      Effect.uninterruptible
    )
  return {
    append: (record) => guarded("append", Effect.suspend(() => {
      const next = encodeFrame(crypto, chain, encodeBody(crypto, keys, record))
      return Effect.map(file.append(next.frame), () => {
        chain = next.chain
      })
    })),
    replaceAll: (records) => guarded("replace", Effect.suspend(() => {
      let next = start
      const frames = records.map((record) => {
        const encoded = encodeFrame(crypto, next, encodeBody(crypto, keys, record))
        next = encoded.chain
        return encoded.frame
      })
      return Effect.map(file.replace(concatBytes(...frames)), () => {
        chain = next
      })
    }))
  }
}

/**
 * Opens the journal in `JournalFile`, one owner at a time; appends are to be made one after another.
 * @errors JournalCorrupt `frame` | `record` | `seal`; JournalUnavailable
 */
export const openJournalLog = (
  crypto: CryptoBackend,
  keys: JournalKeys
): Effect.Effect<{ readonly records: ReadonlyArray<StoredRecord>; readonly log: JournalLog }, JournalCorrupt | JournalUnavailable, JournalFile> =>
  Effect.gen(function* () {
    if (keys.localKey.length !== 32) throw new RangeError("the journal's local key must be 32 bytes")
    const file = yield* JournalFile
    const bytes = yield* file.readAll
    const start = chainStart(crypto, keys.label)
    const frames = yield* readFrames(crypto, start, bytes)
    const records = yield* Either.all(frames.bodies.map((body, index) => decodeBody(crypto, keys, body, index)))
    if (frames.wholeBytes < bytes.length) yield* file.truncate(frames.wholeBytes)
    return { records, log: makeLog(crypto, keys, file, start, frames.chain) }
  })
