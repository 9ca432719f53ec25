/**
 * Goal: one job from dispatch to release, at the right instants and with traces that say nothing (funion.md §2, §3, §7).
 * Method: the clockwork in virtual time; every storage operation noted with its instant.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { describe, expect, it } from "vitest"
import { toHex } from "../../../src/bytes/hex.ts"
import { numbersOf, tensorOf } from "../../../src/model/tensor.ts"
import { StorageError } from "../../../src/storage/storage-error.ts"
import {
  awake, begin, boxKeys, planJob, PROFILES, Q, releaseOf, releasesOf, scenario, sealedFor, SEAL_MS, send, SLOTS, WINDOW_MS, World, type ClientJob
} from "./compute-bench.ts"

/** Admitted at 0.3 q: counts as accepted at q, edges at 4 q, 7 q, 10 q. */
const EDGES = [4 * Q, 7 * Q, 10 * Q]

interface Outcome {
  readonly world: World
  readonly job: ClientJob
}

/** One job from its dispatch to the end of everything. */
const runJob = (prepare: (world: World) => ClientJob, setting: Parameters<typeof begin>[1] = {}): Outcome => {
  const world = new World()
  const job = prepare(world)
  scenario(Effect.gen(function* () {
    const life = yield* begin(world, setting)
    yield* awake(300)
    expect(yield* send(life, job.dispatch)).toMatchObject({ _tag: "Accepted", acceptedAtMs: Q, firstEdgeMs: EDGES[0], lastEdgeMs: EDGES[2] })
    yield* awake(14 * Q)
    expect(life.hasDied()).toBe(false)
    expect(life.state.journal.openJobs()).toEqual([])
  }))
  return { world, job }
}

/** Instants of the writes of a job's release, and of its reads. */
const writeTimes = ({ job, world }: Outcome): ReadonlyArray<number> => world.writes(job.caps.outputWriteCap.publicKey).map(({ atMs }) => atMs)
const readTimes = ({ world }: Outcome): ReadonlyArray<number> => world.trace.filter(({ kind }) => kind === "read").map(({ atMs }) => atMs)

