/**
 * A copy carried out: the temporary stream written strictly, and a courier commanded until it says how it ended.
 *
 * Contract: the command goes to one courier, chosen uniformly, and is repeated to that one, with fresh reply blocks and after random pauses of 5 s in the
 * mean, while it is in progress. Another courier is commanded when this one is silent, has left the document, talks garbage or failed for a
 * passing reason: a copy done again writes the same boxes. Silence is retried until the caller interrupts; failures are bounded. Everything leaves on
 * ticks of the sessions. The copy is no transaction: a failure at envelope k leaves those before it written.
 * Knows nothing of: what the boxes hold; deadlines are the caller's.
 * Source: pigeonhole.md §5.5 (client), §6.3 (jitter); departures: another courier may be commanded.
 *
 * @module
 */
import { Data, Effect, Either, Option, Random, Schedule } from "effect"
import { encodeWriteCap, type WriteCap } from "../bacap/capability.ts"
import { constantTimeEqual } from "../bytes/equal.ts"
import { Crypto } from "../crypto/crypto-service.ts"
import { EntropySource } from "../crypto/entropy.ts"
import { zeroize } from "../crypto/zeroize.ts"
import { ENVELOPE_KEY_BYTES } from "../params/mixnet-params.ts"
import type { CopyCommandReply } from "../pigeonhole/copy-command.ts"
import { encodeCourierQuery } from "../pigeonhole/courier-query.ts"
import { decodeCourierQueryReplyTop } from "../pigeonhole/courier-reply.ts"
import { COPY_STATUS, REPLICA_ERROR, replicaErrorClass, type ReplicaErrorCode } from "../pigeonhole/error-code.ts"
import { pigeonholeGeometry } from "../pigeonhole/geometry.ts"
import { PkiView } from "../pki/pki-view.ts"
import { SessionPool } from "../session/session-pool.ts"
import type { BoxStore } from "./box-store.ts"
import { deriveIndexes, type WindowOptions, writeSlots } from "./box-stream.ts"
import { type CopyDestination, type CopyImpossible, type CopyPlan, planCopy } from "./copy-plan.ts"
import { TRANSMISSIONS_PER_POLL } from "./envelope-exchange.ts"
import { type CourierAddress, couriersOf, listsCourier } from "./sealed-query.ts"
import { StorageError } from "./storage-error.ts"

/** Mean pause between two looks at a copy in progress. */
export const COPY_POLL_MS = 5_000
/** Couriers that may fail for passing reasons, or talk garbage, before that is reported. */
export const COURIER_FAILURE_LIMIT = 5
const DOCUMENT_RETRY_MS = 1_000

/**
 * - `refused`: the courier ended the copy; `replicaCode` says why, `failedEnvelopeIndex` (from 1) which envelope was not written
 * - `no-courier-finished`: several couriers failed for passing reasons; the last one's words
 * - `outcome-unknown`: a courier that fell silent had ended the copy and cleared up; only the destination tells how
 * - `stream-taken`: the temporary stream was written with other content
 */
export class CopyFailed extends Data.TaggedError("CopyFailed")<{
  readonly reason: "refused" | "no-courier-finished" | "outcome-unknown" | "stream-taken"
  readonly replicaCode?: ReplicaErrorCode
  /** 0 when no envelope is to blame. */
  readonly failedEnvelopeIndex?: bigint
}> {}

/** Ends an exchange from inside its payload; never leaves this file. */
class CourierAbandoned extends Data.TaggedError("CourierAbandoned")<Record<never, never>> {}

/** One look at a copy: the courier's words, or undefined when they make no sense. */
const look = (courier: CourierAddress, query: Uint8Array) =>
  Effect.gen(function* () {
    const crypto = yield* Crypto
    const pki = yield* PkiView
    const pool = yield* SessionPool
    let transmissions = 0
    const payload = Effect.gen(function* () {
      const document = yield* Effect.option(pki.current)
      const isListed = Option.isNone(document) || listsCourier(crypto, document.value, courier)
      if (transmissions++ >= TRANSMISSIONS_PER_POLL || !isListed) return yield* new CourierAbandoned()
      return query
    })
    const reply = decodeCourierQueryReplyTop(yield* pool.exchange({ ...courier, payload }))
    return Either.isRight(reply) && reply.right._tag === "CopyCommandReply" ? reply.right.copyCommandReply : undefined
  })

/** Commands one courier and waits for its verdict. @errors CourierAbandoned when it is silent or gone; SessionClosed */
const commandCourier = (courier: CourierAddress, query: Uint8Array) =>
  Effect.gen(function* () {
    while (true) {
      const reply = yield* look(courier, query)
      if (reply?.status !== COPY_STATUS.inProgress) return reply
      yield* Effect.sleep(COPY_POLL_MS * (0.5 + (yield* Random.next)))
    }
  })

