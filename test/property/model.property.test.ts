/**
 * Goal: the parsers of the model folder take any bytes without harm, and what is encoded comes back.
 * Method: random bytes, random tensors, random changes of valid encodings.
 *
 * @module
 */
import { Either } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { utf8 } from "../../src/bytes/concat.ts"
import { decodeCard, encodeCard, type ModelCard } from "../../src/model/card.ts"
import { DTYPES, dtypeOfName, elementBytes, halfBits, halfValue } from "../../src/model/dtype.ts"
import { lineFromPng, scaleGrey } from "../../src/model/line-image.ts"
import { parseManifest } from "../../src/model/manifest.ts"
import { containerBytes, decodeContainer, encodeContainer } from "../../src/model/tensor-container.ts"
import { dimensionBounds } from "../../src/model/tensor-spec.ts"
import type { Tensor } from "../../src/model/tensor.ts"

const tensor: fc.Arbitrary<Tensor> = fc.record({
  name: fc.stringMatching(/^[a-z][a-z_.0-9]{0,20}$/), dtype: fc.constantFrom(...DTYPES), dims: fc.array(fc.nat(4), { maxLength: 4 })
}).chain(({ name, dtype, dims }) => {
  const length = dims.reduce((product, dim) => product * dim, 1) * elementBytes(dtype)
  return fc.uint8Array({ minLength: length, maxLength: length }).map((data) => ({ name, dtype, dims, data }))
})
const tensors = fc.uniqueArray(tensor, { selector: (value) => value.name, maxLength: 6 })

const card: fc.Arbitrary<ModelCard> = fc.record({
  id: fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,20}$/), version: fc.nat(2 ** 32 - 1), maxComputeMs: fc.integer({ min: 1, max: 1e9 }),
  maxInputBytes: fc.integer({ min: 1, max: 1e9 }), profiles: fc.uniqueArray(fc.nat(255), { minLength: 1, maxLength: 4 }), max: fc.nat(1000)
}).map(({ max, ...rest }) => ({
  ...rest, kind: "tensor", adapter: "tensor", weightsSha256: "ab".repeat(32),
  inputs: [{ name: "x", dtype: "f32", shape: [`batch:0..${max}`, 4] }], outputs: [{ name: "y", dtype: "u8", shape: [] }]
}))

describe("a tensor container", () => {
  it("comes back as it was, with the announced length", () => {
    fc.assert(fc.property(tensors, (list) => {
      const bytes = Either.getOrThrow(encodeContainer(list))
      expect(bytes.length).toBe(containerBytes(list))
      expect(Either.getOrThrow(decodeContainer(bytes, bytes.length))).toEqual(list)
    }))
  })

  it("of random bytes is refused or encodes to the same bytes", () => {
    const changed = fc.tuple(tensors, fc.nat(), fc.nat(255)).map(([list, at, value]) => {
      const bytes = Either.getOrThrow(encodeContainer(list))
      bytes[at % bytes.length] = value
      return bytes
    })
    fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), changed), (bytes) => {
      const decoded = decodeContainer(bytes, 1e6)
      if (Either.isRight(decoded)) expect(Either.getOrThrow(encodeContainer(decoded.right))).toEqual(bytes)
    }), { numRuns: 500 })
  })
})

describe("a model card", () => {
  it("comes back as it was", () => {
    fc.assert(fc.property(card, (value) => {
      expect(Either.getOrThrow(decodeCard(Either.getOrThrow(encodeCard(value))))).toEqual(value)
    }))
  })

  it("of random bytes or JSON is refused or encodes to the same bytes", () => {
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 100 }), fc.json().map(utf8), fc.tuple(card, fc.nat(), fc.nat(255)).map(([value, at, byte]) => {
      const encoded = Either.getOrThrow(encodeCard(value))
      encoded[at % encoded.length] = byte
      return encoded
    }))
    fc.assert(fc.property(bytes, (input) => {
      const decoded = decodeCard(input)
      if (Either.isRight(decoded)) expect(Either.getOrThrow(encodeCard(decoded.right))).toEqual(input)
    }), { numRuns: 300 })
  })
})

describe("other parsers", () => {
  it("refuse random bytes and texts without harm", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(Either.isLeft(parseManifest("x", bytes))).toBe(true)
      expect(Either.isLeft(lineFromPng(bytes))).toBe(true)
    }))
    fc.assert(fc.property(fc.json(), (json) => Either.isLeft(parseManifest("x", utf8(json)))))
    fc.assert(fc.property(fc.string(), (text) => dtypeOfName(`${text}?`) === undefined && dimensionBounds(`${text}?`) === undefined))
  })

  it("give dimension bounds back exactly when they are in order", () => {
    fc.assert(fc.property(fc.nat(1e6), fc.nat(1e6), (min, max) => {
      expect(dimensionBounds(`d:${min}..${max}`)).toEqual(min <= max ? { name: "d", min, max } : undefined)
    }))
  })
})

describe("numbers of half precision", () => {
  it("are the nearest of their neighbours", () => {
    fc.assert(fc.property(fc.double({ min: -65519, max: 65519, noNaN: true }), (value) => {
      const bits = halfBits(value)
      const error = Math.abs(halfValue(bits) - value)
      for (const neighbour of [bits - 1, bits + 1].filter((other) => other >= 0 && (other & 0x7c00) !== 0x7c00)) {
        expect(Math.abs(halfValue(neighbour) - value)).toBeGreaterThanOrEqual(error)
      }
    }))
  })
})

describe("scaling", () => {
  it("keeps one grey a single grey, whatever the sizes", () => {
    const side = fc.integer({ min: 1, max: 60 })
    fc.assert(fc.property(side, side, side, fc.nat(255), (from, to, height, grey) => {
      const scaled = scaleGrey({ width: from, height, grey: new Uint8Array(from * height).fill(grey) }, to, 48)
      expect(scaled.grey.length).toBe(to * 48)
      expect(scaled.grey.every((value) => value === grey)).toBe(true)
    }), { numRuns: 40 })
  })
})
