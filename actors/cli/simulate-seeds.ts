/**
 * `funion simulate --seeds A..B`: the same scenario under many seeds, a process each, as many at a time as there are cores; a failure is shrunk.
 *
 * Contract: every run is what `simulate --seed N` would be. Results are told as they come, in the order in which runs end; the whole passes when all pass. Of
 * the first seed that fails, the shortest scenario that still fails under it with the same checker is sought, at most `SHRINK_RUNS` runs long, and written
 * beside where the command runs. Interrupted, the processes end.
 * Knows nothing of: what a run does.
 * Source: issue 5, part 1; departures: none.
 *
 * @module
 */
import { Effect, Either, type Scope } from "effect"
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { availableParallelism, tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { renderScenario, type Scenario, scenarioOf } from "../../src/simulation/fault-plan.ts"
import { shrink } from "../../src/simulation/shrink.ts"
import { CROWDED_FLAGS } from "../../src/actor/node-flags.ts"
import { type CliFailure, failed } from "./cli-failure.ts"
import { printAside, printLine } from "./output.ts"

/** What `simulate --json` prints of one run, as far as it is used here. */
export interface SeedReport {
  readonly verdict: string
  readonly seed: number
  readonly traceHash: string
  readonly virtualMs: number
  readonly virtualOverReal: number
  readonly jobs: Readonly<Record<string, number>>
  readonly failures: ReadonlyArray<string>
  readonly repeat: string
  /** With its lots drawn. */
  readonly scenario: unknown
}

export interface SeedsRequest {
  readonly first: number
  readonly last: number
  /** The words of the command that do not say a seed, a scenario or how to print. */
  readonly words: ReadonlyArray<string>
  /** `--faults` as given. */
  readonly faults: string | undefined
  readonly json: boolean
}

const PROGRAM = fileURLToPath(new URL("../../../bin/funion.mjs", import.meta.url))
const SHRINK_RUNS = 40

const reportOf = (seed: number, stdout: string, stderr: string): SeedReport => {
  const parsed = Either.try((): unknown => JSON.parse(stdout))
  if (Either.isRight(parsed) && typeof parsed.right === "object" && parsed.right !== null && "verdict" in parsed.right) return parsed.right as SeedReport
  const why = stderr.trim().split("\n").at(-1) ?? ""
  return { verdict: "fail", seed, traceHash: "", virtualMs: 0, virtualOverReal: 0, jobs: {}, failures: [`process: ${why}`], repeat: "", scenario: undefined }
}

/** One run in a process of its own; ends with the scope. */
const runOne = (words: ReadonlyArray<string>, seed: number, faults: string | undefined): Effect.Effect<SeedReport> =>
  Effect.async<SeedReport>((resume) => {
    const args = [...CROWDED_FLAGS, PROGRAM, "simulate", ...words, "--seed", String(seed), ...(faults === undefined ? [] : ["--faults", faults]), "--json"]
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] })
    const heard = { stdout: "", stderr: "" }
    child.stdout.setEncoding("utf8").on("data", (text: string) => { heard.stdout += text })
    child.stderr.setEncoding("utf8").on("data", (text: string) => { heard.stderr += text })
    child.once("error", (error) => resume(Effect.succeed(reportOf(seed, "", error.message))))
    child.once("close", () => resume(Effect.succeed(reportOf(seed, heard.stdout, heard.stderr))))
    return Effect.sync(() => { child.kill("SIGTERM") })
  })

const lineOf = ({ failures, jobs, seed, traceHash, verdict, virtualMs, virtualOverReal }: SeedReport): string =>
  `seed ${seed}: ${verdict}, ${(virtualMs / 60_000).toFixed(1)} virtual minutes at ${virtualOverReal} x, `
    + `${jobs.answered ?? 0} of ${jobs.asked ?? 0} jobs answered, trace ${traceHash.slice(0, 16)}${failures.map((failure) => `\n  ${failure}`).join("")}`

/** Which checker a sentence is of. */
const checkersOf = ({ failures }: SeedReport): ReadonlySet<string> => new Set(failures.map((failure) => failure.split(":")[0] ?? ""))

interface ShrunkReport {
  readonly file: string
  readonly repeat: string
  readonly scenario: Scenario
  readonly runs: number
}

/** The shortest scenario that fails as the report says. */
const shrinkReport = (request: SeedsRequest, report: SeedReport): Effect.Effect<ShrunkReport | undefined, never, Scope.Scope> =>
  Effect.gen(function*() {
    const settled = Either.getOrUndefined(scenarioOf(report.scenario))
    if (settled === undefined) return undefined
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "funion-shrink-"))), (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true }))
    )
    const wanted = checkersOf(report)
    // a candidate says itself how long it runs
    const words = request.words.filter((word, index) => word !== "--hours" && request.words[index - 1] !== "--hours")
    const describe = ({ faults, jobs, runMs }: Scenario): string => `${faults.length} faults, ${jobs} jobs, ${(runMs / 1000).toFixed(0)} s`
    const fails = (candidate: Scenario, number: number): Effect.Effect<boolean> =>
      Effect.gen(function*() {
        const path = join(folder, `candidate-${number}.json`)
        writeFileSync(path, renderScenario(candidate))
        const again = yield* runOne(words, report.seed, path)
        const isSame = [...checkersOf(again)].some((checker) => wanted.has(checker))
        yield* printAside(`  ${number} of at most ${SHRINK_RUNS}: ${describe(candidate)}: ${isSame ? "fails too" : "does not fail so"}\n`)
        return isSame
      })
    const { runCount, scenario } = yield* shrink(settled, fails, { runs: SHRINK_RUNS, atOnce: Math.max(1, availableParallelism()) })
    const file = `${scenario.name}-seed-${report.seed}.json`
    writeFileSync(file, renderScenario(scenario))
    return { file, scenario, runs: runCount, repeat: `npx funion simulate ${words.join(" ")} --seed ${report.seed} --faults ./${file}` }
  })

/** Runs every seed and says what came of it. */
export const runSeeds = (request: SeedsRequest): Effect.Effect<void, CliFailure> =>
  Effect.gen(function*() {
    const { faults, first, json, last, words } = request
    const seeds = Array.from({ length: last - first + 1 }, (_, index) => first + index)
    const reports = yield* Effect.forEach(
      seeds,
      (seed) => Effect.tap(runOne(words, seed, faults), (report) => (json ? printAside(`${lineOf(report)}\n`) : printLine(lineOf(report)))),
      { concurrency: Math.max(1, availableParallelism()) }
    )
    const bad = reports.filter(({ verdict }) => verdict !== "pass")
    const [worst] = bad
    if (worst !== undefined) yield* printAside(`looking for the shortest scenario that fails under seed ${worst.seed}\n`)
    const shrunk = worst === undefined ? undefined : yield* Effect.scoped(shrinkReport(request, worst))
    const summary = `${reports.length - bad.length} passed, ${bad.length} failed`
    yield* printLine(json
      ? JSON.stringify({
        verdict: bad.length === 0 ? "pass" : "fail", seeds: reports.length, passed: reports.length - bad.length,
        failed: bad.map(({ failures, repeat, seed }) => ({ seed, failures, repeat })), ...(shrunk === undefined ? {} : { shrunk })
      })
      : summary)
    if (worst === undefined) return
    if (!json && shrunk !== undefined) {
      yield* printLine(`the shortest scenario found, in ${shrunk.runs} runs, is ${shrunk.file}:\n${renderScenario(shrunk.scenario)}`)
    }
    return yield* failed(`${summary}; to repeat the first failure: ${shrunk?.repeat ?? worst.repeat}`)
  })
