/**
 * What the line of a client shows: the instants of its packets, with work and without.
 *
 * Contract: pure. Whoever watches the line sees instants and lengths, nothing else; so these gates see no more.
 * Knows nothing of: what packets hold.
 * Source: mixnet.md §4.2 (two Poisson streams that never stop), funion.md §7 (O9, O13, O16); departures: none.
 *
 * @module
 */
import { shapesInTurn, type ShapeAttack, type ShapeSample } from "../../../src/anonymity/attacks/shape-classifier.ts"
import type { Draw } from "../../../src/anonymity/draws.ts"
import type { LinkEvent } from "../../../src/anonymity/trace.ts"
import type { MixnetParams } from "../../../src/params/mixnet-params.ts"
import { atMost, FALSE_ALARM_RATE, followsLaw, kindsBlindly, never, tellsApartAtMost, type Gate } from "../../../src/anonymity/gate.ts"
import type { Estimate } from "../../../src/anonymity/metrics/interval.ts"
import { compareWithLaw } from "../../../src/anonymity/metrics/kolmogorov-smirnov.ts"

/** Instants are whole milliseconds where an actor reads its clock; this much of a distribution function lies inside of one. */
const grainOf = (ratePerMs: number): number => 2 * ratePerMs
/** Advantage that is allowed for: what chance leaves at some hundred windows is of this size. */
const MARGIN = 0.1
/** Packets of one connection that leave within this time of each other came of one tick: Poisson ticks hardly ever do. */
const BURST_MS = 0.5

interface Span {
  readonly startMs: number
  readonly endMs: number
}

export interface SenderChoice {
  readonly params: Pick<MixnetParams, "lambdaPPerMs" | "lambdaLPerMs">
  readonly links: ReadonlyArray<LinkEvent>
  readonly span: Span
  /** Stretches that are compared: at least some ten packets long. */
  readonly windowMs: number
  /** Clients of one session each that have work all the time, and clients that have none. */
  readonly busy: ReadonlyArray<string>
  readonly idle: ReadonlyArray<string>
}

/** Instants of the packets that each party sent to gateways. */
const sentBy = (links: ReadonlyArray<LinkEvent>, { endMs, startMs }: Span): ReadonlyMap<string, ReadonlyArray<number>> => {
  const sent = new Map<string, Array<number>>()
  for (const { call, direction, from, instantMs } of links) {
    if (call !== "Submit" || direction !== "request" || instantMs < startMs || instantMs >= endMs) continue
    const known = sent.get(from) ?? []
    sent.set(from, known)
    known.push(instantMs)
  }
  return sent
}

const gapsOf = (instantsMs: ReadonlyArray<number>): ReadonlyArray<number> => instantsMs.slice(1).map((instantMs, index) => instantMs - (instantsMs[index] ?? 0))

/** Packets in each whole window of the span. */
const countsOf = (instantsMs: ReadonlyArray<number>, { endMs, startMs }: Span, windowMs: number): ReadonlyArray<number> => {
  const counts = Array.from({ length: Math.floor((endMs - startMs) / windowMs) }, () => 0)
  for (const instantMs of instantsMs) {
    const window = Math.floor((instantMs - startMs) / windowMs)
    if (window < counts.length) counts[window] = (counts[window] ?? 0) + 1
  }
  return counts
}

/** Share of gaps in a window that are shorter than half the mean: high where packets come in bunches, low where they come by the clock. */
const bunchingOf = (instantsMs: ReadonlyArray<number>, { endMs, startMs }: Span, windowMs: number, ratePerMs: number): ReadonlyArray<number> =>
  Array.from({ length: Math.floor((endMs - startMs) / windowMs) }, (_, window) => {
    const from = startMs + window * windowMs
    const gaps = gapsOf(instantsMs.filter((instantMs) => instantMs >= from && instantMs < from + windowMs))
    return gaps.length === 0 ? 0 : gaps.filter((gap) => gap * ratePerMs < 0.5).length / gaps.length
  })

/** The windows of a line, as samples of traffic. */
const windowsOf = (line: ReadonlyArray<number>, { endMs, startMs }: Span, windowMs: number): ReadonlyArray<ShapeSample> =>
  Array.from({ length: Math.floor((endMs - startMs) / windowMs) }, (_, window) => {
    const fromMs = startMs + window * windowMs
    return { startMs: fromMs, endMs: fromMs + windowMs, instantMs: line.filter((instantMs) => instantMs >= fromMs && instantMs < fromMs + windowMs) }
  })

