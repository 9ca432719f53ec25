/**
 * Goal: the grid of funion.md §3: an edge depends on (k, j, r) alone, nothing is due before it, and slot ranges never meet.
 * Method: random grids, instants and draws.
 *
 * @module
 */
import { Either } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as bucket from "../../src/inference/bucket.ts"

const quantum = fc.integer({ min: 1, max: 600_000 })
const instant = fc.integer({ min: 0, max: 2 ** 42 })
const uniform = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const deadlines = fc.uniqueArray(fc.integer({ min: 1, max: 65_535 }), { minLength: 1, maxLength: 8 }).map((list) => [...list].sort((a, b) => a - b))

describe("bucket arithmetic", () => {
  it("gives every instant of a quantum the same edges, on the grid and after acceptance", () => {
    fc.assert(fc.property(quantum, instant, deadlines, fc.nat(7), fc.nat(), (quantumMs, nowMs, list, pick, offset) => {
      const j = 1 + (pick % list.length)
      const k = bucket.quantumIndexAt(quantumMs, nowMs)
      const other = k * quantumMs + (offset % quantumMs)
      const edges = bucket.releaseEdgesMs(quantumMs, list, k, j)
      expect(bucket.releaseEdgesMs(quantumMs, list, bucket.quantumIndexAt(quantumMs, other), j)).toEqual(edges)
      expect(edges.length).toBe(bucket.releaseCountOf(list, j))
      const acceptedAt = bucket.acceptedAtMs(quantumMs, k)
      expect(acceptedAt > nowMs && acceptedAt - nowMs <= quantumMs).toBe(true)
      edges.forEach((edge, r) => {
        expect(edge).toBe((k + 1) * quantumMs + list[j - 1 + r]! * quantumMs)
        expect(bucket.isOnGrid(quantumMs, edge) && edge > (edges[r - 1] ?? acceptedAt)).toBe(true)
        expect(edge + bucket.quantaToNext(quantumMs, edges, r) * quantumMs).toBe(edges[r + 1] ?? edge)
      })
      expect(edges.at(-1)).toBe(acceptedAt + list.at(-1)! * quantumMs)
      expect(bucket.releaseEdgesMs(quantumMs, list, k, list.length + 1)).toEqual([])
    }), { numRuns: 300 })
  })

  it("never polls before edge and window, and never begins after the end", () => {
    fc.assert(fc.property(quantum, instant, fc.integer({ min: 0, max: 100 }), uniform, uniform, (quantumMs, nowMs, later, u, v) => {
      const grid = { quantumMs, releaseWindowMs: quantumMs }
      const edge = bucket.gridInstantFrom(quantumMs, nowMs)
      const lastEdge = edge + later * quantumMs
      const first = bucket.firstPollMs(grid, edge, lastEdge, u)
      expect(first >= edge + quantumMs && first <= bucket.pollEndMs(grid, lastEdge)).toBe(true)
      expect(bucket.nextPollMs(quantumMs, first, v)).toBeGreaterThanOrEqual(first)
      expect(bucket.pollEndMs(grid, lastEdge)).toBe(lastEdge + 9 * quantumMs)
    }), { numRuns: 300 })
  })

  it("puts dispatches and late work into later quanta", () => {
    fc.assert(fc.property(quantum, instant, uniform, uniform, fc.nat(5), (quantumMs, nowMs, u, v, wait) => {
      const k = bucket.quantumIndexAt(quantumMs, nowMs)
      const quantumOf = (ms: number) => Math.floor(ms / quantumMs + 1e-9)
      expect(quantumOf(bucket.uniformInNextQuantumMs(quantumMs, nowMs, u * 0.999))).toBe(k + 1)
      const retry = quantumOf(bucket.retryInstantMs(quantumMs, nowMs, wait, v, u * 0.999)) - k - Math.max(wait, 1)
      expect(retry >= 0 && retry <= 3).toBe(true)
      const fresh = quantumOf(bucket.newJobInstantMs(quantumMs, nowMs, u * 0.999)) - k
      expect(fresh >= 1 && fresh <= 4).toBe(true)
      const late = bucket.gridInstantFrom(quantumMs, nowMs)
      expect(bucket.isOnGrid(quantumMs, late) && late >= nowMs && late - nowMs < quantumMs).toBe(true)
    }), { numRuns: 300 })
  })

  it("writes a notAfter that a service with the same clock accepts for 8 quanta, and resends for 16 more", () => {
    fc.assert(fc.property(quantum, instant, fc.nat(40), (quantumMs, nowMs, later) => {
      const notAfter = bucket.notAfterFor(quantumMs, nowMs)
      expect(bucket.isOnGrid(quantumMs, notAfter)).toBe(true)
      const k = bucket.quantumIndexAt(quantumMs, nowMs)
      expect(bucket.notAfterIsAcceptable(quantumMs, nowMs, notAfter)).toBe(true)
      expect(bucket.notAfterIsAcceptable(quantumMs, notAfter, notAfter)).toBe(true)
      expect(bucket.notAfterIsAcceptable(quantumMs, notAfter + 1, notAfter)).toBe(false)
      const resend = bucket.notAfterForResend(quantumMs, (k + later) * quantumMs, notAfter)
      expect(resend).toBe(later <= 16 ? (k + later + 8) * quantumMs : undefined)
    }), { numRuns: 300 })
  })

  it("keeps slot ranges of different releases apart", () => {
    fc.assert(fc.property(fc.integer({ min: 4, max: 12_000 }), fc.nat(20), (slotCount, r) => {
      const [first, end] = bucket.slotRangeOf(r, slotCount)
      expect(end - first).toBe(slotCount)
      expect(bucket.slotRangeOf(r + 1, slotCount)[0]).toBe(end)
    }))
  })

  it("keeps a jobId for the later of 2 epochs and 32 quanta after notAfter", () => {
    fc.assert(fc.property(quantum, quantum, instant, (quantumMs, epochPeriodMs, notAfter) => {
      const end = bucket.forgetAfterMs(quantumMs, epochPeriodMs, notAfter)
      expect(end).toBe(Math.max(notAfter + 2 * epochPeriodMs, notAfter + 32 * quantumMs))
    }))
  })

  it("draws poll gaps from an exponential of mean q", () => {
    const gaps = Array.from({ length: 1000 }, (_, i) => bucket.nextPollMs(10, 0, (i + 0.5) / 1000))
    expect(gaps.reduce((sum, gap) => sum + gap, 0) / 1000).toBeCloseTo(10, 1)
    expect(gaps[500]! / 10).toBeCloseTo(Math.LN2, 2)
  })
})

