/**
 * What replicas see of a batch of jobs: when boxes are written and read, and which of them seem to belong together.
 *
 * Contract: pure. Boxes of the service's own cover jobs are in no list of jobs: for the adversary they are further candidates, and only enlarge the batch.
 * Knows nothing of: senders, packets.
 * Source: funion.md §3, §7 (O2, O3, O4, O10); departures: none.
 *
 * @module
 */
import { nearestNeighbour, neighbourTest, streamLinker, type StreamOperations } from "../../../src/anonymity/attacks/stream-linker.ts"
import type { Draw } from "../../../src/anonymity/draws.ts"
import { chanceExplains, never, sharedLevel, strongestAtMost, tellsApartAtMost, type Gate } from "../../../src/anonymity/gate.ts"
import { advantageOf } from "../../../src/anonymity/metrics/advantage.ts"
import { separationOf } from "../../../src/anonymity/metrics/roc.ts"
import type { PlayedJob } from "../played-job.ts"
import { firstReadMs, type StorageSight } from "../storage-sight.ts"

export interface BatchSetting {
  readonly sight: StorageSight
  readonly jobs: ReadonlyArray<PlayedJob>
  readonly releaseWindowMs: number
}

/** Jobs that count as accepted at the same instant: one batch. */
export const batchesOf = (jobs: ReadonlyArray<PlayedJob>): ReadonlyArray<ReadonlyArray<PlayedJob>> => {
  const batches = new Map<number, Array<PlayedJob>>()
  for (const job of jobs) {
    const known = batches.get(job.acceptedAtMs) ?? []
    batches.set(job.acceptedAtMs, known)
    known.push(job)
  }
  return [...batches.values()]
}

/** The boxes of one stream that are shuffled together with those of the batch's other streams. */
export type StreamBoxes = ReadonlyArray<string>

/** What was done with the boxes of each batch, in order of time. */
export const streamOperations = (
  batches: ReadonlyArray<ReadonlyArray<StreamBoxes>>, instantOf: (boxId: string) => number | undefined
): ReadonlyArray<StreamOperations> =>
  batches.filter(({ length }) => length >= 2).map((batch) => {
    const touches = batch.flatMap((boxes, stream) => boxes.flatMap((boxId) => {
      const instantMs = instantOf(boxId)
      return instantMs === undefined ? [] : [{ stream, instantMs }]
    })).sort((one, other) => one.instantMs - other.instantMs)
    return { instantMs: touches.map(({ instantMs }) => instantMs), streamOf: touches.map(({ stream }) => stream) }
  })

/** Dealings of labels: enough for a probability below a gate's rate of false alarms. */
const DEALINGS = 15_000

/** The three attacks on boxes of one stream, the strongest of which counts, and the test of next neighbours. */
const streamGates = (what: "reads" | "writes", rule: string, batches: ReadonlyArray<StreamOperations>, draw: Draw): ReadonlyArray<Gate> => {
  const level = sharedLevel(3)
  const { advantage } = nearestNeighbour(batches, draw)
  const areas = (["time", "order"] as const).map((by) => separationOf(streamLinker(batches, draw, by, level).area))
  return [
    strongestAtMost({ name: `batch/${what}`, meaning: `which boxes belong together, by when the service ${what.replace(/s$/, "")}s them (${rule})` },
      [advantageOf(advantage.wins, advantage.trials, advantage.chance, level), ...areas], MARGIN, advantage.trials, 10),
    chanceExplains({ name: `batch/neighbours-${what}`, meaning: `probability that so many of the closest ${what} are of one stream by chance (${rule})` },
      neighbourTest(batches, draw, DEALINGS), advantage.trials, 10)
  ]
}

/** Advantage that is allowed for in games about boxes. */
const MARGIN = 0.1

const outputBoxes = (job: PlayedJob): ReadonlyArray<string> => job.boxes.output[job.overflow] ?? []

/** Jobs of a batch whose answers are due at the same edge. */
const sameOverflow = (batch: ReadonlyArray<PlayedJob>): ReadonlyArray<ReadonlyArray<PlayedJob>> =>
  [...new Set(batch.map(({ overflow }) => overflow))].map((overflow) => batch.filter((job) => job.overflow === overflow))

/** Writes before the instant at which they are allowed. */
const earlyWrites = ({ jobs, sight }: BatchSetting): number =>
  jobs.reduce((count, job) => count + job.boxes.output.reduce((sum, release, index) =>
    sum + release.filter((boxId) => (sight.writtenMs.get(boxId) ?? Number.POSITIVE_INFINITY) < (job.edgesMs[index] ?? 0)).length, 0), 0)

