/**
 * The rules about how boxes are moved (O2, O3, O4, O8, O9, O21), on a whole network, by somebody who has the very functions that clients and services
 * move boxes with, and can leave each rule out by using them otherwise: stream after stream instead of all in one shuffle, a window of one box, a write
 * that does not wait for its verdict, choices without chance.
 *
 * Contract: one world; what is done with a rule and without it alternates, so that both meet the same network.
 * Knows nothing of: jobs.
 * Source: funion.md §7; pigeonhole.md §8.4; departures: none.
 *
 * @module
 */
import { Clock, Effect, Either, Random } from "effect"
import { boxIdOf } from "../../../src/bacap/box.ts"
import type { MessageBoxIndex } from "../../../src/bacap/box-index.ts"
import { newWriteCap, readCapOf, type WriteCap } from "../../../src/bacap/capability.ts"
import { toHex } from "../../../src/bytes/hex.ts"
import { nearestNeighbour } from "../../../src/anonymity/attacks/stream-linker.ts"
import { seededDraws } from "../../../src/anonymity/draws.ts"
import { advantageOf } from "../../../src/anonymity/metrics/advantage.ts"
import type { Estimate } from "../../../src/anonymity/metrics/interval.ts"
import { compareWithLaw } from "../../../src/anonymity/metrics/kolmogorov-smirnov.ts"
import { separation } from "../../../src/anonymity/metrics/roc.ts"
import { mean } from "../../../src/anonymity/series.ts"
import type { CryptoBackend } from "../../../src/crypto/backend.ts"
import type { Entropy } from "../../../src/crypto/entropy.ts"
import { slotIndexes } from "../../../src/inference/job-capabilities.ts"
import { boxPlaintextBytes } from "../../../src/params/mixnet-params.ts"
import { BoxStore, meanRoundTripMs } from "../../../src/storage/box-store.ts"
import { readBoxes, windowCountFor, writeBoxes } from "../../../src/storage/box-stream.ts"
import type { World } from "../../simulator/world.ts"
import { criticalDistance } from "../../../src/anonymity/gate.ts"
import { jobNetwork } from "../lab-network.ts"
import { emptyPart, type LabPart, type LabScale, type PartChoice } from "../lab-part.ts"
import { joinNetwork, type LabPerson } from "../lab-session.ts"
import { streamOperations, type StreamBoxes } from "../measures/batch-measures.ts"
import { recordWorld, type Recording } from "../recorded-world.ts"
import type { RuleRow } from "../../../src/anonymity/findings.ts"
import { firstReadMs, sightOf } from "../storage-sight.ts"

const ROUNDS: Readonly<Record<LabScale, number>> = { test: 3, quick: 6, large: 80 }
/** Streams of a batch, and boxes of a stream. */
const STREAMS = 4
const BOXES = 4
const SESSIONS = 4

/** Mean ticks of a session for which a hasty write is waited for, and after which nothing of it is under way. */
const HASTE_TICKS = 2
const REST_TICKS = 4
/** Streams written by themselves in a round, for couriers. */
const SINGLES = 3

interface LabStream {
  readonly writeCap: WriteCap
  readonly indexes: ReadonlyArray<MessageBoxIndex>
  readonly boxIds: StreamBoxes
}

const newStream = (crypto: CryptoBackend, entropy: Entropy): LabStream => {
  const writeCap = newWriteCap(crypto, entropy)
  const { index, publicKey } = readCapOf(writeCap)
  const indexes = Either.getOrThrow(slotIndexes(crypto, index, 0, BOXES))
  return { writeCap, indexes, boxIds: indexes.map((each) => toHex(Either.getOrThrow(boxIdOf(crypto, publicKey, each)))) }
}

const plaintext = (person: LabPerson): Uint8Array => new Uint8Array(boxPlaintextBytes(person.document.params)).fill(7)

const write = (person: LabPerson, streams: ReadonlyArray<LabStream>, windowCount: number) =>
  Effect.provideService(writeBoxes(streams.flatMap(({ indexes, writeCap }, stream) =>
    indexes.map((index, slot) => ({ key: `${stream} ${slot}`, writeCap, index, plaintext: plaintext(person) }))), { windowCount }), BoxStore, person.store)

const read = (person: LabPerson, streams: ReadonlyArray<LabStream>, windowCount: number) =>
  Effect.provideService(readBoxes(streams.flatMap(({ indexes, writeCap }, stream) =>
    indexes.map((index, slot) => ({ key: `${stream} ${slot}`, readCap: readCapOf(writeCap), index }))), {
    windowCount, retryMisses: true, missPauseMs: meanRoundTripMs(person.document.params)
  }), BoxStore, person.store)

/** A source of chance without chance. */
const pinned = (value: number): Random.Random => ({
  [Random.RandomTypeId]: Random.RandomTypeId,
  next: Effect.succeed(value),
  nextBoolean: Effect.succeed(value > 0.5),
  nextInt: Effect.succeed(0),
  nextRange: (least, most) => Effect.succeed(least + value * (most - least)),
  nextIntBetween: (least, most) => Effect.succeed(Math.floor(least + value * (most - least))),
  shuffle: (items) => Effect.map(Effect.sync(() => [...items]), (all) => all as never)
})

