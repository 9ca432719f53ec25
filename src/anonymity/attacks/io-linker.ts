/**
 * IO-U: which output belongs to which input? Played by somebody who sees every operation on storage.
 *
 * The adversary is granted more than it has: which boxes form one stream, and which streams are inputs and outputs of the batch. Of each stream it takes when
 * it was written and read, in which order within the batch, how long that took, how often it was asked for in vain. An input's boxes are written by its owner
 * and read by the service; an output's are written by the service and read by the receiver. So the distances that the matcher looks at hold the order of
 * reading against the order of writing (O1–O3), the upload against the fetch (O5, O16, O17), counts and vain reads (O4, O8, O10).
 *
 * Contract: a batch is what funion.md §5 calls one: same grid, quantum and profile; `batchSize` of the result is the mean number of
 * jobs handed in, which are all but the service's own cover jobs: those are further candidates that the lab cannot name.
 * Knows nothing of: links; who the clients are.
 * Source: funion.md §5, §7; departures: the clustering of boxes into streams is given away.
 *
 * @module
 */
import type { Draw } from "../draws.ts"
import { midRanks } from "../metrics/roc.ts"
import { at, mean, variance } from "../series.ts"
import type { StorageEvent } from "../trace.ts"
import { sequentialScores, type FeatureBatch } from "./learned-matcher.ts"
import { playPairing, type PairingOutcome } from "./pairing-game.ts"
import { testPairing, type PairingTest } from "./pairing-test.ts"

/** The boxes of one job: the truth of the lab. */
export interface JobBoxes {
  readonly inputBoxes: ReadonlyArray<string>
  readonly outputBoxes: ReadonlyArray<string>
}

/** Jobs of one batch and what storage saw while it lasted. */
export interface JobBatch {
  readonly jobs: ReadonlyArray<JobBoxes>
  readonly storage: ReadonlyArray<StorageEvent>
}

interface StreamTrace {
  readonly writeMs: Array<number>
  readonly readMs: Array<number>
  readonly writeRanks: Array<number>
  readonly readRanks: Array<number>
  vainReads: number
}

const emptyTrace = (): StreamTrace => ({ writeMs: [], readMs: [], writeRanks: [], readRanks: [], vainReads: 0 })

/** Traces of the streams of one side; ranks count among the operations of that side alone. */
const tracesOf = (streams: ReadonlyArray<ReadonlyArray<string>>, storage: ReadonlyArray<StorageEvent>): ReadonlyArray<StreamTrace> => {
  const streamOf = new Map(streams.flatMap((boxes, stream) => boxes.map((box) => [box, stream] as const)))
  const traces = streams.map(emptyTrace)
  const ranks = { read: 0, write: 0 }
  for (const { boxId, found, instantMs, operation } of storage) {
    const trace = traces[streamOf.get(boxId) ?? -1]
    if (trace === undefined) continue
    if (operation === "read" && !found) {
      trace.vainReads++
      continue
    }
    trace[operation === "read" ? "readMs" : "writeMs"].push(instantMs)
    trace[operation === "read" ? "readRanks" : "writeRanks"].push(ranks[operation]++)
  }
  return traces
}

const sequenceFeatures = (instants: ReadonlyArray<number>, ranks: ReadonlyArray<number>): ReadonlyArray<number> =>
  [at(instants, 0), mean(instants), at(instants, instants.length - 1), mean(ranks), Math.sqrt(variance(ranks))]

const featuresOf = ({ readMs, readRanks, vainReads, writeMs, writeRanks }: StreamTrace): Float64Array =>
  Float64Array.from([...sequenceFeatures(writeMs, writeRanks), ...sequenceFeatures(readMs, readRanks), writeMs.length + readMs.length, vainReads])

/**
 * Features of a batch. The outputs are in a random order, as the adversary has them.
 * @param draw  for that order
 */
export const ioFeatures = ({ jobs, storage }: JobBatch, draw: Draw): FeatureBatch => {
  const place = midRanks(jobs.map(() => draw())).map((rank) => rank - 1)
  const outputs: Array<ReadonlyArray<string>> = jobs.map(() => [])
  jobs.forEach(({ outputBoxes }, job) => (outputs[at(place, job)] = outputBoxes))
  return {
    left: tracesOf(jobs.map(({ inputBoxes }) => inputBoxes), storage).map(featuresOf),
    right: tracesOf(outputs, storage).map(featuresOf),
    rightOf: place
  }
}

/** Mean rank of an input's reads, and of an output's writes, among the features: the order that a service without shuffles would keep. */
const ORDER = [8, 3] as const

export interface IoOutcome {
  /** All pairs, the best of three observers, against chance. */
  readonly test: PairingTest
  /** Disjoint pairs, and whole batches, as each observer guesses. */
  readonly allDistances: PairingOutcome
  readonly oneDistance: PairingOutcome
  readonly inOrder: PairingOutcome
}

/**
 * Three observers: two who learn from earlier batches, whose truth became known to them, and one who believes in order.
 * @param first  batches that are learned from only
 */
export const ioLinker = (batches: ReadonlyArray<JobBatch>, first: number, draw: Draw, dealings?: number): IoOutcome => {
  const scored = sequentialScores(batches.map((batch) => ioFeatures(batch, draw)), first, ORDER, draw)
  return {
    test: testPairing(new Map(Object.entries(scored)), draw, dealings === undefined ? {} : { dealings }),
    allDistances: playPairing("IO-U, learned", scored.allDistances, draw),
    oneDistance: playPairing("IO-U, one distance", scored.oneDistance, draw),
    inOrder: playPairing("IO-U, in order", scored.inOrder, draw)
  }
}
