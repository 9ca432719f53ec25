/**
 * The gates tried on networks that are broken on purpose: each planted fault must be noticed.
 *
 * Contract: a fault counts as caught when a gate fails in the broken world that passes in the sound one of the same size and seed: a gate that always fails
 * catches nothing.
 * Knows nothing of: how a fault is made.
 * Source: issue "anonymity that is measured" ("planted by us"); departures: none.
 *
 * @module
 */
import type { Planted } from "../../../src/anonymity/findings.ts"
import type { Gate } from "../../../src/anonymity/gate.ts"
import { PLANTED_FAULTS, plantedIn, type PlantedFault } from "../../simulator/planted/planted.ts"
import type { Variant } from "../../simulator/world.ts"
import { jobNetwork } from "../lab-network.ts"
import { emptyPart, type LabPart, type PartChoice } from "../lab-part.ts"
import { jobGates } from "./job-part.ts"
import { runJobWorld } from "./job-world.ts"
import { LINKED, runLinkedWorld } from "./linked-world.ts"
import { mixingTopology, measureMixing, runMixingWorld } from "./mixing-part.ts"

const JOBS = jobNetwork({ clients: 6, jobsPerQuantum: 4, coverJobs: 0, replicas: 4 })
const ROUNDS = 4
const JOBS_PER_ROUND = 3
/** A network of packets as short as its gates allow. */
const SPAN_MS = 24_000
const GAMES = 60

interface Tried {
  readonly gates: ReadonlyArray<Gate>
  readonly traceHash: string
}

const tryJobs = async (seed: number, variants?: ReadonlyMap<string, Variant>): Promise<Tried> => {
  const world = await runJobWorld({
    topology: JOBS, seed, rounds: ROUNDS, jobsPerRound: JOBS_PER_ROUND, garbageEvery: 0, ...(variants === undefined ? {} : { variants })
  })
  return { gates: jobGates(world, seed), traceHash: world.recording.traceHash }
}

const tryPackets = async (seed: number, variants?: ReadonlyMap<string, Variant>): Promise<Tried> => {
  const topology = mixingTopology("test")
  const recording = await runMixingWorld(topology, seed, SPAN_MS, variants)
  return { gates: measureMixing(topology, recording, seed, GAMES).gates, traceHash: recording.traceHash }
}

/** Faults that show in packets alone; all others show in jobs. */
const inPackets = ({ role }: PlantedFault): boolean => role === "mix"

const failing = ({ gates }: Tried): ReadonlyArray<string> => gates.filter(({ pass }) => !pass).map(({ name }) => name)

/** Tries one fault. @param sound  the gates of the world without it */
export const tryFault = async (fault: PlantedFault, seed: number, sound: Tried): Promise<Planted & { readonly traceHash: string }> => {
  const broken = inPackets(fault)
    ? await tryPackets(seed, plantedIn(fault, mixingTopology("test")))
    : await tryJobs(seed, plantedIn(fault, JOBS))
  const always = new Set(failing(sound))
  const caughtBy = failing(broken).filter((name) => !always.has(name))
  return { name: fault.name, caughtBy, caught: caughtBy.length > 0, seed, traceHash: broken.traceHash }
}

/** The world without faults in which a fault would be tried. */
export const soundWorld = (fault: PlantedFault, seed: number): Promise<Tried> => (inPackets(fault) ? tryPackets(seed) : tryJobs(seed))

/** The fault of the lab's own: a service that links, and the gates of linking. */
export const tryLinked = async (seed: number): Promise<Planted & { readonly traceHashes: ReadonlyArray<string> }> => {
  const [sound, broken] = [await runLinkedWorld(seed, false), await runLinkedWorld(seed, true)]
  const always = new Set(failing(sound))
  const caughtBy = failing(broken).filter((name) => !always.has(name))
  return { name: LINKED, caughtBy, caught: caughtBy.length > 0, seed, traceHashes: [sound.traceHash, broken.traceHash] }
}

export const plantedPart = async ({ seed }: PartChoice): Promise<LabPart> => {
  const [packets, jobs] = [await tryPackets(seed), await tryJobs(seed)]
  const tried: Array<Planted & { readonly traceHash: string }> = []
  for (const fault of PLANTED_FAULTS) tried.push(await tryFault(fault, seed, inPackets(fault) ? packets : jobs))
  return {
    ...emptyPart("planted"),
    planted: tried.map(({ caught, caughtBy, name }) => ({ name, caughtBy, caught, seed })),
    traceHashes: [packets.traceHash, jobs.traceHash, ...tried.map(({ traceHash }) => traceHash)]
  }
}

/** Apart from the others, so that it may run beside them. */
export const linkedPart = async ({ seed }: PartChoice): Promise<LabPart> => {
  const { traceHashes, ...planted } = await tryLinked(seed)
  return { ...emptyPart("linked"), planted: [planted], traceHashes }
}