interface Batch {
  readonly streams: ReadonlyArray<StreamBoxes>
  readonly startMs: number
  /** When writes had ended and reads began, where both were done. */
  readonly midMs: number
  readonly endMs: number
}

interface Played {
  readonly shuffled: ReadonlyArray<Batch>
  readonly inTurn: ReadonlyArray<Batch>
  readonly narrow: ReadonlyArray<Batch>
  readonly hasty: ReadonlyArray<Batch>
  /** Streams that somebody asks for before they are written. */
  readonly early: ReadonlyArray<Batch>
  /** Couriers that each stream's boxes went to, chosen with chance and without. */
  readonly couriers: ReadonlyArray<ReadonlyArray<string>>
  readonly pinnedCouriers: ReadonlyArray<ReadonlyArray<string>>
  readonly windowCount: number
}

/** One batch, whatever is done with it first and then. */
const batch = (streams: ReadonlyArray<LabStream>, first: Effect.Effect<unknown>, then: Effect.Effect<unknown> = Effect.void): Effect.Effect<Batch> =>
  Effect.gen(function*() {
    const startMs = yield* Clock.currentTimeMillis
    yield* first
    const midMs = yield* Clock.currentTimeMillis
    yield* then
    return { streams: streams.map(({ boxIds }) => boxIds), startMs, midMs, endMs: yield* Clock.currentTimeMillis }
  })

const play = (world: World, rounds: number) =>
  Effect.gen(function*() {
    let went: Array<string> = []
    const person = yield* joinNetwork(world.network, "lab-storage", SESSIONS, (recipient) => went.push(toHex(recipient)))
    const { params } = person.document
    const windowCount = windowCountFor(params, SESSIONS)
    const entropy = world.entropyOf("lab/streams")
    const some = (count: number) => Array.from({ length: count }, () => newStream(world.crypto, entropy))
    const shuffled: Array<Batch> = []
    const inTurn: Array<Batch> = []
    const narrow: Array<Batch> = []
    const hasty: Array<Batch> = []
    const early: Array<Batch> = []
    const couriers: Array<ReadonlyArray<string>> = []
    const pinnedCouriers: Array<ReadonlyArray<string>> = []
    for (let round = 0; round < rounds; round++) {
      const [one, other, single, quick, impatient] = [some(STREAMS), some(STREAMS), some(1), some(1), some(1)]
      shuffled.push(yield* batch(one, write(person, one, windowCount), read(person, one, windowCount)))
      inTurn.push(yield* batch(other, Effect.zipRight(
        Effect.forEach(other, (stream) => write(person, [stream], windowCount), { discard: true }),
        Effect.forEach(other, (stream) => read(person, [stream], windowCount), { discard: true })
      )))
      narrow.push(yield* batch(single, write(person, single, 1)))
      // a write that is left alone once its packets are on their way, as one is that asks for no verdict
      hasty.push(yield* batch(quick, Effect.timeoutOption(write(person, quick, windowCount), HASTE_TICKS / params.lambdaPPerMs),
        Effect.sleep(REST_TICKS / params.lambdaPPerMs)))
      early.push(yield* batch(impatient, Effect.zip(
        read(person, impatient, windowCount), Effect.delay(write(person, impatient, windowCount), 3 * meanRoundTripMs(params)), { concurrent: true }
      )))
      for (let single = 0; single < SINGLES; single++) {
        const [free, bound] = [some(1), some(1)]
        went = []
        yield* write(person, free, windowCount)
        couriers.push(went)
        went = []
        yield* Effect.withRandom(write(person, bound, windowCount), pinned((round + single) % 2 === 0 ? 0 : 0.999))
        pinnedCouriers.push(went)
        went = []
      }
    }
    return { shuffled, inTurn, narrow, hasty, early, couriers, pinnedCouriers, windowCount } satisfies Played
  })

/** Transmissions of each envelope in some spans, as couriers see them: equal bytes are the same envelope. */
const transmissionsIn = ({ links }: Recording<Played>, spans: ReadonlyArray<{ readonly startMs: number; readonly endMs: number }>): ReadonlyArray<number> =>
  spans.flatMap(({ endMs, startMs }) => {
    const counts = new Map<string, number>()
    for (const { call, digest, direction, instantMs } of links) {
      if (call !== "Query" || direction !== "request" || instantMs < startMs || instantMs >= endMs) continue
      counts.set(String(digest), (counts.get(String(digest)) ?? 0) + 1)
    }
    return [...counts.values()]
  })

/** The best threshold on gaps, in units of their mean, that tells them from those of Poisson ticks: its advantage is the Kolmogorov–Smirnov distance. */
const asDistance = (gaps: ReadonlyArray<number>): Estimate => {
  const scale = mean(gaps)
  const { distance } = compareWithLaw(gaps.map((gap) => gap / Math.max(1e-9, scale)), (gap) => 1 - Math.exp(-gap))
  const half = criticalDistance(gaps.length)
  return { value: distance, interval: { lower: Math.max(0, distance - half), upper: Math.min(1, distance + half), level: 0.9999 } }
}

