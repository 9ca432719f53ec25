/**
 * The special functions that exact intervals and tests need.
 *
 * Contract: relative error below 1e-9 in the ranges used here (degrees of freedom and counts up to 10^7).
 * Knows nothing of: statistics.
 * Source: Lanczos (g = 7, n = 9); Numerical Recipes §6.4 (continued fraction by Lentz); quantiles by bisection of their own distribution function;
 * departures: none.
 *
 * @module
 */
const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905, -0.13857109526572012,
  9.9843695780195716e-6, 1.5056327351493116e-7
] as const

const FRACTION_STEPS = 5000
const TINY = 1e-300
const BISECTIONS = 200

/** ln Γ(x) for x > 0. */
export const logGamma = (x: number): number => {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x)
  const base = x - 1 + 7.5
  const series = LANCZOS.reduce((total, coefficient, index) => (index === 0 ? coefficient : total + coefficient / (x - 1 + index)), 0)
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(base) - base + Math.log(series)
}

const nonZero = (x: number): number => (Math.abs(x) < TINY ? TINY : x)

const betaFraction = (a: number, b: number, x: number): number => {
  let c = 1
  let d = 1 / nonZero(1 - (a + b) * x / (a + 1))
  let result = d
  for (let step = 1; step <= FRACTION_STEPS; step++) {
    const even = step * (b - step) * x / ((a + 2 * step - 1) * (a + 2 * step))
    d = 1 / nonZero(1 + even * d)
    c = nonZero(1 + even / c)
    result *= d * c
    const odd = -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1))
    d = 1 / nonZero(1 + odd * d)
    c = nonZero(1 + odd / c)
    result *= d * c
    if (Math.abs(d * c - 1) < 1e-15) break
  }
  return result
}

/** I_x(a, b), the distribution function of the beta distribution. */
export const regularisedBeta = (x: number, a: number, b: number): number => {
  if (x <= 0) return 0
  if (x >= 1) return 1
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x))
  return x < (a + 1) / (a + b + 2) ? front * betaFraction(a, b, x) / a : 1 - front * betaFraction(b, a, 1 - x) / b
}

/** Where an increasing function reaches a value between two arguments. */
const bisect = (increasing: (x: number) => number, value: number, low: number, high: number): number => {
  let below = low
  let above = high
  for (let step = 0; step < BISECTIONS && above - below > 1e-15 * Math.max(1, Math.abs(above)); step++) {
    const middle = (below + above) / 2
    if (increasing(middle) < value) below = middle
    else above = middle
  }
  return (below + above) / 2
}

/** Quantile of the beta distribution. */
export const betaQuantile = (probability: number, a: number, b: number): number => bisect((x) => regularisedBeta(x, a, b), probability, 0, 1)

/** Distribution function of Student's t. */
export const studentCdf = (t: number, degrees: number): number => {
  const tail = 0.5 * regularisedBeta(degrees / (degrees + t * t), degrees / 2, 0.5)
  return t > 0 ? 1 - tail : tail
}

/** Quantile of Student's t. */
export const studentQuantile = (probability: number, degrees: number): number => {
  let reach = 2
  while (studentCdf(reach, degrees) < Math.max(probability, 1 - probability)) reach *= 2
  return bisect((t) => studentCdf(t, degrees), probability, -reach, reach)
}

const SERIES_LIMIT = 3
const SERIES_STEPS = 200

/** Distribution function of the standard normal: a power series near 0, the continued fraction of the tail beyond. */
export const normalCdf = (z: number): number => {
  const density = Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI)
  if (Math.abs(z) <= SERIES_LIMIT) {
    let term = z
    let total = z
    for (let step = 1; step < SERIES_STEPS && Math.abs(term) > 1e-17 * Math.abs(total); step++) {
      term *= z * z / (2 * step + 1)
      total += term
    }
    return 0.5 + density * total
  }
  let fraction = 0
  for (let step = 60; step >= 1; step--) fraction = step / (Math.abs(z) + fraction)
  const tail = density / (Math.abs(z) + fraction)
  return z > 0 ? 1 - tail : tail
}

/** Quantile of the standard normal. */
export const normalQuantile = (probability: number): number => bisect(normalCdf, probability, -40, 40)
