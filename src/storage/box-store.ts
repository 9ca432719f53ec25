/**
 * One box at a time: written strictly, or read, through couriers that need not be trusted.
 *
 * Contract: a write ends when a replica has said what became of it; a read gives only what the box's own signature and encryption prove. Each
 * round uses a fresh envelope, intermediates and courier, drawn uniformly. Faults that another round may mend are retried within stated bounds
 * and after random, growing pauses; silence is retried until the caller interrupts. Keys of envelopes are overwritten.
 * Knows nothing of: streams, windows, what is in a box; the caller owns deadlines and misses.
 * Source: pigeonhole.md §3.5, §5.3, §6.2, §8.5; departures: none.
 *
 * @module
 */
import { Context, Effect, Either, Layer, Random, Schedule } from "effect"
import { boxIdOf, openBox, sealBox } from "../bacap/box.ts"
import type { BoxId } from "../bacap/box-id.ts"
import type { MessageBoxIndex } from "../bacap/box-index.ts"
import type { ReadCap, WriteCap } from "../bacap/capability.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { Crypto } from "../crypto/crypto-service.ts"
import { EntropySource } from "../crypto/entropy.ts"
import { zeroize } from "../crypto/zeroize.ts"
import { sampleExponentialMs } from "../mixnet/delay.ts"
import { ENVELOPE_KEY_BYTES, type MixnetParams } from "../params/mixnet-params.ts"
import { type PigeonholeGeometry, pigeonholeGeometry } from "../pigeonhole/geometry.ts"
import { padTo, unpad } from "../pigeonhole/padding.ts"
import type { ReplicaInnerMessage } from "../pigeonhole/replica-message.ts"
import type { ReplicaReadReply } from "../pigeonhole/replica-reply.ts"
import type { Document } from "../pki/document.ts"
import { PkiView } from "../pki/pki-view.ts"
import { SessionPool } from "../session/session-pool.ts"
import { type EnvelopeOutcome, exchangeEnvelope } from "./envelope-exchange.ts"
import type { PollTiming } from "./poll-timing.ts"
import { readReaction, writeReaction } from "./replica-verdict.ts"
import { sealQuery } from "./sealed-query.ts"
import { BoxNotFound, StorageError, Tombstone, type WriteOutcome } from "./storage-error.ts"

/** Rounds lost to an error code, of a replica or a courier, before it is reported. */
export const CODE_RETRY_LIMIT = 5
/** Rounds lost to answers that are garbage before the operation is given up. */
export const GARBAGE_ROUND_LIMIT = 32
const DOCUMENT_RETRY_MS = 1000
/** The mean pause doubles up to 2^6 round trips. */
const PAUSE_DOUBLINGS = 6

export interface BoxStoreService {
  /**
   * Seals and stores one box, and waits for a replica's verdict.
   * @param plaintext  at most M bytes
   * @errors StorageError; code 10 is an outcome
   */
  readonly write: (writeCap: WriteCap, index: MessageBoxIndex, plaintext: Uint8Array) => Effect.Effect<WriteOutcome, StorageError>
  /**
   * Fetches and opens one box.
   * @returns the plaintext, or the verified tombstone
   * @errors BoxNotFound at the first miss, which nothing authenticates; StorageError
   */
  readonly read: (readCap: ReadCap, index: MessageBoxIndex) => Effect.Effect<Uint8Array | Tombstone, BoxNotFound | StorageError>
}

export class BoxStore extends Context.Tag("funion/storage/BoxStore")<BoxStore, BoxStoreService>() {
  static get layer(): Layer.Layer<BoxStore, never, SessionPool | PkiView | Crypto> {
    return Layer.effect(BoxStore, makeBoxStore)
  }
}

/** Mean time from a packet's leaving to its reply's coming, network and waiting for a tick apart. */
export const meanRoundTripMs = (params: Pick<MixnetParams, "muPerMs" | "mixLayers">): number => (2 * params.mixLayers + 2) / params.muPerMs

/** What the document says about when to poll. */
export const pollTimingOf = (params: Pick<MixnetParams, "muPerMs" | "mixLayers" | "lambdaRPerMs">): PollTiming =>
  ({ roundTripMs: meanRoundTripMs(params), linkGapMs: 1 / params.lambdaRPerMs })

/** What one answer means for the operation: done, or another round. */
type Step<A> =
  | { readonly _tag: "Done"; readonly result: A }
  | { readonly _tag: "Fail"; readonly error: StorageError }
  | { readonly _tag: "Again"; readonly error: StorageError }

const done = <A>(result: A): Step<A> => ({ _tag: "Done", result })
const fail = (error: ConstructorParameters<typeof StorageError>[0]): Step<never> => ({ _tag: "Fail", error: new StorageError(error) })
const again = (error: ConstructorParameters<typeof StorageError>[0]): Step<never> => ({ _tag: "Again", error: new StorageError(error) })
const GARBAGE = again({ reason: "no-valid-answer" })

/** What a write's answer means. */
const judgeWrite = (outcome: EnvelopeOutcome): Step<WriteOutcome> => {
  if (outcome._tag !== "Replica" || outcome.reply._tag !== "WriteReply") return GARBAGE
  const replicaCode = outcome.reply.errorCode
  switch (writeReaction(replicaCode)) {
    case "stored": return done("stored")
    case "exists": return done("exists-with-other-content")
    case "retry": return again({ reason: "replica-refused", replicaCode })
    case "refuse": return fail({ reason: "replica-refused", replicaCode })
  }
}

