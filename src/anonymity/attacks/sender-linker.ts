/**
 * SRTU: which client is at the other end of a stream? Played by somebody who sees the links of clients and all operations on storage.
 *
 * From streams whose client is known it learns how often that client's link was busy at each lag before and after an operation, and how often the links of
 * others were; the ratio of the two is the weight of a lag. A client's score is the sum of the weights over all its frames and all operations. Clients that
 * send and receive on a schedule which never changes give the same counts at every lag, whatever they do.
 *
 * Contract: training and test streams are disjoint. All candidates were online all the time, so that presence alone decides nothing (intersection does that).
 * Knows nothing of: nodes between.
 * Source: funion.md §5 (SRTU), §7 O16; Kwon et al. 2017 for the kernel over lags; departures: none.
 *
 * @module
 */
import { drawIndex, type Draw } from "../draws.ts"
import { at, countBelow } from "../series.ts"
import { guessingAttack, type GuessingAttack } from "./attack-result.ts"

/** One stream and the clients that may be behind it. */
export interface LinkTrial {
  /** Of each candidate, the instants of the frames on its link, ascending. */
  readonly frameMs: ReadonlyArray<ArrayLike<number>>
  /** Operations on the stream's boxes. */
  readonly operationMs: ArrayLike<number>
  /** The truth. */
  readonly client: number
}

export interface LagKernel {
  readonly windowMs: number
  readonly weights: Float64Array
}

const LAG_BINS = 24
/** Frames that every bin is taken to have had before any was seen: keeps weights of rare lags small. */
const PRIOR = 5

/** Counts of frames by lag: from `windowMs` before an operation to as much after it. */
const lagCounts = (frames: ArrayLike<number>, operations: ArrayLike<number>, windowMs: number): Float64Array => {
  const counts = new Float64Array(LAG_BINS)
  for (let operation = 0; operation < operations.length; operation++) {
    const start = at(operations, operation) - windowMs
    for (let frame = countBelow(frames, start); frame < frames.length && at(frames, frame) < start + 2 * windowMs; frame++) {
      const bin = Math.min(LAG_BINS - 1, Math.floor((at(frames, frame) - start) / (2 * windowMs) * LAG_BINS))
      counts[bin] = (counts[bin] as number) + 1
    }
  }
  return counts
}

export const learnKernel = (training: ReadonlyArray<LinkTrial>, windowMs: number): LagKernel => {
  const [own, others] = [new Float64Array(LAG_BINS), new Float64Array(LAG_BINS)]
  for (const { client, frameMs, operationMs } of training) {
    for (const [candidate, frames] of frameMs.entries()) {
      const counts = lagCounts(frames, operationMs, windowMs)
      const [total, share] = candidate === client ? [own, 1] : [others, 1 / (frameMs.length - 1)]
      counts.forEach((count, bin) => (total[bin] = (total[bin] as number) + share * count))
    }
  }
  return { windowMs, weights: own.map((count, bin) => Math.log((count + PRIOR) / (at(others, bin) + PRIOR))) }
}

export const senderLinker = (kernel: LagKernel, test: ReadonlyArray<LinkTrial>, draw: Draw): GuessingAttack => {
  let wins = 0
  let candidates = 0
  for (const { client, frameMs, operationMs } of test) {
    const scores = frameMs.map((frames) =>
      lagCounts(frames, operationMs, kernel.windowMs).reduce((total, count, bin) => total + count * at(kernel.weights, bin), 0))
    const best = Math.max(...scores)
    const equals = scores.flatMap((score, candidate) => (score === best ? [candidate] : []))
    if (equals[drawIndex(draw, equals.length)] === client) wins++
    candidates += frameMs.length
  }
  const meanCandidates = test.length === 0 ? 2 : candidates / test.length
  return guessingAttack("SRTU by lags", wins, test.length, 1 / meanCandidates, meanCandidates)
}
