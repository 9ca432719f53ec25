/**
 * Goal: the check of a topology answers every value, and every network that the builder makes from sensible counts.
 * Method: anything fast-check can think of, as the whole value and in place of any part of `tiny`; random counts.
 *
 * @module
 */
import { Either } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { topology as tiny } from "../../topologies/tiny.ts"
import { tinyParams } from "../../src/params/presets.ts"
import { network } from "../../src/topology/builder.ts"
import { renderTopology } from "../../src/topology/render.ts"
import { TopologyInvalid, validateTopology } from "../../src/topology/validate.ts"

const anything = fc.anything({
  withBigInt: true, withBoxedValues: true, withDate: true, withMap: true, withNullPrototype: true, withObjectString: true, withSet: true,
  withSparseArray: true, withTypedArray: true
})

/** Every path into a value, as lists of keys. */
const pathsOf = (value: unknown, path: ReadonlyArray<string> = []): ReadonlyArray<ReadonlyArray<string>> =>
  typeof value === "object" && value !== null ? [path, ...Object.entries(value).flatMap(([key, member]) => pathsOf(member, [...path, key]))] : [path]

/** A copy of `value` with another value at `path`. */
const withAt = (value: unknown, path: ReadonlyArray<string>, other: unknown): unknown => {
  const [key, ...rest] = path
  if (key === undefined) return other
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string, unknown>
  copy[key] = withAt(copy[key], rest, other)
  return copy
}

describe("validateTopology", () => {
  it("answers anything", () => {
    fc.assert(fc.property(anything, (value) => {
      const verdict = validateTopology(value)
      expect(Either.isLeft(verdict) && verdict.left).toBeInstanceOf(TopologyInvalid)
    }), { numRuns: 500 })
  })
  it("answers anything in place of any part of tiny; what it accepts can be drawn", () => {
    fc.assert(fc.property(fc.constantFrom(...pathsOf(tiny)), fc.oneof(anything, fc.double(), fc.integer()), (path, other) => {
      Either.match(validateTopology(withAt(tiny, path, other)), {
        onLeft: ({ field, message }) => {
          expect(field.length).toBeGreaterThan(0)
          expect(message.length).toBeGreaterThan(0)
        },
        onRight: ({ topology }) => expect(renderTopology(topology)).toContain("network ")
      })
    }), { numRuns: 1000 })
  })
  it("names a field at or above the part that was spoilt", () => {
    const leaves = pathsOf(tiny).filter((path) => path.length > 0)
    fc.assert(fc.property(fc.constantFrom(...leaves), (path) => {
      const verdict = validateTopology(withAt(tiny, path, Symbol("no value")))
      const expected = path.reduce((text, key) => (/^\d+$/.test(key) ? `${text}[${key}]` : text === "" ? key : `${text}.${key}`), "")
      expect(Either.isLeft(verdict) && verdict.left.field).toBe(expected)
    }), { numRuns: 300 })
  })
  it("accepts every network of sensible counts, with as many actors as asked", () => {
    const choice = fc.record({
      authorities: fc.integer({ min: 1, max: 9 }), gateways: fc.integer({ min: 1, max: 20 }), replicas: fc.integer({ min: 4, max: 256 }),
      clients: fc.integer({ min: 0, max: 100 }), mixLayers: fc.tuple(...[0, 1, 2].map(() => fc.integer({ min: 1, max: 20 }))),
      serviceNodes: fc.array(fc.record({ couriers: fc.integer({ min: 1, max: 5 }) }), { minLength: 1, maxLength: 6 })
    })
    fc.assert(fc.property(choice, (counts) => {
      const { topology, warnings } = Either.getOrThrow(validateTopology(network({ name: "any", params: tinyParams, ...counts })))
      expect(topology.gateways).toHaveLength(counts.gateways)
      expect(topology.mixes).toHaveLength(counts.mixLayers.reduce((sum, count) => sum + count, 0))
      expect(topology.couriers).toHaveLength(counts.serviceNodes.reduce((sum, { couriers }) => sum + couriers, 0))
      expect(warnings.some((text) => text.startsWith("replicas"))).toBe(counts.replicas < 8)
    }), { numRuns: 50 })
  })
})
