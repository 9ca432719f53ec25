/**
 * Goal: the container of tensors has one encoding per content, and nothing else decodes.
 * Method: a layout written out by hand, and every truncation, flipped bit and added byte of a sample.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { fromHex, toHex } from "../../../src/bytes/hex.ts"
import { containerBytes, decodeContainer, encodeContainer } from "../../../src/model/tensor-container.ts"
import { type Tensor, tensorOf } from "../../../src/model/tensor.ts"

const tensors: ReadonlyArray<Tensor> = [
  Either.getOrThrow(tensorOf("image", "u8", [1, 2, 3], [1, 2, 3, 4, 5, 6])),
  Either.getOrThrow(tensorOf("größe", "f32", [], [1])),
  Either.getOrThrow(tensorOf("none", "i64", [0], []))
]
const encoded = Either.getOrThrow(encodeContainer(tensors))
const reasonOf = (bytes: Uint8Array, limit = 1e6) => Either.match(decodeContainer(bytes, limit), { onLeft: (error) => error.reason, onRight: () => "decoded" })

describe("the tensor container", () => {
  it("has the documented layout", () => {
    const one = Either.getOrThrow(encodeContainer([Either.getOrThrow(tensorOf("xy", "i32", [2], [1, -1]))]))
    const expected = ["0001", "0002", "7879", "06", "01", "00000002", "00000000".repeat(7), "0000000000000008", "01000000", "ffffffff"].join("")
    expect(toHex(one)).toBe(expected)
    expect(Either.getOrThrow(decodeContainer(Either.getOrThrow(fromHex(expected)), 1000))[0]?.dims).toEqual([2])
  })

  it("gives the tensors back and announces its length", () => {
    expect(encoded.length).toBe(containerBytes(tensors))
    expect(Either.getOrThrow(decodeContainer(encoded, encoded.length))).toEqual(tensors)
    expect(Either.getOrThrow(decodeContainer(Either.getOrThrow(encodeContainer([])), 2))).toEqual([])
  })

  it("copies, so that the received bytes may be reused", () => {
    const bytes = encoded.slice()
    const decoded = Either.getOrThrow(decodeContainer(bytes, 1e6))
    bytes.fill(0)
    expect(decoded).toEqual(tensors)
  })

  it("is refused after every truncation and with one byte more", () => {
    for (let length = 0; length < encoded.length; length++) expect(reasonOf(encoded.slice(0, length))).not.toBe("decoded")
    expect(reasonOf(Uint8Array.from([...encoded, 0]))).toBe("trailing-bytes")
  })

  it("never decodes to the same tensors after one flipped bit", () => {
    for (let at = 0; at < encoded.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const damaged = encoded.slice()
        damaged[at]! ^= 1 << bit
        const decoded = decodeContainer(damaged, 1e6)
        if (Either.isRight(decoded)) {
          expect(decoded.right).not.toEqual(tensors)
          expect(toHex(Either.getOrThrow(encodeContainer(decoded.right)))).toBe(toHex(damaged))
        }
      }
    }
  })

  it("is refused for lying lengths without allocating them", () => {
    const huge = encoded.slice()
    huge.fill(0x7f, 2 + 2 + 5 + 34, 2 + 2 + 5 + 34 + 8)
    expect(reasonOf(huge)).not.toBe("decoded")
    expect(reasonOf(encoded, encoded.length - 1)).toBe("out-of-range")
    expect(reasonOf(Uint8Array.of(0xff, 0xff))).toBe("out-of-range")
  })

  it("is refused for two tensors of one name, an empty name and bad UTF-8", () => {
    const one = tensors[2]!
    expect(Either.isLeft(encodeContainer([one, one]))).toBe(true)
    expect(Either.isLeft(encodeContainer([{ ...one, name: "" }]))).toBe(true)
    expect(Either.isLeft(encodeContainer([{ ...one, name: "\ud800" }]))).toBe(true)
    const twice = Either.getOrThrow(encodeContainer([one, { ...one, name: "nonf" }]))
    const again = twice.slice()
    again[twice.length - 34 - 8 - 1] = "e".charCodeAt(0)
    expect(reasonOf(again)).toBe("inconsistent")
    const bad = twice.slice()
    bad[4] = 0xff
    expect(reasonOf(bad)).toBe("out-of-range")
  })
})
