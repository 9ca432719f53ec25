/**
 * Turns an actor's figures into metrics: read on a grid, rounded, labelled with the actor and its role.
 *
 * Contract: shown values change at multiples of `GRID_MS` since 1970 only, those of epoch grain only at the first of these in an epoch (and are 0 before
 * it). A total never shrinks. Values go into Effect metrics named `funion_…`, so whatever else exports Effect metrics sees no finer ones of ours; `text`
 * holds these alone.
 * Knows nothing of: HTTP, where figures come from.
 * Source: metric-catalogue.ts; departures: none.
 *
 * @module
 */
import { Clock, Effect, Metric, type MetricPair, MetricState, type Scope } from "effect"
import type { MeterBook, Readings } from "../../src/actor/meter.ts"
import { coarse, GRID_MS, METRIC_NAMES, type MetricName, specOf } from "../../src/actor/metric-catalogue.ts"
import { epochAt } from "../../src/params/epoch.ts"
import type { MixnetParams } from "../../src/params/mixnet-params.ts"
import { renderPrometheus } from "./exposition.ts"

export interface CollectorConfig {
  readonly name: string
  readonly role: string
  readonly params: Pick<MixnetParams, "epochPeriodMs" | "replicaEpochPeriodMs">
  readonly book: MeterBook
}

export interface Collector {
  /** The metrics page. */
  readonly text: Effect.Effect<string>
  /** The shown values of a metric, by word; zeros are left out. */
  readonly shown: (metric: MetricName) => Readings
}

const PREFIX = "funion_"

/** The events of the process's links, which a TCP mount counts for all of it. */
const linkEvents: Effect.Effect<Readings> = Effect.map(Metric.snapshot, (snapshot) =>
  Object.fromEntries(snapshot.flatMap(({ metricKey, metricState }) => {
    const event = metricKey.name === "link_events" ? metricKey.tags.find(({ key }) => key === "event")?.value : undefined
    return event !== undefined && MetricState.isCounterState(metricState) ? [[event, Number(metricState.count)]] : []
  })))

class Board {
  readonly #config: CollectorConfig
  readonly #shown = new Map<MetricName, Map<string, number>>()

  constructor(config: CollectorConfig) {
    this.#config = config
  }

  shown(metric: MetricName): Readings {
    return Object.fromEntries([...(this.#shown.get(metric) ?? [])].filter(([, value]) => value !== 0))
  }

  /** Shows a value, rounded; a total that shrank is left as it was. */
  show(metric: MetricName, word: string, value: number): Effect.Effect<void> {
    const spec = specOf(metric)
    const words = this.#shown.get(metric) ?? new Map<string, number>()
    this.#shown.set(metric, words)
    const before = words.get(word) ?? 0
    const rounded = coarse(spec, value)
    const after = spec.kind === "total" ? Math.max(before, rounded) : rounded
    words.set(word, after)
    const { name, role } = this.#config
    const label = spec.label === undefined ? {} : { [spec.label]: word }
    const tags = Object.entries({ actor: name, role, ...label })
    const tagged = <Type, In, Out>(metric: Metric.Metric<Type, In, Out>) =>
      tags.reduce<Metric.Metric<Type, In, Out>>((each, [key, text]) => Metric.tagged(each, key, text), metric)
    return spec.kind === "total"
      ? Metric.update(tagged(Metric.counter(`${PREFIX}${metric}`, { description: spec.help, incremental: true })), after - before)
      : Metric.set(tagged(Metric.gauge(`${PREFIX}${metric}`, { description: spec.help })), after)
  }

  /** Words shown so far, and "" for a metric without label, so that every such metric is on the page from the start. */
  words(metric: MetricName): ReadonlyArray<string> {
    const known = [...(this.#shown.get(metric)?.keys() ?? [])]
    return specOf(metric).label === undefined ? [""] : known
  }
}

/** The series of one actor. */
const ownSeries = ({ name }: CollectorConfig, snapshot: ReadonlyArray<MetricPair.MetricPair.Untyped>) =>
  snapshot.filter(({ metricKey }) => metricKey.name.startsWith(PREFIX) && metricKey.tags.some(({ key, value }) => key === "actor" && value === name))

/** Starts refreshing in the caller's scope. The first values are there when it returns. */
export const makeCollector = (config: CollectorConfig): Effect.Effect<Collector, never, Scope.Scope> =>
  Effect.gen(function*() {
    const board = new Board(config)
    let text = ""
    let shownEpoch: number | undefined
    const refresh = Effect.gen(function*() {
      const nowMs = yield* Clock.currentTimeMillis
      const epoch = epochAt(config.params, nowMs)
      const isTurn = epoch !== shownEpoch
      shownEpoch = epoch
      const readings = yield* config.book.readings
      for (const metric of METRIC_NAMES) {
        const words = readings.get(metric)
        const known = board.words(metric)
        const fresh = [...(words?.keys() ?? [])].filter((word) => !known.includes(word))
        const isDue = isTurn || specOf(metric).grain === "grid"
        for (const word of isDue ? [...known, ...fresh] : []) yield* board.show(metric, word, words?.get(word) ?? 0)
        for (const word of isDue ? [] : fresh) yield* board.show(metric, word, 0)
      }
      text = renderPrometheus(ownSeries(config, yield* Metric.snapshot))
    })
    yield* config.book.show("link_events_total", linkEvents)
    yield* refresh
    const next = Effect.flatMap(Clock.currentTimeMillis, (nowMs) => Effect.sleep(GRID_MS - (nowMs % GRID_MS)))
    yield* Effect.forkScoped(Effect.forever(Effect.zipRight(next, refresh)))
    return { text: Effect.sync(() => text), shown: (metric) => board.shown(metric) }
  })
