/**
 * Linking: which output belongs to which input (IO-U), and which client sent a job or reads its answer (SRTU).
 *
 * IO-U is played between the jobs of one batch, by an adversary who watches all links and all replicas, is told which boxes make one input and which make one
 * answer (uploads and fetches of one client are clusters anyway), and learned from batches whose truth it knew. SRTU is played by the same adversary: when the
 * boxes of a job were written, or read, against when each client's packets left.
 *
 * Contract: pure but for the draws handed in. Nothing of the truth of a tested batch enters a guess.
 * Knows nothing of: how the run was made.
 * Source: funion.md §5; departures: none.
 *
 * @module
 */
import type { Draw } from "../../../src/anonymity/draws.ts"
import { drawIndex } from "../../../src/anonymity/draws.ts"
import { learnedMatcher, type FeatureBatch, type LearnedOutcome } from "../../../src/anonymity/attacks/learned-matcher.ts"
import { logRouteDensity, type RouteLaw } from "../../../src/anonymity/attacks/timing-matcher.ts"
import { advantageOf, type Advantage } from "../../../src/anonymity/metrics/advantage.ts"
import { mean } from "../../../src/anonymity/series.ts"
import type { LinkEvent } from "../../../src/anonymity/trace.ts"
import type { MixnetParams } from "../../../src/params/mixnet-params.ts"
import { GATE_LEVEL } from "../../../src/anonymity/gate.ts"
import type { PlayedJob } from "../played-job.ts"
import { firstReadMs, type StorageSight } from "../storage-sight.ts"
import { batchesOf } from "./batch-measures.ts"

/** First, mean and last of some instants, from an origin. Nothing seen counts as the origin. */
const spreadOf = (instantsMs: ReadonlyArray<number>, originMs: number): ReadonlyArray<number> => {
  const spent = instantsMs.map((instantMs) => instantMs - originMs)
  return spent.length === 0 ? [0, 0, 0] : [Math.min(...spent), mean(spent), Math.max(...spent)]
}

const answerBoxes = (job: PlayedJob): ReadonlyArray<string> => job.boxes.output[job.overflow] ?? []

/** What replicas know of an input: when it was uploaded, and when the service read it. */
const inputFeatures = (sight: StorageSight, job: PlayedJob): ReadonlyArray<number> => [
  ...spreadOf(job.boxes.input.flatMap((boxId) => sight.writtenMs.get(boxId) ?? []), job.acceptedAtMs),
  ...spreadOf(job.boxes.input.flatMap((boxId) => firstReadMs(sight, boxId, job.acceptedAtMs) ?? []), job.acceptedAtMs)
]

/** What replicas know of an answer: when the service wrote it. When it was read says who read it, and is the reader's own time. */
const outputFeatures = (sight: StorageSight, job: PlayedJob): ReadonlyArray<number> => {
  const edgeMs = job.edgesMs[job.overflow] ?? 0
  return [
    ...spreadOf(answerBoxes(job).flatMap((boxId) => sight.writtenMs.get(boxId) ?? []), edgeMs),
    ...spreadOf(answerBoxes(job).flatMap((boxId) => firstReadMs(sight, boxId) ?? []), edgeMs)
  ]
}

/** Batches as the adversary has them: inputs on the left, answers in an order of their own on the right. */
export const linkingBatches = (sight: StorageSight, jobs: ReadonlyArray<PlayedJob>, draw: Draw): ReadonlyArray<FeatureBatch> =>
  batchesOf(jobs.filter(({ outcome, overflow }) => outcome !== "lost" && overflow === 0)).filter(({ length }) => length >= 2).map((batch) => {
    const order = batch.map((_, index) => index)
    for (let last = order.length - 1; last > 0; last--) {
      const other = drawIndex(draw, last + 1)
      const kept = order[last] ?? 0
      order[last] = order[other] ?? 0
      order[other] = kept
    }
    return {
      left: batch.map((job) => inputFeatures(sight, job)),
      right: order.flatMap((index) => (batch[index] === undefined ? [] : [outputFeatures(sight, batch[index])])),
      rightOf: batch.map((_, index) => order.indexOf(index))
    }
  })

