/**
 * Which packet in was this packet out? The beliefs of an observer of one node who sees all arrivals and departures and knows the law of the delays.
 *
 * Let s(i) be the probability that arrival i is still inside and w(i) its weight under the law. When a packet leaves, it is i with probability
 * p(i) = s(i)·w(i) / Σ s·w, and s(i) falls by p(i). For exponential delays (w constant) this is exact and not an approximation: each way to pair arrivals
 * with later departures has the same likelihood Π µ·exp(−µ·delay), since the sum of all delays is the same for all of them; so the packet that leaves is
 * uniform among the n inside, s(i) is the product of (1 − 1/n) over the departures since i came, and Σ s = n. For other laws it is the mean-field filter:
 * how good it is shows in its log loss, which is never below the entropy that a perfect observer would be left with.
 *
 * Contract: rows add up to 1, or are empty where nothing can have left. Written rows keep what has at least `floor` of probability, scaled to 1.
 * Knows nothing of: other nodes, who runs the node.
 * Source: Danezis 2004 (traffic analysis of continuous-time mixes), Kesdogan et al. 1998 (stop-and-go mixes); departures: conditioned on departures too.
 *
 * @module
 */
import { STEPS_PER_MS, type DelayLaw } from "./delay-law.ts"
import type { HopTraffic } from "./flow.ts"
import { at, countBelow } from "./series.ts"

/** Beliefs about every departure of a node. */
export interface HopPosterior {
  readonly traffic: HopTraffic
  /**
   * For exponential delays: how many were inside when each departure left, which is all there is to know; rows are then not written out (`rowOf` makes them).
   */
  readonly inside: Float64Array | undefined
  /** Row of departure d: entries rowStart[d] to rowStart[d + 1]. */
  readonly rowStart: Int32Array
  /** Position among the arrivals. */
  readonly source: Int32Array
  readonly probability: Float64Array
  /** Entropy of each row before anything was cut off, in bits. */
  readonly entropyBits: Float64Array
  /** −log2 of what the row gave to the truth. */
  readonly lossBits: Float64Array
}

/** What is less likely to be inside than this is taken for gone. */
const GONE = 1e-6
/** Largest log loss, of a truth that was taken for gone: about −log2(GONE). */
const LARGEST_LOSS_BITS = 20
const DEFAULT_FLOOR = 1e-4

/** A list of numbers that grows. */
class Growing {
  #values = new Float64Array(1024)
  length = 0

