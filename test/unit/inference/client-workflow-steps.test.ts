/**
 * Separate steps, tickets, leaving and restarts of the client's workflow.
 *
 * Goal: one job per jobId whatever is repeated; what a crash leaves goes on with the same bytes; who leaves leaves nothing behind. Method: lives of
 * clients over one journal, closed at chosen instants of virtual time.
 *
 * @module
 */
import { Effect, Either, Exit, Fiber, Scope } from "effect"
import { describe, expect, it } from "vitest"
import { randomFromEntropy, seededEntropy } from "../../../src/crypto/entropy.ts"
import { JOB_LIMIT } from "../../../src/inference/client-workflow.ts"
import { memoryJournal } from "../../../src/inference/journal-file.ts"
import { decodeTicket, encodeTicket, TICKET_BYTES } from "../../../src/inference/ticket.ts"
import { decodeUploadRecord, UPLOAD_RECORD_BYTES } from "../../../src/inference/upload-record.ts"
import { boxesOfClass } from "../../../src/params/size-class.ts"
import { runVirtual } from "../session/virtual-time.ts"
import { hear, makeLife, OUTPUT, PARAMS, PROFILES, Q, REQUEST, START_MS, World, type Life, type Script } from "./client-world.ts"
import { crypto, flipped } from "./sample-job.ts"

const DAY_MS = 86_400_000
const BOXES_IN = boxesOfClass(PROFILES[0]!.inputClass)
const BOXES_OUT = boxesOfClass(PROFILES[0]!.outputClass)

const inVirtual = <A>(effect: Effect.Effect<A, unknown, Scope.Scope>): A =>
  runVirtual(Effect.zipRight(Effect.sleep(START_MS), Effect.scoped(effect)).pipe(
    Effect.withRandom(randomFromEntropy(seededEntropy(4, "random"))), Effect.orDie))

const distinct = (world: World, kind: "read" | "write"): number =>
  new Set(world.operations.filter((operation) => operation.kind === kind).map(({ box }) => box)).size

const failureOf = (work: Effect.Effect<unknown, unknown>) => Effect.map(Effect.either(work), (end) => (Either.isLeft(end) ? end.left : undefined))

