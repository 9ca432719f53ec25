/**
 * Linking: which output belongs to which input (IO-U), and which client sent a job or reads its answer (SRTU).
 *
 * IO-U is played between the jobs of one batch, by an adversary who watches all replicas, is told which boxes make one input and which make one answer
 * (uploads and fetches of one client are clusters anyway), and learns from batches whose truth it knew. SRTU is played by one who also watches all links: when
 * the boxes of a job were written, or read, against when each client's packets left.
 *
 * Contract: pure but for the draws handed in. Nothing of the truth of a tested batch enters a guess.
 * Knows nothing of: how the run was made, how the attacks work.
 * Source: funion.md §5; departures: none.
 *
 * @module
 */
import { ioLinker, type IoOutcome, type JobBatch } from "../../../src/anonymity/attacks/io-linker.ts"
import type { GuessingAttack } from "../../../src/anonymity/attacks/attack-result.ts"
import { delayLinker, learnKernel, senderLinker, type LinkTrial } from "../../../src/anonymity/attacks/sender-linker.ts"
import type { RouteLaw } from "../../../src/anonymity/attacks/timing-matcher.ts"
import type { Draw } from "../../../src/anonymity/draws.ts"
import type { LinkEvent, StorageEvent } from "../../../src/anonymity/trace.ts"
import type { MixnetParams } from "../../../src/params/mixnet-params.ts"
import type { PlayedJob } from "../played-job.ts"
import { firstReadMs, type StorageSight } from "../storage-sight.ts"
import { batchesOf } from "./batch-measures.ts"

const answerBoxes = (job: PlayedJob): ReadonlyArray<string> => job.boxes.output[job.overflow] ?? []

const REPLICA = "any"

/** What was done with a box, less what replicas do among themselves. @param fromMs  earlier looks do not count */
const eventsOf = (sight: StorageSight, boxId: string, fromMs = 0): ReadonlyArray<StorageEvent> => {
  const writtenMs = sight.writtenMs.get(boxId)
  const looks = (sight.looks.get(boxId) ?? []).filter(({ instantMs }) => instantMs >= fromMs)
  return [
    ...(writtenMs === undefined ? [] : [{ instantMs: writtenMs, replica: REPLICA, operation: "write", boxId, found: false } as const]),
    ...looks.map(({ found, instantMs }) => ({ instantMs, replica: REPLICA, operation: "read", boxId, found } as const))
  ]
}

/** Batches as the adversary has them: answers that are late are in no batch, since their edge tells them apart. */
export const linkingBatches = (sight: StorageSight, jobs: ReadonlyArray<PlayedJob>): ReadonlyArray<JobBatch> =>
  batchesOf(jobs.filter(({ outcome, overflow }) => outcome !== "lost" && overflow === 0)).filter(({ length }) => length >= 2)
    .map((batch) => ({
      jobs: batch.map((job) => ({ inputBoxes: job.boxes.input, outputBoxes: answerBoxes(job) })),
      storage: batch.flatMap((job) => [
        ...job.boxes.input.flatMap((boxId) => eventsOf(sight, boxId, job.acceptedAtMs)), ...answerBoxes(job).flatMap((boxId) => eventsOf(sight, boxId))
      ]).sort((one, other) => one.instantMs - other.instantMs)
    }))

/** One batch in so many is learned from before any is played. */
const LESSONS = 6

/** IO-U, played on all batches but the first few. */
export const inputOutputGame = (sight: StorageSight, jobs: ReadonlyArray<PlayedJob>, draw: Draw): IoOutcome => {
  const batches = linkingBatches(sight, jobs)
  return ioLinker(batches, Math.max(1, Math.floor(batches.length / LESSONS)), draw)
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

const submitsOf = ({ clients, links }: SenderChoice): ReadonlyArray<ReadonlyArray<number>> => {
  const sent = new Map<string, Array<number>>(clients.map((name) => [name, []]))
  for (const { call, direction, from, instantMs } of links) if (call === "Submit" && direction === "request") sent.get(from)?.push(instantMs)
  return clients.map((name) => sent.get(name) ?? [])
}

/** Which client it was, among all that were online, by each of two adversaries. */
export interface ClientGames {
  readonly byLaw: GuessingAttack
  readonly byLags: GuessingAttack
}

/** @param doneMs  operations of one job  @param who  the truth */
const clientGames = (
  choice: SenderChoice, jobs: ReadonlyArray<PlayedJob>, doneMs: (job: PlayedJob) => ReadonlyArray<number>, who: (job: PlayedJob) => string, draw: Draw
): ClientGames => {
  const law = routeLaw(choice.params)
  const horizonMs = 12 * law.hopCount / law.muPerMs + 4 / choice.params.lambdaRPerMs
  const frameMs = submitsOf(choice)
  const trials = jobs.flatMap((job): ReadonlyArray<LinkTrial> => {
    const operationMs = doneMs(job)
    const client = choice.clients.indexOf(who(job))
    return operationMs.length === 0 || client < 0 ? [] : [{ operationMs, client, frameMs }]
  })
  const half = Math.floor(trials.length / 2)
  return {
    byLaw: delayLinker(law, horizonMs, trials, draw),
    byLags: senderLinker(learnKernel(trials.slice(0, half), horizonMs / 2), trials.slice(half), draw)
  }
}

/** Who uploaded an input, by when its boxes were written. */
export const uploaderGames = (choice: SenderChoice, sight: StorageSight, jobs: ReadonlyArray<PlayedJob>, draw: Draw): ClientGames =>
  clientGames(choice, jobs, (job) => job.boxes.input.flatMap((boxId) => sight.writtenMs.get(boxId) ?? []), ({ sender }) => sender, draw)

/** Who reads an answer, by when its boxes were read. */
export const readerGames = (choice: SenderChoice, sight: StorageSight, jobs: ReadonlyArray<PlayedJob>, draw: Draw): ClientGames =>
  clientGames(choice, jobs, (job) => answerBoxes(job).flatMap((boxId) => firstReadMs(sight, boxId) ?? []), ({ receiver }) => receiver, draw)
