/**
 * Tests with stated false-alarm rates, for checkers.
 *
 * Contract: each function gives a probability or a bound that true samples pass but with the rate asked for; asymptotic quantiles are those for the sample
 * sizes used here (100 and more).
 * Knows nothing of: what the samples are.
 * Source: Kolmogorov–Smirnov with the bound of Dvoretzky, Kiefer and Wolfowitz (constant of Massart); tails of Poisson and binomial by summation;
 * departures: none.
 *
 * @module
 */

/** Largest distance of the empirical distribution from a continuous one. */
export const distanceFrom = (samples: ReadonlyArray<number>, distribution: (x: number) => number): number => {
  const sorted = Float64Array.from(samples).sort()
  let worst = 0
  for (const [index, x] of sorted.entries()) {
    const expected = distribution(x)
    worst = Math.max(worst, (index + 1) / sorted.length - expected, expected - index / sorted.length)
  }
  return worst
}

/** The distance that true samples exceed with at most this probability, for every sample size. */
export const distanceBound = (sampleCount: number, falseAlarmRate: number): number => Math.sqrt(Math.log(2 / falseAlarmRate) / (2 * sampleCount))

/** Distribution function of an exponential variable. */
export const exponential = (ratePerMs: number) => (x: number): number => (x <= 0 ? 0 : -Math.expm1(-ratePerMs * x))

/** ln Γ(x) for x ≥ 1, by Stirling's series after a shift: relative error below 1e-10. */
const logGamma = (x: number): number => {
  let shift = 0
  let at = x
  for (; at < 10; at++) shift -= Math.log(at)
  return shift + (at - 0.5) * Math.log(at) - at + 0.5 * Math.log(2 * Math.PI) + 1 / (12 * at) - 1 / (360 * at ** 3) + 1 / (1260 * at ** 5)
}

/** Terms of a tail below this share of its sum do not count. */
const NEGLIGIBLE = 1e-17

/** Sums terms that start at exp(`logFirst`) and shrink by `ratio(step)` each. */
const tail = (logFirst: number, ratio: (step: number) => number, stepLimit: number): number => {
  let term = Math.exp(logFirst)
  let sum = 0
  for (let step = 0; step <= stepLimit && term > sum * NEGLIGIBLE; step++) {
    sum += term
    term *= ratio(step)
  }
  return Math.min(1, sum)
}

/** P(X ≥ count) of a Poisson variable, for a count above the mean; 1 for one at or below it. */
export const poissonAtLeast = (count: number, mean: number): number => {
  if (count <= mean) return 1
  if (mean <= 0) return 0
  return tail(count * Math.log(mean) - mean - logGamma(count + 1), (step) => mean / (count + step + 1), 1e7)
}

/** P(X ≤ count) of a Poisson variable, for a count below the mean; 1 for one at or above it. */
export const poissonAtMost = (count: number, mean: number): number => {
  if (count >= mean) return 1
  return tail(count * Math.log(mean) - mean - logGamma(count + 1), (step) => (count - step) / mean, count)
}

/** P(X ≥ successes) of a binomial variable, for successes above the mean; 1 for others. */
export const binomialAtLeast = (successes: number, trials: number, share: number): number => {
  if (successes <= trials * share) return 1
  if (share <= 0) return 0
  const logFirst = logGamma(trials + 1) - logGamma(successes + 1) - logGamma(trials - successes + 1)
    + successes * Math.log(share) + (trials - successes) * Math.log1p(-share)
  return tail(logFirst, (step) => ((trials - successes - step) / (successes + step + 1)) * (share / (1 - share)), trials - successes)
}