/** A courier of the document in force, another than the last one where there is one. */
const chooseCourier = (last: CourierAddress | undefined) =>
  Effect.gen(function* () {
    const crypto = yield* Crypto
    const document = yield* currentDocument
    const all = couriersOf(crypto, document)
    const isLast = (one: CourierAddress) =>
      last !== undefined && constantTimeEqual(one.serviceNode, last.serviceNode) && constantTimeEqual(one.recipient, last.recipient)
    const others = all.filter((one) => !isLast(one))
    const among = others.length > 0 ? others : all
    const chosen = among.length === 0 ? undefined : among[yield* Random.nextIntBetween(0, among.length)]
    return chosen ?? (yield* new StorageError({ reason: "no-courier" }))
  })

/** What a verdict means: done (undefined), a failure to report, or a reason to command another courier. */
const judge = (reply: CopyCommandReply | undefined, handedOver: boolean): CopyFailed | "another" | undefined => {
  if (reply?.status === COPY_STATUS.succeeded) return undefined
  if (reply?.status !== COPY_STATUS.failed) return "another"
  const { errorCode: replicaCode, failedEnvelopeIndex } = reply
  if (replicaErrorClass(replicaCode) !== "permanent") return "another"
  const isCleared = replicaCode === REPLICA_ERROR.tombstone && handedOver
  return new CopyFailed({ reason: isCleared ? "outcome-unknown" : "refused", replicaCode, failedEnvelopeIndex })
}

const currentDocument = Effect.flatMap(PkiView, (pki) => Effect.orDie(Effect.retry(pki.current, Schedule.spaced(DOCUMENT_RETRY_MS))))

/**
 * Has a courier copy what the temporary stream says, and waits for its verdict.
 * @errors CopyFailed; StorageError `no-courier`, `session-closed`
 */
export const sendCopyCommand = (temporary: WriteCap): Effect.Effect<void, CopyFailed | StorageError, SessionPool | PkiView | Crypto> =>
  Effect.acquireUseRelease(
    Effect.sync(() => encodeCourierQuery({ _tag: "CopyCommand", copyCommand: { writeCap: encodeWriteCap(temporary) } })),
    (query) =>
      Effect.gen(function* () {
        let courier: CourierAddress | undefined
        for (let failureCount = 0, commandCount = 0; ; commandCount++) {
          courier = yield* chooseCourier(courier)
          const ended = yield* Effect.map(commandCourier(courier, query), Option.some).pipe(
            Effect.catchTags({
              CourierAbandoned: () => Effect.succeedNone,
              SessionClosed: () => Effect.fail(new StorageError({ reason: "session-closed" }))
            })
          )
          if (Option.isNone(ended)) continue
          const verdict = judge(ended.value, commandCount > 0)
          if (verdict === undefined) return
          if (verdict !== "another") return yield* verdict
          if (++failureCount < COURIER_FAILURE_LIMIT) continue
          const { errorCode: replicaCode = REPLICA_ERROR.internalError, failedEnvelopeIndex = 0n } = ended.value ?? {}
          return yield* new CopyFailed({ reason: "no-courier-finished", replicaCode, failedEnvelopeIndex })
        }
      }),
    (query) => Effect.sync(() => zeroize(query))
  )

/**
 * Writes the temporary stream of a plan, each box until a replica confirms it; does nothing new when run again.
 * @errors StorageError of one of the boxes; CopyFailed `stream-taken`
 */
export const writeCopyStream = (plan: CopyPlan, options: WindowOptions): Effect.Effect<void, CopyFailed | StorageError, BoxStore | Crypto> =>
  Effect.gen(function* () {
    const indexes = yield* Either.mapLeft(deriveIndexes(yield* Crypto, plan.temporary, plan.elements.length), () => new StorageError({ reason: "geometry" }))
    const slots = plan.elements.map((plaintext, slotIndex) => ({ slotIndex, plaintext }))
    for (const fate of (yield* writeSlots(plan.temporary, indexes, slots, options)).values()) {
      if (fate instanceof StorageError) return yield* fate
      if (fate !== "stored") return yield* new CopyFailed({ reason: "stream-taken" })
    }
  })

/**
 * Has a courier write all boxes: plans, writes the temporary stream, and commands. For plans that are to outlive a crash, run the three steps apart.
 * @param destinations  in the order of writing
 * @errors as of the three steps
 */
export const copyBoxes = (
  destinations: ReadonlyArray<CopyDestination>, options: WindowOptions
): Effect.Effect<void, CopyFailed | CopyImpossible | StorageError, BoxStore | SessionPool | PkiView | Crypto> =>
  Effect.gen(function* () {
    const crypto = yield* Crypto
    const entropy = yield* EntropySource
    const document = yield* currentDocument
    const geometry = yield* Either.mapLeft(
      pigeonholeGeometry(document.params.geometry.userPayloadBytes, ENVELOPE_KEY_BYTES), () => new StorageError({ reason: "geometry" })
    )
    const plan = yield* planCopy({ crypto, geometry, document, entropy, destinations })
    yield* writeCopyStream(plan, options)
    yield* Effect.ensuring(sendCopyCommand(plan.temporary), Effect.sync(() => zeroize(plan.temporary.seed)))
  })
