/**
 * One picture per bench: its rows as bars of their ratios, with a line at 1, in SVG.
 *
 * Contract: the same rows give the same text; it needs no fonts, scripts or files of others. Any text is escaped.
 * Knows nothing of: files, how figures were measured.
 * Source: SVG 1.1 (W3C); departures: none.
 *
 * @module
 */
import type { BenchRow } from "./harness.ts"

const WIDTH = 860
const LABEL_WIDTH = 210
const VALUE_WIDTH = 240
const ROW_HEIGHT = 26
const BAR_HEIGHT = 16
const TOP = 52
const BOTTOM = 30
const BAR_SPAN = WIDTH - LABEL_WIDTH - VALUE_WIDTH

const escaped = (text: string): string => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)

const textAt = (x: number, y: number, anchor: "start" | "middle" | "end", content: string, size = 12): string =>
  `<text x="${x}" y="${y}" font-size="${size}" text-anchor="${anchor}">${escaped(content)}</text>`

/** Longest ratio that the axis shows, at least a little more than 1. */
const axisEnd = (rows: ReadonlyArray<BenchRow>): number => Math.max(1.2, ...rows.map(({ ratio }) => (Number.isFinite(ratio) ? ratio : 0))) * 1.05

const number = (value: number): string => (value >= 10_000 ? String(Math.round(value)) : value.toFixed(1))

/** The picture of one bench's rows. @param note  what the figures were taken on */
export const plotOf = (title: string, rows: ReadonlyArray<BenchRow>, note: string): string => {
  const end = axisEnd(rows)
  const height = TOP + rows.length * ROW_HEIGHT + BOTTOM
  const lengthOf = (ratio: number): number => Math.round((Math.max(0, Number.isFinite(ratio) ? ratio : 0) / end) * BAR_SPAN)
  const oneX = LABEL_WIDTH + lengthOf(1)
  const bars = rows.flatMap(({ floorUs, id, ratio, us }, index) => {
    const y = TOP + index * ROW_HEIGHT
    return [
      textAt(LABEL_WIDTH - 8, y + 13, "end", id),
      `<rect x="${LABEL_WIDTH}" y="${y}" width="${lengthOf(ratio)}" height="${BAR_HEIGHT}" fill="#4a78b5"/>`,
      textAt(LABEL_WIDTH + BAR_SPAN + 8, y + 13, "start", `${ratio.toFixed(2)}   (${number(us)} / ${number(floorUs)} us)`)
    ]
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif">`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    textAt(12, 20, "start", title, 13),
    textAt(oneX, TOP - 8, "middle", "1", 11),
    ...bars,
    `<line x1="${oneX}" y1="${TOP - 4}" x2="${oneX}" y2="${height - BOTTOM + 2}" stroke="#b03030" stroke-dasharray="4 3"/>`,
    textAt(12, height - 10, "start", note, 11),
    "</svg>",
    ""
  ].join("\n")
}
