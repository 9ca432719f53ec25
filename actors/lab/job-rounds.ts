/**
 * Quanta full of jobs: so many people at once commission something, quantum after quantum, and the lab learns everything about every job.
 *
 * Contract: jobs of one round start at random instants of the first quarter of a quantum, so that most are accepted in one quantum and make one batch. A job
 * whose input is garbage is uploaded by a person of the lab's with sessions of their own, box by box like any other, and commissioned by an ordinary client.
 * Ends when all jobs have ended and another quantum has passed.
 * Knows nothing of: adversaries.
 * Source: funion.md §2, §3; departures: none.
 *
 * @module
 */
import { Clock, Effect, Fiber, type Scope } from "effect"
import { seededDraws } from "../../src/anonymity/draws.ts"
import type { ComputeActor } from "../../src/topology/topology.ts"
import type { World } from "../simulator/world.ts"
import { uploadGarbage, type GarbageUploader } from "./garbage-upload.ts"
import { playJob, playUploaded, type JobRequest, type PlayedJob } from "./played-job.ts"

export interface RoundsChoice {
  readonly rounds: number
  readonly jobsPerRound: number
  /** What is asked in a round; `garbage` marks an input that no model can read. */
  readonly requestOf: (round: number, index: number) => JobRequest & { readonly garbage?: boolean }
  /** Run at the beginning of a round, beside its jobs. */
  readonly beside?: (round: number) => Effect.Effect<void>
}

/** The share of a quantum in which a round's jobs start. */
const START_SHARE = 0.25

const nextGridInstant = (quantumMs: number): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (nowMs) => Effect.sleep((Math.floor(nowMs / quantumMs) + 1) * quantumMs - nowMs))

const serviceOf = (world: World): ComputeActor => {
  const [service] = world.network.topology.computes
  if (service === undefined) throw new RangeError("a network without compute service")
  return service
}

/** Plays all rounds. @returns the jobs that were accepted */
export const playRounds = (world: World, choice: RoundsChoice, uploader?: GarbageUploader): Effect.Effect<ReadonlyArray<PlayedJob>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { quantumMs } = world.network.topology.params
    const setting = { network: world.network, crypto: world.crypto, service: serviceOf(world) }
    const draw = seededDraws(new DataView(world.entropyOf("lab/rounds")(4).buffer).getUint32(0))
    const play = (request: ReturnType<RoundsChoice["requestOf"]>) =>
      request.garbage === true && uploader !== undefined
        ? Effect.flatMap(uploadGarbage(uploader, setting.service), (record) => playUploaded(setting, request, record))
        : playJob(setting, request)
    const fibers: Array<Fiber.RuntimeFiber<PlayedJob | undefined>> = []
    for (let round = 0; round < choice.rounds; round++) {
      yield* nextGridInstant(quantumMs)
      if (choice.beside !== undefined) yield* Effect.forkScoped(choice.beside(round))
      for (let index = 0; index < choice.jobsPerRound; index++) {
        const startMs = draw() * START_SHARE * quantumMs
        fibers.push(yield* Effect.forkScoped(Effect.zipRight(Effect.sleep(startMs), play(choice.requestOf(round, index)))))
      }
    }
    const jobs = yield* Effect.forEach(fibers, Fiber.join)
    yield* Effect.sleep(quantumMs)
    return jobs.filter((job) => job !== undefined)
  })
