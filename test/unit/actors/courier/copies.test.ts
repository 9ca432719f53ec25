/**
 * What a courier answers to copy commands, rows Y1, Y8, Y11 and Y14 of pigeonhole.md §7.
 *
 * Goal: a command is answered at once, its work is done once, its verdict stays for half an hour, and nothing keeps it "in progress" for ever.
 * Method: jobs that the test makes up, in virtual time; the desk itself with instants as arguments.
 *
 * @module
 */
import { Clock, Deferred, Effect, Logger, LogLevel } from "effect"
import { describe, expect, it } from "vitest"
import { type Copies, makeCopies } from "../../../../actors/courier/copies.ts"
import { COPY_STATUS_TTL_MS, CopyDesk, ENDED_LIMIT, RUNNING_LIMIT } from "../../../../actors/courier/copy-desk.ts"
import type { CopyJob } from "../../../../actors/courier/copy-job.ts"
import { encodeWriteCap } from "../../../../src/bacap/capability.ts"
import { CopyKey, type CopyCommandReply } from "../../../../src/pigeonhole/copy-command.ts"
import { copyStatus, replicaErrorCode } from "../../../../src/pigeonhole/error-code.ts"
import { destinationsOf, planned, withReplicas } from "./copy-bench.ts"

const reply = (status: number, errorCode = 0, failedEnvelopeIndex = 0n): CopyCommandReply =>
  ({ status: copyStatus(status), errorCode: replicaErrorCode(errorCode), failedEnvelopeIndex })
const PROGRESS = reply(1)
const CRASHED = reply(2, 7, 3n)
const jobOf = (run: CopyJob["run"], clear: CopyJob["clear"] = Effect.void): CopyJob => ({ run, clear, crashed: () => CRASHED })
const keyOf = (number: number): CopyKey => {
  const key = new Uint8Array(32)
  new DataView(key.buffer).setUint32(0, number)
  return CopyKey.unsafe(key)
}

type Ask = (number: number) => Effect.Effect<CopyCommandReply>

/** Copies whose jobs are made up; `made` fills with the write caps for which a job was made. */
const withCopies = <A>(
  make: (number: number) => CopyJob, test: (copies: Copies, ask: Ask, made: Array<number>) => Effect.Effect<A>
): A =>
  withReplicas((bench) => Effect.gen(function*() {
    const made: Array<number> = []
    const copies = yield* makeCopies(bench.setting, "courier-0", (_setting, writeCap) => {
      made.push(writeCap[0]!)
      return make(writeCap[0]!)
    })
    const ask = (number: number) => Effect.gen(function*() {
      const startMs = yield* Clock.currentTimeMillis
      const answer = yield* copies.answer({ writeCap: Uint8Array.of(number) })
      expect((yield* Clock.currentTimeMillis) - startMs).toBe(0)
      return answer
    })
    return yield* test(copies, ask, made)
  }).pipe(Logger.withMinimumLogLevel(LogLevel.None)))

