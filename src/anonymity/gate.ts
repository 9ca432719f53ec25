/**
 * Gates: figures that must stay where they are, each with a bound and a stated rate of false alarms.
 *
 * Contract: a gate fails when the figure is on the wrong side of its bound by more than chance explains: the end of the figure's interval that is nearer to
 * the bound is beyond it. The interval's level is 1 − `falseAlarmRate`, so a network that is exactly as good as the bound asks fails that rarely.
 * Knows nothing of: experiments.
 * Source: issue "anonymity that is measured", points 4 and 5; departures: none.
 *
 * @module
 */
import type { TestingAttack } from "./attacks/attack-result.ts"
import type { PairingTest } from "./attacks/pairing-test.ts"
import type { StrataTest } from "./attacks/strata-test.ts"
import type { Estimate } from "./metrics/interval.ts"
import { compareWithLaw } from "./metrics/kolmogorov-smirnov.ts"
import { separation } from "./metrics/roc.ts"

/** Of each gate, in a network where all is well. */
export const FALSE_ALARM_RATE = 1e-4
/** Level of the intervals of gates. */
export const GATE_LEVEL = 1 - FALSE_ALARM_RATE

export interface Gate {
  /** `part/figure` */
  readonly name: string
  readonly value: number
  /** [lower, upper] at `GATE_LEVEL`; of a count or a distance that is compared as it stands, the value itself. */
  readonly interval: readonly [number, number]
  readonly bound: number
  readonly pass: boolean
  /** What is measured, in one sentence. */
  readonly meaning: string
  /** Games, gaps, boxes … that the figure stands on. */
  readonly samples: number
}

interface Named {
  readonly name: string
  readonly meaning: string
}

/** A gate that nothing was measured for fails: silence is no evidence. */
const enough = (samples: number, least: number): boolean => samples >= least

/** The figure must not be above the bound. */
export const atMost = (named: Named, { interval, value }: Estimate, bound: number, samples: number, leastSamples = 1): Gate =>
  ({ ...named, value, interval: [interval.lower, interval.upper], bound, samples, pass: enough(samples, leastSamples) && interval.lower <= bound })

/** The figure must not be below the bound. */
export const atLeast = (named: Named, { interval, value }: Estimate, bound: number, samples: number, leastSamples = 1): Gate =>
  ({ ...named, value, interval: [interval.lower, interval.upper], bound, samples, pass: enough(samples, leastSamples) && interval.upper >= bound })

/** A count of what must not happen at all. */
export const never = (named: Named, count: number, samples: number, leastSamples = 1): Gate =>
  ({ ...named, value: count, interval: [count, count], bound: 0, samples, pass: enough(samples, leastSamples) && count === 0 })

/** Two kinds that no score may tell apart: |2·AUC − 1| is the advantage. @param margin  advantage that is allowed for */
export const tellsApartAtMost = (named: Named, one: ArrayLike<number>, other: ArrayLike<number>, margin: number, leastSamples = 20): Gate => {
  return atMost(named, separation(one, other, GATE_LEVEL), margin, Math.min(one.length, other.length), leastSamples)
}

/** Level of each of several intervals when the worst of the figures counts (Bonferroni). */
export const sharedLevel = (count: number): number => 1 - FALSE_ALARM_RATE / Math.max(1, count)

/** The strongest of several attacks on one thing must not be above the bound. @param attacks  with intervals at `sharedLevel` of their number */
export const strongestAtMost = (named: Named, attacks: ReadonlyArray<Estimate>, bound: number, samples: number, leastSamples = 20): Gate => {
  const [worst] = [...attacks].sort((one, other) => other.interval.lower - one.interval.lower || other.value - one.value)
  const nothing: Estimate = { value: 0, interval: { lower: 0, upper: 1, level: GATE_LEVEL } }
  return atMost(named, worst ?? nothing, bound, attacks.length === 0 ? 0 : samples, leastSamples)
}

/** Pairings that must be guessed: the best observer's advantage beside what the best of as many blind ones reaches once in 1 / `FALSE_ALARM_RATE`. */
export const pairsBlindly = (named: Named, { best, critical, pairs }: PairingTest, leastPairs: number): Gate =>
  ({ ...named, value: best, interval: [best, best], bound: critical, samples: pairs, pass: enough(pairs, leastPairs) && best <= critical })

/**
 * Kinds that must be told apart blindly: the best observer's area beside what the best of as many blind ones reaches once in 1 / `FALSE_ALARM_RATE`. Where
 * even who tells all of them apart could be blind, too little was measured.
 */
export const kindsBlindly = (named: Named, { area, critical, pairs }: StrataTest, leastPairs: number): Gate => ({
  ...named, value: area.value, interval: [area.value, area.value], bound: critical, samples: pairs,
  pass: enough(pairs, leastPairs) && critical < 1 && area.value <= critical
})

/** What was seen must be possible by chance: its probability, which is `FALSE_ALARM_RATE` or less in as few sound networks. */
export const chanceExplains = (named: Named, { probability }: TestingAttack, samples: number, leastSamples = 20): Gate => ({
  ...named, value: probability, interval: [probability, probability], bound: FALSE_ALARM_RATE, samples,
  pass: enough(samples, leastSamples) && probability >= FALSE_ALARM_RATE
})

/** The distance of a sample from its law that chance exceeds with `FALSE_ALARM_RATE`. */
export const criticalDistance = (samples: number): number => Math.sqrt(-Math.log(FALSE_ALARM_RATE / 2) / 2 / Math.max(1, samples))

/** A sample that must follow a law. @param grain  what instants are rounded to may add this to the distance */
export const followsLaw = (named: Named, sample: ArrayLike<number>, cdf: (value: number) => number, grain: number, leastSamples = 50): Gate => {
  const { distance } = compareWithLaw(sample, cdf)
  const bound = criticalDistance(sample.length) + grain
  return {
    ...named, value: distance, interval: [distance, distance], bound, samples: sample.length,
    pass: enough(sample.length, leastSamples) && distance <= bound
  }
}
