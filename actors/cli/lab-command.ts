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
import { mkdirSync, writeFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { labResult, type LabResult } from "../lab/lab-result.ts"
import { runLab } from "../lab/lab-run.ts"
import { filesOf, tableOf } from "../lab/lab-report.ts"
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

const save = (folder: string, files: ReadonlyArray<{ readonly name: string; readonly text: string }>): Effect.Effect<void, CliFailure> =>
  Effect.try({
    try: () => {
      mkdirSync(folder, { recursive: true })
      for (const { name, text } of files) writeFileSync(join(folder, name), text)
    },
    catch: (thrown) => failed(`${folder}: ${thrownMessage(thrown)}`)
  })

/** What `--json` prints: the verdict first. */
const jsonOf = ({ bound, epsilonE, figures, gates, planted, rules, scale, seed, traceHashes, verdict }: LabResult): string =>
  JSON.stringify({ verdict, seed, scale, gates, planted, epsilonE, bound, rules, figures, traceHashes })

export const runLabCommand = ({ json, out, quick, seed = SEED }: LabRequest): Effect.Effect<void, CliFailure> =>
  Effect.gen(function*() {
    const scale = quick ? "quick" : "large"
    const parts = yield* runLab({
      scale, seed, threads: Math.min(THREADS, availableParallelism()),
      onPart: (name, isMissed) => (json ? Effect.void : printAside(`${name}: ${isMissed ? "a gate is missed" : "done"}\n`))
    })
    const result = labResult(parts, { scale, seed })
    if (out !== undefined) yield* save(out, filesOf(result))
    yield* printLine(json ? jsonOf(result) : tableOf(result))
    if (result.verdict === "fail") {
      const missed = result.gates.filter(({ pass }) => !pass).map(({ name }) => name)
      const loose = result.planted.filter(({ caught }) => !caught).map(({ name }) => name)
      yield* failed([
        ...(missed.length === 0 ? [] : [`gates missed: ${missed.join(", ")}`]),
        ...(loose.length === 0 ? [] : [`planted faults not caught: ${loose.join(", ")}`])
      ].join("; "))
    }
  })
