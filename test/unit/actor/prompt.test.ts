/**
 * Goal: what has ended costs no fiber and behaves as it would in one: values go on, failures stay, defects are contained, cancelled calls tell nothing.
 * Method: plain calls; effects that have not ended run in a runtime.
 *
 * @module
 */
import { Cause, Effect, Exit, Runtime } from "effect"
import { describe, expect, it } from "vitest"
import { followCall, later, mapped } from "../../../src/actor/actor.ts"
import { attempted, hasEnded, hasSucceeded, thenNow } from "../../../src/actor/prompt.ts"

const runtime = Runtime.defaultRuntime
const broken = (): never => { throw new RangeError("broken") }
const defectOf = (exit: Exit.Exit<unknown, unknown>): unknown => (Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined)

/** A later whose end is in the test's hand. */
const held = () => {
  const state = { calledOff: 0, end: (_: Exit.Exit<number>): void => undefined }
  const effect = later<number>((done) => {
    state.end = done
    return () => { state.calledOff += 1 }
  })
  return { state, effect }
}

describe("effects that may have ended", () => {
  it("are told from those that have not", () => {
    const forms: ReadonlyArray<Effect.Effect<number, string>> = [Exit.succeed(1), Effect.succeed(1), Exit.fail("no"), Effect.sync(() => 1)]
    expect(forms.map(hasEnded)).toEqual([true, true, true, false])
    expect(forms.map(hasSucceeded)).toEqual([true, true, false, false])
  })
  it("go on at once with a value, keep a failure, and go on in a fiber when they have not ended", () => {
    const double = (value: number) => Exit.succeed(2 * value)
    expect(thenNow(Exit.succeed(2), double)).toEqual(Exit.succeed(4))
    expect(thenNow(Exit.fail("no") as Exit.Exit<number, string>, double)).toEqual(Exit.fail("no"))
    const waiting = thenNow(Effect.sync(() => 2), double)
    expect([hasEnded(waiting), Effect.runSync(waiting)]).toEqual([false, 4])
  })
  it("die of what throws while they are made", () => {
    expect(defectOf(attempted(broken) as Exit.Exit<never>)).toBeInstanceOf(RangeError)
  })
})

describe("mapped", () => {
  it("changes what has ended, what only waits and what must be run, and each stays what it is", () => {
    const { effect, state } = held()
    const told: Array<Exit.Exit<number>> = []
    expect(mapped(Exit.succeed(2), (value) => value + 1)).toEqual(Exit.succeed(3))
    followCall(runtime, mapped(effect, (value) => value + 1), (exit) => told.push(exit))
    state.end(Exit.succeed(4))
    expect(told).toEqual([Exit.succeed(5)])
    expect(Effect.runSync(mapped(Effect.sync(() => 2), (value) => value + 1))).toBe(3)
  })
  it("makes a throw in the change a defect of the effect, in every form", async () => {
    const { effect, state } = held()
    const told: Array<Exit.Exit<never>> = []
    followCall(runtime, mapped(effect, broken), (exit) => told.push(exit))
    state.end(Exit.succeed(4))
    told.push(mapped(Exit.succeed(2), broken) as Exit.Exit<never>, await Effect.runPromiseExit(mapped(Effect.sync(() => 2), broken)))
    expect(told.map((exit) => defectOf(exit) instanceof RangeError)).toEqual([true, true, true])
  })
})

describe("followCall", () => {
  it("tells the end once: at once where it has ended, from a fiber where it must run", async () => {
    const told: Array<Exit.Exit<number, string>> = []
    followCall(runtime, Exit.fail("no") as Exit.Exit<number, string>, (exit) => told.push(exit))
    expect(told).toEqual([Exit.fail("no")])
    await new Promise<void>((done) => {
      followCall(runtime, Effect.as(Effect.sleep(1), 7), (exit) => {
        told.push(exit)
        done()
      })
    })
    expect(told).toEqual([Exit.fail("no"), Exit.succeed(7)])
  })
  it("tells nothing after it was called off, whatever form the call has", async () => {
    const { effect, state } = held()
    const told: Array<unknown> = []
    followCall(runtime, effect, (exit) => told.push(exit))()
    const stopped = new Promise<void>((done) => {
      followCall(runtime, Effect.onInterrupt(Effect.never, () => Effect.sync(done)), (exit) => told.push(exit))()
    })
    await stopped
    await new Promise((done) => setTimeout(done, 1))
    expect([state.calledOff, told]).toEqual([1, []])
  })
})