describe("a job", () => {
  it("is read at the end of its quantum, and its result is stored at the edge, the manifest last", () => {
    const outcome = runJob((world) => planJob(world, 1))
    const release = releaseOf(outcome.world, outcome.job, 0)
    expect(release).toMatchObject({ last: true, record: { _tag: "Result" } })
    if (release?.record._tag !== "Result") throw new Error("no result")
    const { payload, shape } = release.record.content
    expect(numbersOf({ name: "y", ...shape!, data: payload })).toEqual([2, 4, 6, 8])
    expect(readTimes(outcome)).toEqual([Q, Q, Q, Q])
    expect(writeTimes(outcome)).toEqual([EDGES[0], EDGES[0], EDGES[0], EDGES[0]! + 20])
    const writes = outcome.world.writes()
    expect(writes[3]?.counter).toBe(outcome.job.caps.outputWriteCap.index.counter)
  })

  it("leaves the same trace whether it gave a result, a failure or an overflow", () => {
    const result = runJob((world) => planJob(world, 1))
    const failed = runJob((world) => {
      world.modelFailure = 4
      return planJob(world, 1)
    })
    const bad = runJob((world) => planJob(world, 1, {}, [1, 2, 3, 4, 5]))
    const late = runJob((world) => {
      world.runMs = 3 * Q
      return planJob(world, 1)
    })
    expect(releasesOf(failed.world, failed.job)).toEqual(["Failure 4"])
    expect(releasesOf(bad.world, bad.job)).toEqual(["Failure 3"])
    expect(releasesOf(late.world, late.job)).toEqual(["Overflow", "Result"])
    for (const other of [failed, bad]) {
      expect(writeTimes(other)).toEqual(writeTimes(result))
      expect(readTimes(other)).toEqual(readTimes(result))
    }
    expect(writeTimes(late).slice(0, SLOTS)).toEqual(writeTimes(result))
    expect(writeTimes(late).slice(SLOTS)).toEqual(writeTimes(result).map((atMs) => atMs + 3 * Q))
    expect(readTimes(late)).toEqual(readTimes(result))
  })

  it("uses the slots of r = 1 for the result after an overflow", () => {
    const { job, world } = runJob((made) => {
      made.runMs = 3 * Q
      return planJob(made, 1)
    })
    const keys = new Set(world.writes().map(({ counter, stream }) => `${stream} ${counter}`))
    expect(keys).toEqual(new Set([...boxKeys(job.caps.outputReadCap, 0), ...boxKeys(job.caps.outputReadCap, 1)]))
    expect(releaseOf(world, job, 0)).toMatchObject({ last: false, record: { _tag: "Overflow" } })
    expect(releaseOf(world, job, 1)).toMatchObject({ last: true, record: { _tag: "Result" } })
  })

  it.each([
    ["input that never comes", (world: World) => planJob(world, 1, {}, [1, 2, 3, 4], SLOTS - 1), ["Overflow", "Overflow", "Failure 1"]],
    ["a withdrawn input", (world: World) => {
      const job = planJob(world, 1)
      world.boxes.set(boxKeys(job.caps.inputReadCap, 0)[2]!, "tombstone")
      return job
    }, ["Failure 7"]],
    ["an empty box in place of a chunk", (world: World) => {
      const job = planJob(world, 1)
      world.boxes.set(boxKeys(job.caps.inputReadCap, 0)[2]!, new Uint8Array(0))
      return job
    }, ["Failure 2"]],
    ["the input of another job", (world: World) => {
      const [job, other] = [planJob(world, 1), planJob(world, 2)]
      const theirs = boxKeys(other.caps.inputReadCap, 0)
      for (const [slot, key] of boxKeys(job.caps.inputReadCap, 0).entries()) world.boxes.set(key, world.boxes.get(theirs[slot]!)!)
      return job
    }, ["Failure 2"]],
    ["a box that its key does not open", (world: World) => {
      const job = planJob(world, 1)
      const broken = boxKeys(job.caps.inputReadCap, 0)[1]!
      world.fault = ({ counter, kind, stream }) =>
        (kind === "read" && `${stream} ${counter}` === broken ? new StorageError({ reason: "box-invalid" }) : undefined)
      return job
    }, ["Failure 2"]],
    ["a model that is too slow", (world: World) => {
      world.runMs = 20 * Q
      return planJob(world, 1)
    }, ["Overflow", "Overflow", "Failure 5"]],
    ["output above the class", (world: World) => {
      world.outputs = () => [Either.getOrThrow(tensorOf("y", "f32", [400], new Array<number>(400).fill(1)))]
      return planJob(world, 1)
    }, ["Failure 6"]],
    ["a dead model worker", (world: World) => {
      world.modelFailure = 5
      return planJob(world, 1)
    }, ["Failure 5"]],
    ["a model host with a bug", (world: World) => {
      world.outputs = () => { throw new Error("bug") }
      return planJob(world, 1)
    }, ["Failure 4"]]
  ])("ends with the right record for %s", (_what, prepare, expected) => {
    const { job, world } = runJob(prepare)
    expect(releasesOf(world, job)).toEqual(expected)
  })

  it("staged: every edge up to t_n gets one release, empty before and after the result", () => {
    const early = runJob((world) => planJob(world, 1, { staged: true }))
    expect(releasesOf(early.world, early.job)).toEqual(["Result", "Empty", "Empty"])
    const late = runJob((world) => {
      world.runMs = 3 * Q
      return planJob(world, 1, { staged: true })
    })
    expect(releasesOf(late.world, late.job)).toEqual(["Empty", "Result", "Empty"])
    expect(writeTimes(early)).toEqual(writeTimes(late))
    expect(writeTimes(early)).toHaveLength(3 * SLOTS)
  })

  it("is attested in every release when it asked for it", () => {
    const { job, world } = runJob((made) => {
      made.runMs = 3 * Q
      return planJob(made, 1, { attested: true })
    })
    expect(releaseOf(world, job, 0)).toMatchObject({ attested: true, record: { _tag: "Overflow" } })
    expect(releaseOf(world, job, 1)).toMatchObject({ attested: true, record: { _tag: "Result" } })
  })

  it("is read on when boxes come late or replicas fail", () => {
    const { job, world } = runJob((made) => {
      const planned = planJob(made, 1)
      made.fault = ({ atMs, kind }) => (kind === "read" && atMs < 1_400 ? new StorageError({ reason: "replica-refused" }) : undefined)
      return planned
    })
    expect(releasesOf(world, job)).toEqual(["Result"])
    expect(readTimes({ world, job }).every((atMs) => atMs < EDGES[0]! - SEAL_MS)).toBe(true)
  })
})

