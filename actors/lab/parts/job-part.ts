/**
 * Jobs under observation: lines of clients, storage's view of batches, and the games of linking.
 *
 * Contract: `jobGates` takes any world of jobs, sound or broken, and gives the same gates in the same order; a gate for which nothing was seen fails.
 * Knows nothing of: threads, reports.
 * Source: funion.md §5, §7; departures: none.
 *
 * @module
 */
import type { GuessingAttack } from "../../../src/anonymity/attacks/attack-result.ts"
import type { IoOutcome } from "../../../src/anonymity/attacks/io-linker.ts"
import type { ShapeAttack } from "../../../src/anonymity/attacks/shape-classifier.ts"
import { seededDraws } from "../../../src/anonymity/draws.ts"
import { rocSeries, type Figure, type RuleRow } from "../../../src/anonymity/findings.ts"
import { never, pairsBlindly, sharedLevel, strongestAtMost, type Gate } from "../../../src/anonymity/gate.ts"
import { advantageOf } from "../../../src/anonymity/metrics/advantage.ts"
import type { Estimate } from "../../../src/anonymity/metrics/interval.ts"
import { separation } from "../../../src/anonymity/metrics/roc.ts"
import type { LinkEvent } from "../../../src/anonymity/trace.ts"
import { boxesOfClass } from "../../../src/params/size-class.ts"
import { jobNetwork } from "../lab-network.ts"
import { emptyPart, type LabPart, type LabScale, type PartChoice } from "../lab-part.ts"
import { batchesOf, batchGates, earlyLooks, operations } from "../measures/batch-measures.ts"
import { inputOutputGame, readerGames, uploaderGames, type ClientGames } from "../measures/linking-measures.ts"
import { lastHopGate } from "../measures/node-measures.ts"
import { senderGates, serviceGates, shapeOfWork, type SenderChoice } from "../measures/sender-measures.ts"
import { traceGates, traceShapes, traceStrata, type TraceSetting } from "../measures/trace-shapes.ts"
import { isLarge, runJobWorld, type JobWorld } from "./job-world.ts"

/** Advantage that is allowed for in linking games. */
const LINKING_MARGIN = 0.15

/** Sizes of what travels, by call and direction: more than one is a leak. */
export const sizeGate = (links: ReadonlyArray<LinkEvent>): Gate => {
  const sizes = new Map<string, Set<number>>()
  for (const { call, direction, sizeBytes } of links) {
    const known = sizes.get(`${call} ${direction}`) ?? new Set<number>()
    sizes.set(`${call} ${direction}`, known.add(sizeBytes))
  }
  const odd = [...sizes].filter(([key, seen]) => key !== "Receive request" && seen.size > 1)
  return never({ name: "link/sizes", meaning: "kinds of messages that come in more than one length" }, odd.length, links.length, 100)
}

const senderChoiceOf = ({ busy, idle, recording, span, topology: { params } }: JobWorld): SenderChoice =>
  ({ params, links: recording.links, span, windowMs: params.quantumMs, busy, idle })

/** Clients with work and without, told apart by their lines. */
export const workShape = (world: JobWorld, seed: number): ShapeAttack => shapeOfWork(senderChoiceOf(world), seededDraws(seed + 2))

