/**
 * Goal: of calls that nobody waits for each has one end, its own or being called off. Method: calls that are noted.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { CallsInWork } from "../../../src/actor/calls-in-work.ts"

describe("calls in work", () => {
  it("count until they end, and have one end", () => {
    const calls = new CallsInWork()
    const [one, other] = [calls.begin(), calls.begin()]
    expect(calls.size).toBe(2)
    expect([calls.end(one), calls.end(one)]).toEqual([true, false])
    expect([calls.size, calls.isInWork(one), calls.isInWork(other)]).toEqual([1, false, true])
  })
  it("are called off at the step that they are at, those that have not ended, once; what is called off has no other end", () => {
    const calls = new CallsInWork()
    const stopped: Array<string> = []
    const [ended, atFirst, atSecond] = [calls.begin(), calls.begin(), calls.begin()]
    ended.stop = () => stopped.push("ended")
    atFirst.stop = () => stopped.push("first step")
    atSecond.stop = () => stopped.push("a step before")
    atSecond.stop = () => {
      stopped.push("second step")
      // an end that comes of being called off is none
      expect(calls.end(atFirst)).toBe(false)
    }
    calls.end(ended)
    calls.callOffAll()
    calls.callOffAll()
    expect(stopped).toEqual(["first step", "second step"])
    expect(calls.size).toBe(0)
    expect(calls.end(atSecond)).toBe(false)
  })
})