/**
 * Are two boxes of one stream at one courier more often than boxes of different streams?
 * @param streams  couriers in the order of asking: each box's first query, and then what asks for the answers at the same couriers again
 */
const sameCourier = (streams: ReadonlyArray<ReadonlyArray<string>>): { readonly estimate: Estimate; readonly games: number } => {
  const firsts = streams.flatMap((went) => (went.length < BOXES ? [] : [[went[0] ?? "", went[BOXES - 1] ?? ""] as const]))
  const together = firsts.filter(([one, other]) => one === other).length
  return { estimate: advantageOf(together, firsts.length, 0.5), games: firsts.length }
}

const rowsOf = (recording: Recording<Played>, seed: number): ReadonlyArray<RuleRow> => {
  const { couriers, early, hasty, inTurn, narrow, pinnedCouriers, shuffled } = recording.value
  const sight = sightOf(recording.storage)
  const draw = seededDraws(seed)
  const writtenMs = (boxId: string) => sight.writtenMs.get(boxId)
  const readMs = (boxId: string) => firstReadMs(sight, boxId)
  const neighbours = (batches: ReadonlyArray<Batch>, instantOf: (boxId: string) => number | undefined) =>
    // every batch is played several times over: each game asks about another box
    nearestNeighbour(streamOperations(Array.from({ length: 4 }, () => batches.map(({ streams }) => streams)).flat(), instantOf), draw).advantage
  const gapsOf = (batches: ReadonlyArray<Batch>): ReadonlyArray<number> => batches.flatMap(({ streams }) => {
    const instants = streams.flat().flatMap((boxId) => writtenMs(boxId) ?? []).sort((one, other) => one - other)
    return instants.slice(1).map((instantMs, index) => instantMs - (instants[index] ?? 0))
  })
  const readSpans = shuffled.map(({ endMs, midMs }) => ({ startMs: midMs, endMs }))
  const writeSpans = shuffled.map(({ midMs, startMs }) => ({ startMs, endMs: midMs }))
  /** Streams one of whose boxes somebody asked for in vain before it was written: named for certain, since nobody else asks for what is not there. */
  const namedEarly = (batches: ReadonlyArray<Batch>) => {
    const streams = batches.flatMap((one) => one.streams)
    const named = streams.filter((boxes) => boxes.some((boxId) =>
      (sight.looks.get(boxId) ?? []).some(({ found, instantMs }) => !found && instantMs < (writtenMs(boxId) ?? 0))))
    return advantageOf(named.length, streams.length, 0)
  }
  const reads = transmissionsIn(recording, readSpans)
  const [free, bound] = [sameCourier(couriers), sameCourier(pinnedCouriers)]
  const network = { level: "network", seed } as const
  return [
    {
      rule: "O2", adversary: "replicas", attack: "which boxes are one input, by the time of reading", ...network, batch: STREAMS,
      games: 4 * STREAMS * shuffled.length, on: neighbours(shuffled, readMs), off: neighbours(inTurn, readMs), note: "without: one stream after the other"
    },
    {
      rule: "O3", adversary: "replicas", attack: "which boxes are one answer, by the time of writing", ...network, batch: STREAMS,
      games: 4 * STREAMS * shuffled.length, on: neighbours(shuffled, writtenMs), off: neighbours(inTurn, writtenMs), note: "without: one stream after the other"
    },
    {
      rule: "O4", adversary: "replicas", attack: "naming an answer by a look for a box of it before its edge", ...network, batch: STREAMS,
      games: early.length, off: namedEarly(early), note: "without: a reader who does not wait for the stream to be written"
    },
    {
      rule: "O8", adversary: "couriers", attack: "telling reads from writes by packets per envelope", ...network, games: reads.length,
      on: separation(reads, transmissionsIn(recording, writeSpans)), off: separation(reads, transmissionsIn(recording, hasty)),
      note: "without: writes that do not wait for a verdict"
    },
    {
      rule: "O9", adversary: "replicas", attack: "telling a transfer from Poisson ticks by the gaps between its boxes", ...network, batch: STREAMS,
      games: gapsOf(shuffled).length, on: asDistance(gapsOf(shuffled)), off: asDistance(gapsOf(narrow)),
      note: "without: a window of one box; the advantage is a Kolmogorov–Smirnov distance"
    },
    {
      rule: "O21", adversary: "couriers", attack: "two boxes at one courier, so of one stream", ...network, games: free.games,
      on: free.estimate, off: bound.estimate,
      note: "without: every stream keeps to one courier"
    }
  ]
}

export const storagePart = async ({ scale, seed }: PartChoice): Promise<LabPart> => {
  const topology = jobNetwork({ clients: 1, jobsPerQuantum: 1, coverJobs: 0, replicas: 4, params: { muPerMs: 0.1, lambdaRPerMs: 0.002 } })
  const recording = await recordWorld({ topology, seed, keeps: ({ call }) => call === "Query" }, (world) => play(world, ROUNDS[scale]))
  return { ...emptyPart("storage"), rules: rowsOf(recording, seed), traceHashes: [recording.traceHash] }
}
