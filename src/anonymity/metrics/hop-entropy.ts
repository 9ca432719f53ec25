/**
 * How many bits one node hides: beside what theory promises for its traffic.
 *
 * Expected: a packet that leaves an exponential node came t ago with density µ·exp(−µt), whose entropy is log2(e/µ); packets came at rate λ, so which of
 * them it was has log2(λ·e/µ) bits. The exact posterior (hop-posterior) of simulated nodes with Poisson arrivals has 2.406, 3.752, 4.762, 5.761 bits at
 * λ/µ = 2, 5, 10, 20, against 2.443, 3.765, 4.765, 5.765 of the formula: within 0.02 from λ/µ = 5 on. A gate of 0.1 bit there is about the node, not the
 * formula.
 *
 * Measured: the mean log loss of the better of two observers, one who believes in the parameters and one who has learned the node's delays from the first
 * half of the run; scored on the second half. No observer's mean log loss is below the entropy that is really left, so a leak can hide from both, never a
 * gain.
 *
 * Contract: intervals are Student's over the means of consecutive batches, since neighbours share their pool.
 * Knows nothing of: other nodes.
 * Source: Danezis 2004; departures: none.
 *
 * @module
 */
import { exponentialLaw, learnedLaw } from "../delay-law.ts"
import type { HopTraffic } from "../flow.ts"
import { delaysOf, exponentialBits, hopPosterior } from "../hop-posterior.ts"
import { at, batchMeans, mean } from "../series.ts"
import { meanEstimate, type Estimate } from "./interval.ts"

export interface HopEntropy {
  readonly node: string
  /** λ/µ: packets that are inside on average. */
  readonly poolSize: number
  /** log2(λ·e/µ). */
  readonly expectedBits: number
  /** What the better observer is left with. */
  readonly bits: Estimate
  /** Mean entropy of the beliefs of the one who trusts the parameters. */
  readonly promisedBits: Estimate
  /** Whether the one who learned the delays did better by more than the noise. */
  readonly observer: "exponential" | "learned"
  readonly departures: number
}

const BATCHES = 20
/** Departures whose delays are enough to learn a law from. */
const LEARNING_MINIMUM = 300

/** @param warmMs  stretch at the beginning that is left out, until the pool is as full as it stays */
export const hopEntropy = (traffic: HopTraffic, muPerMs: number, warmMs = 10 / muPerMs): HopEntropy => {
  const { arrivalMs, departureMs } = traffic
  const startMs = at(arrivalMs, 0) + warmMs
  const count = departureMs.length
  let warm = 0
  while (warm < count && at(departureMs, warm) < startMs) warm++
  const half = Math.floor((warm + count) / 2)
  const nominal = exponentialLaw(muPerMs)
  const promised = exponentialBits(traffic)
  const learned = half - warm < LEARNING_MINIMUM ? promised : hopPosterior(traffic, learnedLaw(delaysOf(traffic, warm, half), nominal.horizonMs))
  const scored = (losses: Float64Array): Estimate => meanEstimate(batchMeans(losses.subarray(half), BATCHES))
  const [trusting, learning] = [scored(promised.lossBits), scored(learned.lossBits)]
  const better = learning.interval.upper < trusting.value ? learning : trusting
  const spanMs = at(departureMs, count - 1) - at(departureMs, half)
  const poolSize = spanMs > 0 ? (count - 1 - half) / spanMs / muPerMs : 0
  return {
    node: traffic.node,
    poolSize,
    expectedBits: Math.log2(poolSize * Math.E),
    bits: better,
    promisedBits: meanEstimate(batchMeans(promised.entropyBits.subarray(half), BATCHES)),
    observer: better === learning ? "learned" : "exponential",
    departures: count - half
  }
}

/** Entropy of a distribution in bits; what does not add up to 1 is scaled. */
export const entropyBits = (weights: ArrayLike<number>): number => {
  const total = mean(weights) * weights.length
  let bits = 0
  for (let index = 0; index < weights.length; index++) {
    const share = at(weights, index) / total
    if (share > 0) bits -= share * Math.log2(share)
  }
  return bits
}
