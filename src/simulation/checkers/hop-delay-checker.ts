/**
 * The delays that a node serves are exponential with the document's µ, as far as they show outside.
 *
 * Contract: sees when packets go into a node and come out of it, not which is which. If each of n packets inside has an exponential rest of its delay,
 * the next one is due after a time whose integral of µ·n(t) is exponential with mean 1, whatever came before (time rescaling). A packet that is due waits
 * `gatherMs` for others of its link, so a batch tells when its first packet was due; only times in which nothing gathers are used. Nodes know whole
 * milliseconds only: what is due in one is due at its end, so a sample is spread evenly over the probability of its last millisecond. The samples of a run
 * are tested against that distribution: a node that does not delay, or acts before the delay is over, fails. Secondly, over stretches of many delays, packets
 * that left less packets inside times a constant scatter by the squared coefficient of variation of what a packet spends inside: a constant delay
 * scatters too little. Counting ends with the calm: faults lose packets that the count would keep.
 * Knows nothing of: roles. The caller says what goes in and out.
 * Source: mixnet.md §2, §5, §10; issue 5, part 1; departures: delays are whole milliseconds, rounded up, so a packet
 * counts half a millisecond after it came; of long runs the first samples are tested, so that what is left of the rounding never shows.
 *
 * @module
 */
import { type Verdict, verdictOf } from "./checker.ts"
import { distanceBound, distanceFrom, exponential } from "./statistics.ts"

export const HOP_DELAY_FALSE_ALARM_RATE = 1e-9
/** Samples that are tested. */
export const HOP_SAMPLE_LIMIT = 2_000
/** Least samples for a test. */
const SAMPLE_COUNT_LEAST = 100
const ROUNDING_MS = 0.5
/** Resolution of the clock of actors. */
const TICK_MS = 1
/** Distance by which loops of the node's own, which leave without having come, and answers that wait for their fixed time may bend the counts. */
const COUNTING_TOLERANCE = 0.05
const GOLDEN = (Math.sqrt(5) - 1) / 2
/** Length of a stretch in mean delays, and how many there must be, and may. */
const STRETCH_DELAYS = 10
const STRETCH_COUNT_LEAST = 300
const STRETCH_COUNT_MOST = 5_000
/** Standard deviations of the scatter below which a false alarm is rarer than 1e-9, and what of the expected scatter is asked for. */
const SCATTER_DEVIATIONS = 6
const SCATTER_SHARE = 0.75

export interface HopDelayCheckerOptions {
  readonly checker: string
  readonly node: string
  readonly muPerMs: number
  /** How long a packet that is due waits for others of its link. */
  readonly gatherMs: number
}

/** One stretch of time: packets that left, and packets inside times milliseconds. */
interface Stretch {
  readonly left: number
  readonly packetMs: number
}

/** Stretches of one length, one after the other. */
class Stretches {
  readonly done: Array<Stretch> = []
  readonly #lengthMs: number
  #fromMs = Number.NaN
  #atMs = 0
  #left = 0
  #packetMs = 0

  constructor(lengthMs: number) {
    this.#lengthMs = lengthMs
  }

