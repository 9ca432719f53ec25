/**
 * The one-sample Kolmogorov–Smirnov test.
 *
 * Goal: say whether numbers come from a distribution, with a false-alarm rate that is stated.
 * Method: the largest distance between empirical and true distribution function against its asymptotic quantile. For a discrete distribution
 * the distance is taken at its atoms, which makes false alarms rarer than stated.
 *
 * @module
 */

/** Largest distance of the empirical distribution of `samples` from `distribution`, continuous. */
export const distanceOf = (samples: ReadonlyArray<number>, distribution: (x: number) => number): number => {
  const sorted = [...samples].sort((a, b) => a - b)
  return sorted.reduce((worst, x, index) => {
    const expected = distribution(x)
    return Math.max(worst, Math.abs((index + 1) / sorted.length - expected), Math.abs(index / sorted.length - expected))
  }, 0)
}

/** The same for a distribution on whole numbers. */
export const discreteDistanceOf = (samples: ReadonlyArray<number>, distribution: (x: number) => number): number => {
  const sorted = [...samples].sort((a, b) => a - b)
  return sorted.reduce((worst, x, index) =>
    sorted[index + 1] === x ? worst : Math.max(worst, Math.abs((index + 1) / sorted.length - distribution(x))), 0)
}

/** The distance that true samples exceed with probability `falseAlarmRate`. */
export const criticalDistance = (sampleCount: number, falseAlarmRate: number): number =>
  Math.sqrt(-Math.log(falseAlarmRate / 2) / 2 / sampleCount)
