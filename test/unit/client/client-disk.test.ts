/**
 * What a client keeps on disk.
 *
 * Goal: a client that loses power anywhere goes on with the same job, the same boxes and the same ticket, and writes no index twice differently (C18).
 * Method: lives over a disk in memory that loses power in the middle of every record; a scripted service in virtual time.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Either, Exit, Scope } from "effect"
import { describe, expect, it } from "vitest"
import { openClientDisk, openClientDiskIn } from "../../../actors/client/client-disk.ts"
import { toHex } from "../../../src/bytes/hex.ts"
import { randomFromEntropy, seededEntropy } from "../../../src/crypto/entropy.ts"
import { boxesOfClass } from "../../../src/params/size-class.ts"
import { MemoryDisk } from "../disk/memory-disk.ts"
import { hear, makeLife, OUTPUT, PROFILES, Q, REQUEST, START_MS, World, type Life } from "../inference/client-world.ts"
import { crypto } from "../inference/sample-job.ts"
import { runVirtual } from "../session/virtual-time.ts"

const LIMIT_MS = 60_000
const options = { crypto, entropy: seededEntropy(1, "client-disk"), storageKey: new Uint8Array(32).fill(9) }

const inVirtual = <A>(effect: Effect.Effect<A, unknown, Scope.Scope>): A =>
  runVirtual(Effect.zipRight(Effect.sleep(START_MS), Effect.scoped(effect)).pipe(
    Effect.withRandom(randomFromEntropy(seededEntropy(4, "random"))), Effect.orDie))

/** A world that notes every content that a box was written with. */
const watched = (): { readonly world: World; readonly contents: Map<string, Set<string>> } => {
  const world = new World()
  const contents = new Map<string, Set<string>>()
  const { write } = world.store
  Object.assign(world, {
    store: {
      ...world.store,
      write: (...args: Parameters<typeof write>) => {
        const box = world.boxOf(args[0].publicKey, args[1])
        contents.set(box, (contents.get(box) ?? new Set()).add(toHex(args[2])))
        return write(...args)
      }
    }
  })
  return { world, contents }
}

/** Lives of one client, one after the other: `use` works in the first until power is lost, `then` in the next one. */
const twoLives = <A>(
  world: World,
  disk: MemoryDisk,
  lossAfterSteps: number,
  use: (life: Life) => Effect.Effect<unknown, unknown>,
  then: (life: Life) => Effect.Effect<A, unknown>
): Effect.Effect<A, unknown, Scope.Scope> =>
  Effect.gen(function*() {
    const outside = yield* Effect.scope
    const begin = (scope: Scope.CloseableScope, seed: number) =>
      openClientDiskIn(disk.restart(), options).pipe(
        Effect.flatMap(({ journal, journalKey }) => makeLife(world, journal, outside, seed, journalKey)),
        Scope.extend(scope)
      )
    const first = yield* Scope.make()
    const before = yield* begin(first, 1)
    disk.lossAt = disk.steps + lossAfterSteps
    const lossAt = disk.lossAt
    yield* Effect.forkDaemon(Effect.exit(use(before)))
    for (let waited = 0; disk.steps < lossAt && waited < 100 * Q; waited += 10) yield* Effect.sleep(10)
    yield* before.workflow.close
    yield* Effect.exit(Scope.close(first, Exit.void))
    const second = yield* Scope.make()
    yield* Effect.addFinalizer(() => Scope.close(second, Exit.void))
    const after = yield* begin(second, 9)
    yield* after.workflow.resume
    return yield* then(after)
  })