/** The learned classifier on clients with work and without, compared within the same window. @param draw  for what chance gives */
export const shapeOfWork = ({ busy, idle, links, span, windowMs }: SenderChoice, draw: Draw): ShapeAttack => {
  const sent = sentBy(links, span)
  const lines = (names: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<ShapeSample>> =>
    names.map((name) => windowsOf(sent.get(name) ?? [], span, windowMs))
  const [working, resting] = [lines(busy), lines(idle)]
  const at = (windows: ReadonlyArray<ReadonlyArray<ShapeSample>>, window: number): ReadonlyArray<ShapeSample> => windows.flatMap((line) => line[window] ?? [])
  return shapesInTurn("a client with work by its line", (working[0] ?? []).map((_, window) =>
    ({ positive: at(working, window), negative: at(resting, window) })), draw)
}

/** Normal quantile of a two-sided test among several, at the rate of false alarms of a gate: exact enough from 1 to 1000 of them. */
const worstOfNormal = (count: number): number => Math.sqrt(2 * Math.log(Math.max(1, count) / FALSE_ALARM_RATE))

/** Each client by itself, the worst of them: one that falls silent, or sends in bunches, is not hidden by the others. */
const worstGates = (lines: ReadonlyArray<ReadonlyArray<number>>, { endMs, startMs }: Span, ratePerMs: number): ReadonlyArray<Gate> => {
  const expected = (endMs - startMs) * ratePerMs
  const deviations = lines.map((instants) => Math.abs(instants.length - expected) / Math.sqrt(Math.max(1, expected)))
  const distances = lines.map((instants) => {
    const gaps = gapsOf(instants)
    const allowed = Math.sqrt(-Math.log(FALSE_ALARM_RATE / 2 / Math.max(1, lines.length)) / 2 / Math.max(1, gaps.length)) + grainOf(ratePerMs)
    return compareWithLaw(gaps, (gapMs) => 1 - Math.exp(-ratePerMs * gapMs)).distance / allowed
  })
  const worst = (values: ReadonlyArray<number>): Estimate => {
    const value = Math.max(0, ...values)
    return { value, interval: { lower: value, upper: value, level: 1 - FALSE_ALARM_RATE } }
  }
  const all = lines.reduce((sum, instants) => sum + instants.length, 0)
  return [
    atMost({ name: "sender/rate", meaning: "packets of all clients with work beside their rate, in standard deviations" },
      worst([Math.abs(all - lines.length * expected) / Math.sqrt(Math.max(1, lines.length * expected))]), worstOfNormal(1), all, 200),
    atMost({ name: "sender/worst-count", meaning: "packets of the client with work that is furthest from its rate, in standard deviations" },
      worst(deviations), worstOfNormal(lines.length), lines.length),
    atMost({ name: "sender/worst-gaps", meaning: "distance of the worst such client's gaps from the exponential law, over what chance allows" },
      worst(distances), 1, lines.length)
  ]
}

/** Least pairs of windows that the learned gate stands on. */
const LEAST_PAIRS = 40

/** The gates of clients' lines. @param shape  `shapeOfWork` of the same choice */
export const senderGates = (choice: SenderChoice, shape: ShapeAttack): ReadonlyArray<Gate> => {
  const { busy, idle, links, params, span, windowMs } = choice
  const ratePerMs = params.lambdaPPerMs + params.lambdaLPerMs
  const sent = sentBy(links, span)
  const instants = (name: string): ReadonlyArray<number> => sent.get(name) ?? []
  const gaps = (names: ReadonlyArray<string>): ReadonlyArray<number> => names.flatMap((name) => gapsOf(instants(name)))
  const counts = (names: ReadonlyArray<string>): ReadonlyArray<number> => names.flatMap((name) => countsOf(instants(name), span, windowMs))
  const bunching = (names: ReadonlyArray<string>): ReadonlyArray<number> => names.flatMap((name) => bunchingOf(instants(name), span, windowMs, ratePerMs))
  const exponential = (gapMs: number): number => 1 - Math.exp(-ratePerMs * gapMs)
  const busyGaps = gaps(busy)
  return [
    ...worstGates(busy.map(instants), span, ratePerMs),
    tellsApartAtMost({ name: "sender/count", meaning: "telling a client with work from one without by the number of its packets" },
      counts(busy), counts(idle), MARGIN),
    tellsApartAtMost({ name: "sender/shape", meaning: "the same by how its packets bunch" }, bunching(busy), bunching(idle), MARGIN),
    kindsBlindly({
      name: "sender/shape-learned",
      meaning: "the same by the better of two who learned counts, gaps and bursts from earlier windows; the bound is what blind ones reach by chance"
    }, shape.test, LEAST_PAIRS),
    followsLaw({ name: "sender/gaps-busy", meaning: "distance of the gaps of clients with work from the exponential law" },
      busyGaps, exponential, grainOf(ratePerMs)),
    followsLaw({ name: "sender/gaps-idle", meaning: "distance of the gaps of clients without work from the exponential law" },
      gaps(idle), exponential, grainOf(ratePerMs)),
    never({ name: "sender/bursts", meaning: "packets of one client that left together, beyond what chance explains" },
      burstsIn(busyGaps, ratePerMs), busyGaps.length, 50)
  ]
}

/** Packets that left together, beyond what chance explains: of n gaps so many are that short, and six standard deviations more. */
const burstsIn = (gaps: ReadonlyArray<number>, ratePerMs: number): number => {
  const expected = gaps.length * ratePerMs * BURST_MS
  return Math.max(0, gaps.filter((gap) => gap < BURST_MS).length - Math.ceil(expected + 6 * Math.sqrt(expected + 1)))
}

/** The gaps of somebody who keeps several sessions: the rate is their sum. */
export const serviceGates = (links: ReadonlyArray<LinkEvent>, span: Span, name: string, ratePerMs: number): ReadonlyArray<Gate> => {
  const gaps = gapsOf(sentBy(links, span).get(name) ?? [])
  return [
    followsLaw({ name: "sender/gaps-service", meaning: "distance of the gaps of the compute service's packets from the exponential law" },
      gaps, (gapMs) => 1 - Math.exp(-ratePerMs * gapMs), grainOf(ratePerMs)),
    never({ name: "sender/bursts-service", meaning: "packets of the compute service that left together, beyond what chance explains" },
      burstsIn(gaps, ratePerMs), gaps.length, 50)
  ]
}
