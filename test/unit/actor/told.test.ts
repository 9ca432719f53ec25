/**
 * Streams that are told.
 *
 * Goal: the end comes once, and nothing comes to who has left, whether the stream can be told or not.
 * Method: listeners that leave, throw or stay; an ordinary stream and a told one.
 *
 * @module
 */
import { Effect, Exit, Runtime, Stream } from "effect"
import { describe, expect, it } from "vitest"
import { listen, told } from "../../../src/actor/told.ts"

const runtime = Runtime.defaultRuntime
const ordinary = Stream.concat(Stream.make(1, 2), Stream.never)
const tellable = told(Stream.never, (onItem: (item: number) => void) => {
  onItem(1)
  onItem(2)
  return () => undefined
})

describe.each([["an ordinary stream", ordinary], ["a told stream", tellable]])("listening to %s", (_, stream) => {
  it("gives its items, and no end to who has left", async () => {
    const items: Array<number> = []
    const ends: Array<unknown> = []
    const leave = listen(runtime, stream, (item) => items.push(item), (exit) => ends.push(exit))
    await Effect.runPromise(Effect.sleep(5))
    leave()
    await Effect.runPromise(Effect.sleep(5))
    expect(items).toEqual([1, 2])
    expect(ends).toEqual([])
  })
  it("ends once, with the defect, when the listener throws", async () => {
    const ends: Array<Exit.Exit<void>> = []
    listen(runtime, stream, () => { throw new TypeError("planted") }, (exit) => ends.push(exit))
    await Effect.runPromise(Effect.sleep(5))
    expect(ends.map(Exit.isFailure)).toEqual([true])
  })
})
