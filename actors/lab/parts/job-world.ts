/**
 * The world of jobs: clients of whom half always have work, a service with cover jobs, storage, and everything that was seen and is true about it.
 *
 * Contract: the same choice gives the same recording. Lives may be replaced, so that the very same measures can be taken of a broken network.
 * Knows nothing of: gates, adversaries.
 * Source: funion.md §2, §3; departures: none.
 *
 * @module
 */
import { Effect } from "effect"
import type { Topology } from "../../../src/topology/topology.ts"
import type { Variant } from "../../simulator/world.ts"
import { playRounds } from "../job-rounds.ts"
import { joinNetwork } from "../lab-session.ts"
import type { PlayedJob } from "../played-job.ts"
import { recordWorld, type Recording } from "../recorded-world.ts"
import { sightOf, type StorageSight } from "../storage-sight.ts"

export interface JobWorldChoice {
  readonly topology: Topology
  readonly seed: number
  readonly rounds: number
  /** Real jobs that start in each quantum. */
  readonly jobsPerRound: number
  /** One job in so many has an input that no model can read; 0 for none. */
  readonly garbageEvery: number
  readonly variants?: ReadonlyMap<string, Variant>
}

export interface JobWorld {
  readonly topology: Topology
  readonly recording: Recording<ReadonlyArray<PlayedJob>>
  readonly jobs: ReadonlyArray<PlayedJob>
  readonly sight: StorageSight
  /** The first half of the clients has work all the time, the second never. */
  readonly busy: ReadonlyArray<string>
  readonly idle: ReadonlyArray<string>
  /** When work was there throughout. */
  readonly span: { readonly startMs: number; readonly endMs: number }
}

/** A large job: its input, and its answer, have 4 KB; those of a small one 16 bytes. */
const LARGE = { model: "rotate-4", rows: 4 } as const
const SMALL = { model: "affine", rows: 1 } as const
export const isLarge = ({ model }: Pick<PlayedJob, "model">): boolean => model === LARGE.model

/** Sessions of the person who uploads garbage. */
const UPLOADER_SESSIONS = 2

/** Whose job it is, who reads it, and how large it is: all of them differ from job to job, none of it by chance. */
const requestOf = ({ garbageEvery, jobsPerRound }: JobWorldChoice, busy: ReadonlyArray<string>) => (round: number, index: number) => {
  const number = round * jobsPerRound + index
  const sender = busy[number % busy.length] ?? ""
  // every other job is somebody else's to read, in the next turn of the senders the others
  const isOthers = (number + Math.floor(number / busy.length)) % 2 === 1
  const receiver = busy[(number + (isOthers ? Math.floor(busy.length / 2) : 0)) % busy.length] ?? ""
  const garbage = garbageEvery > 0 && number % garbageEvery === garbageEvery - 1
  return { sender, receiver, garbage, ...(Math.floor(number / 2) % 2 === 0 ? SMALL : LARGE) }
}

export const runJobWorld = async (choice: JobWorldChoice): Promise<JobWorld> => {
  const { garbageEvery, jobsPerRound, rounds, seed, topology, variants } = choice
  const names = topology.clients.map(({ name }) => name)
  const [busy, idle] = [names.slice(0, names.length / 2), names.slice(names.length / 2)]
  const recording = await recordWorld({ topology, seed, ...(variants === undefined ? {} : { variants }) }, (world) => Effect.gen(function*() {
    const person = garbageEvery === 0 ? undefined : yield* joinNetwork(world.network, "lab-uploader", UPLOADER_SESSIONS)
    const uploader = person === undefined ? undefined : { person, crypto: world.crypto, entropy: world.entropyOf("lab/garbage") }
    return yield* playRounds(world, { rounds, jobsPerRound, requestOf: requestOf(choice, busy) }, uploader)
  }))
  const { quantumMs } = topology.params
  const startMs = recording.startMs + quantumMs
  return {
    topology, recording, busy, idle, jobs: recording.value, sight: sightOf(recording.storage),
    span: { startMs, endMs: startMs + Math.max(2, rounds) * quantumMs }
  }
}
