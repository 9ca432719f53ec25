/**
 * Goal: a service's own jobs are there in every quantum whatever the load, and storage cannot tell them from a client's (funion.md §7, O1).
 * Method: the clockwork in virtual time over a store that notes every operation; what belongs together is told by the store's own stream keys, which
 * a replica does not have, so that what is compared is what a replica could compare at best.
 *
 * @module
 */
import { Effect, type Scope } from "effect"
import { describe, expect, it } from "vitest"
import { toHex } from "../../../src/bytes/hex.ts"
import type { ServiceProfile } from "../../../src/params/service-profile.ts"
import { StorageError } from "../../../src/storage/storage-error.ts"
import {
  awake, begin, boxKeys, planJob, Q, releasesOf, scenario, send, SLOTS, WINDOW_MS, World, type ClientJob, type Life, type Operation
} from "./compute-bench.ts"

const FIRST_EDGE_QUANTA = 3
/** From this quantum on a service that began at 0 has its cover. */
const STEADY = 5

const profiles = (jobsPerQuantum: number, coverJobs: number): ReadonlyArray<ServiceProfile> =>
  [{ id: 1, inputClass: 0, outputClass: 0, bucket: 1, staged: false, jobsPerQuantum, coverJobs }]

/** Streams whose slots are read in the batch that follows quantum k. */
const batchOf = (world: World, quantumIndex: number): ReadonlyArray<string> =>
  [...new Set(world.trace.filter(({ atMs, kind }) => kind === "read" && atMs === (quantumIndex + 1) * Q).map(({ stream }) => stream))]

/** Streams that are written at the edge of quantum k. */
const releasedBy = (world: World, quantumIndex: number): ReadonlyArray<string> =>
  [...new Set(world.trace.filter(({ atMs, kind }) => kind === "write" && atMs === (quantumIndex + 1 + FIRST_EDGE_QUANTA) * Q).map(({ stream }) => stream))]

const operationsOn = (world: World, stream: string, kind: Operation["kind"]): ReadonlyArray<Operation> =>
  world.trace.filter((operation) => operation.stream === stream && operation.kind === kind)

const range = (first: number, end: number): ReadonlyArray<number> => Array.from({ length: end - first }, (_, index) => first + index)

/** Plays `jobsIn(k)` dispatches in the middle of each quantum k. @returns what every one of them was told */
const play = (life: Life, world: World, quanta: number, jobsIn: (quantumIndex: number) => ReadonlyArray<ClientJob>) =>
  Effect.gen(function* () {
    const told: Array<readonly [number, string]> = []
    for (const quantumIndex of range(0, quanta)) {
      yield* awake((quantumIndex + 0.5) * Q)
      for (const { dispatch } of jobsIn(quantumIndex)) {
        const reply = yield* send(life, { ...dispatch, notAfterMs: (quantumIndex + 8) * Q })
        told.push([quantumIndex, reply?._tag === "Rejected" ? `Rejected ${reply.reason}` : reply?._tag ?? "nothing"])
      }
    }
    return told
  })

const inLife = <A>(world: World, own: ReadonlyArray<ServiceProfile>, body: (life: Life) => Effect.Effect<A, never, Scope.Scope>): A =>
  scenario(Effect.flatMap(begin(world, {}, own), body))

