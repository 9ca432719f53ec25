/**
 * Goal: element types and tensors hold what they say, and refuse what they cannot hold.
 * Method: tables of values, all 65,536 halves, and every way the parts of a tensor can disagree.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { DTYPES, type DType, dtypeCode, dtypeOfCode, dtypeOfName, elementBytes, halfBits, halfValue } from "../../../src/model/dtype.ts"
import { bigintsOf, checkTensor, numbersOf, tensorOf } from "../../../src/model/tensor.ts"

describe("element types", () => {
  it("have the ONNX codes of the protocol and are found by code and by either name", () => {
    const codes: Record<DType, number> = { f32: 1, u8: 2, i8: 3, i32: 6, i64: 7, bool: 9, f16: 10, f64: 11, bf16: 16 }
    for (const dtype of DTYPES) {
      expect(dtypeCode(dtype)).toBe(codes[dtype])
      expect(dtypeOfCode(codes[dtype])).toBe(dtype)
      expect(dtypeOfName(dtype)).toBe(dtype)
    }
    expect(dtypeOfName("float32")).toBe("f32")
    expect(dtypeOfName("int64")).toBe("i64")
    expect([0, 4, 5, 8, 12, 17].map(dtypeOfCode)).toEqual(Array(6).fill(undefined))
    expect(dtypeOfName("string")).toBeUndefined()
  })

  it("of half precision come back from their number for all bit patterns", () => {
    const wrong: Array<number> = []
    for (let bits = 0; bits < 65536; bits++) {
      const value = halfValue(bits)
      if (halfBits(value) !== (Number.isNaN(value) ? 0x7e00 : bits)) wrong.push(bits)
    }
    expect(wrong).toEqual([])
  })

  it("of half precision round to the nearest, ties to even, and overflow to infinity", () => {
    expect(halfBits(1)).toBe(0x3c00)
    expect(halfBits(1 + 2 ** -11)).toBe(0x3c00)
    expect(halfBits(1 + 3 * 2 ** -11)).toBe(0x3c02)
    expect(halfBits(65519)).toBe(0x7bff)
    expect(halfBits(65520)).toBe(0x7c00)
    expect(halfBits(2 ** -25)).toBe(0)
    expect(halfBits(2 ** -25 * 1.01)).toBe(1)
    expect(halfBits(-2)).toBe(0xc000)
  })
})

describe("a tensor of numbers", () => {
  const samples: Record<DType, ReadonlyArray<number>> = {
    f32: [0, -1.5, 3.25, Infinity], f64: [Math.PI, -1e300], f16: [0.5, -2, 65504], bf16: [1, -2.5, 2 ** 100], u8: [0, 255], i8: [-128, 127],
    i32: [-(2 ** 31), 2 ** 31 - 1], i64: [-5, Number.MAX_SAFE_INTEGER], bool: [0, 1]
  }
  it("gives the numbers back for every type", () => {
    for (const dtype of DTYPES) {
      const tensor = Either.getOrThrow(tensorOf("t", dtype, [samples[dtype].length], samples[dtype]))
      expect(tensor.data.length).toBe(samples[dtype].length * elementBytes(dtype))
      expect(numbersOf(tensor)).toEqual(samples[dtype])
    }
  })

  it("is little-endian and row-major", () => {
    expect([...Either.getOrThrow(tensorOf("t", "i32", [1, 2], [1, -2])).data]).toEqual([1, 0, 0, 0, 254, 255, 255, 255])
  })

  it("keeps 64-bit integers exact", () => {
    const values = [2n ** 63n - 1n, -(2n ** 63n)]
    expect(bigintsOf(Either.getOrThrow(tensorOf("t", "i64", [2], values)))).toEqual(values)
  })

  it("reads the same from bytes that are not aligned", () => {
    const tensor = Either.getOrThrow(tensorOf("t", "f64", [2], [1, 2]))
    const shifted = new Uint8Array(17)
    shifted.set(tensor.data, 1)
    expect(numbersOf({ ...tensor, data: shifted.subarray(1) })).toEqual([1, 2])
  })

  it("refuses values that the type does not have, and a wrong count", () => {
    const cases: ReadonlyArray<readonly [DType, number | bigint]> = [
      ["u8", 256], ["u8", -1], ["i8", 128], ["i32", 2 ** 31], ["i32", 0.5], ["bool", 2], ["i64", 0.5], ["i64", 2 ** 60], ["i64", 2n ** 63n]
    ]
    for (const [dtype, value] of cases) {
      expect(Either.flip(tensorOf("t", dtype, [1], [value]))).toMatchObject({ right: { reason: "value" } })
    }
    expect(Either.flip(tensorOf("t", "u8", [3], [1, 2]))).toMatchObject({ right: { reason: "length" } })
  })
})

describe("the check of a tensor", () => {
  const data = new Uint8Array(8)
  it("accepts scalars and empty tensors", () => {
    expect(Either.isRight(checkTensor({ name: "s", dtype: "f64", dims: [], data }))).toBe(true)
    expect(Either.isRight(checkTensor({ name: "e", dtype: "f64", dims: [4, 0], data: new Uint8Array() }))).toBe(true)
  })

  it("refuses data of another length, too many dimensions, and dimensions that are no sizes", () => {
    const reason = (dims: ReadonlyArray<number>) =>
      Either.match(checkTensor({ name: "t", dtype: "u8", dims, data }), { onLeft: (error) => error.reason, onRight: () => "" })
    expect(reason([7])).toBe("length")
    expect(reason([9])).toBe("length")
    expect(reason([1, 1, 1, 1, 1, 1, 1, 1, 8])).toBe("rank")
    expect(reason([-8, -1])).toBe("dimension")
    expect(reason([2.5])).toBe("dimension")
    expect(reason([2 ** 32])).toBe("dimension")
    expect(reason([2 ** 31, 2 ** 31, 2 ** 31])).toBe("dimension")
  })
})
