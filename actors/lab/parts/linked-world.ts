/**
 * Linking played on a network that links: the service keeps the order of jobs.
 *
 * Contract: one world with the fault and one without, of the same size and seed; the gates are those of linking alone.
 * Knows nothing of: how gates are made.
 * Source: issue "anonymity that is measured", point 4 ("each attack must first be shown to work"); departures: none.
 *
 * @module
 */
import type { Gate } from "../../../src/anonymity/gate.ts"
import { jobNetwork } from "../lab-network.ts"
import { unshuffledService } from "../unshuffled-service.ts"
import { linkingGates, playGames } from "./job-part.ts"
import { runJobWorld } from "./job-world.ts"

const JOBS_PER_ROUND = 7
const ROUNDS = 6
const TOPOLOGY = jobNetwork({
  clients: 8, jobsPerQuantum: JOBS_PER_ROUND + 2, coverJobs: 0, replicas: 4,
  // short ways, so that what keeps its order is seen to
  params: { muPerMs: 0.1, lambdaRPerMs: 0.002, lambdaPPerMs: 0.0026, lambdaLPerMs: 0.0002, lambdaMPerMs: 0.0001, lambdaGPerMs: 0.0001 }
})

/** The fault by its name in reports. */
export const LINKED = "unshuffled-service"

export interface LinkedWorld {
  readonly gates: ReadonlyArray<Gate>
  readonly traceHash: string
}

/** @param isLinked  with the fault or without */
export const runLinkedWorld = async (seed: number, isLinked: boolean): Promise<LinkedWorld> => {
  const [service] = TOPOLOGY.computes
  const world = await runJobWorld({
    topology: TOPOLOGY, seed, rounds: ROUNDS, jobsPerRound: JOBS_PER_ROUND, garbageEvery: 0,
    ...(isLinked && service !== undefined ? { variants: new Map([[service.name, unshuffledService]]) } : {})
  })
  return { gates: linkingGates(playGames(world, seed)), traceHash: world.recording.traceHash }
}