describe("cover jobs", () => {
  it.each([["no load", 0], ["half of the load", 1], ["all of the load that is admitted", 2], ["more than is admitted", 5]])(
    "with %s every quantum has F of them, and clients get J − F places", (_, load) => {
      const world = new World()
      const own = profiles(4, 2)
      const quanta = 14
      const told = inLife(world, own, (life) => play(life, world, quanta, (k) => range(0, load).map((index) => planJob(world, 1 + k * 10 + index))))
      for (const quantumIndex of range(STEADY, quanta - 1)) {
        const accepted = told.filter(([k, answer]) => k === quantumIndex && answer === "Accepted").length
        expect(accepted).toBe(Math.min(load, 2))
        expect(batchOf(world, quantumIndex)).toHaveLength(2 + accepted)
      }
      for (const [k, answer] of told) expect(k < STEADY || answer === "Accepted" || answer === "Rejected 7").toBe(true)
    })

  it("a quantum with a client's job has the operations of one with one more cover job", () => {
    const run = (coverJobs: number, withClient: boolean): ReadonlyArray<ReadonlyArray<number>> => {
      const world = new World()
      const quantumIndex = 8
      inLife(world, profiles(4, coverJobs), (life) =>
        play(life, world, 14, (k) => (withClient && k === quantumIndex ? [planJob(world, 7)] : [])))
      const at = (instantMs: number, kind: Operation["kind"]) => world.trace.filter((each) => each.kind === kind && each.atMs === instantMs).length
      const edgeMs = (quantumIndex + 1 + FIRST_EDGE_QUANTA) * Q
      return [[at((quantumIndex + 1) * Q, "read"), at(edgeMs, "write"), at(edgeMs + world.latencyMs, "write")]]
    }
    expect(run(1, true)).toEqual(run(2, false))
    expect(run(1, true)).not.toEqual(run(1, false))
  })

  it("has a client's history: boxes written once, read once in a batch, the answer written at the edge and read after the window", () => {
    const world = new World()
    inLife(world, profiles(2, 1), (life) => play(life, world, 24, () => []))
    for (const quantumIndex of range(STEADY, 12)) {
      const [input = ""] = batchOf(world, quantumIndex)
      const written = operationsOn(world, input, "write")
      expect(new Set(written.map(({ counter }) => counter)).size).toBe(SLOTS)
      expect(written).toHaveLength(SLOTS)
      // strict, the manifest last, and confirmed before the quantum of its dispatch
      expect(written.at(-1)?.counter).toBe(written.map(({ counter }) => counter).reduce((least, each) => (each < least ? each : least)))
      expect(Math.max(...written.map(({ atMs }) => atMs))).toBeLessThan(quantumIndex * Q)
      expect(operationsOn(world, input, "read")).toHaveLength(SLOTS)

      const edgeMs = (quantumIndex + 1 + FIRST_EDGE_QUANTA) * Q
      const [output = ""] = releasedBy(world, quantumIndex)
      expect(operationsOn(world, output, "write")).toHaveLength(SLOTS)
      const readBack = operationsOn(world, output, "read")
      expect(new Set(readBack.map(({ counter }) => counter)).size).toBe(SLOTS)
      expect(readBack).toHaveLength(SLOTS)
      expect(Math.min(...readBack.map(({ atMs }) => atMs))).toBeGreaterThanOrEqual(edgeMs + WINDOW_MS)
    }
  })

  it("uploads begin at instants that are spread over the quantum, and nearly all are read in the batch of the quantum after", () => {
    const world = new World()
    inLife(world, profiles(2, 1), (life) => play(life, world, 90, () => []))
    const taken = range(STEADY, 88).map((quantumIndex) => {
      const [input = ""] = batchOf(world, quantumIndex)
      const written = operationsOn(world, input, "write").map(({ atMs }) => atMs)
      return { phase: (Math.min(...written) % Q) / Q, lag: quantumIndex - Math.floor(Math.max(...written) / Q) }
    })
    // uniform in [0, 1): the mean of 83 is within 0.1 of 1/2 but once in 600 seeds; this seed is fixed
    expect(Math.abs(taken.reduce((sum, { phase }) => sum + phase, 0) / taken.length - 0.5)).toBeLessThan(0.1)
    expect(taken.filter(({ lag }) => lag === 1).length / taken.length).toBeGreaterThan(0.85)
  })

  it("a quantum without its cover takes no client's job, and the service begins no more while storage is away", () => {
    const world = new World()
    world.fault = () => new StorageError({ reason: "no-valid-answer" })
    const own = profiles(4, 2)
    inLife(world, own, (life) => Effect.gen(function* () {
      const told = yield* play(life, world, 12, (k) => [planJob(world, 1 + k)])
      expect(new Set(told.map(([, answer]) => answer))).toEqual(new Set(["Rejected 7"]))
      expect(new Set(world.writes().map(({ stream }) => stream)).size).toBeLessThanOrEqual(2 * (1 + 2))
      expect(life.hasDied()).toBe(false)
      expect(life.state.counters).toMatchObject({ cover: 0, admitted: 0, rejected: 12 })
      world.fault = undefined
      yield* awake(20 * Q)
      const late = planJob(world, 99)
      expect(yield* send(life, { ...late.dispatch, notAfterMs: 28 * Q })).toMatchObject({ _tag: "Accepted" })
      yield* awake(30 * Q)
      expect(releasesOf(world, late)).toEqual(["Result"])
    }))
  })

  it("goes on after a crash at any time: admitted jobs are released once and read back, and every quantum has its cover again", () => {
    for (const crashMs of [8.1, 9.02, 9.5, 10.3].map((quanta) => quanta * Q)) {
      const world = new World()
      scenario(Effect.gen(function* () {
        const first = yield* begin(world, {}, profiles(2, 1))
        yield* awake(crashMs)
        yield* first.kill
        yield* awake(crashMs + 1.5 * Q)
        const second = yield* begin(world, {}, profiles(2, 1))
        yield* awake(34 * Q)
        expect(second.hasDied()).toBe(false)
        expect(second.state.counters.coverUnread).toBe(0)
      }))
      const afterMs = Math.ceil(crashMs / Q) + 1 + STEADY
      for (const quantumIndex of range(afterMs, 33)) expect(batchOf(world, quantumIndex)).toHaveLength(1)
      expect(world.otherContent).toBe(0)
      const streams = [...new Set(world.writes().filter(({ atMs }) => atMs < 22 * Q).map(({ stream }) => stream))]
      const read = (stream: string) => new Set(operationsOn(world, stream, "read").map(({ counter }) => counter)).size
      const written = (stream: string) => new Set(operationsOn(world, stream, "write").map(({ counter }) => counter)).size
      // whole or not at all: what is never read are uploads that the crash discarded, or the stock did
      expect(streams.filter((stream) => read(stream) !== 0 && read(stream) !== written(stream))).toEqual([])
      expect(streams.filter((stream) => read(stream) === 0).length).toBeLessThanOrEqual(2 * (1 + 2))
    }
  })

  it("leaves nothing in the journal but what is under way", () => {
    const world = new World()
    inLife(world, profiles(3, 2), (life) => Effect.gen(function* () {
      const sizes: Array<number> = []
      for (const quanta of [30, 60, 90]) {
        yield* awake(quanta * Q)
        sizes.push((yield* Effect.orDie(world.file.readAll)).length)
      }
      expect(Math.max(...sizes)).toBeLessThan(2 * Math.min(...sizes))
      expect(life.state.journal.openJobs().length).toBeLessThan(2 * 20)
    }))
  })

  it("ends with a service that drains, whose idle waits for the last output to be read back", () => {
    const world = new World()
    inLife(world, profiles(2, 1), (life) => Effect.gen(function* () {
      yield* awake(10.5 * Q)
      life.drain()
      yield* life.idle
      expect(life.state.journal.openJobs()).toEqual([])
      const count = world.trace.length
      yield* Effect.sleep(20 * Q)
      expect(world.trace.length).toBe(count)
      expect(life.state.counters).toMatchObject({ coverUnread: 0 })
      expect(life.state.counters.coverRead).toBe(life.state.counters.cover)
    }))
  })

  it("a client's job is answered beside them", () => {
    const world = new World()
    const job = planJob(world, 3)
    inLife(world, profiles(2, 1), (life) => Effect.gen(function* () {
      yield* play(life, world, 20, (k) => (k === 8 ? [job] : []))
      expect(releasesOf(world, job)).toEqual(["Result"])
      expect(batchOf(world, 8)).toContain(toHex(job.caps.inputReadCap.publicKey))
      expect(boxKeys(job.caps.outputReadCap, 0).every((key) => world.boxes.has(key))).toBe(true)
    }))
  })
})
