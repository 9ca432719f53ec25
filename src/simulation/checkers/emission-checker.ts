/**
 * Emissions are a Poisson stream of the rate that the directory document states, whether there is work or not, and never two at once.
 *
 * Contract: watches one sender's packets towards its gateways. In its time of work, and in the rest, apart: the count must fit the rate, the gaps must be
 * exponential, and no more gaps than chance makes may be shorter than `BURST_MS`, or none at all. So a client that slows down, speeds up or stops its cover
 * under load fails, and so does one whose packets leave in pairs. Time in which a fault hinders the sender or its link is left out, by whole gaps.
 * Knows nothing of: which packets are real.
 * Source: mixnet.md §4.2; funion.md §7 (O13, O16); issue 5, part 1 ("rates equal with and without load"); departures: none.
 *
 * @module
 */
import type { Window } from "../fault-schedule.ts"
import { coveredMs, merged, type Verdict, verdictOf, without } from "./checker.ts"
import { distanceBound, distanceFrom, exponential, poissonAtLeast, poissonAtMost } from "./statistics.ts"

/** Each test of this checker fails a sound sender with at most this probability. */
export const TEST_FALSE_ALARM_RATE = 1e-9
/** Gaps below it count as none: actors know whole milliseconds, so that two ticks of one leave together. */
export const BURST_MS = 1
/** More of them than a Poisson stream has, for the ticks that rounding brings together. */
const BURST_FACTOR = 1.5
/**
 * More packets than a share of the rate's per millisecond never leave at one and the same instant: only two ticks of one stream in one millisecond do, and
 * of those one in two, since the stream knows whole milliseconds and is late by half of one.
 */
const SAME_FACTOR = 0.75
/** Gaps that are tested: of more, the rounding would show. */
const GAP_COUNT_MOST = 4_000
/** Least gaps for a test of their distribution. */
const GAP_COUNT_LEAST = 100

export interface EmissionCheckerOptions {
  /** Whose packets. */
  readonly sender: string
  /** Of all its sessions together, per millisecond: sessions · (λP + λL). */
  readonly ratePerMs: number
}

type Phase = "rest" | "work"

export class EmissionChecker {
  readonly #options: EmissionCheckerOptions
  readonly #instantsMs: Array<number> = []

  constructor(options: EmissionCheckerOptions) {
    this.#options = options
  }

  /** A packet left. */
  observe(instantMs: number): void {
    this.#instantsMs.push(instantMs)
  }

  /**
   * @param watched  the time in which the sender was up and watched
   * @param work  when it had jobs
   * @param troubles  when faults hindered it
   */
  verdict(watched: Window, work: ReadonlyArray<Window>, troubles: ReadonlyArray<Window>): Verdict {
    const { ratePerMs, sender } = this.#options
    const sound = without([watched], troubles)
    const spans: Readonly<Record<Phase, ReadonlyArray<Window>>> = { work: without(sound, without(sound, work)), rest: without(sound, work) }
    const findings: Array<string> = []
    const figures: Record<string, number> = {}
    let testCount = 0
    const test = (probability: number, finding: () => string): void => {
      testCount += 1
      if (probability < TEST_FALSE_ALARM_RATE) findings.push(finding())
    }
    for (const phase of ["rest", "work"] as const) {
      const totalMs = coveredMs(spans[phase])
      const { count, gapsMs } = this.#within(spans[phase])
      const expected = totalMs * ratePerMs
      figures[`${phase}Packets`] = count
      figures[`${phase}Expected`] = expected
      test(2 * Math.min(poissonAtLeast(count, expected), poissonAtMost(count, expected)), () =>
        `${sender}: ${count} packets in ${Math.round(totalMs)} ms of ${phase}, where ${Math.round(expected)} are due`)
      const bursts = gapsMs.filter((gapMs) => gapMs < BURST_MS).length
      const byChance = BURST_FACTOR * gapsMs.length * exponential(ratePerMs)(BURST_MS)
      test(poissonAtLeast(bursts, byChance), () => `${sender}: ${bursts} times two packets at once in its time of ${phase}`)
      const together = gapsMs.filter((gapMs) => gapMs === 0).length
      test(poissonAtLeast(together, SAME_FACTOR * gapsMs.length * ratePerMs * BURST_MS), () =>
        `${sender}: ${together} times two packets at one instant in its time of ${phase}, of ${count} packets`)
      figures[`${phase}Together`] = together
      if (gapsMs.length < GAP_COUNT_LEAST) continue
      const tested = gapsMs.slice(0, GAP_COUNT_MOST)
      const distance = distanceFrom(tested, exponential(ratePerMs))
      figures[`${phase}Distance`] = distance
      // the bound is the test: its rate is the probability
      test(distance > distanceBound(tested.length, TEST_FALSE_ALARM_RATE) ? 0 : 1, () =>
        `${sender}: gaps in its time of ${phase} are not exponential (distance ${distance.toFixed(4)} of ${tested.length} gaps)`)
    }
    return verdictOf("emissions", findings, figures, testCount * TEST_FALSE_ALARM_RATE)
  }

  /** What left within some windows, and the gaps that lie in one of them whole. */
  #within(windows: ReadonlyArray<Window>): { readonly count: number; readonly gapsMs: ReadonlyArray<number> } {
    const gapsMs: Array<number> = []
    let count = 0
    let at = 0
    for (const { fromMs, untilMs } of merged(windows)) {
      while (at < this.#instantsMs.length && (this.#instantsMs[at] ?? 0) < fromMs) at += 1
      let previousMs: number | undefined
      for (; at < this.#instantsMs.length; at++) {
        const instantMs = this.#instantsMs[at] ?? 0
        if (instantMs >= untilMs) break
        if (previousMs !== undefined) gapsMs.push(instantMs - previousMs)
        previousMs = instantMs
        count += 1
      }
    }
    return { count, gapsMs }
  }
}
