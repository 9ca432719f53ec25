/**
 * Goal: the second table of funion.md §8: a service killed anywhere goes on from its journal, does nothing twice or differently, and sends late
 * work on grid instants only.
 * Method: one schedule of two jobs; the life is killed at every journal record, just before and just after it is durable, and at many instants
 * between; a new life over the same journal follows. The store refuses other content at an index.
 *
 * @module
 */
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { awake, begin, Killed, planJob, Q, releaseOf, releasesOf, scenario, send, SLOTS, World } from "./compute-bench.ts"
import { expectOrder, survive, type Aftermath } from "./compute-survival.ts"

const world = (): World => Object.assign(new World(), { runMs: 700 })

describe("a service that is killed", () => {
  const quiet = survive(world())
  it("has this many records to be killed at", () => {
    expectOrder(quiet)
    expect(quiet.jobs.map((job) => releasesOf(quiet.world, job))).toEqual([["Result"], ["Result"]])
    // Admitted, 4 Input, Attempt, Sealed, Confirmed, Released, Closed for each
    expect(quiet.world.appends).toBe(20)
  })

  for (const durable of [false, true]) {
    it(`at any record, just ${durable ? "after it is" : "before it is"} durable, keeps every promise`, () => {
      for (let record = 1; record <= 20; record++) {
        const killed = world()
        killed.onAppend = (count, isDurable) => {
          if (count === record && isDurable === durable) throw new Killed()
        }
        const aftermath = survive(killed)
        expect(aftermath.restarts, `record ${record}`).toHaveLength(1)
        expectOrder(aftermath)
        // a result that was not sealed is computed again, too late for the first edge
        const words = aftermath.jobs.map((job) => releasesOf(killed, job).join(" "))
        const [sealedFirst, sealedSecond] = [13, 14].map((seal) => record < 13 || record > seal || (record === seal && durable))
        expect(words, `record ${record}`).toEqual([sealedFirst, sealedSecond].map((sealed) => (sealed === true ? "Result" : "Overflow Result")))
      }
    })
  }

  it("at any instant keeps every promise", () => {
    for (let atMs = 350; atMs < 5 * Q; atMs += 250) expectOrder(survive(world(), { killAtMs: [atMs] }))
  })

  it("again and again keeps every promise", () => {
    for (let seed = 0; seed < 5; seed++) {
      const killAtMs = Array.from({ length: 6 }, (_, index) => 400 + seed * 90 + index * 1_000)
      expectOrder(survive(world(), { killAtMs }))
    }
  })

  it("with staged jobs keeps every promise", () => {
    for (let atMs = 400; atMs < 11 * Q; atMs += 950) {
      const aftermath = survive(world(), { killAtMs: [atMs], staged: true })
      expectOrder(aftermath)
      expect(releasesOf(aftermath.world, aftermath.jobs[1]!), `killed at ${atMs}`).toHaveLength(3)
    }
  })
})

describe("the rows of the crash table", () => {
  const first = ({ jobs, world: of }: Aftermath) => releasesOf(of, jobs[0]!)

  it("part of the input read: only missing slots are read, at the next grid instant", () => {
    const slow = world()
    let kept = 0
    slow.onAppend = (count, durable) => {
      // after Admitted twice: the second Input
      if (durable && count === 4 && kept++ === 0) throw new Killed()
    }
    const aftermath = survive(slow)
    const reads = slow.trace.filter(({ kind }) => kind === "read")
    expect(reads.filter(({ atMs }) => atMs === Q)).toHaveLength(2 * SLOTS)
    expect(reads.filter(({ atMs }) => atMs > Q).map(({ atMs }) => atMs)).toEqual(Array.from({ length: 2 * SLOTS - 2 }, () => 2 * Q))
    expectOrder(aftermath)
  })

  it("Attempt and no Sealed: runs a second time, and fails with 8 after a second crash", () => {
    const once = survive(world(), { killAtMs: [1_300] })
    expect(once.world.runs).toBe(4)
    expect(first(once)).toEqual(["Result"])
    const twice = survive(world(), { killAtMs: [1_300, 1_700] })
    expect(twice.world.runs).toBe(4)
    expect(first(twice)).toEqual(["Failure 8"])
  })

  it("Sealed before its edge: waits for the edge and sends what was sealed", () => {
    const aftermath = survive(world(), { killAtMs: [3_850], downMs: 10 })
    expect(aftermath.world.writes().filter(({ atMs }) => atMs === 4 * Q)).toHaveLength(2 * (SLOTS - 1))
    expect(aftermath.world.writes()).toHaveLength(2 * SLOTS)
    expect(first(aftermath)).toEqual(["Result"])
  })

  it("Sealed and the edge missed: sends at the next grid instant, later edges keep their times", () => {
    const aftermath = survive(world(), { killAtMs: [3_900], downMs: 1_400 })
    expect(new Set(aftermath.world.writes().map(({ atMs }) => atMs))).toEqual(new Set([6 * Q, 6 * Q + 20]))
    expect(first(aftermath)).toEqual(["Result"])
  })

  it("release half sent: only unconfirmed slots again, with the same bytes", () => {
    const half = world()
    const { write } = half.store
    let written = 0
    const silent: typeof write = (...box) => (++written > 3 && written <= 6 ? Effect.never : write(...box))
    Object.assign(half, { store: { ...half.store, write: silent } })
    const aftermath = survive(half, { killAtMs: [4_700] })
    expectOrder(aftermath)
    expect(aftermath.jobs.map((job) => releasesOf(half, job))).toEqual([["Result"], ["Result"]])
    // the journal has the three confirmed ones
    expect(written).toBe(6 + 3 + 2)
  })

  it("no Sealed and the sealing point passed: an overflow at r, the result at r + 1", () => {
    const aftermath = survive(world(), { killAtMs: [1_300], downMs: 2_600 })
    expect(aftermath.restarts).toEqual([3_900])
    expect(first(aftermath)).toEqual(["Overflow", "Result"])
    expect(releaseOf(aftermath.world, aftermath.jobs[0]!, 1)?.last).toBe(true)
    expectOrder(aftermath)
  })

  it("down past t_n: overflows and failure 8 at the next grid instant, then closed", () => {
    const aftermath = survive(world(), { killAtMs: [1_300], downMs: 11 * Q })
    expect(first(aftermath)).toEqual(["Overflow", "Overflow", "Failure 8"])
    expect(new Set(aftermath.world.writes().map(({ atMs }) => atMs - (atMs % Q)))).toEqual(new Set([13 * Q]))
    expectOrder(aftermath)
  })
})

describe("the journal", () => {
  it("forgets contents of closed jobs, and keeps their answers", () => {
    const kept = world()
    const job = planJob(kept, 1)
    const sizes: Array<number> = []
    scenario(Effect.gen(function* () {
      const life = yield* begin(kept)
      yield* awake(300)
      const answer = yield* send(life, job.dispatch)
      yield* awake(5 * Q)
      sizes.push((yield* Effect.orDie(kept.journal.readAll)).length)
      yield* awake(18 * Q)
      sizes.push((yield* Effect.orDie(kept.journal.readAll)).length)
      expect(yield* send(life, { ...job.dispatch, notAfterMs: 24 * Q })).toEqual(answer)
    }))
    expect(sizes[1]!).toBeLessThan(sizes[0]! / 4)
    expect(kept.writes()).toHaveLength(SLOTS)
  })
})
