/**
 * `funion lab`: plays the attacks on small networks of real actors in virtual time, and says what they were worth.
 *
 * Contract: the verdict is the exit status: 1 when a gate is missed or a planted fault is not caught. With `--json` one JSON object on standard output and
 * nothing else; else a table. With `--out` the report goes into a folder besides. Progress goes to standard error. The same seed gives the same figures.
 * Knows nothing of: attacks.
 * Source: issue "anonymity that is measured", point 4; departures: none.
 *
 * @module
 */
import { accessSync, constants, mkdirSync, writeFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { labJson, labMarkdown, labPictures, type LabReport } from "../../src/anonymity/report.ts"
import { failuresOf, reportOf, tableOf } from "../lab/lab-verdict.ts"
import { runLab } from "../lab/lab-run.ts"
import { type CliFailure, failed, thrownMessage } from "./cli-failure.ts"
import { printAside, printLine } from "./output.ts"

/** The seed of the figures in the pages. */
const SEED = 20_251_201
/** More would only wait for each other's memory. */
const THREADS = 2

export interface LabRequest {
  readonly quick: boolean
  readonly json: boolean
  readonly seed: number | undefined
  readonly out: string | undefined
}

/** Writes files into a folder, which is made when it is missing. */
const save = (folder: string, files: ReadonlyArray<{ readonly name: string; readonly text: string }>): Effect.Effect<void, CliFailure> =>
  Effect.try({
    try: () => {
      mkdirSync(folder, { recursive: true })
      accessSync(folder, constants.W_OK)
      for (const { name, text } of files) writeFileSync(join(folder, name), text)
    },
    catch: (thrown) => failed(`--out: "${folder}" can not be written: ${thrownMessage(thrown)}`)
  })

/** The report as files of a folder. */
const filesOf = (report: LabReport): ReadonlyArray<{ readonly name: string; readonly text: string }> => [
  { name: "report.json", text: `${JSON.stringify(labJson(report), undefined, 1)}\n` },
  { name: "report.md", text: labMarkdown(report) },
  ...labPictures(report).map(({ fileName, svg }) => ({ name: fileName, text: svg }))
]

export const runLabCommand = ({ json, out, quick, seed = SEED }: LabRequest): Effect.Effect<void, CliFailure> =>
  Effect.gen(function*() {
    // the lab takes minutes: whether its report has a place is known before
    if (out !== undefined) yield* save(out, [])
    const scale = quick ? "quick" : "large"
    const parts = yield* runLab({
      scale, seed, threads: Math.min(THREADS, availableParallelism()),
      onPart: (name, isMissed) => printAside(`${name}: ${isMissed ? "a gate is missed" : "done"}\n`)
    })
    const report = reportOf(parts, { command: `funion lab${quick ? " --quick" : ""} --seed ${seed}`, seed })
    if (out !== undefined) yield* save(out, filesOf(report))
    yield* printLine(json ? JSON.stringify(labJson(report)) : tableOf(report))
    const failures = failuresOf(report)
    if (failures !== undefined) yield* failed(failures)
  })
