/**
 * Curves as a picture, in SVG.
 *
 * Contract: the same curves give the same text; it needs no fonts, scripts or files of others. Any text is escaped. Points that are no finite numbers are
 * left out.
 * Knows nothing of: what the curves mean.
 * Source: SVG 1.1 (W3C); departures: none.
 *
 * @module
 */
import type { Series } from "./findings.ts"

const WIDTH = 720
const HEIGHT = 440
const LEFT = 64
const RIGHT = 24
const TOP = 44
const BOTTOM = 52
const TICKS = 5
const LEGEND_ROW = 16
const COLOURS = ["#4a78b5", "#b5544a", "#4f9a5b", "#8a5bb0", "#b08a2e", "#3d9aa6", "#777777", "#c25b98"] as const

const escaped = (text: string): string => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)

const textAt = (x: number, y: number, anchor: "start" | "middle" | "end", content: string, size = 12, extra = ""): string =>
  `<text x="${x}" y="${y}" font-size="${size}" text-anchor="${anchor}"${extra}>${escaped(content)}</text>`

interface Axis {
  readonly low: number
  readonly high: number
  readonly ticks: ReadonlyArray<number>
}

/** An axis that holds all values, with round ticks. */
const axisOf = (values: ReadonlyArray<number>): Axis => {
  const finite = values.filter(Number.isFinite)
  const [least, most] = finite.length === 0 ? [0, 1] : [Math.min(...finite), Math.max(...finite)]
  const span = Math.max(most - least, 1e-9)
  const unit = 10 ** Math.floor(Math.log10(span / TICKS))
  const step = unit * ([1, 2, 5, 10].find((factor) => span / (unit * factor) <= TICKS) ?? 10)
  const low = Math.floor(least / step + 1e-9) * step
  const count = Math.max(1, Math.ceil((most - low) / step - 1e-9))
  return { low, high: low + count * step, ticks: Array.from({ length: count + 1 }, (_, index) => low + index * step) }
}

const tickLabel = (value: number): string => String(Number(value.toPrecision(6)))

interface Frame {
  readonly x: (value: number) => string
  readonly y: (value: number) => string
  readonly horizontal: Axis
  readonly vertical: Axis
}

const frameOf = (series: ReadonlyArray<Series>): Frame => {
  const horizontal = axisOf(series.flatMap(({ points }) => points.map(([x]) => x)))
  const constants = series.flatMap(({ reference }) => (typeof reference === "number" ? [reference] : []))
  const vertical = axisOf([...constants, ...series.flatMap(({ intervals = [], points }) => [...points.map(([, y]) => y), ...intervals.flat()])])
  const scaled = ({ high, low }: Axis, start: number, length: number) => (value: number): string => (start + (value - low) / (high - low) * length).toFixed(1)
  return { horizontal, vertical, x: scaled(horizontal, LEFT, WIDTH - LEFT - RIGHT), y: scaled(vertical, HEIGHT - BOTTOM, -(HEIGHT - TOP - BOTTOM)) }
}

const axes = ({ horizontal, vertical, x, y }: Frame, { xLabel, yLabel }: Series): ReadonlyArray<string> => [
  ...horizontal.ticks.flatMap((tick) => [
    `<line x1="${x(tick)}" y1="${TOP}" x2="${x(tick)}" y2="${HEIGHT - BOTTOM}" stroke="#e4e4e4"/>`,
    textAt(Number(x(tick)), HEIGHT - BOTTOM + 16, "middle", tickLabel(tick), 11)
  ]),
  ...vertical.ticks.flatMap((tick) => [
    `<line x1="${LEFT}" y1="${y(tick)}" x2="${WIDTH - RIGHT}" y2="${y(tick)}" stroke="#e4e4e4"/>`,
    textAt(LEFT - 6, Number(y(tick)) + 4, "end", tickLabel(tick), 11)
  ]),
  textAt((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, "middle", xLabel),
  textAt(16, (TOP + HEIGHT - BOTTOM) / 2, "middle", yLabel, 12, ` transform="rotate(-90 16 ${(TOP + HEIGHT - BOTTOM) / 2})"`)
]

const reference = ({ horizontal, vertical, x, y }: Frame, kind: "diagonal" | number): string => {
  const [start, end] = kind === "diagonal"
    ? [Math.max(horizontal.low, vertical.low), Math.min(horizontal.high, vertical.high)]
    : [horizontal.low, horizontal.high]
  const [first, last] = kind === "diagonal" ? [start, end] : [kind, kind]
  return `<line x1="${x(start)}" y1="${y(first)}" x2="${x(end)}" y2="${y(last)}" stroke="#999999" stroke-dasharray="4 3"/>`
}

const curve = ({ x, y }: Frame, { dots, intervals = [], points }: Series, colour: string): ReadonlyArray<string> => {
  const finite = points.flatMap(([px, py], index) => (Number.isFinite(px) && Number.isFinite(py) ? [{ px, py, interval: intervals[index] }] : []))
  return [
    ...finite.flatMap(({ interval, px }) => (interval === undefined || !interval.every(Number.isFinite) ? [] : [
      `<line x1="${x(px)}" y1="${y(interval[0])}" x2="${x(px)}" y2="${y(interval[1])}" stroke="${colour}" stroke-opacity="0.5"/>`
    ])),
    ...(dots === true
      ? finite.map(({ px, py }) => `<circle cx="${x(px)}" cy="${y(py)}" r="3.5" fill="${colour}"/>`)
      : [`<polyline points="${finite.map(({ px, py }) => `${x(px)},${y(py)}`).join(" ")}" fill="none" stroke="${colour}" stroke-width="1.8"/>`])
  ]
}

/** The picture of curves that share their axes. @param note  what they were taken on */
export const curvePlot = (title: string, series: ReadonlyArray<Series>, note: string): string => {
  const [first] = series
  if (first === undefined) return ""
  const frame = frameOf(series)
  const references = new Set(series.flatMap((one) => (one.reference === undefined ? [] : [one.reference])))
  const colourOf = (index: number): string => COLOURS[index % COLOURS.length] ?? COLOURS[0]
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    textAt(12, 20, "start", title, 13),
    textAt(WIDTH - RIGHT, 20, "end", note, 11),
    ...axes(frame, first),
    ...[...references].map((kind) => reference(frame, kind)),
    ...series.flatMap((one, index) => curve(frame, one, colourOf(index))),
    ...series.flatMap(({ name }, index) => [
      `<rect x="${LEFT + 10}" y="${TOP + 8 + index * LEGEND_ROW}" width="10" height="10" fill="${colourOf(index)}"/>`,
      textAt(LEFT + 26, TOP + 17 + index * LEGEND_ROW, "start", name, 11)
    ]),
    "</svg>",
    ""
  ].join("\n")
}
