/**
 * What replicas see of a batch of jobs: when boxes are written and read, and which of them seem to belong together.
 *
 * Contract: pure. Boxes of the service's own cover jobs are in no list of jobs: for the adversary they are further candidates, and only enlarge the batch.
 * Knows nothing of: senders, packets.
 * Source: funion.md §3, §7 (O2, O3, O4, O10); departures: none.
 *
 * @module
 */
import type { Draw } from "../../../src/anonymity/draws.ts"
import { at } from "../../../src/anonymity/series.ts"
import { guessesAtMost, never, tellsApartAtMost, type Gate } from "../../../src/anonymity/gate.ts"
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

/** A box of one job with the instant at which something was done with it. */
interface Touch {
  readonly job: number
  readonly instantMs: number
}

const inOrder = (touches: ReadonlyArray<Touch>): ReadonlyArray<Touch> => [...touches].sort((one, other) => one.instantMs - other.instantMs)

export interface PairGames {
  readonly wins: number
  readonly games: number
  /** Expected wins of a blind guesser, over games. */
  readonly chance: number
}

/** The boxes of one stream that are shuffled together with those of the batch's other streams. */
export type StreamBoxes = ReadonlyArray<string>

/**
 * Which box belongs with this one? The adversary takes the one that was touched nearest in time. One game for each stream of a batch, with a random box of it.
 */
export const neighbourGames = (
  batches: ReadonlyArray<ReadonlyArray<StreamBoxes>>, instantOf: (boxId: string) => number | undefined, draw: Draw
): PairGames => {
  let wins = 0
  let games = 0
  let chance = 0
  for (const batch of batches) {
    const touches = inOrder(batch.flatMap((boxes, job) => boxes.flatMap((boxId) => {
      const instantMs = instantOf(boxId)
      return instantMs === undefined ? [] : [{ job, instantMs }]
    })))
    if (batch.length < 2 || touches.length < 3) continue
    for (let index = 0; index < batch.length; index++) {
      const own = touches.flatMap((touch, place) => (touch.job === index ? [place] : []))
      if (own.length < 2) continue
      const place = at(own, Math.floor(draw() * own.length))
      const here = touches[place]?.instantMs ?? 0
      const before = touches[place - 1]
      const after = touches[place + 1]
      const isBefore = after === undefined || (before !== undefined && here - before.instantMs < after.instantMs - here)
      if ((isBefore ? before : after)?.job === index) wins++
      games++
      chance += (own.length - 1) / (touches.length - 1)
    }
  }
  return { wins, games, chance: games === 0 ? 0 : chance / games }
}

/** Advantage that is allowed for in games about boxes. */
const MARGIN = 0.1

const outputBoxes = (job: PlayedJob): ReadonlyArray<string> => job.boxes.output[job.overflow] ?? []

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
  const read = neighbourGames(batches.map((batch) => batch.map((job) => job.boxes.input)), readMs, draw)
  const written = neighbourGames(batches.map((batch) => batch.map((job) => outputBoxes(job).slice(1))), (boxId) => sight.writtenMs.get(boxId), draw)
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
    guessesAtMost({ name: "batch/reads", meaning: "which input boxes belong together, by when the service reads them (O2)" },
      read.wins, read.games, read.chance, MARGIN, 10),
    guessesAtMost({ name: "batch/writes", meaning: "which boxes of answers belong together, by when the service writes them (O3)" },
      written.wins, written.games, written.chance, MARGIN, 10)
  ]
}