  /** Time has gone on with this many packets inside. */
  pass(toMs: number, inside: number): void {
    if (Number.isNaN(this.#fromMs)) {
      this.#fromMs = toMs
      this.#atMs = toMs
    }
    while (toMs - this.#fromMs >= this.#lengthMs) {
      const endMs = this.#fromMs + this.#lengthMs
      if (this.done.length < STRETCH_COUNT_MOST) this.done.push({ left: this.#left, packetMs: this.#packetMs + inside * (endMs - this.#atMs) })
      this.#fromMs = endMs
      this.#atMs = endMs
      this.#left = 0
      this.#packetMs = 0
    }
    this.#packetMs += inside * (toMs - this.#atMs)
    this.#atMs = toMs
  }

  leave(): void {
    this.#left += 1
  }

  /** The squared coefficient of variation of what a packet spends inside. */
  scatter(): number {
    const left = this.done.reduce((sum, each) => sum + each.left, 0)
    const packetMs = this.done.reduce((sum, each) => sum + each.packetMs, 0)
    if (left === 0 || packetMs === 0) return 0
    return this.done.reduce((sum, each) => sum + (each.left - (each.packetMs * left) / packetMs) ** 2, 0) / left
  }
}

export class HopDelayChecker {
  readonly #options: HopDelayCheckerOptions
  readonly #samples: Array<number> = []
  readonly #stretches: Stretches
  /** Packets that came since the last one left. */
  #cameMs: Array<number> = []
  #inside = 0
  /** When the last batch left, and how many packets were left inside then. */
  #leftMs = Number.POSITIVE_INFINITY
  #stayed = 0

  constructor(options: HopDelayCheckerOptions) {
    this.#options = options
    this.#stretches = new Stretches(STRETCH_DELAYS / options.muPerMs)
  }

  /** A packet went in. */
  cameIn(instantMs: number): void {
    this.#stretches.pass(instantMs, this.#inside)
    this.#inside += 1
    if (this.#samples.length < HOP_SAMPLE_LIMIT) this.#cameMs.push(instantMs)
  }

  /** A packet came out. */
  wentOut(instantMs: number): void {
    this.#stretches.pass(instantMs, this.#inside)
    this.#stretches.leave()
    this.#inside -= 1
    if (this.#samples.length >= HOP_SAMPLE_LIMIT) return
    const dueMs = instantMs - this.#options.gatherMs
    if (dueMs > this.#leftMs) this.#samples.push(this.#spread(this.#packetMs(Math.max(this.#leftMs, dueMs - TICK_MS)), this.#packetMs(dueMs)))
    this.#leftMs = instantMs
    this.#stayed = this.#inside
    this.#cameMs = []
  }

  verdict(): Verdict {
    const { checker, node } = this.#options
    const tests = [this.#law(), this.#scattering()].filter((test) => test !== undefined)
    return verdictOf(
      checker,
      tests.flatMap(({ finding }) => (finding === undefined ? [] : [`${node}: ${finding}`])),
      { [`${node}Samples`]: this.#samples.length, ...Object.assign({}, ...tests.map(({ figure }) => ({ [`${node}${figure.name}`]: figure.value }))) },
      tests.length * HOP_DELAY_FALSE_ALARM_RATE
    )
  }

  /** Whether the rescaled waits are exponential. */
  #law() {
    const sampleCount = this.#samples.length
    if (sampleCount < SAMPLE_COUNT_LEAST) return undefined
    const distance = distanceFrom(this.#samples, exponential(1))
    const bound = COUNTING_TOLERANCE + distanceBound(sampleCount, HOP_DELAY_FALSE_ALARM_RATE)
    const mean = this.#samples.reduce((sum, sample) => sum + sample, 0) / sampleCount
    const finding = `its delays are not exponential with the document's mean (distance ${distance.toFixed(3)}, bound ${bound.toFixed(3)}, `
      + `${sampleCount} samples of mean ${mean.toFixed(2)} where 1 is due)`
    return { figure: { name: "Distance", value: distance }, finding: distance > bound ? finding : undefined }
  }

  /** Whether the delays scatter enough. */
  #scattering() {
    const { gatherMs, muPerMs } = this.#options
    const count = this.#stretches.done.length
    if (count < STRETCH_COUNT_LEAST) return undefined
    const scatter = this.#stretches.scatter()
    const bound = (SCATTER_SHARE / (1 + muPerMs * gatherMs) ** 2) * (1 - SCATTER_DEVIATIONS * Math.sqrt(2 / count))
    const finding = `its delays scatter too little (${scatter.toFixed(3)}, bound ${bound.toFixed(3)})`
    return { figure: { name: "Scatter", value: scatter }, finding: scatter < bound ? finding : undefined }
  }

  /** A value between two of µ·n·t that is as probable as what lies between them: the places follow from the golden ratio. */
  #spread(packetMsBefore: number, packetMs: number): number {
    const { muPerMs } = this.#options
    const place = (this.#samples.length * GOLDEN) % 1
    const least = Math.exp(-muPerMs * packetMs)
    return -Math.log(least + place * (Math.exp(-muPerMs * packetMsBefore) - least))
  }

  /** Packets inside times milliseconds, from the last departure to `untilMs`. */
  #packetMs(untilMs: number): number {
    const atFirst = Math.max(0, this.#stayed) * (untilMs - this.#leftMs)
    return this.#cameMs.reduce((sum, cameMs) => sum + Math.max(0, untilMs - Math.max(this.#leftMs, cameMs + ROUNDING_MS)), atFirst)
  }
}