const openReadReply = (crypto: CryptoBackend, readCap: ReadCap, index: MessageBoxIndex, reply: ReplicaReadReply): Step<Uint8Array | Tombstone> => {
  const claimsTombstone = readReaction(reply.errorCode) === "tombstone"
  const box = { boxId: reply.boxId, ciphertext: reply.payload, signature: reply.signature }
  const opened = openBox(crypto, readCap.publicKey, index, box)
  if (claimsTombstone) return Either.isRight(opened) && opened.right._tag === "Tombstone" ? done(Tombstone) : fail({ reason: "forged-tombstone" })
  if (Either.isLeft(opened)) return opened.left.reason === "decrypt-failed" ? fail({ reason: "box-invalid" }) : GARBAGE
  if (opened.right._tag === "Tombstone") return done(Tombstone)
  const plaintext = unpad(opened.right.plaintext)
  return Either.isRight(plaintext) ? done(plaintext.right) : fail({ reason: "box-invalid" })
}

/** What a read's answer means; `undefined` for a miss. */
const judgeRead = (crypto: CryptoBackend, readCap: ReadCap, index: MessageBoxIndex) =>
  (outcome: EnvelopeOutcome): Step<Uint8Array | Tombstone | undefined> => {
    if (outcome._tag !== "Replica" || outcome.reply._tag !== "ReadReply") return GARBAGE
    const replicaCode = outcome.reply.errorCode
    switch (readReaction(replicaCode)) {
      case "open":
      case "tombstone": return openReadReply(crypto, readCap, index, outcome.reply)
      case "not-found": return done(undefined)
      case "retry": return again({ reason: "replica-refused", replicaCode })
      case "refuse": return fail({ reason: "replica-refused", replicaCode })
    }
  }

const geometryOf = (document: Document): Either.Either<PigeonholeGeometry, StorageError> =>
  Either.mapLeft(pigeonholeGeometry(document.params.geometry.userPayloadBytes, ENVELOPE_KEY_BYTES), () => new StorageError({ reason: "geometry" }))

/** One operation on one box. */
interface Operation<A> {
  readonly boxId: BoxId
  readonly message: ReplicaInnerMessage
  readonly judge: (outcome: EnvelopeOutcome) => Step<A>
}

/** The store over the sessions of the environment. */
export const makeBoxStore: Effect.Effect<BoxStoreService, never, SessionPool | PkiView | Crypto> = Effect.gen(function* () {
  const crypto = yield* Crypto
  const pki = yield* PkiView
  const pool = yield* SessionPool
  const entropy = yield* EntropySource
  const currentDocument = Effect.orDie(Effect.retry(pki.current, Schedule.spaced(DOCUMENT_RETRY_MS)))

  const seal = (document: Document, { boxId, message }: Operation<unknown>) =>
    Effect.gen(function* () {
      const geometry = yield* geometryOf(document)
      const draws = yield* Effect.replicateEffect(Random.next, 4)
      let drawIndex = 0
      const pick = (choiceCount: number) => Math.floor((draws[drawIndex++] ?? 0) * choiceCount)
      return yield* Either.mapLeft(
        sealQuery({ crypto, geometry, document, boxId, message, entropy, pick }),
        ({ reason }) => new StorageError({ reason })
      )
    })

  const pause = (params: MixnetParams, round: number) =>
    Effect.flatMap(Random.next, (u) => Effect.sleep(sampleExponentialMs(u, 1 / (meanRoundTripMs(params) * 2 ** Math.min(round, PAUSE_DOUBLINGS)))))

  const runRound = <A>(document: Document, operation: Operation<A>) =>
    Effect.acquireUseRelease(
      seal(document, operation),
      (query) => exchangeEnvelope({ crypto, pki, pool, query, timing: pollTimingOf(document.params) }),
      (query) => Effect.sync(() => zeroize(query.senderPrivateKey))
    ).pipe(Effect.catchTag("SessionClosed", () => Effect.fail(new StorageError({ reason: "session-closed" }))))

  const run = <A>(operation: Operation<A>): Effect.Effect<A, StorageError> =>
    Effect.gen(function* () {
      let codeCount = 0
      let garbageCount = 0
      while (true) {
        const document = yield* currentDocument
        const outcome = yield* runRound(document, operation)
        if (outcome._tag === "Stale") continue
        const step = outcome._tag === "CourierError" ? again({ reason: "courier-refused", courierCode: outcome.code }) : operation.judge(outcome)
        if (step._tag === "Done") return step.result
        if (step._tag === "Fail") return yield* step.error
        const isGarbage = step.error.reason === "no-valid-answer"
        const count = isGarbage ? ++garbageCount : ++codeCount
        if (count >= (isGarbage ? GARBAGE_ROUND_LIMIT : CODE_RETRY_LIMIT)) return yield* step.error
        yield* pause(document.params, isGarbage ? 0 : codeCount)
      }
    })

  return {
    write: Effect.fnUntraced(function* (writeCap, index, plaintext) {
      const geometry = yield* Effect.flatMap(currentDocument, geometryOf)
      const padded = yield* Either.mapLeft(padTo(plaintext, geometry.paddedPlaintextBytes), () => new StorageError({ reason: "plaintext-too-long" }))
      const { boxId, ciphertext, signature } = sealBox(crypto, writeCap, index, padded)
      return yield* run({ boxId, message: { _tag: "Write", boxId, signature, payload: ciphertext }, judge: judgeWrite })
    }),
    read: Effect.fnUntraced(function* (readCap, index) {
      const boxId = yield* Either.mapLeft(boxIdOf(crypto, readCap.publicKey, index), () => new StorageError({ reason: "box-invalid" }))
      const content = yield* run({ boxId, message: { _tag: "Read", boxId }, judge: judgeRead(crypto, readCap, index) })
      return content === undefined ? yield* new BoxNotFound() : content
    })
  }
})
