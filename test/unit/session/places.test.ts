/**
 * Goal: places are never given out twice, and go to whoever has waited longest and still waits. Method: entries that are noted.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { Places } from "../../../src/session/places.ts"

describe("places", () => {
  it("are taken at once while there are any, and then in order of arrival; who has given up is passed over", () => {
    const places = new Places(2)
    const entered: Array<string> = []
    const enter = (name: string) => places.enter(() => entered.push(name))
    enter("first")
    enter("second")
    enter("third")
    const giveUp = enter("fourth")
    enter("fifth")
    expect(entered).toEqual(["first", "second"])
    giveUp()
    places.release()
    places.release()
    expect(entered).toEqual(["first", "second", "third", "fifth"])
  })
  it("are not taken at once while somebody waits", () => {
    const places = new Places(1)
    expect(places.enterNow()).toBe(true)
    expect(places.enterNow()).toBe(false)
    let entered = 0
    places.enter(() => entered++)
    places.release()
    expect([entered, places.enterNow()]).toEqual([1, false])
    places.release()
    expect(places.enterNow()).toBe(true)
  })
})
