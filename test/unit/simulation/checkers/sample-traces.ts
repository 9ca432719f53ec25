/**
 * Traces with known laws for the tests of checkers: Poisson streams, and a node that delays.
 *
 * @module
 */
import { seededEntropy } from "../../../../src/crypto/entropy.ts"
import { uniformFrom } from "../../../../src/link/link-services.ts"

/** Numbers in [0, 1) by a label. */
export const uniformsOf = (label: string): () => number => {
  const entropy = seededEntropy(1, label)
  return () => uniformFrom(entropy)
}

export const exponentialDraw = (uniform: () => number, ratePerMs: number): number => -Math.log1p(-uniform()) / ratePerMs

/** Instants of a Poisson stream whose rate may depend on the time. */
export const poissonInstants = (uniform: () => number, untilMs: number, rateAt: (atMs: number) => number): ReadonlyArray<number> => {
  const instants: Array<number> = []
  for (let atMs = 0; ;) {
    atMs += exponentialDraw(uniform, rateAt(atMs))
    if (atMs >= untilMs) return instants
    instants.push(atMs)
  }
}

export interface NodeTrace {
  readonly instantMs: number
  readonly way: "in" | "out"
}

/** What shows of a node that knows whole milliseconds, delays each packet and sends in batches, one link: in the order of instants. */
export const nodeTrace = (arrivalsMs: ReadonlyArray<number>, delayOf: () => number, gatherMs: number): ReadonlyArray<NodeTrace> => {
  const dueMs = arrivalsMs.map((atMs) => Math.ceil(Math.floor(atMs) + delayOf())).sort((a, b) => a - b)
  const out: Array<number> = []
  let batchEndsMs = Number.NEGATIVE_INFINITY
  for (const due of dueMs) {
    if (due > batchEndsMs) batchEndsMs = due + gatherMs
    out.push(batchEndsMs)
  }
  return [
    ...arrivalsMs.map((instantMs) => ({ instantMs, way: "in" as const })), ...out.map((instantMs) => ({ instantMs, way: "out" as const }))
  ].sort((a, b) => a.instantMs - b.instantMs)
}
