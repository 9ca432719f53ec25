/**
 * SRTU: which client is at the other end of a stream? Played by somebody who sees the links of clients and all operations on storage.
 *
 * From streams whose client is known it learns how often that client's link was busy at each lag before and after an operation, and how often the links of
 * others were; the ratio of the two is the weight of a lag. A client's score is the sum of the weights over all its frames and all operations. Clients that
 * send and receive on a schedule which never changes give the same counts at every lag, whatever they do.
 *
 * A second adversary learns nothing and knows the network: how long packets take is a law of the parameters, and the likelihood of each client is that one
 * of its packets caused each operation. It needs few streams, the first is blind to no lag.
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
import { logRouteDensity, type RouteLaw } from "./timing-matcher.ts"

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

/** Guesses the client with the highest score, of equals any. */
const guessed = (
  name: string, trials: ReadonlyArray<LinkTrial>, scoreOf: (frames: ArrayLike<number>, trial: LinkTrial) => number, draw: Draw
): GuessingAttack => {
  let wins = 0
  let candidates = 0
  for (const trial of trials) {
    const scores = trial.frameMs.map((frames) => scoreOf(frames, trial))
    const best = Math.max(...scores)
    const equals = scores.flatMap((score, candidate) => (score === best ? [candidate] : []))
    if (equals[drawIndex(draw, equals.length)] === trial.client) wins++
    candidates += trial.frameMs.length
  }
  const meanCandidates = trials.length === 0 ? 2 : candidates / trials.length
  return guessingAttack(name, wins, trials.length, 1 / meanCandidates, meanCandidates)
}

export const senderLinker = (kernel: LagKernel, test: ReadonlyArray<LinkTrial>, draw: Draw): GuessingAttack =>
  guessed("SRTU by lags", test, (frames, { operationMs }) =>
    lagCounts(frames, operationMs, kernel.windowMs).reduce((total, count, bin) => total + count * at(kernel.weights, bin), 0), draw)

/** What an operation that no packet of a client can have caused is worth. */
const FLOOR = 1e-9

/** By the law of the delays alone. @param horizonMs  packets that left longer ago than this did not cause an operation */
export const delayLinker = (law: RouteLaw, horizonMs: number, test: ReadonlyArray<LinkTrial>, draw: Draw): GuessingAttack =>
  guessed("SRTU by the law of delays", test, (frames, { operationMs }) => {
    let likelihood = 0
    for (let operation = 0; operation < operationMs.length; operation++) {
      const doneMs = at(operationMs, operation)
      let density = 0
      for (let frame = countBelow(frames, doneMs - horizonMs); frame < frames.length && at(frames, frame) < doneMs; frame++) {
        const spentMs = doneMs - at(frames, frame)
        density += Math.exp(logRouteDensity(spentMs, { ...law, fixedMs: Math.min(law.fixedMs, spentMs) }))
      }
      likelihood += Math.log(FLOOR + density)
    }
    return likelihood
  }, draw)
