/**
 * Draws of the lab's statistics: resampling, shuffles, coin flips of the games. Never of a network: those come from Effect's Random.
 *
 * Contract: the same seed gives the same draws. For statistics only; the generator is predictable.
 * Knows nothing of: what is drawn for.
 * Source: sfc32 (C. Doty-Humphrey, PractRand), seeded by a 32-bit finaliser; departures: none.
 *
 * @module
 */
/** Uniform in [0, 1). */
export type Draw = () => number

const SEED_ROUNDS = 16

/** A generator of uniform draws, 32 random bits each. */
export const seededDraws = (seed: number): Draw => {
  let a = seed | 0
  let b = Math.floor(seed / 0x1_0000_0000) | 0
  let c = 0x9e37_79b9 | 0
  let counter = 1
  const next = (): number => {
    const result = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + result | 0
    return (result >>> 0) / 0x1_0000_0000
  }
  for (let round = 0; round < SEED_ROUNDS; round++) next()
  return next
}

/** A whole number from 0 to count − 1. */
export const drawIndex = (draw: Draw, count: number): number => Math.floor(draw() * count)

/** An exponential draw with mean 1 / rate. */
export const drawExponential = (draw: Draw, rate: number): number => -Math.log1p(-draw()) / rate

/** A standard normal draw (Box and Muller). */
export const drawNormal = (draw: Draw): number => Math.sqrt(-2 * Math.log1p(-draw())) * Math.cos(2 * Math.PI * draw())

/** Deals a list anew, each order with equal probability (Fisher and Yates). */
export const shuffleInPlace = (draw: Draw, items: Int32Array): Int32Array => {
  for (let last = items.length - 1; last > 0; last--) {
    const other = Math.floor(draw() * (last + 1))
    const kept = items[last] as number
    items[last] = items[other] as number
    items[other] = kept
  }
  return items
}

/** 0 … count − 1 in a uniformly random order. */
export const drawOrder = (draw: Draw, count: number): Int32Array => shuffleInPlace(draw, Int32Array.from({ length: count }, (_, index) => index))
