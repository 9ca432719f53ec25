/**
 * Timers: one call, at its time, unless called off.
 *
 * Goal: the same behaviour under a clock that calls back and under one that can only be slept on.
 * Method: the simulator's virtual time, which has both; faulty and shifted clocks over it.
 *
 * @module
 */
import { Clock, Effect, Exit } from "effect"
import { describe, expect, it } from "vitest"
import { isCalling, machineClock, makeTimer, offsetClock, type Timer } from "../../../src/actor/timer.ts"
import { VirtualTime } from "../../../src/simulation/virtual-clock.ts"

/** A clock that hides that it can call back. */
const sleepingOnly = (clock: Clock.Clock): Clock.Clock => ({
  [Clock.ClockTypeId]: Clock.ClockTypeId,
  unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis(),
  unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
  currentTimeMillis: clock.currentTimeMillis,
  currentTimeNanos: clock.currentTimeNanos,
  sleep: (duration) => clock.sleep(duration)
})

const ways: ReadonlyArray<readonly [string, (clock: Clock.Clock) => Clock.Clock]> = [
  ["calls back", (clock) => clock],
  ["is slept on", sleepingOnly],
  ["is shifted", (clock) => offsetClock(clock, () => 5_000)]
]

/** What a body notes, with the milliseconds since its beginning. */
const notesOf = async (way: (clock: Clock.Clock) => Clock.Clock, body: (timer: Timer, note: (what: string) => void) => Effect.Effect<void>) => {
  const time = new VirtualTime(0)
  const notes: Array<string> = []
  const program = Effect.flatMap(makeTimer, (timer) => body(timer, (what) => notes.push(`${what} ${time.nowMs}`)))
  const exit = await time.run(Effect.withClock(program, way(time.clock)))
  expect(Exit.isSuccess(exit)).toBe(true)
  return notes
}

describe.each(ways)("a timer under a clock that %s", (_, way) => {
  it("calls every task once, each at its time, and those of one instant in the order of their orders", async () => {
    expect(await notesOf(way, (timer, note) => {
      timer(() => note("late"), 30)
      timer(() => note("first"), 10)
      timer(() => note("second"), 10)
      timer(() => note("now"), 0)
      return Effect.sleep(100)
    })).toEqual(["now 0", "first 10", "second 10", "late 30"])
  })
  it("does not call what was called off, even twice or too late", async () => {
    expect(await notesOf(way, (timer, note) => {
      const callOff = timer(() => note("called off"), 10)
      const done = timer(() => note("done"), 20)
      callOff()
      callOff()
      return Effect.zipRight(Effect.sleep(50), Effect.sync(done))
    })).toEqual(["done 20"])
  })
})

describe("clocks", () => {
  it("a shifted clock shows another time and calls back if the one below does", () => {
    const { clock } = new VirtualTime(1_000)
    const shifted = offsetClock(clock, () => -400)
    expect([shifted.unsafeCurrentTimeMillis(), shifted.unsafeCurrentTimeNanos()]).toEqual([600, 600_000_000n])
    expect([isCalling(shifted), isCalling(offsetClock(sleepingOnly(clock), () => 1))]).toEqual([true, false])
  })
  it("the machine's calls back, and a task called off or too far away is never called", async () => {
    const calls: Array<string> = []
    const callOff = machineClock.unsafeSchedule(() => calls.push("off"), 1)
    machineClock.unsafeSchedule(() => calls.push("years"), 1e12)
    callOff()
    await new Promise<void>((resolve) => machineClock.unsafeSchedule(resolve, 5))
    expect(calls).toEqual([])
  })
})