describe("client workflow: separate steps", () => {
  it("lets another client fetch with the ticket alone, which has read nothing and knows nothing else", () => {
    const world = new World()
    const heard = inVirtual(Effect.gen(function* () {
      const sender = yield* makeLife(world)
      const receiver = yield* makeLife(world, memoryJournal(), undefined, 2)
      const record = yield* sender.workflow.upload(REQUEST)
      expect(record).toHaveLength(UPLOAD_RECORD_BYTES)
      expect(distinct(world, "write")).toBe(BOXES_IN)
      const ticket = yield* sender.workflow.dispatch(record)
      expect(ticket).toHaveLength(TICKET_BYTES)
      return yield* hear((listener) => receiver.workflow.fetch(ticket, listener))
    }))
    expect(heard.failure).toBeUndefined()
    expect(heard.events.at(-1)).toMatchObject({ _tag: "Answered", outputs: [OUTPUT] })
    expect(distinct(world, "read")).toBe(BOXES_OUT)
  })

  it("gives the same ticket for the same record, with one admission, whoever asks", () => {
    const world = new World()
    inVirtual(Effect.gen(function* () {
      const { workflow } = yield* makeLife(world)
      const stranger = yield* makeLife(world, memoryJournal(), undefined, 2)
      const record = yield* workflow.upload(REQUEST)
      const ticket = yield* workflow.dispatch(record)
      const sentBefore = world.sent.length
      expect(yield* workflow.dispatch(record)).toEqual(ticket)
      expect(world.sent).toHaveLength(sentBefore)
      expect(yield* stranger.workflow.dispatch(record)).toEqual(ticket)
    }))
    expect(new Set(world.sent.map(({ dispatch }) => dispatch.outputWriteCap.join())).size).toBe(1)
  })

  it("may take its steps apart for ever: the oldest job that was given away makes way, and one that is being dispatched never does", () => {
    const world = new World()
    inVirtual(Effect.gen(function* () {
      const { setting, workflow } = yield* makeLife(world)
      const dispatched = yield* workflow.upload(REQUEST)
      yield* workflow.dispatch(dispatched)
      const waiting = yield* workflow.upload(REQUEST)
      for (let job = 2; job < JOB_LIMIT; job++) yield* workflow.upload(REQUEST)
      const dispatching = yield* Effect.fork(workflow.dispatch(waiting))
      yield* Effect.sleep(1)
      const jobOf = (record: Uint8Array) => setting.journal.job(Either.getOrThrow(decodeUploadRecord(crypto, record)).jobId)?._tag ?? "Done"
      expect([jobOf(dispatched), jobOf(waiting)]).toEqual(["Active", "Active"])
      const newest = [yield* workflow.upload(REQUEST), yield* workflow.upload(REQUEST)]
      expect([jobOf(dispatched), jobOf(waiting), ...newest.map(jobOf)]).toEqual(["Done", "Active", "Active", "Active"])
      expect(setting.journal.activeJobs()).toHaveLength(JOB_LIMIT)
      expect(yield* Fiber.join(dispatching)).toHaveLength(TICKET_BYTES)
    }))
  })

  it("a client that only dispatches what others uploaded keeps no more than its limit", () => {
    inVirtual(Effect.gen(function* () {
      const world = new World()
      const uploader = yield* makeLife(world)
      const { setting, workflow } = yield* makeLife(world, memoryJournal(), undefined, 2)
      for (let job = 0; job < JOB_LIMIT + 20; job++) yield* workflow.dispatch(yield* uploader.workflow.upload(REQUEST))
      expect(setting.journal.activeJobs()).toHaveLength(JOB_LIMIT)
      // what is dropped by rewriting the journal now was not dropped before
      expect(yield* setting.journal.compact).toBeLessThan(20)
    }))
  })

  it("goes on with an unanswered dispatch under the same jobId, and not beyond its first notAfter + 16 q", () => {
    const world = new World({ answers: () => "lost" })
    inVirtual(Effect.gen(function* () {
      const { workflow } = yield* makeLife(world)
      const record = yield* workflow.upload(REQUEST)
      expect(yield* failureOf(workflow.dispatch(record))).toMatchObject({ reason: "dispatch-timed-out" })
      const sentBefore = world.sent.length
      yield* Effect.sleep(DAY_MS)
      expect(yield* failureOf(workflow.dispatch(record))).toMatchObject({ reason: "dispatch-timed-out" })
      expect(world.sent).toHaveLength(sentBefore)
    }))
  })

  it("serves a receiver who comes days later, and tells one who comes after two weeks that it is gone", () => {
    const world = new World()
    inVirtual(Effect.gen(function* () {
      const { workflow } = yield* makeLife(world)
      const ticket = yield* workflow.dispatch(yield* workflow.upload(REQUEST))
      yield* Effect.sleep(5 * DAY_MS)
      const late = yield* hear((listener) => workflow.fetch(ticket, listener))
      expect(late.events.at(-1)).toMatchObject({ _tag: "Answered", outputs: [OUTPUT] })
      yield* Effect.sleep(2 * PARAMS.replicaEpochPeriodMs)
      const readsBefore = world.operations.length
      expect((yield* hear((listener) => workflow.fetch(ticket, listener))).failure).toMatchObject({ reason: "expired" })
      expect(world.operations).toHaveLength(readsBefore)
    }))
  })

  it("refuses bytes that are no ticket or no upload record, before anything is sent", () => {
    const world = new World()
    inVirtual(Effect.gen(function* () {
      const { workflow } = yield* makeLife(world)
      const record = yield* workflow.upload(REQUEST)
      const ticket = yield* workflow.dispatch(record)
      const before = [world.operations.length, world.sent.length]
      const offGrid = encodeTicket({ ...Either.getOrThrow(decodeTicket(ticket)), acceptedAtMs: 17 })
      const staged = encodeTicket({ ...Either.getOrThrow(decodeTicket(ticket)), staged: true })
      for (const bad of [ticket.subarray(1), new Uint8Array(TICKET_BYTES), offGrid, staged]) {
        expect((yield* hear((listener) => workflow.fetch(bad, listener))).failure).toMatchObject({ reason: "input-refused" })
      }
      expect(yield* failureOf(workflow.dispatch(flipped(record, 20)))).toMatchObject({ reason: "input-refused" })
      expect([world.operations.length, world.sent.length]).toEqual(before)
    }))
  })
})

describe("client workflow: leaving", () => {
  /** Calls infer and leaves after a while. */
  const leaveAfter = (script: Script, waitMs: number, use: (world: World, life: Life) => Effect.Effect<void, unknown>) => {
    const world = new World(script)
    inVirtual(Effect.gen(function* () {
      const life = yield* makeLife(world)
      const call = yield* Effect.fork(hear((listener) => life.workflow.infer(REQUEST, listener)))
      yield* Effect.sleep(waitMs)
      yield* Fiber.interrupt(call)
      yield* use(world, life)
    }))
  }

  it("stops an upload at once and for good", () => {
    leaveAfter({ writes: (write) => (write === 1 ? "hangs" : "stored") }, 5_000, (world, { setting }) => Effect.gen(function* () {
      const before = world.operations.length
      expect(setting.journal.activeJobs()).toHaveLength(0)
      yield* Effect.sleep(200 * Q)
      expect(world.operations).toHaveLength(before)
      expect(world.sent).toHaveLength(0)
    }))
  })

  it("stops before the first sending: an uploaded job is never dispatched", () => {
    leaveAfter({}, 300, (world, { setting }) => Effect.gen(function* () {
      expect(distinct(world, "write")).toBe(BOXES_IN)
      yield* Effect.sleep(200 * Q)
      expect(world.sent).toHaveLength(0)
      expect(setting.journal.activeJobs()).toHaveLength(0)
    }))
  })

  it("reads an accepted job to its end although nobody waits any more", () => {
    leaveAfter({}, 3 * Q, (world, { setting }) => Effect.gen(function* () {
      expect(world.sent).toHaveLength(1)
      expect(distinct(world, "read")).toBe(0)
      yield* Effect.sleep(200 * Q)
      expect(distinct(world, "read")).toBe(BOXES_OUT)
      expect(setting.journal.activeJobs()).toHaveLength(0)
    }))
  })

  it("stops an upload or a dispatch of its own at once and leaves no exchange open", () => {
    const world = new World({ answers: () => "lost" })
    inVirtual(Effect.gen(function* () {
      const { workflow } = yield* makeLife(world)
      const record = yield* workflow.upload(REQUEST)
      const call = yield* Effect.fork(Effect.either(workflow.dispatch(record)))
      yield* Effect.sleep(3 * Q)
      expect(world.openExchanges).toBe(1)
      yield* Fiber.interrupt(call)
      expect(world.openExchanges).toBe(0)
    }))
  })
})