  push(value: number): void {
    if (this.length === this.#values.length) {
      const larger = new Float64Array(2 * this.#values.length)
      larger.set(this.#values)
      this.#values = larger
    }
    this.#values[this.length++] = value
  }

  toArray(): Float64Array {
    return this.#values.slice(0, this.length)
  }
}

interface WeighedLaw extends DelayLaw {
  readonly weights: Float64Array
}

/** The packets that may still be inside. */
class Pool {
  count = 0
  arrival = new Int32Array(64)
  inside = new Float64Array(64)
  weight = new Float64Array(64)

  enter(arrival: number): void {
    if (this.count === this.arrival.length) {
      const size = 2 * this.count
      const [arrivals, inside] = [new Int32Array(size), new Float64Array(size)]
      arrivals.set(this.arrival)
      inside.set(this.inside)
      this.arrival = arrivals
      this.inside = inside
      this.weight = new Float64Array(size)
    }
    this.arrival[this.count] = arrival
    this.inside[this.count++] = 1
  }

  /** Weighs all that may leave now and forgets what is too old. @returns the total, 0 when nothing is inside */
  weigh(arrivalMs: Float64Array, nowMs: number, { horizonMs, weights }: WeighedLaw): number {
    const { arrival, inside, weight } = this
    let kept = 0
    let total = 0
    for (let place = 0; place < this.count; place++) {
      const present = inside[place] as number
      const which = arrival[place] as number
      const age = nowMs - (arrivalMs[which] as number)
      if (present < GONE || age > horizonMs) continue
      const share = present * (weights[Math.round(age * STEPS_PER_MS)] as number)
      arrival[kept] = which
      inside[kept] = present
      weight[kept++] = share
      total += share
    }
    this.count = kept
    return total
  }
}

/**
 * The exact beliefs for exponential delays. Every s(i) falls by the same factor at a departure, so with n inside and A = Σ s·log2 s a row's entropy is
 * log2 n − A/n, and a departure turns A into c·A + c·n·log2 c, where c = 1 − 1/n: constant work per event.
 */
const exponentialPosterior = (traffic: HopTraffic): HopPosterior => {
  const departures = traffic.departureEvents.length
  const [entropyBits, lossBits, insides] = [new Float64Array(departures), new Float64Array(departures), new Float64Array(departures)]
  const fallenAtArrival = new Float64Array(traffic.arrivalEvents.length)
  let [inside, spread, fallenBits, next] = [0, 0, 0, 0]
  for (let departure = 0; departure < departures; departure++) {
    for (; next < fallenAtArrival.length && (traffic.arrivalEvents[next] as number) < (traffic.departureEvents[departure] as number); next++) {
      fallenAtArrival[next] = fallenBits
      inside++
    }
    insides[departure] = inside
    entropyBits[departure] = Math.log2(inside) - spread / inside
    const fallen = fallenBits - (fallenAtArrival[traffic.sourceOf[departure] as number] as number)
    lossBits[departure] = Math.min(LARGEST_LOSS_BITS, Math.log2(inside) + fallen)
    const rest = 1 - 1 / inside
    spread = inside === 1 ? 0 : rest * spread + rest * Math.log2(rest) * inside
    fallenBits = inside === 1 ? fallenBits + 2 * LARGEST_LOSS_BITS : fallenBits - Math.log2(rest)
    inside--
  }
  const noRows = { rowStart: new Int32Array(departures + 1), source: new Int32Array(), probability: new Float64Array() }
  return { traffic, inside: insides, ...noRows, entropyBits, lossBits }
}

/** The mean-field filter for any law. */
const weighedPosterior = (traffic: HopTraffic, law: WeighedLaw, floor: number): HopPosterior => {
  const departures = traffic.departureEvents.length
  const rowStart = new Int32Array(departures + 1)
  const [source, probability, pool] = [new Growing(), new Growing(), new Pool()]
  const [entropyBits, lossBits] = [new Float64Array(departures), new Float64Array(departures).fill(LARGEST_LOSS_BITS)]
  let next = 0
  for (let departure = 0; departure < departures; departure++) {
    while (next < traffic.arrivalEvents.length && at(traffic.arrivalEvents, next) < at(traffic.departureEvents, departure)) pool.enter(next++)
    const total = pool.weigh(traffic.arrivalMs, at(traffic.departureMs, departure), law)
    const { arrival, inside, weight } = pool
    const cut = floor * total
    const truth = at(traffic.sourceOf, departure)
    let kept = 0
    let bits = 0
    for (let place = 0; place < pool.count; place++) {
      const share = (weight[place] as number) / total
      if (share > 0) bits -= share * Math.log2(share)
      if (arrival[place] === truth) lossBits[departure] = Math.min(LARGEST_LOSS_BITS, -Math.log2(share))
      if ((weight[place] as number) >= cut) kept += weight[place] as number
    }
    entropyBits[departure] = bits
    for (let place = 0; place < pool.count; place++) {
      const own = weight[place] as number
      if (own >= cut) {
        source.push(arrival[place] as number)
        probability.push(own / kept)
      }
      inside[place] = Math.max(0, (inside[place] as number) - own / total)
    }
    rowStart[departure + 1] = source.length
  }
  return { traffic, inside: undefined, rowStart, source: Int32Array.from(source.toArray()), probability: probability.toArray(), entropyBits, lossBits }
}

/**
 * The beliefs of somebody who sees all instants and holds this law for true.
 * @param floor  what is less likely is left out of the rows
 * @cost constant for each event with exponential delays; else departures × packets that may be inside: some fifteen times the mean number in the node
 */
export const hopPosterior = (traffic: HopTraffic, law: DelayLaw, floor = DEFAULT_FLOOR): HopPosterior => {
  const { weights } = law
  return weights === undefined ? exponentialPosterior(traffic) : weighedPosterior(traffic, { ...law, weights }, floor)
}

/** The beliefs of whoever runs the node: the truth. */
export const knownPosterior = (traffic: HopTraffic): HopPosterior => {
  const departures = traffic.departureEvents.length
  return {
    traffic,
    inside: undefined,
    rowStart: Int32Array.from({ length: departures + 1 }, (_, departure) => departure),
    source: traffic.sourceOf,
    probability: new Float64Array(departures).fill(1),
    entropyBits: new Float64Array(departures),
    lossBits: new Float64Array(departures)
  }
}

/** The delays of a stretch of departures, by the truth. */
export const delaysOf = (traffic: HopTraffic, from = 0, to = traffic.sourceOf.length): Float64Array =>
  Float64Array.from({ length: Math.max(0, to - from) }, (_, index) =>
    at(traffic.departureMs, from + index) - at(traffic.arrivalMs, at(traffic.sourceOf, from + index)))

/** What the arrivals of a node are worth for one departure, by position; those that came later have 0. */
export const rowOf = ({ inside, probability, rowStart, source, traffic }: HopPosterior, departure: number): Float64Array => {
  const row = new Float64Array(traffic.arrivalEvents.length)
  if (inside === undefined) {
    for (let entry = at(rowStart, departure); entry < at(rowStart, departure + 1); entry++) row[at(source, entry)] = at(probability, entry)
    return row
  }
  let share = 1 / at(inside, departure)
  let before = departure - 1
  for (let arrival = row.length - 1; arrival >= 0; arrival--) {
    if (at(traffic.arrivalEvents, arrival) > at(traffic.departureEvents, departure)) continue
    for (; before >= 0 && at(traffic.departureEvents, before) > at(traffic.arrivalEvents, arrival); before--) share *= 1 - 1 / at(inside, before)
    row[arrival] = share
  }
  return row
}

/** The stretch of departures from one to another, with the arrivals since `sinceMs`; departures whose source came earlier have none. */
export const stretchOf = (traffic: HopTraffic, from: number, to: number, sinceMs: number): HopTraffic => {
  const skipped = countBelow(traffic.arrivalMs, sinceMs)
  return {
    node: traffic.node,
    arrivalEvents: traffic.arrivalEvents.subarray(skipped),
    arrivalMs: traffic.arrivalMs.subarray(skipped),
    departureEvents: traffic.departureEvents.subarray(from, to),
    departureMs: traffic.departureMs.subarray(from, to),
    sourceOf: traffic.sourceOf.slice(from, to).map((source) => Math.max(-1, source - skipped))
  }
}
