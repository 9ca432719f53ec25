/**
 * Learned classifiers of what storage and lines show of a job: the observable must be a function of (bucket, overflow) alone.
 *
 * Size and failure are asked of storage: all operations on the boxes of one job, against the instants that its bucket and overflow fix. The bucket itself is
 * public to storage; it is asked of the reader's line: in which quantum did an answer for this client come out?
 *
 * Contract: pure. Every sample is judged by what was learned from the other half.
 * Knows nothing of: how classifiers learn.
 * Source: funion.md §7 (O10, O11), issue "anonymity that is measured", point 4; departures: none.
 *
 * @module
 */
import type { ScoringAttack } from "../../../src/anonymity/attacks/attack-result.ts"
import { shapesByHalves, type ShapeSample } from "../../../src/anonymity/attacks/shape-classifier.ts"
import { atMost, GATE_LEVEL, type Gate } from "../../../src/anonymity/gate.ts"
import { separationOf } from "../../../src/anonymity/metrics/roc.ts"
import type { LinkEvent } from "../../../src/anonymity/trace.ts"
import type { PlayedJob } from "../played-job.ts"
import type { StorageSight } from "../storage-sight.ts"

export interface TraceSetting {
  readonly sight: StorageSight
  readonly jobs: ReadonlyArray<PlayedJob>
  readonly links: ReadonlyArray<LinkEvent>
  readonly quantumMs: number
  readonly span: { readonly startMs: number; readonly endMs: number }
  readonly isLarge: (job: PlayedJob) => boolean
}

/** Advantage that is allowed for. */
const MARGIN = 0.2
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

/** Lines of readers in the quanta after a grid instant at which an answer of theirs came out, and after one at which none did. */
const linesOfReaders = ({ jobs, links, quantumMs, span }: TraceSetting) => {
  const samples: { readonly positive: Array<ShapeSample>; readonly negative: Array<ShapeSample> } = { positive: [], negative: [] }
  /** Where the service's grid lies. */
  const phaseMs = (jobs[0]?.edgesMs[0] ?? 0) % quantumMs
  for (const reader of new Set(jobs.map(({ receiver }) => receiver))) {
    const line = links.flatMap(({ call, direction, from, instantMs }) => (call === "Submit" && direction === "request" && from === reader ? [instantMs] : []))
    const edges = new Set(jobs.flatMap(({ edgesMs, overflow, receiver }) => (receiver === reader ? [edgesMs[overflow] ?? 0] : [])))
    const firstMs = phaseMs + Math.ceil((span.startMs - phaseMs) / quantumMs) * quantumMs
    for (let startMs = firstMs; startMs + FETCH_QUANTA * quantumMs <= span.endMs; startMs += quantumMs) {
      const endMs = startMs + FETCH_QUANTA * quantumMs
      samples[edges.has(startMs) ? "positive" : "negative"].push({
        startMs, endMs, instantMs: line.filter((instantMs) => instantMs >= startMs && instantMs < endMs)
      })
    }
  }
  return samples
}

export interface TraceShapes {
  readonly size: ScoringAttack
  readonly failure: ScoringAttack
  readonly bucket: ScoringAttack
}

/** @param level  of the intervals of the areas */
export const traceShapes = (setting: TraceSetting, level?: number): TraceShapes => {
  const ended = setting.jobs.filter(({ outcome, overflow }) => outcome !== "lost" && overflow === 0)
  const answered = ended.filter(({ outcome }) => outcome === "answer")
  const traces = (jobs: ReadonlyArray<PlayedJob>): ReadonlyArray<ShapeSample> => jobs.map((job) => traceOf(setting, job))
  return {
    size: shapesByHalves("large and small answers at storage", {
      positive: traces(answered.filter(setting.isLarge)), negative: traces(answered.filter((job) => !setting.isLarge(job)))
    }, level),
    failure: shapesByHalves("failed and answered jobs at storage", {
      positive: traces(ended.filter(({ outcome }) => outcome === "failure")), negative: traces(answered)
    }, level),
    bucket: shapesByHalves("the edge of an answer by its reader's line", linesOfReaders(setting), level)
  }
}

/** The gates of the three, for worlds of some dozens of jobs. */
export const traceGates = (setting: TraceSetting): ReadonlyArray<Gate> => {
  const { bucket, failure, size } = traceShapes(setting, GATE_LEVEL)
  const gate = (name: string, meaning: string, { area }: ScoringAttack): Gate =>
    atMost({ name, meaning }, separationOf(area), MARGIN, Math.min(area.positives, area.negatives), 4)
  return [
    gate("shape/size", "telling large answers from small ones by everything storage sees of a job, by a learned classifier", size),
    gate("shape/failure", "the same of failed jobs and answered ones", failure),
    gate("shape/bucket", "at which edge an answer came out, by the line of its reader, by a learned classifier", bucket)
  ]
}