describe("a command", () => {
  const verdicts = [["success", reply(0)], ["failure", reply(2, 10, 4n)]] as const
  it.each(verdicts)("Y1: is in progress while it runs, then ends as it ended (%s), and its work is done once", (_, verdict) => {
    const { answers, made } = withCopies(() => jobOf(Effect.delay(Effect.succeed(verdict), 60_000)), (_copies, ask, made) => Effect.gen(function*() {
      const answers: Array<CopyCommandReply> = []
      for (let poll = 0; poll < 14; poll++) {
        answers.push(yield* ask(1))
        yield* Effect.sleep(5000)
      }
      yield* Effect.sleep(COPY_STATUS_TTL_MS - 30_000)
      answers.push(yield* ask(1))
      return { answers, made: [...made] }
    }))
    expect(answers.slice(0, 12)).toEqual(Array.from({ length: 12 }, () => PROGRESS))
    expect(answers.slice(13)).toEqual([verdict, verdict])
    expect(made).toEqual([1])
  })

  it("half an hour after its end is a new one", () => {
    withCopies(() => jobOf(Effect.succeed(reply(0))), (copies, ask, made) => Effect.gen(function*() {
      yield* ask(1)
      yield* Effect.sleep(COPY_STATUS_TTL_MS + 1000)
      copies.prune(yield* Clock.currentTimeMillis)
      expect(yield* ask(1)).toEqual(PROGRESS)
      yield* Effect.sleep(1)
      expect(made).toEqual([1, 1])
    }))
  })

  it.each([["slow", Effect.never], ["rejected", Effect.die("planted")]])("Y8: has its verdict before clearing up is done, which is %s", (_, clear) => {
    withCopies(() => jobOf(Effect.succeed(reply(0)), clear), (_copies, ask) => Effect.gen(function*() {
      yield* ask(1)
      yield* Effect.sleep(1)
      expect(yield* ask(1)).toEqual(reply(0))
    }))
  })

  it.each<readonly [string, () => CopyJob, CopyCommandReply]>([
    ["dies", () => jobOf(Effect.die(new Error("planted"))), CRASHED],
    ["throws when it is made", () => { throw new Error("planted") }, reply(2, 7)],
    ["is interrupted from within", () => jobOf(Effect.interrupt), CRASHED]
  ])("Y14: whose job %s is reported as failed, never in progress for ever", (_, make, verdict) => {
    withCopies(make, (_copies, ask) => Effect.gen(function*() {
      yield* ask(1)
      yield* Effect.sleep(1000)
      expect(yield* ask(1)).toEqual(verdict)
    }))
  })

  it("beyond the bound of running ones is refused at once, for a passing reason, and taken when there is room", () => {
    withCopies((number) => jobOf(number === 0 ? Effect.delay(Effect.succeed(reply(0)), 1000) : Effect.never), (_copies, ask, made) => Effect.gen(function*() {
      for (let number = 0; number < RUNNING_LIMIT; number++) expect(yield* ask(number)).toEqual(PROGRESS)
      expect(yield* ask(200)).toEqual(reply(2, 7))
      yield* Effect.sleep(2000)
      expect(yield* ask(200)).toEqual(PROGRESS)
      yield* Effect.sleep(1)
      expect(made).toHaveLength(RUNNING_LIMIT + 1)
    }))
  })

  it("runs the real job: commanded, polled, succeeded, and cleared up", () => {
    const contents = withReplicas((bench) => Effect.gen(function*() {
      const plan = planned(bench, destinationsOf(2))
      const copies = yield* makeCopies(bench.setting, "courier-0")
      const ask = Effect.suspend(() => copies.answer({ writeCap: encodeWriteCap(plan.temporary) }))
      const ended = yield* Deferred.make<CopyCommandReply>()
      yield* Effect.repeat(Effect.tap(Effect.zipLeft(ask, Effect.sleep(5000)), (answer) => answer.status === 1 ? Effect.void : Deferred.succeed(ended, answer)),
        { until: ({ status }) => status !== 1 })
      expect(yield* Deferred.await(ended)).toEqual(reply(0))
      yield* Effect.sleep(10_000)
      return bench.contentOf(plan.temporary, plan.temporary.index)
    }))
    expect(contents).toBe("tombstone")
  })
})

describe("the desk", () => {
  it("Y11: thousands of commands that nobody asks about again are forgotten after half an hour; running ones never", () => {
    const desk = new CopyDesk()
    desk.start(keyOf(1_000_000), 0)
    for (let number = 0; number < 5000; number++) {
      expect(desk.start(keyOf(number), number)).toBe(true)
      desk.end(keyOf(number), reply(0), number)
    }
    expect([desk.runningCount, desk.endedCount]).toEqual([1, 5000])
    desk.start(keyOf(2_000_000), 2500 + COPY_STATUS_TTL_MS)
    expect([desk.runningCount, desk.endedCount]).toEqual([2, 2500])
    desk.prune(100 * COPY_STATUS_TTL_MS)
    expect([desk.runningCount, desk.endedCount]).toEqual([2, 0])
    expect(desk.find(keyOf(1_000_000), 100 * COPY_STATUS_TTL_MS)).toEqual(PROGRESS)
  })

  it("Y11: within half an hour ended commands are bounded, the oldest go first; age is checked on look-up", () => {
    const desk = new CopyDesk()
    for (let number = 0; number < ENDED_LIMIT + 3; number++) {
      desk.start(keyOf(number), 0)
      desk.end(keyOf(number), reply(0), 0)
    }
    expect(desk.endedCount).toBe(ENDED_LIMIT)
    expect([2, 3].map((number) => desk.find(keyOf(number), COPY_STATUS_TTL_MS))).toEqual([undefined, reply(0)])
    expect(desk.find(keyOf(3), COPY_STATUS_TTL_MS + 1)).toBeUndefined()
  })

  it("the first verdict stays", () => {
    const desk = new CopyDesk()
    desk.start(keyOf(1), 0)
    desk.end(keyOf(1), reply(0), 1)
    desk.end(keyOf(1), reply(2, 7), 2)
    expect(desk.find(keyOf(1), 3)).toEqual(reply(0))
  })
})
