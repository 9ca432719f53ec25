/**
 * Learned classifiers of what storage and lines show of a job: the observable must be a function of (bucket, overflow) alone.
 *
 * Size and failure are asked of storage: all operations on the boxes of one job, against the instants that its bucket and overflow fix. The bucket itself is
 * public to storage; it is asked of all lines: for which clients did an answer come out at this instant?
 *
 * Contract: pure. Compared are jobs of one batch, and lines in the same stretch of time; each is judged by what was learned from earlier ones.
 * Knows nothing of: how classifiers learn.
 * Source: funion.md §7 (O10, O11), issue "anonymity that is measured", point 4; departures: none.
 *
 * @module
 */
import { shapesInTurn, type ShapeAttack, type ShapeSample, type ShapeStratum } from "../../../src/anonymity/attacks/shape-classifier.ts"
import type { Draw } from "../../../src/anonymity/draws.ts"
import { kindsBlindly, type Gate } from "../../../src/anonymity/gate.ts"
import type { LinkEvent } from "../../../src/anonymity/trace.ts"
import type { PlayedJob } from "../played-job.ts"
import type { StorageSight } from "../storage-sight.ts"
import { batchesOf } from "./batch-measures.ts"

export interface TraceSetting {
  readonly sight: StorageSight
  readonly jobs: ReadonlyArray<PlayedJob>
  readonly links: ReadonlyArray<LinkEvent>
  /** Everybody who was online all the time. */
  readonly clients: ReadonlyArray<string>
  readonly quantumMs: number
  readonly span: { readonly startMs: number; readonly endMs: number }
  readonly isLarge: (job: PlayedJob) => boolean
}

/** Least pairs that a gate stands on. */
const LEAST_PAIRS = 40
/** Quanta after the last edge within which everybody has read. */
const TAIL_QUANTA = 4
/** Quanta in which an answer is read, from its edge on. */
const FETCH_QUANTA = 2

/** The service's reads and writes of a job's boxes, and everybody's looks for its answer, from acceptance on. */
const traceOf = ({ quantumMs, sight }: TraceSetting, job: PlayedJob): ShapeSample => {
  const read = job.boxes.input.flatMap((boxId) => sight.looks.get(boxId) ?? []).filter(({ instantMs }) => instantMs >= job.acceptedAtMs)
  const looked = job.boxes.output.flat().flatMap((boxId) => sight.looks.get(boxId) ?? [])
  const written = job.boxes.output.flat().flatMap((boxId) => sight.writtenMs.get(boxId) ?? [])
  return {
    startMs: job.acceptedAtMs,
    endMs: (job.edgesMs.at(-1) ?? job.acceptedAtMs) + TAIL_QUANTA * quantumMs,
    instantMs: [...[...read, ...looked].map(({ instantMs }) => instantMs), ...written]
  }
}

/**
 * Lines of all clients in the quanta after a grid instant: of those for whom an answer came out then, and of the others. Stretches of time do not overlap, so
 * that nothing of what is judged was learned from.
 */
const linesAtEdges = ({ clients, jobs, links, quantumMs, span }: TraceSetting): ReadonlyArray<ShapeStratum> => {
  const lines = new Map<string, Array<number>>(clients.map((client) => [client, []]))
  for (const { call, direction, from, instantMs } of links) if (call === "Submit" && direction === "request") lines.get(from)?.push(instantMs)
  const readersAt = new Map<number, Set<string>>()
  for (const { edgesMs, overflow, receiver } of jobs) {
    const edgeMs = edgesMs[overflow] ?? 0
    readersAt.set(edgeMs, (readersAt.get(edgeMs) ?? new Set<string>()).add(receiver))
  }
  /** Where the service's grid lies. */
  const phaseMs = (jobs[0]?.edgesMs[0] ?? 0) % quantumMs
  const firstMs = phaseMs + Math.ceil((span.startMs - phaseMs) / quantumMs) * quantumMs
  const strata: Array<ShapeStratum> = []
  for (let startMs = firstMs; startMs + FETCH_QUANTA * quantumMs <= span.endMs; startMs += FETCH_QUANTA * quantumMs) {
    const endMs = startMs + FETCH_QUANTA * quantumMs
    const sampleOf = (client: string): ShapeSample =>
      ({ startMs, endMs, instantMs: (lines.get(client) ?? []).filter((instantMs) => instantMs >= startMs && instantMs < endMs) })
    const readers = readersAt.get(startMs) ?? new Set<string>()
    strata.push({
      positive: clients.filter((client) => readers.has(client)).map(sampleOf), negative: clients.filter((client) => !readers.has(client)).map(sampleOf)
    })
  }
  return strata
}

export interface TraceShapes<A = ShapeAttack> {
  readonly size: A
  readonly failure: A
  readonly bucket: A
}

/** What is compared in one world. */
export const traceStrata = (setting: TraceSetting): TraceShapes<ReadonlyArray<ShapeStratum>> => {
  const ended = setting.jobs.filter(({ outcome, overflow }) => outcome !== "lost" && overflow === 0)
  const batches = [...batchesOf(ended)].sort(([one], [other]) => (one?.acceptedAtMs ?? 0) - (other?.acceptedAtMs ?? 0))
  const traces = (jobs: ReadonlyArray<PlayedJob>): ReadonlyArray<ShapeSample> => jobs.map((job) => traceOf(setting, job))
  const strata = (isPositive: (job: PlayedJob) => boolean, isNegative: (job: PlayedJob) => boolean): ReadonlyArray<ShapeStratum> =>
    batches.map((batch) => ({ positive: traces(batch.filter(isPositive)), negative: traces(batch.filter(isNegative)) }))
  const isAnswered = ({ outcome }: PlayedJob): boolean => outcome === "answer"
  return {
    size: strata((job) => isAnswered(job) && setting.isLarge(job), (job) => isAnswered(job) && !setting.isLarge(job)),
    failure: strata((job) => !isAnswered(job), isAnswered),
    bucket: linesAtEdges(setting)
  }
}

/** @param strata  of one world, or of several, one after the other  @param draw  for what chance gives  @param dealings  as of `testStrata` */
export const traceShapes = ({ bucket, failure, size }: TraceShapes<ReadonlyArray<ShapeStratum>>, draw: Draw, dealings?: number): TraceShapes => ({
  size: shapesInTurn("large and small answers at storage", size, draw, dealings),
  failure: shapesInTurn("failed and answered jobs at storage", failure, draw, dealings),
  bucket: shapesInTurn("the edge of an answer by its reader's line", bucket, draw, dealings)
})

/** The gates of the three, for worlds of some dozens of jobs. */
export const traceGates = ({ bucket, failure, size }: TraceShapes): ReadonlyArray<Gate> => {
  const gate = (name: string, meaning: string, { test }: ShapeAttack): Gate =>
    kindsBlindly({ name, meaning: `${meaning}, by the better of two learners; the bound is what blind ones reach by chance` }, test, LEAST_PAIRS)
  return [
    gate("shape/size", "telling large answers from small ones of the same batch by everything storage sees of a job", size),
    gate("shape/failure", "the same of failed jobs and answered ones", failure),
    gate("shape/bucket", "for which clients an answer came out at an edge, by their lines", bucket)
  ]
}
