/**
 * The processes that run simulations for `funion simulate --seeds`.
 *
 * Contract: a run has a process to itself while it lasts; a process that is done takes the next run, since the first run of a process costs a third more. One
 * that ends before its run does is not used again, and the run's report fails and says why. Interrupting a run ends its process; closing the scope ends all.
 * Knows nothing of: what a run does, how many run at a time.
 * Source: issue 5, part 1; departures: none.
 *
 * @module
 */
import { Effect, type Scope } from "effect"
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { CROWDED_SIMULATION_FLAGS } from "../../src/actor/node-flags.ts"
import type { SeedAnswer } from "./seed-message.ts"
import { repeatCommand, type RunReport, type RunRequest } from "./simulated-run.ts"

const PROGRAM = fileURLToPath(new URL("./seed-worker.js", import.meta.url))

/** The report of a run that came to no end. */
const broken = (request: RunRequest, why: string): RunReport => ({
  verdict: "fail", traceHash: "", virtualOverReal: 0, virtualMs: 0, packets: 0, messages: 0, linkFaults: 0, linkEvents: 0, dropsByReason: {},
  backend: request.backend, seed: request.seed, jobs: {}, checkers: {}, scenario: undefined, failures: [`process: ${why}`], repeat: repeatCommand(request)
})

/** A process, and what it said last on standard error. */
class SeedProcess {
  readonly child: ChildProcess = fork(PROGRAM, [], { execArgv: [...CROWDED_SIMULATION_FLAGS], stdio: ["ignore", "ignore", "pipe", "ipc"] })
  #said = ""

  constructor() {
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => { this.#said = (this.#said + text).slice(-4_096) })
  }

  get lastWords(): string {
    return this.#said.trim().split("\n").at(-1) ?? ""
  }
}

export class SeedWorkers {
  readonly #idle: Array<SeedProcess> = []

  /** Runs one simulation. */
  run(request: RunRequest): Effect.Effect<RunReport> {
    return Effect.async<RunReport>((resume) => {
      const worker = this.#takeIdle() ?? new SeedProcess()
      const { child } = worker
      const ended = (report: RunReport): void => {
        child.removeAllListeners("message").removeAllListeners("error").removeAllListeners("close")
        resume(Effect.succeed(report))
      }
      child.once("message", (message) => {
        const answer = message as SeedAnswer
        this.#idle.push(worker)
        ended(answer.type === "report" ? answer.report : broken(request, answer.message))
      })
      child.once("error", (error) => ended(broken(request, error.message)))
      child.once("close", (status, signal) => ended(broken(request, worker.lastWords || `ended with ${signal ?? `status ${status}`}`)))
      child.send(request, () => undefined)
      return Effect.sync(() => { child.kill("SIGTERM") })
    })
  }

  /** One that waits and has not ended meanwhile. */
  #takeIdle(): SeedProcess | undefined {
    for (let worker = this.#idle.pop(); worker !== undefined; worker = this.#idle.pop()) if (worker.child.connected) return worker
    return undefined
  }

  /** Ends those that have nothing to do. */
  end(): void {
    for (const { child } of this.#idle.splice(0)) child.kill("SIGTERM")
  }
}

/** No processes yet; they begin with the runs. */
export const makeSeedWorkers: Effect.Effect<SeedWorkers, never, Scope.Scope> =
  Effect.acquireRelease(Effect.sync(() => new SeedWorkers()), (workers) => Effect.sync(() => workers.end()))
