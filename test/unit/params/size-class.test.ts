/**
 * Goal: the ladder of box counts is the published one.
 * Method: the first values and the last of pigeonhole.md §8.3; ratios between neighbours.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { boxesOfClass, classFor, isSizeClass, SIZE_CLASS_COUNT } from "../../../src/params/size-class.ts"

describe("size class", () => {
  it("the ladder starts 4, 6, 8, 11, 16, 23, 32, 45, 64 and class 15 has 724 boxes", () => {
    expect(Array.from({ length: 9 }, (_, classId) => boxesOfClass(classId))).toEqual([4, 6, 8, 11, 16, 23, 32, 45, 64])
    expect(boxesOfClass(15)).toBe(724)
  })
  it("every class is floor(4·2^(c/2) + 1/2), checked by squaring in integers", () => {
    for (let classId = 0; classId < SIZE_CLASS_COUNT; classId++) {
      const doubled = 2n * BigInt(boxesOfClass(classId))
      const square = 64n * 2n ** BigInt(classId)
      expect((doubled - 1n) ** 2n <= square && square < (doubled + 1n) ** 2n).toBe(true)
    }
  })
  it("the smallest class with room is chosen, and none above the ladder", () => {
    expect([0, 1, 4, 5, 6, 11, 12].map(classFor)).toEqual([0, 0, 0, 1, 1, 3, 4])
    expect(classFor(boxesOfClass(SIZE_CLASS_COUNT - 1))).toBe(SIZE_CLASS_COUNT - 1)
    expect(classFor(boxesOfClass(SIZE_CLASS_COUNT - 1) + 1)).toBeUndefined()
  })
  it("other numbers are no classes", () => {
    expect([-1, SIZE_CLASS_COUNT, 0.5, Number.NaN].map(isSizeClass)).toEqual([false, false, false, false])
    expect(() => boxesOfClass(SIZE_CLASS_COUNT)).toThrow(RangeError)
  })
})
