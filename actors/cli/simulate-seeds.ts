/**
 * `funion simulate --seeds A..B`: the same scenario under many seeds, as many at a time as there are cores; a failure is shrunk.
 *
 * Contract: every run is what `simulate --seed N` would be. Results are told as they come, in the order in which runs end; the whole passes when all pass. Of
 * the first seed that fails, the shortest scenario that still fails under it with the same checker is sought, at most `SHRINK_RUNS` runs long, and written
 * beside where the command runs. Interrupted, the processes end.
 * Knows nothing of: what a run does.
 * Source: issue 5, part 1; departures: none.
 *
 * @module
 */
import { Effect, type Scope } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { availableParallelism, tmpdir } from "node:os"
import { join } from "node:path"
import { renderScenario, type Scenario } from "../../src/simulation/fault-plan.ts"
import { shrink } from "../../src/simulation/shrink.ts"
import { type CliFailure, failed } from "./cli-failure.ts"
import { printAside, printLine } from "./output.ts"
import { makeSeedWorkers, type SeedWorkers } from "./seed-workers.ts"
import { repeatCommand, type RunReport, type RunRequest } from "./simulated-run.ts"

const SHRINK_RUNS = 40

const lineOf = ({ failures, jobs, seed, traceHash, verdict, virtualMs, virtualOverReal }: RunReport): string =>
  `seed ${seed}: ${verdict}, ${(virtualMs / 60_000).toFixed(1)} virtual minutes at ${virtualOverReal} x, `
    + `${jobs.answered ?? 0} of ${jobs.asked ?? 0} jobs answered, trace ${traceHash.slice(0, 16)}${failures.map((failure) => `\n  ${failure}`).join("")}`

/** Which checker a sentence is of. */
const checkersOf = ({ failures }: RunReport): ReadonlySet<string> => new Set(failures.map((failure) => failure.split(":")[0] ?? ""))

interface ShrunkReport {
  readonly file: string
  readonly repeat: string
  readonly scenario: Scenario
  readonly runs: number
}

/** The shortest scenario that fails as the report says. */
const shrinkReport = (request: RunRequest, report: RunReport, workers: SeedWorkers): Effect.Effect<ShrunkReport | undefined, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { scenario: settled } = report
    if (settled === undefined) return undefined
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "funion-shrink-"))), (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true }))
    )
    const wanted = checkersOf(report)
    // a candidate says itself how long it runs
    const candidateRun = (faults: string): RunRequest => ({ ...request, seed: report.seed, hours: undefined, faults })
    const describe = ({ faults, jobs, runMs }: Scenario): string => `${faults.length} faults, ${jobs} jobs, ${(runMs / 1000).toFixed(0)} s`
    const fails = (candidate: Scenario, number: number): Effect.Effect<boolean> =>
      Effect.gen(function*() {
        const path = join(folder, `candidate-${number}.json`)
        writeFileSync(path, renderScenario(candidate))
        const again = yield* workers.run(candidateRun(path))
        const isSame = [...checkersOf(again)].some((checker) => wanted.has(checker))
        yield* printAside(`  ${number} of at most ${SHRINK_RUNS}: ${describe(candidate)}: ${isSame ? "fails too" : "does not fail so"}\n`)
        return isSame
      })
    const { runCount, scenario } = yield* shrink(settled, fails, { runs: SHRINK_RUNS, atOnce: Math.max(1, availableParallelism()) })
    const file = `${scenario.name}-seed-${report.seed}.json`
    writeFileSync(file, renderScenario(scenario))
    return { file, scenario, runs: runCount, repeat: repeatCommand(candidateRun(`./${file}`)) }
  })

export interface SeedRange {
  readonly first: number
  readonly last: number
}

/** Runs every seed and says what came of it. */
export const runSeeds = (request: RunRequest, { first, last }: SeedRange, json: boolean): Effect.Effect<void, CliFailure> =>
  Effect.scoped(Effect.gen(function*() {
    const workers = yield* makeSeedWorkers
    const seeds = Array.from({ length: last - first + 1 }, (_, index) => first + index)
    const reports = yield* Effect.forEach(
      seeds,
      (seed) => Effect.tap(workers.run({ ...request, seed }), (report) => (json ? printAside(`${lineOf(report)}\n`) : printLine(lineOf(report)))),
      { concurrency: Math.max(1, availableParallelism()) }
    )
    const bad = reports.filter(({ verdict }) => verdict !== "pass")
    const [worst] = bad
    if (worst !== undefined) yield* printAside(`looking for the shortest scenario that fails under seed ${worst.seed}\n`)
    const shrunk = worst === undefined ? undefined : yield* shrinkReport(request, worst, workers)
    const summary = `${reports.length - bad.length} passed, ${bad.length} failed`
    yield* printLine(json
      ? JSON.stringify({
        verdict: bad.length === 0 ? "pass" : "fail", seeds: reports.length, passed: reports.length - bad.length,
        runs: reports.map(({ seed, traceHash, verdict, virtualOverReal }) => ({ seed, verdict, traceHash, virtualOverReal })),
        failed: bad.map(({ failures, repeat, seed }) => ({ seed, failures, repeat })), ...(shrunk === undefined ? {} : { shrunk })
      })
      : summary)
    if (worst === undefined) return
    if (!json && shrunk !== undefined) {
      yield* printLine(`the shortest scenario found, in ${shrunk.runs} runs, is ${shrunk.file}:\n${renderScenario(shrunk.scenario)}`)
    }
    return yield* failed(`${summary}; to repeat the first failure: ${shrunk?.repeat ?? worst.repeat}`)
  }))
