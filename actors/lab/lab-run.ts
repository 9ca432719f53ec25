/**
 * The whole lab: all parts, on as many threads as there are cores for it, put together.
 *
 * Contract: parts that take longest are begun first; their order of ending has no influence on the result. A part that fails, or whose thread dies, is a gate
 * that failed. Threads end with their parts.
 * Knows nothing of: how a result looks.
 * Source: issue "anonymity that is measured", point 4; departures: none.
 *
 * @module
 */
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { Worker } from "node:worker_threads"
import { Effect, type Scope } from "effect"
import { never } from "../../src/anonymity/gate.ts"
import { THREAD_YOUNG_GENERATION_MB } from "../../src/actor/node-flags.ts"
import { emptyPart, type LabPart, type LabScale } from "./lab-part.ts"
import type { FromLabThread, ToLabThread } from "./lab-worker.ts"
import { PARTS } from "./part-list.ts"

const here = fileURLToPath(import.meta.url)
/** Threads are started from compiled files only. */
const program = here.endsWith(".ts")
  ? join(resolve(dirname(here), "../.."), "dist", "actors", "lab", "lab-worker.js")
  : join(dirname(here), "lab-worker.js")

export interface LabChoice {
  readonly scale: LabScale
  readonly seed: number
  /** Parts at once. */
  readonly threads: number
  /** Told of every part that has ended. */
  readonly onPart?: (name: string, failed: boolean) => Effect.Effect<void>
}

/** What a part that failed leaves behind. */
const failedPart = (name: string, message: string): LabPart =>
  ({ ...emptyPart(name), gates: [never({ name: `${name}/run`, meaning: `the part did not run: ${message}` }, 1, 1)] })

const openThread: Effect.Effect<Worker, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => new Worker(program, { execArgv: [], resourceLimits: { maxYoungGenerationSizeMb: THREAD_YOUNG_GENERATION_MB } })),
  (worker) => Effect.promise(() => worker.terminate())
)

/** Has one part run by a thread. */
const ask = (worker: Worker, message: ToLabThread): Effect.Effect<LabPart> =>
  Effect.async<LabPart>((resume) => {
    const onMessage = (answer: FromLabThread): void => {
      worker.off("exit", onExit)
      resume(Effect.succeed("part" in answer ? answer.part : failedPart(answer.name, answer.message)))
    }
    const onExit = (): void => {
      worker.off("message", onMessage)
      resume(Effect.succeed(failedPart(message.name, "its thread has died")))
    }
    worker.once("message", onMessage)
    worker.once("exit", onExit)
    worker.postMessage(message)
  })

/** Every part runs in a thread of its own, so that no memory of one burdens another. */
export const runLab = ({ onPart, scale, seed, threads }: LabChoice): Effect.Effect<ReadonlyArray<LabPart>> => {
  const parts = [...PARTS].sort((one, other) => other.weight - one.weight)
  return Effect.forEach(parts, ({ name }) =>
    Effect.scoped(Effect.flatMap(openThread, (worker) => ask(worker, { name, scale, seed }))).pipe(
      Effect.tap((part) => onPart?.(name, part.gates.some(({ pass }) => !pass)) ?? Effect.void)
    ), { concurrency: threads }).pipe(
    Effect.map((all) => PARTS.flatMap(({ name }) => all.filter(({ part }) => part === name)))
  )
}
