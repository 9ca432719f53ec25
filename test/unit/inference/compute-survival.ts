/**
 * One schedule of two jobs whose service is killed and begun anew, for the tests of crashes.
 *
 * Goal: what must hold whatever happened, seen from outside: storage, answers, the journal's open jobs.
 * Method: clients send until they have an answer; whoever finds the service dead begins it anew.
 *
 * @module
 */
import { Clock, Effect, type Scope } from "effect"
import { expect } from "vitest"
import { toHex } from "../../../src/bytes/hex.ts"
import { awake, begin, planJob, Q, releasesOf, scenario, send, SLOTS, type ClientJob, type Life, type World } from "./compute-bench.ts"

const DOWN_MS = 150
const END_MS = 20 * Q

export interface SurvivalOptions {
  readonly killAtMs?: ReadonlyArray<number>
  readonly downMs?: number
  readonly staged?: boolean
  /** Before every life. */
  readonly beforeLife?: Effect.Effect<void, never, Scope.Scope>
}

export interface Aftermath {
  readonly world: World
  readonly jobs: ReadonlyArray<ClientJob>
  readonly restarts: ReadonlyArray<number>
  readonly openJobs: number
  readonly accepted: ReadonlyArray<boolean>
}

/** Two jobs; `killAtMs` kills at instants, `world.onAppend` at records. Whoever finds the service dead begins it anew. */
export const survive = (world: World, options: SurvivalOptions = {}): Aftermath => {
  const jobs = [planJob(world, 1), planJob(world, 2, options.staged === true ? { staged: true } : {})]
  const restarts: Array<number> = []
  const accepted = jobs.map(() => false)
  const kills = [...options.killAtMs ?? []]
  const openJobs = scenario(Effect.gen(function* () {
    yield* options.beforeLife ?? Effect.void
    let life: Life = yield* begin(world)
    const revive = Effect.gen(function* () {
      yield* life.kill
      yield* Effect.sleep(options.downMs ?? DOWN_MS)
      restarts.push(yield* Clock.currentTimeMillis)
      yield* options.beforeLife ?? Effect.void
      life = yield* begin(world)
    })
    let sent = -1
    for (let nowMs = 0; nowMs < END_MS; nowMs = yield* Clock.currentTimeMillis) {
      yield* awake((Math.floor(nowMs / 50) + 1) * 50)
      const atMs = yield* Clock.currentTimeMillis
      if (life.hasDied() || (kills[0] ?? Infinity) <= atMs) {
        if ((kills[0] ?? Infinity) <= atMs) kills.shift()
        yield* revive
      }
      // clients send until they have an answer
      if (atMs >= 300 && Math.floor(atMs / 200) > sent) {
        sent = Math.floor(atMs / 200)
        for (const [index, job] of jobs.entries()) {
          if (accepted[index] === true || atMs > 8 * Q) continue
          accepted[index] = (yield* send(life, job.dispatch))?._tag === "Accepted"
        }
      }
    }
    return life.state.journal.openJobs().length
  }))
  return { world, jobs, restarts, openJobs, accepted }
}

/** What must hold whatever happened. */
export const expectOrder = ({ accepted, jobs, openJobs, restarts, world }: Aftermath): void => {
  expect(openJobs).toBe(0)
  expect(accepted).toEqual([true, true])
  expect(world.otherContent).toBe(0)
  for (const job of jobs) {
    expect(releasesOf(world, job).at(-1)).toMatch(job.dispatch.staged ? /Result|Empty|Failure/ : /Result|Failure/)
    const writes = world.writes(job.caps.outputWriteCap.publicKey)
    // the earliest edge of this schedule is t_1 of quantum 0
    expect(writes.every(({ atMs }) => atMs >= 4 * Q)).toBe(true)
    const data = writes.filter(({ counter }) => (counter - job.caps.outputWriteCap.index.counter) % BigInt(SLOTS) !== 0n)
    expect(data.map(({ atMs }) => atMs % Q)).toEqual(data.map(() => 0))
    // no more than one repetition of a slot for each life
    for (const key of new Set(writes.map(({ counter }) => counter))) {
      expect(writes.filter(({ counter }) => counter === key).length).toBeLessThanOrEqual(1 + restarts.length)
    }
    const reads = world.trace.filter(({ kind, stream: of }) => kind === "read" && of === toHex(job.caps.inputReadCap.publicKey))
    expect(reads.map(({ atMs }) => atMs % Q)).toEqual(reads.map(() => 0))
  }
}