describe("bucket grid", () => {
  const grid: bucket.BucketGrid = { quantumMs: 1000, deadlinesQuanta: [3, 6, 10, 20], releaseWindowMs: 1000, sealBeforeEdgeMs: 200 }

  it("is taken as published", () => {
    expect(Either.isRight(bucket.checkBucketGrid(grid))).toBe(true)
  })

  it.each([
    ["quantumMs", { quantumMs: 0 }], ["quantumMs", { quantumMs: 1.5 }], ["quantumMs", { quantumMs: NaN }],
    ["deadlinesQuanta", { deadlinesQuanta: [] }], ["deadlinesQuanta", { deadlinesQuanta: [0, 1] }], ["deadlinesQuanta", { deadlinesQuanta: [3, 3] }],
    ["deadlinesQuanta", { deadlinesQuanta: [2, 1] }], ["deadlinesQuanta", { deadlinesQuanta: [1, 2, 3, 4, 5, 6, 7, 8, 9] }],
    ["deadlinesQuanta", { deadlinesQuanta: [65_536] }], ["deadlinesQuanta", { deadlinesQuanta: [1.5] }],
    ["releaseWindowMs", { releaseWindowMs: 1001 }], ["releaseWindowMs", { releaseWindowMs: 0 }],
    ["sealBeforeEdgeMs", { sealBeforeEdgeMs: 3000 }], ["sealBeforeEdgeMs", { sealBeforeEdgeMs: 0 }]
  ] as const)("is refused for its %s: %o", (field, change) => {
    expect(Either.getOrThrow(Either.flip(bucket.checkBucketGrid({ ...grid, ...change }))).field).toBe(field)
  })
})
