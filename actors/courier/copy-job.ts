/**
 * One copy: reads a temporary stream box by box and writes the envelopes in it, one after the other.
 *
 * Contract: always ends with a verdict: succeeded at the final flag, else failed with a replica code and the position of the envelope that was not
 * written. An envelope counts as written when one of its two replicas says so; a lasting refusal of both, or of one while the other is silent, ends the
 * copy; everything else is tried again ten times with growing pauses. Boxes and envelopes are bounded, whatever lengths claim. Clearing up is
 * another effect, to be run after the verdict is known.
 * Knows nothing of: who asked, what other copies there are, what envelopes hold.
 * Source: pigeonhole.md §5.5, §7 Y2–Y5, Y8–Y10, Y13; departures: boxes of a copy that failed for a passing reason are left, so that the client can have
 * another courier finish it.
 *
 * @module
 */
import { Clock, Data, Effect, Either } from "effect"
import { type MessageBoxIndex, nextIndex } from "../../src/bacap/box-index.ts"
import { decodeWriteCap, type WriteCap } from "../../src/bacap/capability.ts"
import { zeroize } from "../../src/crypto/zeroize.ts"
import type { CopyCommandReply } from "../../src/pigeonhole/copy-command.ts"
import { COPY_LIMIT_COUNT, copyStreamDecoder } from "../../src/pigeonhole/copy-stream.ts"
import { type CourierEnvelope, envelopeHash } from "../../src/pigeonhole/envelope.ts"
import { COPY_STATUS, REPLICA_ERROR, replicaErrorClass, type ReplicaErrorCode } from "../../src/pigeonhole/error-code.ts"
import { ATTEMPT_LIMIT, clearBox, pauseAfterMs, readBox } from "./copy-box.ts"
import { dispatch, epochIsNear, hasLengths } from "./dispatch.ts"
import type { ReplicaAnswer } from "./reply-waiters.ts"
import { type CopySetting, REPLY_WAIT_MS } from "./shard-question.ts"

/** How far a copy is; read after a crash too. */
export interface CopyProgress {
  /** Envelopes written. */
  envelopeCount: number
  /** Boxes asked for. */
  boxCount: number
}

export interface CopyJob {
  /** Does the work. Never fails; a defect is ours. */
  readonly run: Effect.Effect<CopyCommandReply>
  /** Puts tombstones over the boxes that were read, when the verdict is final, and forgets the cap. */
  readonly clear: Effect.Effect<void>
  /** The verdict on a copy that died. */
  readonly crashed: () => CopyCommandReply
}

/** Ends a copy; never leaves this file. */
class CopyAborted extends Data.TaggedError("CopyAborted")<{ readonly errorCode: ReplicaErrorCode }> {}

const abort = (errorCode: ReplicaErrorCode) => Effect.fail(new CopyAborted({ errorCode }))
const failed = (errorCode: ReplicaErrorCode, failedEnvelopeIndex: number): CopyCommandReply =>
  ({ status: COPY_STATUS.failed, errorCode, failedEnvelopeIndex: BigInt(failedEnvelopeIndex) })
const SUCCEEDED: CopyCommandReply = { status: COPY_STATUS.succeeded, errorCode: REPLICA_ERROR.success, failedEnvelopeIndex: 0n }

/** The most telling code: a conflict, then another lasting one, then whatever was said. */
const tellingCode = (answers: ReadonlyMap<number, ReplicaAnswer>): ReplicaErrorCode => {
  const codes = [...answers.values()].map(({ errorCode }) => errorCode)
  const isLasting = (code: ReplicaErrorCode) => replicaErrorClass(code) === "permanent"
  return codes.find((code) => code === REPLICA_ERROR.boxAlreadyExists) ?? codes.find(isLasting) ?? codes[0] ?? REPLICA_ERROR.replicationFailed
}

/** A success without a sealed answer is none. */
const isWritten = ({ errorCode, payload }: ReplicaAnswer): boolean => errorCode === REPLICA_ERROR.success && payload.length > 0

