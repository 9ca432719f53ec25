/**
 * Metrics as the text that Prometheus reads (exposition format 0.0.4).
 *
 * Contract: pure; metrics and series in the order of their names and labels, so that the same snapshot gives the same text. One HELP and one TYPE line for
 * each metric, before its series. Names get the prefix `funion_` unless they have it, and hold no characters that the format forbids.
 * Knows nothing of: which metrics may be shown (collector).
 * Source: Prometheus documentation, "Exposition formats"; departures: none.
 *
 * @module
 */
import { type MetricPair, MetricState } from "effect"

type Labels = ReadonlyArray<readonly [name: string, value: string]>

interface Series {
  /** After the metric's name: `_bucket`, `_sum`, `_count` or nothing. */
  readonly suffix: string
  readonly labels: Labels
  readonly value: string
}

interface Family {
  readonly type: "counter" | "gauge" | "histogram" | "summary"
  readonly help: string
  readonly series: Array<Series>
}

const PREFIX = "funion_"

const metricName = (name: string): string => {
  const legal = name.replace(/[^A-Za-z0-9_:]/g, "_")
  return legal.startsWith(PREFIX) ? legal : `${PREFIX}${legal}`
}

const labelName = (name: string): string => {
  const legal = name.replace(/[^A-Za-z0-9_]/g, "_")
  return /^[A-Za-z_]/.test(legal) ? legal : `_${legal}`
}

const escapeHelp = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")
const escapeValue = (text: string): string => escapeHelp(text).replaceAll("\"", "\\\"")

const number = (value: number | bigint): string => {
  if (typeof value === "bigint") return value.toString()
  if (Number.isNaN(value)) return "NaN"
  return Number.isFinite(value) ? String(value) : value > 0 ? "+Inf" : "-Inf"
}

const distribution = (labels: Labels, count: number, sum: number): ReadonlyArray<Series> => [
  { suffix: "_sum", labels, value: number(sum) },
  { suffix: "_count", labels, value: number(count) }
]

/** Type and series of one metric's state. */
const familyOf = (state: MetricState.MetricState.Untyped, labels: Labels): Pick<Family, "type" | "series"> => {
  if (MetricState.isCounterState(state)) return { type: "counter", series: [{ suffix: "", labels, value: number(state.count) }] }
  if (MetricState.isGaugeState(state)) return { type: "gauge", series: [{ suffix: "", labels, value: number(state.value) }] }
  if (MetricState.isFrequencyState(state)) {
    const series = [...state.occurrences].map(([word, count]): Series => ({ suffix: "", labels: [...labels, ["word", word]], value: number(count) }))
    return { type: "counter", series }
  }
  if (MetricState.isHistogramState(state)) {
    const buckets = state.buckets.filter(([edge]) => Number.isFinite(edge) && edge < Number.MAX_VALUE)
    const edges: ReadonlyArray<readonly [number, number]> = [...buckets, [Number.POSITIVE_INFINITY, state.count]]
    const counted = edges.map(([edge, count]): Series => ({ suffix: "_bucket", labels: [...labels, ["le", number(edge)]], value: number(count) }))
    return { type: "histogram", series: [...counted, ...distribution(labels, state.count, state.sum)] }
  }
  if (MetricState.isSummaryState(state)) {
    const quantiles = state.quantiles.flatMap(([quantile, value]): ReadonlyArray<Series> =>
      (value._tag === "None" ? [] : [{ suffix: "", labels: [...labels, ["quantile", number(quantile)]], value: number(value.value) }]))
    return { type: "summary", series: [...quantiles, ...distribution(labels, state.count, state.sum)] }
  }
  return { type: "gauge", series: [] }
}

const line = (name: string, { labels, suffix, value }: Series): string => {
  const shown = labels.map(([label, text]) => `${labelName(label)}="${escapeValue(text)}"`).join(",")
  return `${name}${suffix}${shown === "" ? "" : `{${shown}}`} ${value}`
}

/** The text of a snapshot; ends with a line break. Metrics of one name and different types: the first type counts, the others are left out. */
export const renderPrometheus = (snapshot: Iterable<MetricPair.MetricPair.Untyped>): string => {
  const families = new Map<string, Family>()
  for (const { metricKey, metricState } of snapshot) {
    const name = metricName(metricKey.name)
    const labels: Labels = metricKey.tags.map(({ key, value }) => [key, value] as const).sort(([a], [b]) => (a < b ? -1 : 1))
    const { series, type } = familyOf(metricState, labels)
    const help = metricKey.description._tag === "Some" ? metricKey.description.value : ""
    const family: Family = families.get(name) ?? { type, help, series: [] }
    families.set(name, family)
    if (family.type === type) family.series.push(...series)
  }
  return [...families].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, { help, series, type }]) => [
    `# HELP ${name} ${escapeHelp(help)}`,
    `# TYPE ${name} ${type}`,
    ...(type === "histogram" ? series.map((each) => line(name, each)) : series.map((each) => line(name, each)).sort())
  ].map((text) => `${text}\n`).join("")).join("")
}
