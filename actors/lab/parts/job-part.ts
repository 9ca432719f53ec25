/**
 * Jobs under observation: lines of clients, storage's view of batches, and the games of linking.
 *
 * Contract: `jobGates` takes any world of jobs, sound or broken, and gives the same gates in the same order; a gate for which nothing was seen fails.
 * Knows nothing of: threads, reports.
 * Source: funion.md §5, §7; departures: none.
 *
 * @module
 */
import { seededDraws } from "../../../src/anonymity/draws.ts"
import { advantageOf, scaledInterval, type Advantage } from "../../../src/anonymity/metrics/advantage.ts"
import { clopperPearson, type Estimate } from "../../../src/anonymity/metrics/interval.ts"
import { areaUnderCurve } from "../../../src/anonymity/metrics/roc.ts"
import { boxesOfClass } from "../../../src/params/size-class.ts"
import { atMost, never, type Gate } from "../../../src/anonymity/gate.ts"
import { jobNetwork } from "../lab-network.ts"
import type { Figure, RuleRow } from "../../../src/anonymity/findings.ts"
import { emptyPart, type LabPart, type LabScale, type PartChoice } from "../lab-part.ts"
import { batchesOf, batchGates, earlyLooks, operations } from "../measures/batch-measures.ts"
import { inputOutputGame, readerGame, uploaderGame } from "../measures/linking-measures.ts"
import { lastHopGate } from "../measures/node-measures.ts"
import { senderGates, serviceGates } from "../measures/sender-measures.ts"
import { isLarge, runJobWorld, type JobWorld } from "./job-world.ts"

/** Advantage that is allowed for in linking games. */
const LINKING_MARGIN = 0.15

/** Sizes of what travels, by call and direction: more than one is a leak. */
const sizeGate = ({ recording: { links } }: JobWorld): Gate => {
  const sizes = new Map<string, Set<number>>()
  for (const { call, direction, sizeBytes } of links) {
    const known = sizes.get(`${call} ${direction}`) ?? new Set<number>()
    sizes.set(`${call} ${direction}`, known.add(sizeBytes))
  }
  const odd = [...sizes].filter(([key, seen]) => key !== "Receive request" && seen.size > 1)
  return never({ name: "link/sizes", meaning: "kinds of messages that come in more than one length" }, odd.length, links.length, 100)
}

/** Every gate of a world of jobs. */
export const jobGates = (world: JobWorld, seed: number): ReadonlyArray<Gate> => {
  const { busy, idle, jobs, recording, sight, span, topology } = world
  const draw = seededDraws(seed)
  const [service] = topology.computes
  const { lambdaLPerMs, lambdaPPerMs, quantumMs } = topology.params
  return [
    ...senderGates({ params: topology.params, links: recording.links, span, windowMs: quantumMs, busy, idle }),
    ...serviceGates(recording.links, span, service?.name ?? "", (service?.sessions ?? 0) * (lambdaPPerMs + lambdaLPerMs)),
    sizeGate(world),
    lastHopGate(topology, recording),
    ...batchGates({ sight, jobs, releaseWindowMs: service?.releaseWindowMs ?? 0 }, draw, isLarge)
  ]
}

/** The mean number of jobs in a batch, cover jobs included. */
export const batchSizeOf = ({ jobs, topology }: JobWorld): number => {
  const batches = batchesOf(jobs.filter(({ outcome }) => outcome !== "lost"))
  const cover = topology.computes[0]?.profiles[0]?.coverJobs ?? 0
  return batches.length === 0 ? 0 : cover + batches.reduce((sum, { length }) => sum + length, 0) / batches.length
}

interface Games {
  readonly inputOutput: Advantage
  readonly inputOutputWhole: Advantage
  readonly uploader: Advantage
  readonly reader: Advantage
}

const playGames = ({ busy, idle, jobs, recording, sight, topology }: JobWorld, seed: number): Games => {
  const draw = seededDraws(seed + 1)
  const ended = jobs.filter(({ outcome }) => outcome !== "lost")
  const { allDistances } = inputOutputGame(sight, jobs, draw)
  const choice = { params: topology.params, links: recording.links, clients: [...busy, ...idle] }
  return {
    inputOutput: allDistances.pairs.advantage,
    inputOutputWhole: allDistances.whole.advantage,
    uploader: uploaderGame(choice, sight, ended, draw),
    reader: readerGame(choice, sight, ended, draw)
  }
}

const asReported = ({ chance, trials, wins }: Advantage): Estimate => {
  const advantage = advantageOf(wins, trials, chance)
  return { value: advantage.value, interval: advantage.interval }
}

const linkingGates = ({ inputOutput }: Games): ReadonlyArray<Gate> => [
  atMost({ name: "linking/input-output", meaning: "IO-U: of two jobs of a batch, which answer belongs to which input, by a learned matcher" },
    { value: inputOutput.value, interval: scaledInterval(clopperPearson(inputOutput.wins, inputOutput.trials, 1 - 1e-4), inputOutput.chance) },
    LINKING_MARGIN, inputOutput.trials, 8)
]