describe("an edge", () => {
  const full = () => {
    const world = new World()
    const jobs = [1, 2, 3, 4].map((seed) => planJob(world, seed))
    return { world, jobs }
  }
  const admitAll = (world: World, jobs: ReadonlyArray<ClientJob>, untilMs = 14 * Q) =>
    Effect.gen(function* () {
      const life = yield* begin(world)
      yield* awake(300)
      for (const job of jobs) expect(yield* send(life, job.dispatch)).toMatchObject({ _tag: "Accepted" })
      yield* awake(untilMs)
      return life
    })

  it("mixes the slots of all jobs, reads and writes alike, and the manifests among themselves", () => {
    const { jobs, world } = full()
    scenario(admitAll(world, jobs))
    const streamsIn = (kind: "read" | "write", from: number, count: number) =>
      world.trace.filter((operation) => operation.kind === kind).slice(from, from + count).map(({ stream }) => stream)
    const changes = (streams: ReadonlyArray<string>) => streams.filter((stream, index) => index > 0 && stream !== streams[index - 1]).length
    // in order they would change 3 times; a uniform shuffle of 16 changes 12 times on average, fewer than 7 once in thousands
    expect(changes(streamsIn("read", 0, 16))).toBeGreaterThan(6)
    expect(changes(streamsIn("write", 0, 12))).toBeGreaterThan(4)
    const manifests = new Set(jobs.map(({ caps }) => `${toHex(caps.outputWriteCap.publicKey)} ${caps.outputWriteCap.index.counter}`))
    const last = world.writes().slice(12)
    expect(new Set(last.map(({ counter, stream }) => `${stream} ${counter}`))).toEqual(manifests)
    expect(jobs.map((job) => releasesOf(world, job))).toEqual(jobs.map(() => ["Result"]))
  })

  it("holds a manifest back until its data is confirmed, and sends it at the next grid instant", () => {
    const { jobs, world } = full()
    const slow = boxKeys(jobs[0]!.caps.outputReadCap, 0)[2]!
    world.fault = ({ atMs, counter, stream }) =>
      (`${stream} ${counter}` === slow && atMs < EDGES[0]! + 10 ? new StorageError({ reason: "replica-refused" }) : undefined)
    scenario(admitAll(world, jobs))
    const times = world.writes(jobs[0]!.caps.outputWriteCap.publicKey).map(({ atMs }) => atMs)
    expect(times).toEqual([EDGES[0], EDGES[0], EDGES[0], EDGES[0]! + Q, EDGES[0]! + Q + 20])
    expect(releasesOf(world, jobs[0]!)).toEqual(["Result"])
    expect(world.writes(jobs[1]!.caps.outputWriteCap.publicKey)).toHaveLength(SLOTS)
  })

  it("does not let slow data of one job hold up the others beyond the window", () => {
    const { jobs, world } = full()
    const slow = toHex(jobs[0]!.caps.outputWriteCap.publicKey)
    const { write } = world.store
    const store = { ...world.store, write: ((cap, index, plaintext) =>
      (toHex(cap.publicKey) === slow ? Effect.delay(write(cap, index, plaintext), 700) : write(cap, index, plaintext))) as typeof write }
    Object.assign(world, { store })
    scenario(admitAll(world, jobs))
    const manifestMs = (job: ClientJob) => world.writes(job.caps.outputWriteCap.publicKey).at(-1)?.atMs
    expect(jobs.slice(1).map(manifestMs)).toEqual([1, 2, 3].map(() => EDGES[0]! + WINDOW_MS))
    expect(manifestMs(jobs[0]!)).toBe(EDGES[0]! + Q + 700)
  })

  it("counts a slot that holds other content as written, with an alarm", () => {
    const { jobs, world } = full()
    world.boxes.set(boxKeys(jobs[0]!.caps.outputReadCap, 0)[1]!, new Uint8Array(7))
    const life = scenario(admitAll(world, jobs))
    expect(life.state.counters).toMatchObject({ admitted: 4, released: 4, alarms: 1 })
    expect(world.writes()).toHaveLength(4 * SLOTS)
  })

  it("fails the life when the sessions are gone", () => {
    const { jobs, world } = full()
    world.fault = ({ kind }) => (kind === "write" ? new StorageError({ reason: "session-closed" }) : undefined)
    expect(scenario(admitAll(world, jobs)).hasDied()).toBe(true)
  })
})

