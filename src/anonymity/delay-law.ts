/**
 * What an observer believes about the delays inside a node: a weight for each age that a waiting packet may have.
 *
 * The chance that the packet that leaves now is one of age t is proportional to the hazard h(t) = f(t) / (1 − F(t)) of its delay. For an exponential delay
 * the hazard is constant: age says nothing, which is why these nodes mix. Whoever suspects that a node doesn't do as it should sends probes through it
 * and learns its hazard from them; against a node that is honest this gains nothing, against one that is not it gains all there is.
 *
 * Contract: weights are positive and finite; beyond `horizonMs` a packet is taken for lost.
 * Knows nothing of: traffic.
 * Source: the life-table estimate of a hazard (Cutler and Ederer 1958); departures: the fraction of a millisecond is learned apart, since delays travel as
 * whole milliseconds (mixnet.md §2) and an instant that keeps its fraction through a node would mark its packet.
 *
 * @module
 */
import { exponentialCapMs } from "../mixnet/delay.ts"
import { at, sorted } from "./series.ts"

/** Weights are given at steps of this length, so that a look-up is one multiplication. */
export const STEPS_PER_MS = 32

export interface DelayLaw {
  readonly name: string
  readonly horizonMs: number
  /** The weight of an age, at Math.round(age · STEPS_PER_MS), up to the horizon; absent when all ages weigh the same. */
  readonly weights: Float64Array | undefined
}

/** The law that the parameters of the network promise. */
export const exponentialLaw = (muPerMs: number): DelayLaw => ({ name: "exponential", horizonMs: exponentialCapMs(muPerMs) + 1, weights: undefined })

const AGE_BINS = 48

/** Edges of bins of whole milliseconds, centred on them, each with about 1/AGE_BINS of the delays; the first begins at −0.5. */
const ageEdges = (ascending: Float64Array): Float64Array => {
  const edges = new Set([-0.5])
  for (let bin = 0; bin <= AGE_BINS; bin++) {
    const centre = Math.round(at(ascending, Math.min(ascending.length - 1, Math.floor(bin * ascending.length / AGE_BINS))))
    edges.add(centre - 0.5).add(centre + 0.5)
  }
  return Float64Array.from(edges).sort()
}

/** Hazard of each bin by the life table, and beyond the last edge. */
const lifeTable = (ascending: Float64Array, edges: Float64Array): Float64Array => {
  const hazards = new Float64Array(edges.length)
  let next = 0
  let waiting = ascending.length
  for (let bin = 0; bin + 1 < edges.length; bin++) {
    const start = next
    while (next < ascending.length && at(ascending, next) < at(edges, bin + 1)) next++
    const gone = next - start
    // half of those that leave in a bin were there all the time; half a count of prior keeps every weight positive
    hazards[bin] = (gone + 0.5) / ((waiting - gone / 2 + 1) * (at(edges, bin + 1) - at(edges, bin)))
    waiting -= gone
  }
  // beyond the longest delay seen: as rare as half a packet of all
  hazards[edges.length - 1] = 0.5 / (ascending.length + 1)
  return hazards
}

/**
 * The law learned from delays that were seen, of probes or of training runs.
 * @param delaysMs  at least a few hundred; fewer give a law that is almost flat
 */
export const learnedLaw = (delaysMs: ArrayLike<number>, horizonMs: number): DelayLaw => {
  const ascending = sorted(delaysMs)
  const edges = ageEdges(ascending)
  const hazards = lifeTable(ascending, edges)
  const phases = new Float64Array(STEPS_PER_MS).fill(0.5)
  for (const delay of ascending) {
    const phase = Math.round(Math.max(0, delay) * STEPS_PER_MS) % STEPS_PER_MS
    phases[phase] = at(phases, phase) + 1
  }
  const scale = STEPS_PER_MS / (ascending.length + STEPS_PER_MS / 2)
  const weights = new Float64Array(Math.ceil(horizonMs * STEPS_PER_MS) + 1)
  let bin = 0
  for (let step = 0; step < weights.length; step++) {
    while (bin + 1 < edges.length && at(edges, bin + 1) <= step / STEPS_PER_MS) bin++
    weights[step] = at(hazards, bin) * at(phases, step % STEPS_PER_MS) * scale
  }
  return { name: "learned", horizonMs, weights }
}