const figuresOf = (world: JobWorld, games: Games, seed: number): ReadonlyArray<Figure> => {
  const batch = batchSizeOf(world)
  const adversary = "network + storage"
  const figure = (name: string, { chance, trials, wins }: Advantage, note: string, withBatch: boolean): Figure => ({
    group: "linking", name, estimate: asReported({ chance, trials, wins } as Advantage), unit: "advantage", adversary, samples: trials, seed, note,
    ...(withBatch ? { batch } : {})
  })
  const clients = world.busy.length + world.idle.length
  return [
    figure("IO-U, of two jobs of a batch", games.inputOutput, "learned matcher, trained on half of the batches", true),
    figure("IO-U, whole batch", games.inputOutputWhole, "share of the most likely pairing that is right, over guessing", true),
    figure("SRTU, who uploaded", games.uploader, `among ${clients} clients online`, false),
    figure("SRTU, who reads", games.reader, `among ${clients} clients online`, false)
  ]
}

/** The advantage of telling two kinds of jobs apart by a number. */
const apart = (one: ReadonlyArray<number>, other: ReadonlyArray<number>): Estimate => {
  const { interval, value } = areaUnderCurve(one, other)
  const ends = [2 * interval.lower - 1, 2 * interval.upper - 1].map((end) => (value < 0.5 ? -end : end)).sort((a, b) => a - b)
  return { value: Math.abs(2 * value - 1), interval: { lower: ends[0] ?? 0, upper: ends[1] ?? 0, level: interval.level } }
}

/** A size class above that of small answers: what a large one would have without shared profiles. */
const LARGE_CLASS = 2

/** The rules that show in jobs of shipped clients. Without the rule: the same trace as it would be if the rule were left out. */
const ruleRows = (world: JobWorld, { inputOutputWhole }: Games, seed: number): ReadonlyArray<RuleRow> => {
  const { jobs, sight } = world
  const ended = jobs.filter(({ outcome }) => outcome !== "lost")
  const [answered, failed] = [ended.filter(({ outcome }) => outcome === "answer"), ended.filter(({ outcome }) => outcome === "failure")]
  const count = (job: (typeof jobs)[number]): number => operations(sight, job)
  const slots = boxesOfClass(0)
  const early = ended.filter((job) => earlyLooks(sight, job) > 0).length
  const shared = { adversary: "replicas", level: "network", batch: batchSizeOf(world), seed } as const
  return [
    {
      rule: "O1", ...shared, attack: "which answer belongs to this input, whole batch", games: inputOutputWhole.trials,
      on: asReported(inputOutputWhole), off: advantageOf(ended.length, ended.length, 0),
      note: "the matcher is told which jobs are cover; without: F = 0 and one job in a quantum leave one candidate, which is counted and not played"
    },
    {
      rule: "O4", ...shared, attack: "naming an answer's box by looks for it before it is written", games: ended.length,
      on: advantageOf(early, ended.length, 0), off: advantageOf(ended.length, ended.length, 0),
      note: "without: whoever looks early names the box, by definition"
    },
    {
      rule: "O10", ...shared, attack: "telling failed jobs from answered ones by operations", games: ended.length,
      on: apart(failed.map(count), answered.map(count)), off: apart(failed.map((job) => count(job) - (slots - 1)), answered.map(count)),
      note: "without: the same traces less what a reader leaves out who stops at the manifest of a failure"
    },
    {
      rule: "O11", ...shared, attack: "telling two models apart by operations", games: answered.length,
      on: apart(answered.filter(isLarge).map(count), answered.filter((job) => !isLarge(job)).map(count)),
      off: apart(answered.filter(isLarge).map((job) => count(job) + 2 * (boxesOfClass(LARGE_CLASS) - slots)),
        answered.filter((job) => !isLarge(job)).map(count)),
      note: "without: the same traces with the boxes of a class of its own for the larger model"
    }
  ]
}

const SIZES: Readonly<Record<LabScale, { readonly rounds: number; readonly clients: number; readonly jobsPerRound: number }>> = {
  test: { rounds: 6, clients: 12, jobsPerRound: 4 },
  quick: { rounds: 16, clients: 16, jobsPerRound: 6 },
  large: { rounds: 200, clients: 24, jobsPerRound: 6 }
}
/** F */
export const COVER_JOBS = 2

/** The network of jobs at a scale. */
export const jobTopology = (scale: LabScale, coverJobs: number = COVER_JOBS) => {
  const { clients, jobsPerRound } = SIZES[scale]
  return jobNetwork({ clients, jobsPerQuantum: jobsPerRound + coverJobs + 2, coverJobs })
}

export const jobPart = async ({ scale, seed }: PartChoice): Promise<LabPart> => {
  const { jobsPerRound, rounds } = SIZES[scale]
  const world = await runJobWorld({ topology: jobTopology(scale), seed, rounds, jobsPerRound, garbageEvery: 5 })
  const games = playGames(world, seed)
  return {
    ...emptyPart("jobs"),
    figures: figuresOf(world, games, seed),
    gates: [...jobGates(world, seed), ...linkingGates(games)],
    rules: ruleRows(world, games, seed),
    traceHashes: [world.recording.traceHash]
  }
}
