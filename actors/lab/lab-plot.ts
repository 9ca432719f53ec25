/**
 * Pictures of the lab's figures in SVG: bars with their intervals, and points.
 *
 * Contract: the same data gives the same text; it needs no fonts, scripts or files of others. Any text is escaped.
 * Knows nothing of: files, what figures mean.
 * Source: SVG 1.1 (W3C); departures: none.
 *
 * @module
 */
import type { Estimate } from "../../src/anonymity/metrics/interval.ts"
import type { Series } from "./lab-part.ts"

const WIDTH = 860
const LABEL_WIDTH = 330
const VALUE_WIDTH = 120
const ROW_HEIGHT = 22
const BAR_HEIGHT = 12
const TOP = 44
const BOTTOM = 20
const SPAN = WIDTH - LABEL_WIDTH - VALUE_WIDTH

const escaped = (text: string): string => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)

const textAt = (x: number, y: number, anchor: "start" | "middle" | "end", content: string, size = 12): string =>
  `<text x="${x}" y="${y}" font-size="${size}" text-anchor="${anchor}">${escaped(content)}</text>`

const frame = (height: number, title: string, inside: ReadonlyArray<string>): string => [
  `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif">`,
  `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
  textAt(12, 20, "start", title, 13),
  ...inside,
  "</svg>",
  ""
].join("\n")

const finite = (value: number): number => (Number.isFinite(value) ? value : 0)

export interface Bar {
  readonly label: string
  readonly estimate: Estimate
}

/** One bar a figure, with its interval as a line; negative values are drawn as 0. */
export const barsOf = (title: string, bars: ReadonlyArray<Bar>): string => {
  const end = Math.max(1, ...bars.map(({ estimate }) => finite(estimate.value)), ...bars.map(({ estimate }) => Math.min(finite(estimate.interval.upper), 100)))
  const x = (value: number): number => LABEL_WIDTH + Math.round((Math.max(0, Math.min(end, finite(value))) / end) * SPAN)
  return frame(TOP + bars.length * ROW_HEIGHT + BOTTOM, title, bars.flatMap(({ estimate: { interval, value }, label }, index) => {
    const y = TOP + index * ROW_HEIGHT
    const middle = y + BAR_HEIGHT / 2
    return [
      textAt(LABEL_WIDTH - 8, y + 11, "end", label, 11),
      `<rect x="${LABEL_WIDTH}" y="${y}" width="${x(value) - LABEL_WIDTH}" height="${BAR_HEIGHT}" fill="#4a78b5"/>`,
      `<line x1="${x(interval.lower)}" y1="${middle}" x2="${x(interval.upper)}" y2="${middle}" stroke="#b03030" stroke-width="2"/>`,
      textAt(LABEL_WIDTH + SPAN + 8, y + 11, "start", finite(value).toFixed(3), 11)
    ]
  }))
}

const PLOT_HEIGHT = 360
const MARGIN = 60

/** Points of a series between their axes, with the ends of the axes named. */
export const scatterOf = ({ name, points, xLabel, yLabel }: Series): string => {
  const xs = points.map(([x]) => x)
  const ys = points.map(([, y]) => y)
  const [xMax, yMax] = [Math.max(1e-9, ...xs), Math.max(1e-9, ...ys)]
  const left = MARGIN
  const bottom = PLOT_HEIGHT - MARGIN
  const place = ([x, y]: readonly [number, number]): readonly [number, number] =>
    [Math.round(left + (x / xMax) * (WIDTH - 2 * MARGIN)), Math.round(bottom - (y / yMax) * (PLOT_HEIGHT - 2 * MARGIN))]
  return frame(PLOT_HEIGHT, name, [
    `<line x1="${left}" y1="${bottom}" x2="${WIDTH - MARGIN}" y2="${bottom}" stroke="#000000"/>`,
    `<line x1="${left}" y1="${MARGIN}" x2="${left}" y2="${bottom}" stroke="#000000"/>`,
    textAt(WIDTH - MARGIN, bottom + 18, "end", `${xLabel} (to ${xMax.toFixed(2)})`, 11),
    textAt(left, MARGIN - 8, "start", `${yLabel} (to ${yMax.toFixed(2)})`, 11),
    ...points.map(place).map(([x, y]) => `<circle cx="${x}" cy="${y}" r="4" fill="#4a78b5"/>`)
  ])
}
