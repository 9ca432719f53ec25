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
import { delaysOf, hopPosterior, stretchOf } from "../hop-posterior.ts"
import { at, batchMeans, countBelow, sum } from "../series.ts"
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

/** Stretches of a run whose means an interval is made of. */
export const BATCHES = 20
/** Departures whose delays are enough to learn a law from. */
const LEARNING_MINIMUM = 300
/** Departures that are scored, at most: enough for a few hundredths of a bit. */
const SCORED_MOST = 8_000
/** Mean delays after which a node is as full as it stays. */
const WARM_DELAYS = 10

/** Mean log loss of the observer who learned the delays of departures `from` to `middle`, on those from there to `to`. */
const learnedLosses = (traffic: HopTraffic, muPerMs: number, from: number, middle: number, to: number): Float64Array => {
  const law = learnedLaw(delaysOf(traffic, from, middle), exponentialLaw(muPerMs).horizonMs)
  // the filter starts early enough to be as full as it stays when scoring begins
  const sinceMs = at(traffic.departureMs, middle) - WARM_DELAYS / muPerMs
  const first = countBelow(traffic.departureMs, sinceMs)
  return hopPosterior(stretchOf(traffic, first, to, sinceMs), law).lossBits.subarray(middle - first)
}

/** @param warmMs  stretch at the beginning that is left out, until the pool is as full as it stays */
export const hopEntropy = (traffic: HopTraffic, muPerMs: number, warmMs = WARM_DELAYS / muPerMs): HopEntropy => {
  const { departureMs } = traffic
  const count = departureMs.length
  const warm = countBelow(departureMs, at(traffic.arrivalMs, 0) + warmMs)
  const half = Math.floor((warm + count) / 2)
  const end = Math.min(count, half + SCORED_MOST)
  const promised = hopPosterior(traffic, exponentialLaw(muPerMs))
  const scored = (losses: Float64Array): Estimate => meanEstimate(batchMeans(losses, BATCHES))
  const trusting = scored(promised.lossBits.subarray(half, end))
  const learning = half - warm < LEARNING_MINIMUM ? trusting : scored(learnedLosses(traffic, muPerMs, warm, half, end))
  const better = learning.interval.upper < trusting.value ? learning : trusting
  const spanMs = at(departureMs, end - 1) - at(departureMs, half)
  const poolSize = spanMs > 0 ? (end - 1 - half) / spanMs / muPerMs : 0
  return {
    node: traffic.node,
    poolSize,
    expectedBits: Math.log2(poolSize * Math.E),
    bits: better,
    promisedBits: meanEstimate(batchMeans(promised.entropyBits.subarray(half, end), BATCHES)),
    observer: better === learning && better !== trusting ? "learned" : "exponential",
    departures: end - half
  }
}

/** Entropy of a distribution in bits; what does not add up to 1 is scaled. */
export const entropyBits = (weights: ArrayLike<number>): number => {
  const total = sum(weights)
  let bits = 0
  for (let index = 0; index < weights.length; index++) {
    const share = at(weights, index) / total
    if (share > 0) bits -= share * Math.log2(share)
  }
  return bits
}
