/**
 * ε_E and what the paper makes of it: the bound that stands beside every measured advantage of linking.
 *
 *   Adv(IO-U) ≤ 4·ε_E + δ        (Theorem 4.4: upload, dispatch, service traffic and fetch cross the mix network once each; δ is BACAP's)
 *   bucket: at most log2(n + 1) bits a job besides
 *
 * ε_E is by definition the advantage of the best adversary there is, and a measurement is that of the best adversary *tried*: it bounds ε_E from below only.
 * The bound printed is made from the upper end of the best attack's interval. It is so the paper's bound if no better attack exists, and it is no proof of
 * that.
 *
 * Contract: the interval is corrected for having taken the best of several attacks (Bonferroni). A bound of 1 or more says nothing, and is marked so.
 * Knows nothing of: how attacks were run.
 * Source: arXiv 2505.18398 Theorem 4.4, Lemma 4.2; funion.md §5; departures: none.
 *
 * @module
 */
import type { GuessingAttack } from "./attacks/attack-result.ts"
import { advantageOf } from "./metrics/advantage.ts"
import { LEVEL, type Estimate } from "./metrics/interval.ts"

/** Mix network traversals of one job: upload, dispatch, service traffic, fetch. */
export const TRAVERSALS = 4

export interface EpsilonEstimate extends Estimate {
  /** The attack that did best. */
  readonly attack: string
  readonly attacksTried: number
  readonly trials: number
}

/** ε_E of the best of several attacks on one traversal, each a game of two candidates. */
export const estimateEpsilon = (attacks: ReadonlyArray<GuessingAttack>, level = LEVEL): EpsilonEstimate => {
  const corrected = 1 - (1 - level) / Math.max(1, attacks.length)
  const estimates = attacks.map(({ advantage: { chance, trials, wins }, name }) => ({ name, ...advantageOf(wins, trials, chance, corrected) }))
  const [best] = [...estimates].sort((one, other) => other.value - one.value)
  if (best === undefined) return { value: 1, interval: { lower: 0, upper: 1, level }, attack: "none", attacksTried: 0, trials: 0 }
  return {
    value: Math.max(0, best.value),
    interval: {
      lower: Math.max(0, ...estimates.map(({ interval }) => interval.lower)),
      upper: Math.max(0, ...estimates.map(({ interval }) => interval.upper)),
      level
    },
    attack: best.name,
    attacksTried: attacks.length,
    trials: best.trials
  }
}

/** Assumptions behind δ, in the order of their weight. */
export const DELTA_INPUTS: ReadonlyArray<string> = [
  "discrete logarithm on edwards25519 (group order 2^252): q operations succeed with probability about q²/2^252 (generic algorithms)",
  "the keyed derivation of each box's blinding factor and key is a random function of a 256-bit secret: q/2^256",
  "each AES-256-GCM-SIV key seals one box: q/2^256",
  "no quantum computer, and sound implementations: neither is measured here"
]

/** Work of the adversary against BACAP that δ is stated for, log2 of operations. */
export const DELTA_WORK_BITS = 60

/** δ for an adversary with 2^workBits operations. */
export const bacapDelta = (workBits: number = DELTA_WORK_BITS): number => 2 ** (2 * workBits - 252) + 2 * 2 ** (workBits - 256)

export interface LinkingBound {
  readonly epsilonE: EpsilonEstimate
  readonly delta: number
  /** 4·ε_E + δ at the upper end of the interval, at most 1. */
  readonly bound: number
  /** The same at the measured value. */
  readonly boundAtValue: number
  /** Whether the bound is 1: then it says nothing, and the measured advantages are all there is. */
  readonly vacuous: boolean
}

export const linkingBound = (epsilonE: EpsilonEstimate, delta: number = bacapDelta()): LinkingBound => {
  const raw = TRAVERSALS * epsilonE.interval.upper + delta
  return { epsilonE, delta, bound: Math.min(1, raw), boundAtValue: Math.min(1, TRAVERSALS * epsilonE.value + delta), vacuous: raw >= 1 }
}

/** Bits that the choice among n release edges can tell, overflow included (Lemma 4.2). */
export const bucketLeakBits = (bucketCount: number): number => Math.log2(bucketCount + 1)
