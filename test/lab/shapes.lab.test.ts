/**
 * Goal: what the lab calls a leak of an answer's size, of a failure or of an edge is one, and chance is none: not even where jobs of a batch, the same readers
 * quantum after quantum, and neighbouring stretches of a line have much in common.
 * Method: worlds on paper in the form in which the lab measures them, from fixed seeds; rates of false alarms over many.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { traceGates, traceShapes, traceStrata, type TraceSetting } from "../../actors/lab/measures/trace-shapes.ts"
import { isLarge } from "../../actors/lab/parts/job-world.ts"
import type { PlayedJob } from "../../actors/lab/played-job.ts"
import type { Look } from "../../actors/lab/storage-sight.ts"
import { drawExponential, drawIndex, seededDraws } from "../../src/anonymity/draws.ts"
import type { LinkEvent } from "../../src/anonymity/trace.ts"

const QUANTUM_MS = 20_000
const ROUNDS = 26
const JOBS = 7
const SLOTS = 4
const RATE_PER_MS = 0.003

interface Leaks {
  /** How much longer large answers take to be read. */
  readonly slower?: number
  /** Packets that readers send on top after an edge. */
  readonly onTop?: number
}

/** A world on paper: batches are read, written and fetched at a pace of their own; lines are Poisson; a reader who had an answer mostly has the next. */
const worldOf = (seed: number, { onTop = 0, slower = 1 }: Leaks = {}): TraceSetting => {
  const draw = seededDraws(seed)
  const clients = Array.from({ length: 12 }, (_, index) => `client-${index}`)
  const endMs = (ROUNDS + 6) * QUANTUM_MS
  const links: Array<LinkEvent> = []
  const send = (from: string, instantMs: number): unknown =>
    links.push({ call: "Submit", direction: "request", from, to: "gateway", instantMs, sizeBytes: 1, digest: 0 })
  for (const from of clients) for (let now = drawExponential(draw, RATE_PER_MS); now < endMs; now += drawExponential(draw, RATE_PER_MS)) send(from, now)
  const writtenMs = new Map<string, number>()
  const looks = new Map<string, ReadonlyArray<Look>>()
  const readers = Array.from({ length: JOBS }, () => drawIndex(draw, 6))
  const jobs = Array.from({ length: ROUNDS }, (_, round) => {
    const [acceptedAtMs, pace] = [(round + 1) * QUANTUM_MS, 1000 * (1 + 4 * draw())]
    return Array.from({ length: JOBS }, (_, index): PlayedJob => {
      const number = round * JOBS + index
      if (draw() < 0.2) readers[index] = drawIndex(draw, 6)
      const [sender, receiver] = [`client-${number % 6}`, `client-${readers[index] ?? 0}`]
      const ids = (kind: string): ReadonlyArray<string> => Array.from({ length: SLOTS }, (_, slot) => `${kind} ${number} ${slot}`)
      const job = {
        sender, receiver, model: Math.floor(number / 2) % 2 === 0 ? "affine" : "rotate-4", rows: 1,
        startedAtMs: 0, uploadedAtMs: 0, ticketAtMs: 0, endedAtMs: 0, acceptedAtMs, edgesMs: [acceptedAtMs + 3 * QUANTUM_MS], overflow: 0,
        outcome: number % 5 === 4 ? "failure" : "answer",
        boxes: { input: ids("in"), output: [ids("out")] }
      } as const
      const [edgeMs = 0] = job.edgesMs
      let now = edgeMs + drawExponential(draw, 1 / QUANTUM_MS)
      for (const id of job.boxes.input) looks.set(id, [{ instantMs: acceptedAtMs + drawExponential(draw, 1 / pace), found: true }])
      for (const id of job.boxes.output[0]) {
        writtenMs.set(id, edgeMs + drawExponential(draw, 1 / pace))
        looks.set(id, [{ instantMs: now += drawExponential(draw, 1 / pace) * (isLarge(job) ? slower : 1), found: true }])
      }
      for (let packet = 0; packet < onTop; packet++) send(receiver, edgeMs + draw() * 2 * QUANTUM_MS)
      return job
    })
  }).flat()
  const span = { startMs: QUANTUM_MS, endMs: ROUNDS * QUANTUM_MS }
  return { sight: { writtenMs, looks }, jobs, links, clients, quantumMs: QUANTUM_MS, span, isLarge }
}

const failing = (world: TraceSetting): ReadonlyArray<string> =>
  traceGates(traceShapes(traceStrata(world), seededDraws(1), 20_000)).filter(({ pass }) => !pass).map(({ name }) => name)

describe("learned classifiers of job traces", () => {
  it("call nothing unlikely on worlds that show nothing, but as seldom as they say", () => {
    const all = Array.from({ length: 30 }, (_, seed) => traceShapes(traceStrata(worldOf(100 + seed)), seededDraws(seed), 499))
    for (const kind of ["size", "failure", "bucket"] as const) {
      // Binomial(30, 0.05): more than 6 once in three thousand seeds
      expect(all.filter((shapes) => shapes[kind].test.probability <= 0.05).length).toBeLessThanOrEqual(6)
    }
  })
  it("pass their gates on such a world, and each fails the gate of what it looks for", () => {
    expect(failing(worldOf(1))).toEqual([])
    expect(failing(worldOf(1, { slower: 4 }))).toEqual(["shape/size"])
    expect(failing(worldOf(1, { onTop: 40 }))).toEqual(["shape/bucket"])
  })
})