/** Looks for a job's boxes of answers before their edge has passed, whoever looks. */
export const earlyLooks = (sight: StorageSight, job: PlayedJob): number =>
  job.boxes.output.reduce((sum, release, index) => sum + release.reduce((some, boxId) =>
    some + (sight.looks.get(boxId) ?? []).filter(({ instantMs }) => instantMs < (job.edgesMs[index] ?? 0)).length, 0), 0)

/** When the data boxes of a job's answer were written, from its edge on: one number a job, the mean. */
const writeLag = (sight: StorageSight, job: PlayedJob): ReadonlyArray<number> => {
  const edgeMs = job.edgesMs[job.overflow] ?? 0
  const written = outputBoxes(job).slice(1).flatMap((boxId) => sight.writtenMs.get(boxId) ?? [])
  return written.length === 0 ? [] : [written.reduce((sum, instantMs) => sum + instantMs - edgeMs, 0) / written.length]
}

/** Operations that storage carried out for a job until it ended. */
export const operations = (sight: StorageSight, job: PlayedJob): number =>
  [...job.boxes.input, ...job.boxes.output.flat()].reduce((count, boxId) =>
    count + (sight.writtenMs.has(boxId) ? 1 : 0) + ((sight.looks.get(boxId) ?? []).length > 0 ? 1 : 0), 0)

/** Boxes of the input that the service asked for, and boxes of the answer that were written. */
const touchedBoxes = (sight: StorageSight, job: PlayedJob): string =>
  `${job.boxes.input.filter((boxId) => sight.looks.has(boxId)).length} ${job.boxes.output.flat().filter((boxId) => sight.writtenMs.has(boxId)).length}`

/** Jobs whose traces differ from what bucket and overflow allow: (n_in read, (o + 1)·n_out written). */
const oddTraces = ({ jobs, sight }: BatchSetting): number =>
  jobs.filter((job) => touchedBoxes(sight, job) !== `${job.boxes.input.length} ${(job.overflow + 1) * (job.boxes.output[0]?.length ?? 0)}`).length

/** The gates of storage's view. @param isLarge  which jobs have large answers */
export const batchGates = (setting: BatchSetting, draw: Draw, isLarge: (job: PlayedJob) => boolean): ReadonlyArray<Gate> => {
  const { jobs, sight } = setting
  const ended = jobs.filter(({ outcome }) => outcome !== "lost")
  const batches = batchesOf(ended)
  const acceptedMs = new Map(ended.flatMap((job) => job.boxes.input.map((boxId) => [boxId, job.acceptedAtMs] as const)))
  const readMs = (boxId: string): number | undefined => firstReadMs(sight, boxId, acceptedMs.get(boxId) ?? 0)
  const reads = streamOperations(batches.map((batch) => batch.map((job) => job.boxes.input)), readMs)
  // what is late is written at another edge: a batch of its own
  const writes = streamOperations(batches.flatMap((batch) => sameOverflow(batch)).map((batch) => batch.map((job) => outputBoxes(job).slice(1))),
    (boxId) => sight.writtenMs.get(boxId))
  const answered = ended.filter(({ outcome }) => outcome === "answer")
  const failed = ended.filter(({ outcome }) => outcome === "failure")
  const lags = (some: ReadonlyArray<PlayedJob>): ReadonlyArray<number> => some.flatMap((job) => writeLag(sight, job))
  const counts = (some: ReadonlyArray<PlayedJob>): ReadonlyArray<number> => some.map((job) => operations(sight, job))
  const inside = { ...setting, jobs: ended }
  return [
    never({ name: "release/early", meaning: "boxes of answers that were on a replica before their edge" }, earlyWrites(inside), ended.length, 8),
    tellsApartAtMost({ name: "release/size", meaning: "telling large answers from small ones by when they are written" },
      lags(answered.filter(isLarge)), lags(answered.filter((job) => !isLarge(job))), 2 * MARGIN, 8),
    never({ name: "poll/early", meaning: "looks for boxes of answers before their edge" },
      ended.reduce((sum, job) => sum + earlyLooks(sight, job), 0), ended.length, 8),
    never({ name: "trace/odd", meaning: "jobs whose boxes read and written are not what bucket and overflow alone say" }, oddTraces(inside), ended.length, 8),
    ...(failed.length === 0 ? [] : [
      tellsApartAtMost({ name: "trace/failure-count", meaning: "telling failed jobs from answered ones by operations" },
        counts(failed), counts(answered), 2 * MARGIN, 4),
      tellsApartAtMost({ name: "trace/failure-time", meaning: "the same by when their answers are written" }, lags(failed), lags(answered), 2 * MARGIN, 4)
    ]),
    ...streamGates("reads", "O2", reads, draw),
    ...streamGates("writes", "O3", writes, draw)
  ]
}
