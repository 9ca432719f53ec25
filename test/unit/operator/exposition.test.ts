/**
 * The metrics page.
 *
 * Goal: what `renderPrometheus` writes is the exposition format, whatever names and label values hold; shown figures are coarse, on a grid, and monotone.
 * Method: a small parser of the format; a meter book under the test clock.
 *
 * @module
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Metric, MetricBoundaries, Scope, Exit, TestClock } from "effect"
import { makeCollector } from "../../../actors/operator/collector.ts"
import { renderPrometheus } from "../../../actors/operator/exposition.ts"
import { MeterBook } from "../../../src/actor/meter.ts"
import { coarse, GRID_MS, METRIC_NAMES, specOf } from "../../../src/actor/metric-catalogue.ts"

interface Sample { readonly name: string; readonly labels: Readonly<Record<string, string>>; readonly value: string }

/** Reads exposition format 0.0.4; throws at the first line that is none. */
const parse = (text: string) => {
  const types = new Map<string, string>()
  const samples: Array<Sample> = []
  expect(text.endsWith("\n")).toBe(true)
  for (const line of text.slice(0, -1).split("\n")) {
    const meta = /^# (HELP|TYPE) ([A-Za-z_:][A-Za-z0-9_:]*) (.*)$/.exec(line)
    if (meta !== null) {
      if (meta[1] === "TYPE") {
        expect(types.has(meta[2]!)).toBe(false)
        types.set(meta[2]!, meta[3]!)
      }
      continue
    }
    const sample = /^([A-Za-z_:][A-Za-z0-9_:]*)(?:\{((?:[A-Za-z_][A-Za-z0-9_]*="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? ([0-9.eE+-]+|NaN|[+-]Inf)$/.exec(line)
    if (sample === null) throw new Error(`no exposition line: ${line}`)
    const labels = [...(sample[2] ?? "").matchAll(/([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"/g)].map((match) =>
      [match[1]!, match[2]!.replace(/\\(.)/g, (_, char: string) => (char === "n" ? "\n" : char))] as const)
    expect(types.has(sample[1]!.replace(/_(bucket|sum|count)$/, "")) || types.has(sample[1]!)).toBe(true)
    samples.push({ name: sample[1]!, labels: Object.fromEntries(labels), value: sample[3]! })
  }
  return { types, samples }
}

const own = (prefix: string) => Effect.map(Metric.snapshot, (all) => all.filter(({ metricKey }) => metricKey.name.startsWith(prefix)))

describe("renderPrometheus", () => {
  it.effect("quotes, backslashes and line breaks in labels and help come back as they were", () =>
    Effect.gen(function*() {
      const odd = "a\"b\\c\nd{e=\"f\"}"
      yield* Metric.increment(Metric.tagged(Metric.counter("expo-odd.name", { description: "one\\two\nthree" }), "a label", odd))
      const text = renderPrometheus(yield* own("expo-odd"))
      expect(text).toContain("# HELP funion_expo_odd_name one\\\\two\\nthree\n")
      expect(parse(text).samples).toEqual([{ name: "funion_expo_odd_name", labels: { a_label: odd }, value: "1" }])
    }))

  it.effect("histograms, summaries and frequencies have their series; bucket counts grow up to +Inf", () =>
    Effect.gen(function*() {
      const histogram = Metric.histogram("expo2_h", MetricBoundaries.fromIterable([1, 10]))
      for (const value of [0.5, 5, 500]) yield* Metric.update(histogram, value)
      yield* Metric.update(Metric.frequency("expo2_f"), "word")
      yield* Metric.update(Metric.summary({ name: "expo2_s", maxAge: "1 hour", maxSize: 9, error: 0.1, quantiles: [0.5] }), 7)
      const { samples, types } = parse(renderPrometheus(yield* own("expo2")))
      expect(Object.fromEntries(types)).toEqual({ funion_expo2_f: "counter", funion_expo2_h: "histogram", funion_expo2_s: "summary" })
      const buckets = samples.filter(({ name }) => name === "funion_expo2_h_bucket")
      expect(buckets.map(({ labels, value }) => [labels["le"], value])).toEqual([["1", "1"], ["10", "2"], ["+Inf", "3"]])
      expect(samples.find(({ name }) => name === "funion_expo2_h_sum")?.value).toBe("505.5")
      expect(samples.find(({ name, labels }) => name === "funion_expo2_s" && labels["quantile"] === "0.5")?.value).toBe("7")
    }))
})

describe("the catalogue", () => {
  it("a figure that says something of traffic moves in steps of ten at least, and one of jobs or boxes once an epoch", () => {
    for (const name of METRIC_NAMES) {
      const { grain, step } = specOf(name)
      if (/packet|queued|link_events/.test(name)) expect(step, name).toBeGreaterThanOrEqual(10)
      if (/dispatch|release|box|envelope|operation|session|unwrapped/.test(name)) expect(grain, name).toBe("epoch")
    }
  })
  it("totals round up so that zero means none, levels round down so that a single one never shows", () => {
    expect([0, 1, 10, 11, Number.NaN].map((value) => coarse({ round: "up", step: 10 }, value))).toEqual([0, 10, 10, 20, 0])
    expect([0, 9, 10, 19, -1].map((value) => coarse({ round: "down", step: 10 }, value))).toEqual([0, 0, 10, 10, -10])
    expect([0.07, 0.071, 0.3].map((value) => coarse({ round: "up", step: 0.01 }, value))).toEqual([0.07, 0.08, 0.3])
  })
})

const EPOCH_MS = 4 * GRID_MS
const params = { epochPeriodMs: EPOCH_MS, replicaEpochPeriodMs: EPOCH_MS }

describe("the collector", () => {
  it.scoped("drops change on the grid and nowhere else, jobs at the turn of an epoch and nowhere else", () =>
    Effect.gen(function*() {
      let replays = 0
      let admitted = 0
      const book = new MeterBook()
      yield* TestClock.setTime(Date.UTC(2026, 0, 1))
      const collector = yield* makeCollector({ name: "grid-actor", role: "mix", params, book })
      yield* book.show("dropped_packets_total", Effect.sync(() => ({ replay: replays })))
      yield* book.show("dispatches_total", Effect.sync(() => ({ admitted })))
      replays = 3
      admitted = 3
      yield* TestClock.adjust(GRID_MS - 1)
      expect(collector.shown("dropped_packets_total")).toEqual({})
      yield* TestClock.adjust(1)
      expect(collector.shown("dropped_packets_total")).toEqual({ replay: 10 })
      replays = 12
      yield* TestClock.adjust(2 * GRID_MS)
      expect(collector.shown("dropped_packets_total")).toEqual({ replay: 20 })
      expect(collector.shown("dispatches_total")).toEqual({})
      yield* TestClock.adjust(GRID_MS)
      expect(collector.shown("dispatches_total")).toEqual({ admitted: 10 })
      const { samples, types } = parse(yield* collector.text)
      expect(types.get("funion_dropped_packets_total")).toBe("counter")
      expect(samples).toContainEqual({ name: "funion_dropped_packets_total", labels: { actor: "grid-actor", role: "mix", reason: "replay" }, value: "20" })
      for (const { labels } of samples) expect(labels["actor"]).toBe("grid-actor")
    }))

  it.scoped("a part that is gone leaves its totals and takes its levels; identifiers as words count under other", () =>
    Effect.gen(function*() {
      const book = new MeterBook()
      const life = yield* Scope.make()
      yield* book.show("dropped_packets_total", Effect.succeed({ replay: 4, [`box-${"0f".repeat(16)}`]: 2 })).pipe(Scope.extend(life))
      yield* book.show("queued", Effect.succeed({ delay: 40 })).pipe(Scope.extend(life))
      yield* book.show("queued", Effect.die("planted")).pipe(Scope.extend(life))
      yield* book.show("queued", () => { throw new Error("planted") }).pipe(Scope.extend(life))
      yield* book.show("queued", () => ({ delay: 2 })).pipe(Scope.extend(life))
      expect((yield* book.readings).get("queued")?.get("delay")).toBe(42)
      yield* Scope.close(life, Exit.void)
      yield* Effect.scoped(book.show("dropped_packets_total", Effect.succeed({ replay: 1 })))
      const readings = yield* book.readings
      expect(readings.get("queued")).toBeUndefined()
      expect([...(readings.get("dropped_packets_total") ?? [])]).toEqual([["replay", 5], ["other", 2]])
    }))
})