/** Every gate of a world of jobs. */
export const jobGates = (world: JobWorld, seed: number, work: ShapeAttack = workShape(world, seed)): ReadonlyArray<Gate> => {
  const { jobs, recording, sight, span, topology } = world
  const draw = seededDraws(seed)
  const [service] = topology.computes
  const { lambdaLPerMs, lambdaPPerMs } = topology.params
  return [
    ...senderGates(senderChoiceOf(world), work),
    ...serviceGates(recording.links, span, service?.name ?? "", (service?.sessions ?? 0) * (lambdaPPerMs + lambdaLPerMs)),
    sizeGate(recording.links),
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
  readonly inputOutput: IoOutcome
  readonly uploader: ClientGames
  readonly reader: ClientGames
}

export const playGames = ({ busy, idle, jobs, recording, sight, topology }: JobWorld, seed: number): Games => {
  const draw = seededDraws(seed + 1)
  const ended = jobs.filter(({ outcome }) => outcome !== "lost")
  const choice = { params: topology.params, links: recording.links, clients: [...busy, ...idle] }
  return {
    inputOutput: inputOutputGame(sight, jobs, draw),
    uploader: uploaderGames(choice, sight, ended, draw),
    reader: readerGames(choice, sight, ended, draw)
  }
}

/** Of each of two adversaries, with an interval for the better of both. */
const eachOf = ({ byLags, byLaw }: ClientGames): ReadonlyArray<Estimate> =>
  [byLags, byLaw].map(({ advantage: { chance, trials, wins } }) => advantageOf(wins, trials, chance, sharedLevel(2)))

/** Games of the adversary who played fewer: one of the two learns from half of the jobs, and is played on the rest. */
const leastTrials = ({ byLags, byLaw }: ClientGames): number => Math.min(byLags.advantage.trials, byLaw.advantage.trials)

/** Least pairs that the gate of linking stands on. */
const LEAST_PAIRS = 40

/** The gates of linking, for worlds of some dozens of jobs. */
export const linkingGates = ({ inputOutput, reader, uploader }: Games): ReadonlyArray<Gate> => [
  pairsBlindly({
    name: "linking/input-output",
    meaning: "IO-U: of two jobs of a batch, which answer belongs to which input, by the best of three observers; the bound is what blind ones reach by chance"
  }, inputOutput.test, LEAST_PAIRS),
  strongestAtMost({ name: "linking/uploader", meaning: "SRTU: which client uploaded, by the better of two adversaries" },
    eachOf(uploader), LINKING_MARGIN, leastTrials(uploader)),
  strongestAtMost({ name: "linking/reader", meaning: "SRTU: which client reads, by the better of two adversaries" },
    eachOf(reader), LINKING_MARGIN, leastTrials(reader))
]

/** All pairs of batches, by the best observer. */
const allPairsFigure = ({ inputOutput: { test } }: Games): Pick<Figure, "estimate" | "samples" | "note"> => ({
  estimate: { value: test.best, interval: test.interval },
  samples: test.pairs,
  note: `the best of ${test.advantages.size} observers; pairs of a batch hang together and are worth ${test.effectiveGames.toFixed(0)} independent games; `
    + `blind observers reach ${test.critical.toFixed(2)} once in 10,000`
})

const figuresOf = (world: JobWorld, games: Games, seed: number): ReadonlyArray<Figure> => {
  const { allDistances, inOrder, oneDistance, test } = games.inputOutput
  const batch = test.meanSize
  const shared = { group: "linking", unit: "advantage", adversary: "network + storage", seed } as const
  const guessing = (name: string, { advantage }: GuessingAttack, note: string, more: { readonly batch?: number } = {}): Figure =>
    ({ ...shared, ...more, name, estimate: advantage, samples: advantage.trials, note })
  const clients = world.busy.length + world.idle.length
  return [
    { ...shared, ...allPairsFigure(games), name: "IO-U, of two jobs of a batch, all pairs", batch },
    guessing("IO-U, of two jobs, learned", allDistances.pairs, "disjoint pairs; learned from earlier batches", { batch }),
    guessing("IO-U, of two jobs, one distance", oneDistance.pairs, "the same by the one most telling distance", { batch }),
    guessing("IO-U, of two jobs, in order", inOrder.pairs, "the same by who believes that answers are written in the order of reading", { batch }),
    guessing("IO-U, whole batch", allDistances.whole, "share of the most likely pairing that is right, over guessing", { batch }),
    guessing("SRTU, who uploaded, by the law of delays", games.uploader.byLaw, `among ${clients} clients online`),
    guessing("SRTU, who uploaded, by learned lags", games.uploader.byLags, "learned from the first half of the jobs"),
    guessing("SRTU, who reads, by the law of delays", games.reader.byLaw, `among ${clients} clients online`),
    guessing("SRTU, who reads, by learned lags", games.reader.byLags, "learned from the first half of the jobs")
  ]
}

/** The learned classifiers as figures: areas, not advantages. */
const shapeFigures = (attacks: ReadonlyArray<readonly [attack: ShapeAttack, adversary: string]>, seed: number): ReadonlyArray<Figure> =>
  attacks.map(([{ area, name, test }, adversary]) => ({
    group: "shape of traffic", name, estimate: area, unit: "share", adversary, samples: area.positives + area.negatives, seed,
    note: `area under the ROC curve, 0.5 is blind; ${area.positives} against ${area.negatives} in ${test.strata} strata, ${test.pairs} pairs; by `
      + `${test.observer}, the better of ${test.observers} learners; as much by chance with probability ${test.probability.toPrecision(2)}; `
      + `blind learners reach ${test.critical.toFixed(2)} once in 10,000`
  }))

/** A size class above that of small answers: what a large one would have without shared profiles. */
const LARGE_CLASS = 2

/** The rules that show in jobs of shipped clients. Without the rule: the same trace as it would be if the rule were left out. */
const ruleRows = (world: JobWorld, { inputOutput: { allDistances: { whole }, test } }: Games, seed: number): ReadonlyArray<RuleRow> => {
  const { jobs, sight } = world
  const ended = jobs.filter(({ outcome }) => outcome !== "lost")
  const [answered, failed] = [ended.filter(({ outcome }) => outcome === "answer"), ended.filter(({ outcome }) => outcome === "failure")]
  const count = (job: (typeof jobs)[number]): number => operations(sight, job)
  const slots = boxesOfClass(0)
  const shared = { adversary: "replicas", level: "network", batch: batchSizeOf(world), seed } as const
  return [
    {
      rule: "O1", ...shared, batch: test.meanSize, attack: "which answer belongs to this input, whole batch", games: whole.advantage.trials,
      on: whole.advantage, off: advantageOf(ended.length, ended.length, 0),
      note: `B is what the matcher faced, who is told which jobs are cover: with them ${batchSizeOf(world).toFixed(1)}. Without: F = 0 and one job in a `
        + "quantum leave one candidate: counted, not played"
    },
    {
      rule: "O4", ...shared, attack: "naming an answer by a look for a box of it before its edge", games: ended.length,
      on: advantageOf(ended.filter((job) => earlyLooks(sight, job) > 0).length, ended.length, 0), note: "with: jobs of ordinary clients"
    },
    {
      rule: "O10", ...shared, attack: "telling failed jobs from answered ones by operations", games: ended.length,
      on: separation(failed.map(count), answered.map(count)), off: separation(failed.map((job) => count(job) - (slots - 1)), answered.map(count)),
      note: "without: counted on the same traces, less what a reader leaves out who stops at the manifest of a failure"
    },
    {
      rule: "O11", ...shared, attack: "telling two models apart by operations", games: answered.length,
      on: separation(answered.filter(isLarge).map(count), answered.filter((job) => !isLarge(job)).map(count)),
      off: separation(answered.filter(isLarge).map((job) => count(job) + 2 * (boxesOfClass(LARGE_CLASS) - slots)),
        answered.filter((job) => !isLarge(job)).map(count)),
      note: "without: counted on the same traces, with the boxes of a class of its own for the larger model"
    }
  ]
}

const SIZES: Readonly<Record<LabScale, { readonly rounds: number; readonly clients: number; readonly jobsPerRound: number }>> = {
  test: { rounds: 6, clients: 12, jobsPerRound: 4 },
  quick: { rounds: 26, clients: 12, jobsPerRound: 7 },
  large: { rounds: 200, clients: 24, jobsPerRound: 8 }
}
/** F */
export const COVER_JOBS = 2

/** Packets of a client, per millisecond: half of them are left over when it has more than one job in a quantum; with less, jobs pile up. */
const JOB_LAMBDA_P = 0.0024
/** Link commands of a courier to each replica: as many again as jobs need. */
const JOB_LAMBDA_R = 0.002

/** The network of jobs at a scale. */
export const jobTopology = (scale: LabScale, coverJobs: number = COVER_JOBS) => {
  const { clients, jobsPerRound } = SIZES[scale]
  const params = scale === "test" ? {} : { lambdaPPerMs: JOB_LAMBDA_P, lambdaRPerMs: JOB_LAMBDA_R }
  return jobNetwork({ clients, jobsPerQuantum: jobsPerRound + coverJobs + 2, coverJobs, params })
}

/** The world of jobs as the classifiers of traces look at it. */
export const traceSettingOf = ({ busy, idle, jobs, recording, sight, span, topology }: JobWorld): TraceSetting =>
  ({ sight, jobs, links: recording.links, clients: [...busy, ...idle], quantumMs: topology.params.quantumMs, span, isLarge })

/** Rounds and jobs of a round at a scale. */
export const roundsOf = (scale: LabScale): { readonly rounds: number; readonly jobsPerRound: number } => SIZES[scale]

export const jobPart = async ({ scale, seed }: PartChoice): Promise<LabPart> => {
  const world = await runJobWorld({ topology: jobTopology(scale), seed, ...roundsOf(scale), garbageEvery: 5 })
  const games = playGames(world, seed)
  const shapes = traceShapes(traceStrata(traceSettingOf(world)), seededDraws(seed + 3))
  const { bucket, failure, size } = shapes
  const work = workShape(world, seed)
  return {
    ...emptyPart("jobs"),
    figures: [...figuresOf(world, games, seed), ...shapeFigures([[work, "network"], [bucket, "network"], [size, "replicas"], [failure, "replicas"]], seed)],
    gates: [...jobGates(world, seed, work), ...traceGates(shapes), ...linkingGates(games)],
    rules: ruleRows(world, games, seed),
    series: [work, bucket, size, failure].map(rocSeries),
    traceHashes: [world.recording.traceHash]
  }
}
