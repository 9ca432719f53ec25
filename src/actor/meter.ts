/**
 * The port through which an actor's parts show their figures to its operator.
 *
 * Contract: a part says once how a figure is read; it is read on the operator's grid, never on the path of a packet, and costs nothing where no operator
 * looks. When the part's scope closes its totals stay and its levels go. Readings of several parts under one name add up. Words of a label are lower-case
 * letters and hyphens; anything else counts under `other`, so that no identifier gets out by mistake.
 * Knows nothing of: rounding, epochs, HTTP.
 * Source: effect-notes.md §6; departures: figures are pulled, so that counting a drop stays one addition.
 *
 * @module
 */
import { Context, Effect, type Scope } from "effect"
import { type MetricName, specOf } from "./metric-catalogue.ts"

/** Values by word of the metric's label; a metric without label has the one word "". */
export type Readings = Readonly<Record<string, number>>

/** How a figure is read: at once, or by an effect that may take time. */
export type Reader = (() => Readings) | Effect.Effect<Readings>

export interface MeterService {
  /** Shows what `read` gives until the scope closes; one that dies, or takes longer than a second, counts as zero. */
  readonly show: (metric: MetricName, read: Reader) => Effect.Effect<void, never, Scope.Scope>
}

/** Nobody looks. */
const unread: MeterService = { show: () => Effect.void }

export class Meter extends Context.Reference<Meter>()("funion/actor/Meter", { defaultValue: (): MeterService => unread }) {}

/** Shows a metric without label, or several words of one that has a label. */
export const showMetric = (metric: MetricName, read: () => number | Readings): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(Meter, (meter) => meter.show(metric, () => {
    const value = read()
    return typeof value === "number" ? { "": value } : value
  }))

/** As `showMetric`, for a value that takes an effect to read. */
export const showMeasured = (metric: MetricName, read: Effect.Effect<Readings>): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(Meter, (meter) => meter.show(metric, read))

interface Source {
  readonly metric: MetricName
  readonly read: Reader
}

const READ_LIMIT_MS = 1_000

/** Without a fiber's steps for what is there already: most figures are counters. */
const bounded = (read: Reader): Reader => {
  if (typeof read !== "function") {
    return Effect.timeoutTo(Effect.catchAllCause(read, () => Effect.succeed<Readings>({})), {
      duration: READ_LIMIT_MS, onSuccess: (readings) => readings, onTimeout: (): Readings => ({})
    })
  }
  return () => {
    try {
      return read()
    } catch {
      return {}
    }
  }
}

const readingsOf = ({ read }: Source): Effect.Effect<Readings> => (typeof read === "function" ? Effect.sync(read) : read)

const wordOf = (metric: MetricName, word: string): string => {
  if (specOf(metric).label === undefined) return ""
  return /^[a-z]+(-[a-z]+)*$/.test(word) && word.length <= 40 ? word : "other"
}

/** All figures of one actor. */
export class MeterBook implements MeterService {
  readonly #sources = new Set<Source>()
  /** Totals of parts that are gone. */
  readonly #past = new Map<MetricName, Map<string, number>>()

  readonly show: MeterService["show"] = (metric, read) => {
    const source: Source = { metric, read: bounded(read) }
    return Effect.asVoid(Effect.acquireRelease(Effect.sync(() => this.#sources.add(source)), () => this.#close(source)))
  }

  /** Every figure now, by metric and word. */
  readonly readings: Effect.Effect<ReadonlyMap<MetricName, ReadonlyMap<string, number>>> = Effect.gen(this, function*() {
    const sums = new Map([...this.#past].map(([metric, words]) => [metric, new Map(words)]))
    for (const { metric, read } of this.#sources) add(sums, metric, typeof read === "function" ? read() : yield* read)
    return sums
  })

  /** One figure without label now; 0 when nobody shows it. */
  value(metric: MetricName): Effect.Effect<number> {
    const sources = [...this.#sources].filter((source) => source.metric === metric)
    return Effect.map(Effect.forEach(sources, readingsOf), (all) => all.reduce((sum, readings) => sum + (readings[""] ?? 0), 0))
  }

  #close(source: Source): Effect.Effect<void> {
    return Effect.map(readingsOf(source), (readings) => {
      this.#sources.delete(source)
      if (specOf(source.metric).kind === "total") add(this.#past, source.metric, readings)
    })
  }
}

const add = (sums: Map<MetricName, Map<string, number>>, metric: MetricName, readings: Readings): void => {
  const words = sums.get(metric) ?? new Map<string, number>()
  sums.set(metric, words)
  for (const [raw, value] of Object.entries(readings)) {
    const word = wordOf(metric, raw)
    words.set(word, (words.get(word) ?? 0) + value)
  }
}