describe("client workflow: restarts", () => {
  const isReading = (world: World) => world.operations.filter(({ kind }) => kind === "read").length > 2
  const states: ReadonlyArray<readonly [string, number | typeof isReading, Script]> = [
    ["during the upload", 70, {}],
    ["between upload and dispatch", 300, {}],
    ["while no answer has come", 3 * Q, { answers: (n) => (n === 0 ? "lost" : "accept") }],
    ["after an acceptance that was not heard", 3 * Q, { answers: (n) => (n === 0 ? "accept-silently" : "accept") }],
    ["after the acceptance", 3 * Q, {}],
    ["while the answer is read", isReading, {}],
    ["between an overflow and the result", 9 * Q, { releases: (r) => (r === 0 ? { _tag: "Overflow" } : { _tag: "Failure", code: 4 }) }]
  ]
  for (const [title, crash, script] of states) {
    it(`a crash ${title} ends in one job that is read to its end`, () => {
      const world = new World(script)
      inVirtual(Effect.gen(function* () {
        const outside = yield* Effect.scope
        const file = memoryJournal()
        const first = yield* Scope.make()
        const before = yield* makeLife(world, file, outside).pipe(Scope.extend(first))
        yield* Effect.forkDaemon(hear((listener) => before.workflow.infer(REQUEST, listener)))
        if (typeof crash === "number") yield* Effect.sleep(crash)
        else while (!crash(world)) yield* Effect.sleep(10)
        yield* before.workflow.close
        yield* Scope.close(first, Exit.void)
        expect(world.openExchanges).toBe(0)
        const after = yield* makeLife(world, file, outside, 9)
        expect(after.setting.journal.activeJobs()).toHaveLength(1)
        yield* after.workflow.resume
        yield* Effect.sleep(100 * Q)
        expect(after.setting.journal.activeJobs()).toHaveLength(0)
      }))
      expect(new Set(world.sent.map(({ dispatch }) => dispatch.jobId.join())).size).toBe(1)
      expect(distinct(world, "write")).toBe(BOXES_IN)
      expect(distinct(world, "read")).toBe(BOXES_OUT * (script.releases === undefined ? 1 : 2))
    })
  }

  it("does not go on with steps that somebody asked for one by one, but answers when asked again", () => {
    const world = new World()
    inVirtual(Effect.gen(function* () {
      const outside = yield* Effect.scope
      const file = memoryJournal()
      const first = yield* Scope.make()
      const before = yield* makeLife(world, file, outside).pipe(Scope.extend(first))
      const record = yield* before.workflow.upload(REQUEST)
      yield* before.workflow.close
      yield* Scope.close(first, Exit.void)
      const after = yield* makeLife(world, file, outside, 9)
      yield* after.workflow.resume
      yield* Effect.sleep(100 * Q)
      expect(world.sent).toHaveLength(0)
      expect(yield* after.workflow.dispatch(record)).toHaveLength(TICKET_BYTES)
    }))
  })
})

describe("upload record", () => {
  const record = inVirtual(Effect.flatMap(makeLife(new World()), ({ workflow }) => workflow.upload(REQUEST)))

  it("says what was planned", () => {
    const profile = PROFILES[0]!
    const { bucket, inputClass, outputClass, profileId } = Either.getOrThrow(decodeUploadRecord(crypto, record))
    expect({ bucket, inputClass, outputClass, id: profileId }).toMatchObject({
      bucket: profile.bucket, inputClass: profile.inputClass, outputClass: profile.outputClass, id: profile.id
    })
  })

  it("is refused when truncated anywhere, one byte too long, or changed in any bit position", () => {
    for (let byteLength = 0; byteLength < record.length; byteLength++) {
      expect(Either.isLeft(decodeUploadRecord(crypto, record.subarray(0, byteLength)))).toBe(true)
    }
    expect(Either.isLeft(decodeUploadRecord(crypto, new Uint8Array([...record, 0])))).toBe(true)
    for (let index = 0; index < record.length; index++) expect(Either.isLeft(decodeUploadRecord(crypto, flipped(record, index)))).toBe(true)
  })
})
