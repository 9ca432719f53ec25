/**
 * `funion conformance`: vector files run against every crypto backend of this machine.
 *
 * Contract: standard output ends with `N passed, N failed` alone on a line. Status 0 when everything passed, 1 when a case failed, 2 when a file can not be
 * read, has an unknown form or no case.
 * Knows nothing of: forms of files.
 * Source: the list; departures: none.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { readFile } from "node:fs/promises"
import {
  type ConformanceOutcome, conformanceExitCode, formatConformance, runConformanceText
} from "../../src/conformance/conformance.ts"
import type { CryptoBackend } from "../../src/crypto/backend.ts"
import { selectBackend } from "../../src/crypto/select-backend.ts"
import { type CliFailure, failed, misused } from "./cli-failure.ts"
import { printAside, printLine } from "./output.ts"

/** Both backends, or the one that this machine has. */
const availableBackends: Effect.Effect<ReadonlyArray<CryptoBackend>> = Effect.gen(function*() {
  const backends = [selectBackend("native"), selectBackend("reference")]
  for (const backend of backends) {
    if (Either.isLeft(backend)) yield* printAside(`warning: ${backend.left.message}\n`)
  }
  return backends.flatMap((backend) => (Either.isRight(backend) ? [backend.right] : []))
})

const runFile = (backends: ReadonlyArray<CryptoBackend>, file: string): Effect.Effect<ConformanceOutcome> =>
  Effect.tryPromise(() => readFile(file, "utf8")).pipe(
    Effect.map((text) => runConformanceText(backends, file, text)),
    Effect.catchAll(() => Effect.succeed({ fileName: file, form: undefined, problem: "can not be read", cases: [] })),
    // lets a signal through between files
    Effect.zipLeft(Effect.sleep(0))
  )

const unusable = (outcome: ConformanceOutcome): boolean => outcome.cases.every((one) => one.outcome === "skipped")

/** Runs the cases of all files. */
export const runConformanceFiles = (files: ReadonlyArray<string>): Effect.Effect<void, CliFailure> =>
  Effect.gen(function*() {
    const backends = yield* availableBackends
    const outcomes = yield* Effect.forEach(files, (file) => runFile(backends, file))
    yield* printLine(formatConformance(outcomes))
    const status = conformanceExitCode(outcomes)
    if (status === 0) return
    const bad = outcomes.filter(unusable).map(({ fileName, form, problem }) => `${fileName}: ${problem ?? (form === undefined ? "unknown form" : "no case")}`)
    return yield* status === 2 ? misused(bad.join("; ")) : failed("at least one case failed")
  })
