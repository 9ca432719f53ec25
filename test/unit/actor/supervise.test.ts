/**
 * Supervision: crashed actors come back, with growing pauses, and leave nothing behind.
 *
 * Goal: the restart schedule, the release of what a life acquired, and that logs of a crash quote nothing.
 * Method: test clock; lives that crash on purpose; a logger that records.
 *
 * @module
 */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Exit, Logger, LogLevel, Random, Ref, Scope, TestClock } from "effect"
import { causeNames } from "../../../src/actor/crash-report.ts"
import { type ActorHealth, makeSupervisor, restartPauseMs } from "../../../src/actor/supervise.ts"

const quiet = Logger.withMinimumLogLevel(LogLevel.None)
/** u = 0: the longest pause of each step. */
const longestPauses = Effect.withRandom(Random.fixed([0]))

describe("restarts", () => {
  it("pauses double from 50 ms to 5 s and are shortened by at most half", () => {
    expect([1, 2, 3, 7, 8, 9, 60].map((count) => restartPauseMs(count, 0))).toEqual([50, 100, 200, 3_200, 5_000, 5_000, 5_000])
    expect(restartPauseMs(3, 0.999_999)).toBeGreaterThan(100)
    expect(restartPauseMs(3, 0.5)).toBe(150)
  })

  it.scoped("a life that crashes starts again after 50, 100 and 200 ms, and each start is counted", () =>
    Effect.gen(function*() {
      const starts: Array<number> = []
      const supervisor = yield* makeSupervisor
      yield* supervisor.start("phoenix", () => Effect.flatMap(Clock.currentTimeMillis, (nowMs) => {
        starts.push(nowMs)
        return starts.length % 2 === 0 ? Effect.die("planted") : Effect.fail("planted")
      }))
      for (let step = 0; step < 36; step++) yield* TestClock.adjust(10)
      expect(starts).toEqual([0, 50, 150, 350])
      expect((yield* supervisor.health).get("phoenix")).toEqual({ state: "down", restartCount: 3 } satisfies ActorHealth)
    }).pipe(quiet, longestPauses))

  it.scoped("a minute of being up forgets earlier crashes", () =>
    Effect.gen(function*() {
      const starts: Array<number> = []
      const supervisor = yield* makeSupervisor
      yield* supervisor.start("steady", (ready) => Effect.gen(function*() {
        starts.push(yield* Clock.currentTimeMillis)
        yield* ready
        if (starts.length >= 3) yield* Effect.sleep("1 minute")
        return yield* Effect.fail("planted")
      }))
      yield* TestClock.adjust(150)
      expect(starts).toEqual([0, 50, 150])
      yield* TestClock.adjust(60_000)
      yield* TestClock.adjust(49)
      expect(starts).toHaveLength(3)
      yield* TestClock.adjust(1)
      expect(starts).toEqual([0, 50, 150, 60_200])
    }).pipe(quiet, longestPauses))
})

describe("lives", () => {
  it.scoped("what a life acquired is released before the next one starts", () =>
    Effect.gen(function*() {
      const events: Array<string> = []
      const supervisor = yield* makeSupervisor
      yield* supervisor.start("tidy", () => Effect.gen(function*() {
        yield* Effect.acquireRelease(Effect.sync(() => events.push("acquired")), () => Effect.sync(() => events.push("released")))
        return yield* Effect.fail("planted")
      }))
      yield* TestClock.adjust(50)
      expect(events).toEqual(["acquired", "released", "acquired", "released"])
    }).pipe(quiet, longestPauses))

  it.scoped("stop runs the finalizers, waits for them and forgets the actor", () =>
    Effect.gen(function*() {
      const released = yield* Ref.make(false)
      const up = yield* Deferred.make<void>()
      const supervisor = yield* makeSupervisor
      yield* supervisor.start("calm", (ready) => Effect.gen(function*() {
        yield* Effect.addFinalizer(() => Ref.set(released, true))
        yield* ready
        yield* Deferred.succeed(up, undefined)
        return yield* Effect.never
      }))
      yield* Deferred.await(up)
      expect((yield* supervisor.health).get("calm")).toEqual({ state: "up", restartCount: 0 })
      yield* supervisor.stop("calm")
      expect(yield* Ref.get(released)).toBe(true)
      expect((yield* supervisor.health).size).toBe(0)
    }))

  it.scoped("closing the supervisor's scope ends every actor", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const ended = yield* Ref.make(0)
      const up = yield* Deferred.make<void>()
      const supervisor = yield* Scope.extend(makeSupervisor, scope)
      for (const name of ["a", "b"]) {
        yield* supervisor.start(name, () => Effect.zipRight(
          Effect.addFinalizer(() => Ref.update(ended, (count) => count + 1)),
          Effect.zipRight(Deferred.succeed(up, undefined), Effect.never)
        ))
      }
      yield* Deferred.await(up)
      yield* Scope.close(scope, Exit.void)
      expect(yield* Ref.get(ended)).toBe(2)
    }))
})

describe("crash reports", () => {
  it("a cause is told by the names of its errors alone", () => {
    class KeyLeak extends Error {}
    const exit = Effect.runSyncExit(Effect.die(new KeyLeak("secret")).pipe(Effect.ensuring(Effect.die({ _tag: "Spill", key: "secret" }))))
    expect(Exit.isFailure(exit) && causeNames(exit.cause)).toBe("KeyLeak, Spill")
  })

  it.scoped("the log of a crash at level info and above does not hold what the error said", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const recorder = Logger.map(Logger.logfmtLogger, (line) => {
        lines.push(line)
      })
      const supervisor = yield* makeSupervisor
      yield* Effect.gen(function*() {
        yield* supervisor.start("leaky", () => Effect.fail(new Error("secret")))
        yield* TestClock.adjust(1)
      }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, recorder)))
      expect(lines.join("\n")).toContain("actor crashed")
      expect(lines.join("\n")).toContain("leaky")
      expect(lines.join("\n")).not.toContain("secret")
    }))
})
