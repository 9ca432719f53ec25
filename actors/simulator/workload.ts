/**
 * The users of a simulated network: they ask client actors for inferences whose answers are known beforehand.
 *
 * Contract: every job is asked once, at an instant uniform in the span, of a client and a model drawn at random, with an input of its own; all draws are the
 * seed's. The listener is told in order what became of it. Users wait for their answers beyond the span, until the last job has ended or a time is over.
 * Knows nothing of: verdicts, faults.
 * Source: the list; departures: none.
 *
 * @module
 */
import { Clock, Effect, Either, Option } from "effect"
import { uniformFrom } from "../../src/link/link-services.ts"
import { ROTATE_WIDTH } from "../../src/model/built-in-model.ts"
import { builtInAnswer } from "../../src/model/stand-in-host.ts"
import { numbersOf, type Tensor, tensorOf } from "../../src/model/tensor.ts"
import type { Topology } from "../../src/topology/topology.ts"
import { inferTensors } from "../session-api.ts"
import type { World } from "./world.ts"

/** Told what becomes of jobs, which are numbered from 0. */
export interface JobListener {
  readonly asked: (job: number, label: string) => void
  /** @param readableUntilMs  when whoever reads the answer gives up */
  readonly accepted: (job: number, readableUntilMs: number) => void
  readonly answered: (job: number, isRight: boolean) => void
  readonly failed: (job: number, detail: string) => void
}

export interface WorkloadOptions {
  readonly jobs: number
  /** In which jobs are asked, from now. */
  readonly spanMs: number
  /** How long users wait beyond the span. Default: long enough for the slowest bucket twice. */
  readonly patienceMs?: number
}

/** Quanta between two jobs of one client when nothing else is said: far from filling any service. */
const QUANTA_PER_JOB = 20
/** Share of the slowest bucket that reading may take. */
const AFFINE_WIDTH = 4

/** Jobs of a span when nothing else is said, at least one. */
export const defaultJobs = ({ clients, computes, params }: Topology, spanMs: number): number => {
  const slots = computes.reduce((sum, { profiles }) => sum + profiles.reduce((all, { jobsPerQuantum }) => all + jobsPerQuantum, 0), 0)
  const perQuantum = Math.min(clients.length, slots) / QUANTA_PER_JOB
  return Math.max(1, Math.floor((spanMs / params.quantumMs) * perQuantum))
}

/** How long a job may take from its acceptance, all edges missed but the last. */
export const longestJobMs = ({ computes, params }: Topology): number => {
  const deadlineMs = Math.max(0, ...computes.flatMap(({ deadlinesMs }) => deadlinesMs))
  return 2 * deadlineMs + 20 * (params.answerMs + params.retransmitSlackMs) + 10 * params.quantumMs
}

/** Models of a network whose answers are known. */
const knownModels = ({ computes }: Topology): ReadonlyArray<string> =>
  [...new Set(computes.flatMap(({ models }) => models.map(({ id }) => id)).filter((id) => builtInAnswer(id, []) !== undefined))]

/** An input that no other job of the run has. */
const inputOf = (modelId: string, job: number, uniform: () => number): Tensor => {
  const width = modelId === "affine" ? AFFINE_WIDTH : ROTATE_WIDTH
  const values = Array.from({ length: width }, (_, index) => (index === 0 ? job : Math.floor(1024 * uniform())))
  return Either.getOrThrow(tensorOf("x", "f32", [1, width], values))
}

const isRight = (modelId: string, input: Tensor, outputs: ReadonlyArray<Tensor>): boolean => {
  const expected = builtInAnswer(modelId, numbersOf(input))
  const [output] = outputs
  if (expected === undefined || output === undefined) return false
  const given = numbersOf(output)
  return given.length === expected.length && given.every((value, index) => value === expected[index])
}

/** Asks all jobs and waits for their ends. */
export const runWorkload = (world: World, listener: JobListener, options: WorkloadOptions): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { network, entropyOf } = world
    const { topology } = network
    const models = knownModels(topology)
    const entropy = entropyOf("users")
    const uniform = (): number => uniformFrom(entropy)
    const drawn = <A>(from: ReadonlyArray<A>): A | undefined => from[Math.floor(uniform() * from.length)]
    const longestMs = longestJobMs(topology)
    const jobs = Array.from({ length: options.jobs }, (_, job) => {
      const atMs = uniform() * options.spanMs
      const client = drawn(topology.clients)?.name
      const model = drawn(models)
      return { job, atMs, client, model, input: inputOf(model ?? "affine", job, uniform) }
    })
    const ask = ({ atMs, client, input, job, model }: typeof jobs[number]): Effect.Effect<void> =>
      Effect.gen(function*() {
        if (client === undefined || model === undefined) return
        yield* Effect.sleep(atMs)
        listener.asked(job, `job ${job} (${model} by ${client})`)
        const { outputs } = yield* inferTensors(network, model, [input], {
          client,
          onEvent: (event) => Effect.map(Clock.currentTimeMillis, (nowMs) => {
            if (event._tag === "Accepted") listener.accepted(job, Math.max(event.lastEdgeMs, nowMs) + longestMs)
          })
        })
        listener.answered(job, isRight(model, input, outputs))
      }).pipe(Effect.catchAll((error) => Effect.sync(() => listener.failed(job, error.message))))
    yield* Effect.forEach(jobs, ask, { concurrency: "unbounded", discard: true }).pipe(
      Effect.timeoutOption(options.spanMs + (options.patienceMs ?? 2 * longestMs)),
      Effect.map(Option.isSome)
    )
  })