/** Writes one envelope, or says why not. */
const writeEnvelope = (setting: CopySetting, envelope: CourierEnvelope): Effect.Effect<void, CopyAborted> =>
  Effect.gen(function*() {
    const { crypto, offer, params, pigeonhole, waiters } = setting
    if (!hasLengths(pigeonhole, envelope)) return yield* abort(REPLICA_ERROR.invalidPayload)
    const hash = envelopeHash(crypto, envelope.senderPublicKey, envelope.ciphertext)
    let code: ReplicaErrorCode = REPLICA_ERROR.replicationFailed
    for (let attempt = 0; attempt < ATTEMPT_LIMIT; attempt++) {
      if (attempt > 0) yield* Effect.sleep(pauseAfterMs(attempt - 1))
      if (!epochIsNear(params, envelope, yield* Clock.currentTimeMillis)) return yield* abort(REPLICA_ERROR.invalidEpoch)
      const send = () => dispatch(pigeonhole, offer, envelope)
      const answers = yield* waiters.ask({ hash, replicaIds: envelope.intermediateReplicas, send, timeoutMs: REPLY_WAIT_MS })
      if ([...answers.values()].some(isWritten)) return
      code = tellingCode(answers)
      if (replicaErrorClass(code) === "permanent") break
    }
    return yield* abort(code)
  })

/** Reads and writes to the final flag. */
const copyAll = (setting: CopySetting, writeCap: WriteCap, progress: CopyProgress, limitCount: number): Effect.Effect<void, CopyAborted> =>
  Effect.gen(function*() {
    const decoder = copyStreamDecoder(setting.pigeonhole)
    const silent = new Set<number>()
    let index: MessageBoxIndex = writeCap.index
    while (true) {
      if (progress.boxCount >= limitCount) return yield* abort(REPLICA_ERROR.invalidPayload)
      progress.boxCount += 1
      const element = yield* readBox(setting, silent, writeCap, index)
      if (Either.isLeft(element)) return yield* abort(element.left)
      const decoded = decoder.push(element.right)
      if (Either.isLeft(decoded)) return yield* abort(REPLICA_ERROR.invalidPayload)
      for (const { envelope } of decoded.right.completed) {
        yield* writeEnvelope(setting, envelope)
        progress.envelopeCount += 1
      }
      if (decoded.right.ended) return
      const next = nextIndex(setting.crypto, index)
      if (Either.isLeft(next)) return yield* abort(REPLICA_ERROR.invalidPayload)
      index = next.right
    }
  })

const clearAll = (setting: CopySetting, writeCap: WriteCap, boxCount: number): Effect.Effect<void> =>
  Effect.gen(function*() {
    let index: MessageBoxIndex = writeCap.index
    for (let count = 0; count < boxCount; count++) {
      yield* clearBox(setting, writeCap, index)
      const next = nextIndex(setting.crypto, index)
      if (Either.isLeft(next)) return
      index = next.right
    }
  })

/** @param writeCapBytes  as it came; overwritten by `clear`  @param limitCount  most boxes of the stream */
export const makeCopyJob = (setting: CopySetting, writeCapBytes: Uint8Array, limitCount: number = COPY_LIMIT_COUNT): CopyJob => {
  const progress: CopyProgress = { envelopeCount: 0, boxCount: 0 }
  const writeCap = Either.getOrUndefined(decodeWriteCap(setting.crypto, writeCapBytes))
  let isFinal = false
  const run = writeCap === undefined
    ? Effect.succeed(failed(REPLICA_ERROR.invalidPayload, 0))
    : copyAll(setting, writeCap, progress, limitCount).pipe(
      Effect.match({
        onFailure: ({ errorCode }) => {
          isFinal = replicaErrorClass(errorCode) === "permanent"
          return failed(errorCode, progress.envelopeCount + 1)
        },
        onSuccess: () => {
          isFinal = true
          return SUCCEEDED
        }
      })
    )
  const forget = Effect.sync(() => {
    zeroize(writeCapBytes)
    if (writeCap !== undefined) zeroize(writeCap.seed)
  })
  const clear = Effect.suspend(() => (writeCap !== undefined && isFinal ? clearAll(setting, writeCap, progress.boxCount) : Effect.void))
  return { run, clear: Effect.ensuring(clear, forget), crashed: () => failed(REPLICA_ERROR.internalError, progress.envelopeCount + 1) }
}
