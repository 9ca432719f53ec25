/**
 * Step 1, upload: all slots of the input stream on the replicas, the manifest last.
 *
 * Contract: exactly n slots of the class are written, fillers too, in one shuffle, each strictly; slot 0 goes out when all others are confirmed.
 * A slot that holds other content is no reason to stop before the others are written; then the upload has failed. Ends within its limit. Writing
 * again after a crash gives the same bytes at the same boxes.
 * Knows nothing of: what the slots hold, dispatches, journals.
 * Source: pigeonhole.md §8.3, §8.4, funion.md §2, §7 (O8, O9, O18), §8; departures: none.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { decodeWriteCap, type WriteCap } from "../bacap/capability.ts"
import type { MessageBoxIndex } from "../bacap/box-index.ts"
import type { MixnetParams } from "../params/mixnet-params.ts"
import { BoxStore, meanRoundTripMs } from "../storage/box-store.ts"
import { windowCountFor, writeSlots, type WriteFate } from "../storage/box-stream.ts"
import type { StorageErrorReason } from "../storage/storage-error.ts"
import { jobFailed, type JobFailed } from "./client-failure.ts"
import type { PlannedJob } from "./client-job.ts"
import { transferLimitMs, type ClientSetting } from "./client-setting.ts"
import { slotIndexes } from "./job-capabilities.ts"

/** What asking again does not mend. */
const HOPELESS: ReadonlySet<StorageErrorReason> = new Set<StorageErrorReason>(["plaintext-too-long", "geometry", "session-closed"])

interface Slot {
  readonly slotIndex: number
  readonly plaintext: Uint8Array
}

interface Stream {
  readonly writeCap: WriteCap
  readonly indexes: ReadonlyArray<MessageBoxIndex>
}

/** What an upload needs of the client. */
export type UploadSetting = Pick<ClientSetting, "crypto" | "store" | "sessionCount">
/** What an upload needs of the job. */
export type UploadedJob = Pick<PlannedJob, "inputWriteCap" | "inputSlots">

export interface UploadOptions {
  readonly params: MixnetParams
  /** Called after every confirmed slot; must not wait. */
  readonly onWritten: (done: number, total: number) => Effect.Effect<void>
}

const streamOf = ({ crypto }: UploadSetting, planned: UploadedJob): Either.Either<Stream, JobFailed> =>
  Either.gen(function* () {
    const writeCap = yield* decodeWriteCap(crypto, planned.inputWriteCap)
    return { writeCap, indexes: yield* slotIndexes(crypto, writeCap.index, 0, planned.inputSlots.length) }
  }).pipe(Either.mapLeft(() => jobFailed("upload", "internal", "the input stream of the job cannot be written")))

/** Asking again may mend it; only that slot is written again, and the others do not wait for it. */
const isMendable = (fate: WriteFate): boolean => typeof fate !== "string" && !HOPELESS.has(fate.reason)

/** Writes slots until each of them is stored, or cannot be. */
const writeAll = (setting: UploadSetting, stream: Stream, slots: ReadonlyArray<Slot>, params: MixnetParams, onStored: Effect.Effect<void>) =>
  Effect.gen(function* () {
    const fates = yield* writeSlots(stream.writeCap, stream.indexes, slots, {
      windowCount: windowCountFor(params, setting.sessionCount),
      retry: { wanted: isMendable, pauseMs: meanRoundTripMs(params) },
      onWritten: (_slot, fate) => (fate === "stored" ? onStored : Effect.void)
    })
    const outcomes = [...fates.values()]
    if (outcomes.includes("exists-with-other-content")) {
      return yield* jobFailed("upload", "upload-failed", "storage holds other content where the input belongs; the stream was discarded")
    }
    if (outcomes.some((fate) => fate !== "stored")) {
      return yield* jobFailed("upload", "upload-failed", "the way to storage is closed, or its boxes do not fit the network")
    }
  }).pipe(Effect.provideService(BoxStore, setting.store))

/**
 * Writes the input of a job.
 * @errors JobFailed `upload-failed`, `upload-timed-out`; `internal` for caps that are none
 */
export const uploadInput = (setting: UploadSetting, planned: UploadedJob, options: UploadOptions): Effect.Effect<void, JobFailed> =>
  Effect.gen(function* () {
    const stream = yield* streamOf(setting, planned)
    const [manifest, ...chunks] = planned.inputSlots.map((plaintext, slotIndex) => ({ slotIndex, plaintext }))
    if (manifest === undefined) return yield* jobFailed("upload", "internal", "this client does not hold the input")
    const total = planned.inputSlots.length
    let done = 0
    const onStored = Effect.suspend(() => options.onWritten(++done, total))
    yield* writeAll(setting, stream, chunks, options.params, onStored)
    yield* writeAll(setting, stream, [manifest], options.params, onStored)
  }).pipe(Effect.timeoutFail({
    duration: transferLimitMs(options.params, planned.inputSlots.length, setting.sessionCount),
    onTimeout: () => jobFailed("upload", "upload-timed-out", "storage did not confirm the whole input in time; the stream was discarded")
  }))
