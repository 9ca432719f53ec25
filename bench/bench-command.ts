/**
 * The bench command: reads its arguments, runs benches and prints their rows.
 *
 * Contract: with `--json` standard output is exactly one JSON object and nothing else; without, one table. An unknown bench or option: a message on
 * standard error, status 2. No name means all benches. Unless it is `--small` or `--json` it also draws a picture for each bench into bench/results.
 * Knows nothing of: what any bench measures.
 * Source: style.md §2.8; departures: none.
 *
 * @module
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { basename, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { Either } from "effect"
import { selectBackend } from "../src/crypto/select-backend.ts"
import { machineOf, type Bench, type BenchRow, type Machine } from "./harness.ts"
import { plotOf } from "./plot.ts"
import { benches } from "./registry.ts"

/** Where pictures go, of this file's folder: whether it runs as source or compiled into `dist`. */
export const resultsFolderOf = (folder: string): string => resolve(folder, basename(resolve(folder, "..")) === "dist" ? "../../bench/results" : "results")
const resultsFolder = resultsFolderOf(fileURLToPath(new URL(".", import.meta.url)))

interface Invocation {
  readonly chosen: ReadonlyArray<Bench>
  readonly json: boolean
  readonly small: boolean
  readonly realTime: boolean
  readonly backend: "native" | "reference" | undefined
}

/** What the arguments ask for, or what is wrong with them. */
export const parseInvocation = (args: ReadonlyArray<string>): Either.Either<Invocation, string> =>
  Either.try({
    try: () => parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { json: { type: "boolean" }, small: { type: "boolean" }, "real-time": { type: "boolean" }, backend: { type: "string" } }
    }),
    catch: (cause) => (cause instanceof Error ? cause.message : "unusable arguments")
  }).pipe(Either.flatMap(({ positionals, values }) => {
    const unknown = positionals.filter((name) => !benches.some((bench) => bench.name === name))
    if (unknown.length > 0) return Either.left(`unknown bench ${unknown.join(", ")}; benches: ${benches.map(({ name }) => name).join(", ")}`)
    const { backend } = values
    if (backend !== undefined && backend !== "native" && backend !== "reference") return Either.left("--backend is native or reference")
    return Either.right({
      chosen: positionals.length === 0 ? benches : benches.filter(({ name }) => positionals.includes(name)),
      json: values.json === true,
      small: values.small === true,
      realTime: values["real-time"] === true,
      backend
    })
  }))

/** The rows as the JSON object promises them; `clock`, `perSecond` and `allocatedBytes` only where a bench says them. */
export const renderJson = (rows: ReadonlyArray<BenchRow>, machine: Machine): string => {
  const results = rows.map(({ allocatedBytes, checksum, clock, floorUs, id, perSecond, ratio, us }) =>
    ({ id, us, floorUs, ratio, clock, perSecond, allocatedBytes, checksum }))
  return JSON.stringify({ results, machine })
}

/** Heads of the table's columns. */
export const TABLE_HEADS = ["id", "us", "floor us", "ratio", "per s", "bytes/op", "checksum"] as const

/** The rows for people: the questions, then one table. */
export const renderTable = (asked: ReadonlyArray<Bench>, rows: ReadonlyArray<BenchRow>): string => {
  const idWidth = Math.max(...rows.map(({ id }) => id.length), 2)
  const line = ([id = "", ...columns]: ReadonlyArray<string>): string => [id.padEnd(idWidth), ...columns.map((text) => text.padStart(10))].join("  ")
  return [
    ...asked.map(({ name, question }) => `${name}: ${question}`),
    line(TABLE_HEADS),
    ...rows.map(({ allocatedBytes, checksum, floorUs, id, perSecond, ratio, us }) =>
      line([id, us.toFixed(1), floorUs.toFixed(1), ratio.toFixed(2), String(perSecond ?? "-"), String(allocatedBytes ?? "-"), checksum]))
  ].join("\n")
}

const noteOf = (machine: Machine): string =>
  `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, ${machine.platform}, backend ${machine.backend}`

/** Draws one bench's rows into the folder of results. */
const draw = ({ name, question }: Bench, rows: ReadonlyArray<BenchRow>, machine: Machine): void => {
  mkdirSync(resultsFolder, { recursive: true })
  writeFileSync(join(resultsFolder, `${name}.svg`), plotOf(question, rows, `${noteOf(machine)}; bars are ratios to the floor`))
}

/** Runs the command; resolves to the exit status. */
export const runBenchCommand = async (args: ReadonlyArray<string>): Promise<number> => {
  const invocation = parseInvocation(args)
  if (Either.isLeft(invocation)) {
    process.stderr.write(`${invocation.left}\n`)
    return 2
  }
  const { backend, chosen, json, realTime, small } = invocation.right
  const crypto = selectBackend(backend)
  if (Either.isLeft(crypto)) {
    process.stderr.write(`${crypto.left.message}\n`)
    return 1
  }
  const machine = machineOf(crypto.right)
  const allRows: Array<BenchRow> = []
  for (const bench of chosen) {
    const rows = await bench.run({ crypto: crypto.right, small, realTime })
    allRows.push(...rows)
    if (!small && !json) draw(bench, rows, machine)
  }
  process.stdout.write(json
    ? `${renderJson(allRows, machine)}\n`
    : `${renderTable(chosen, allRows)}\n${noteOf(machine)}\n`)
  return 0
}