/** IO-U: learned on the first half of the batches, played on the second. */
export const inputOutputGame = (sight: StorageSight, jobs: ReadonlyArray<PlayedJob>, draw: Draw): LearnedOutcome => {
  const batches = linkingBatches(sight, jobs, draw)
  const half = Math.floor(batches.length / 2)
  return learnedMatcher("input to output", batches.slice(0, half), batches.slice(half), draw)
}

/** One exponential delay at the gateway, at each mix, and at the service node; then a tick of the courier's link. */
const routeLaw = ({ lambdaRPerMs, mixLayers, muPerMs }: MixnetParams): RouteLaw =>
  ({ hopCount: mixLayers + 2, muPerMs, fixedMs: 0.5 / lambdaRPerMs })

export interface SenderChoice {
  readonly params: MixnetParams
  readonly links: ReadonlyArray<LinkEvent>
  /** Everybody who was online all the time. */
  readonly clients: ReadonlyArray<string>
}

const submitsOf = ({ clients, links }: SenderChoice): ReadonlyMap<string, ReadonlyArray<number>> => {
  const sent = new Map<string, Array<number>>(clients.map((name) => [name, []]))
  for (const { call, direction, from, instantMs } of links) if (call === "Submit" && direction === "request") sent.get(from)?.push(instantMs)
  return sent
}

/** What a packet that cannot have been the cause is worth. */
const FLOOR = 1e-9

/** Log likelihood that packets of a client caused all of these operations, up to a constant. */
const likelihood = (sentMs: ReadonlyArray<number>, doneMs: ReadonlyArray<number>, law: RouteLaw, horizonMs: number): number =>
  doneMs.reduce((total, instantMs) => {
    let density = 0
    for (const sent of sentMs) {
      const spent = instantMs - sent
      if (spent > 0 && spent < horizonMs) density += Math.exp(logRouteDensity(spent, { ...law, fixedMs: Math.min(law.fixedMs, spent) }))
    }
    return total + Math.log(FLOOR + density)
  }, 0)

/** Which client it was, among all that were online: the most likely one, of equals any. @param doneMs  operations of one job  @param who  the truth */
const clientGame = (
  choice: SenderChoice, jobs: ReadonlyArray<PlayedJob>, doneMs: (job: PlayedJob) => ReadonlyArray<number>, who: (job: PlayedJob) => string, draw: Draw
): Advantage => {
  const law = routeLaw(choice.params)
  const horizonMs = 12 * law.hopCount / law.muPerMs + 4 / choice.params.lambdaRPerMs
  const sent = submitsOf(choice)
  let wins = 0
  let games = 0
  for (const job of jobs) {
    const instants = doneMs(job)
    if (instants.length === 0 || !choice.clients.includes(who(job))) continue
    const scores = choice.clients.map((name) => likelihood(sent.get(name) ?? [], instants, law, horizonMs))
    const best = Math.max(...scores)
    const likeliest = choice.clients.filter((_, index) => scores[index] === best)
    games++
    if (likeliest[drawIndex(draw, likeliest.length)] === who(job)) wins++
  }
  return advantageOf(wins, games, 1 / choice.clients.length, GATE_LEVEL)
}

/** Who uploaded an input, by when its boxes were written. */
export const uploaderGame = (choice: SenderChoice, sight: StorageSight, jobs: ReadonlyArray<PlayedJob>, draw: Draw): Advantage =>
  clientGame(choice, jobs, (job) => job.boxes.input.flatMap((boxId) => sight.writtenMs.get(boxId) ?? []), ({ sender }) => sender, draw)

/** Who reads an answer, by when its boxes were read. */
export const readerGame = (choice: SenderChoice, sight: StorageSight, jobs: ReadonlyArray<PlayedJob>, draw: Draw): Advantage =>
  clientGame(choice, jobs, (job) => answerBoxes(job).flatMap((boxId) => firstReadMs(sight, boxId) ?? []), ({ receiver }) => receiver, draw)