describe("a client over its disk", () => {
  // three steps for each of Planned, Uploaded, Dispatched, Accepted, Seen, Done
  it("that loses power in any step of any record ends with one job at most, read to its end, and no box written differently", { timeout: LIMIT_MS }, () => {
    const endings = new Set<number>()
    for (let step = 1; step <= 18; step++) {
      const { contents, world } = watched()
      inVirtual(twoLives(world, Object.assign(new MemoryDisk(), { tornShare: (step * 29 % 100) / 100 }), step,
        ({ workflow }) => hear((listener) => workflow.infer(REQUEST, listener)),
        ({ setting }) => Effect.map(Effect.sleep(100 * Q), () => {
          expect(setting.journal.activeJobs(), `step ${step}`).toEqual([])
        })))
      const jobs = new Set(world.sent.map(({ dispatch }) => toHex(dispatch.jobId))).size
      endings.add(jobs)
      expect(jobs, `step ${step}`).toBeLessThanOrEqual(1)
      expect([...contents.values()].every((each) => each.size === 1), `step ${step}`).toBe(true)
      if (jobs === 1) {
        const read = new Set(world.operations.filter(({ kind, found }) => kind === "read" && found).map(({ box }) => box))
        expect([contents.size, read.size], `step ${step}`).toEqual([boxesOfClass(PROFILES[0]!.inputClass), boxesOfClass(PROFILES[0]!.outputClass)])
      }
    }
    // power that was lost before the plan was durable leaves nothing
    expect(endings).toEqual(new Set([0, 1]))
  })

  it("gives the ticket of a dispatch that a loss of power cut short when asked again with the record, and it reads the answer", { timeout: LIMIT_MS }, () => {
    for (let step = 1; step <= 6; step++) {
      const { contents, world } = watched()
      const disk = new MemoryDisk()
      let record: Uint8Array = new Uint8Array(0)
      const heard = inVirtual(twoLives(world, disk, Infinity,
        ({ workflow }) => Effect.gen(function*() {
          record = yield* workflow.upload(REQUEST)
          disk.lossAt = disk.steps + step
          yield* workflow.dispatch(record)
        }).pipe(Effect.ensuring(Effect.sync(() => { disk.steps = Infinity }))),
        ({ workflow }) => Effect.gen(function*() {
          const ticket = yield* workflow.dispatch(record)
          expect(yield* workflow.dispatch(record)).toEqual(ticket)
          return yield* hear((listener) => workflow.fetch(ticket, listener))
        })))
      expect(heard, `step ${step}`).toMatchObject({ failure: undefined })
      expect(heard.events.at(-1), `step ${step}`).toMatchObject({ _tag: "Answered", outputs: [OUTPUT] })
      expect(new Set(world.sent.map(({ dispatch }) => toHex(dispatch.jobId))).size).toBe(1)
      expect([...contents.values()].every((each) => each.size === 1)).toBe(true)
    }
  })
})

describe("a client's folder", () => {
  it("keeps its key as long as its journal, and with a damaged journal is a typed error that says what to do", () => {
    const disk = new MemoryDisk()
    const open = <A>(use: (stock: Effect.Effect.Success<ReturnType<typeof openClientDiskIn>>) => Effect.Effect<A, unknown>) =>
      Effect.runSync(Effect.either(Effect.scoped(Effect.flatMap(openClientDiskIn(disk.restart(), options), use))))
    const keyOf = () => Either.getOrThrow(open(({ journalKey }) => Effect.succeed(toHex(journalKey))))
    const first = keyOf()
    expect(keyOf()).toBe(first)
    open(({ journal }) => journal.append(new Uint8Array(100).fill(1)))
    expect(Either.getLeft(open(() => Effect.void))).toMatchObject({
      value: { _tag: "ClientDiskUnusable", reason: "damaged", message: expect.stringMatching(/memory: the journal is damaged.*move the folder away/) }
    })
    disk.files.delete("journal")
    expect(keyOf()).not.toBe(first)
  })
  it("on a real disk has one owner", async () => {
    const root = mkdtempSync(join(tmpdir(), "funion-client-"))
    const open = openClientDisk({ ...options, directory: join(root, "c") })
    try {
      const refusal = await Effect.runPromise(Effect.scoped(Effect.zipRight(open, Effect.flip(Effect.scoped(open)))))
      expect(refusal).toMatchObject({ _tag: "ClientDiskUnusable", reason: "in-use" })
    } finally {
      rmSync(root, { recursive: true })
    }
  })
})