describe("admission", () => {
  it("turns 100 deliveries of one dispatch into one fetch and one release sequence", () => {
    const world = new World()
    const job = planJob(world, 1)
    const life = scenario(Effect.gen(function* () {
      const made = yield* begin(world)
      yield* awake(300)
      const bodies = Array.from({ length: 100 }, (_, index) => sealedFor(job.dispatch, index % 7))
      const [first, ...later] = bodies
      yield* Effect.all([first!, ...later.slice(0, 49)].map(made.deliver), { concurrency: "unbounded" })
      for (const body of later.slice(49)) {
        yield* awake(300)
        yield* Effect.sleep(70)
        yield* made.deliver(body)
      }
      yield* awake(14 * Q)
      return made
    }))
    expect(life.state.counters).toMatchObject({ admitted: 1, repeated: 99, rejected: 0, released: 1 })
    expect(world.trace).toHaveLength(2 * SLOTS)
    expect(world.runs).toBe(1)
  })

  it("gives a full quantum reason 7, and the next quantum places again", () => {
    const world = new World()
    scenario(Effect.gen(function* () {
      const life = yield* begin(world)
      yield* awake(300)
      const room = PROFILES[0]!.jobsPerQuantum
      for (let seed = 0; seed < room; seed++) expect(yield* send(life, planJob(world, seed).dispatch)).toMatchObject({ _tag: "Accepted" })
      const refused = planJob(world, 99)
      expect(yield* send(life, refused.dispatch)).toMatchObject({ _tag: "Rejected", reason: 7, retryAfterQuanta: 1 })
      yield* awake(Q)
      expect(yield* send(life, refused.dispatch)).toMatchObject({ _tag: "Accepted", acceptedAtMs: 2 * Q })
    }))
  })

  it("refuses with reason 8 while draining, keeps old promises, and is idle when all is released", () => {
    const world = new World()
    const job = planJob(world, 1)
    scenario(Effect.gen(function* () {
      const life = yield* begin(world)
      yield* life.idle
      yield* awake(300)
      yield* send(life, job.dispatch)
      life.drain()
      expect(yield* send(life, planJob(world, 2).dispatch)).toMatchObject({ _tag: "Rejected", reason: 8 })
      expect(yield* send(life, job.dispatch)).toMatchObject({ _tag: "Accepted" })
      yield* life.idle
      expect(releasesOf(world, job)).toEqual(["Result"])
      expect(life.state.journal.openJobs()).toEqual([])
    }))
    expect(world.writes()).toHaveLength(SLOTS)
  })

  it.each<[string, (plaintext: Uint8Array) => void, number]>([
    ["version", (bytes) => { bytes[0] = 2 }, 1],
    ["flags", (bytes) => { bytes[1] = 4 }, 1],
    ["staged without a staged profile at the bucket", (bytes) => { bytes[1] = 1; bytes[2] = 2 }, 3],
    ["bucket", (bytes) => { bytes[2] = 3 }, 3],
    ["byte 3", (bytes) => { bytes[3] = 1 }, 1],
    ["input class", (bytes) => { bytes[5] = 1 }, 3],
    ["output class", (bytes) => { bytes[7] = 1 }, 3],
    ["notAfter off the grid", (bytes) => { bytes[15] = bytes[15]! + 1 }, 6],
    ["model id hash", (bytes) => { bytes[48] = bytes[48]! ^ 1 }, 2],
    ["model version", (bytes) => { bytes[83] = 4 }, 2],
    ["bytes after the model", (bytes) => { bytes[84] = 1 }, 1],
    ["read cap", (bytes) => { bytes.fill(0, 88, 120); bytes[88] = 2 }, 1],
    ["write cap", (bytes) => { bytes[224] = bytes[224]! ^ 1 }, 1],
    ["reserved bytes", (bytes) => { bytes[400] = 1 }, 1],
    ["token", (bytes) => { bytes[417] = 1; bytes[419] = 1 }, 4]
  ])("rejects a wrong %s without any trace in storage or journal", (_what, mutate, reason) => {
    const world = new World()
    scenario(Effect.gen(function* () {
      const life = yield* begin(world)
      yield* awake(300)
      expect(yield* send(life, planJob(world, 1).dispatch, mutate)).toMatchObject({ _tag: "Rejected", reason })
      yield* awake(12 * Q)
      expect(life.state.counters).toMatchObject({ admitted: 0, rejected: 1 })
    }))
    expect(world.trace).toEqual([])
    expect(world.appends).toBe(0)
  })

  it("answers nothing to what it cannot read", () => {
    const world = new World()
    scenario(Effect.gen(function* () {
      const life = yield* begin(world)
      const body = sealedFor(planJob(world, 1).dispatch, 1)
      body[500] = body[500]! ^ 1
      expect(yield* life.deliver(body)).toBeUndefined()
      expect(yield* life.deliver(new Uint8Array(2000))).toBeUndefined()
      expect(life.state.counters).toMatchObject({ unreadable: 2, admitted: 0, rejected: 0 })
    }))
  })

  it("answers another content under a known jobId with reason 9, and changes nothing", () => {
    const world = new World()
    const job = planJob(world, 1)
    scenario(Effect.gen(function* () {
      const life = yield* begin(world)
      yield* awake(300)
      yield* send(life, job.dispatch)
      expect(yield* send(life, { ...job.dispatch, inputReadCap: planJob(world, 2).dispatch.inputReadCap })).toMatchObject({ reason: 9 })
      yield* awake(14 * Q)
    }))
    expect(releasesOf(world, job)).toEqual(["Result"])
  })
})
