/**
 * Goal: runs reach runners, come back right, move when a runner ends, and leave nothing behind.
 * Method: see cluster-rig.ts. Real time, because a database keeps it; what is claimed does not depend on how long anything takes.
 *
 * @module
 */
import * as MachineId from "@effect/cluster/MachineId"
import * as Snowflake from "@effect/cluster/Snowflake"
import { SqlClient } from "@effect/sql/SqlClient"
import { Effect, Fiber, Redacted, type Scope } from "effect"
import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { ClusterFailed, layerDatabase, tablePrefix } from "../../../../actors/compute/cluster/cluster-database.ts"
import { RunDesk, Runner } from "../../../../actors/compute/cluster/protocol.ts"
import { failed } from "../../../../actors/compute/cluster/run-parcel.ts"
import { countRecords, sweepRecords } from "../../../../actors/compute/cluster/record-sweep.ts"
import type { ModelFailed } from "../../../../src/model/model-host.ts"
import { numbersOf } from "../../../../src/model/tensor.ts"
import { arithmetic, COMPUTE, input, makeRig, planned, type Rig } from "./cluster-rig.ts"

const PATIENCE = { timeout: 60_000 }
const R0 = "compute-0-runner-0"
const R1 = "compute-0-runner-1"
const within = <A>(use: (rig: Rig) => Effect.Effect<A, unknown, Scope.Scope>): Promise<A> =>
  Effect.runPromise(Effect.timeout(Effect.scoped(Effect.flatMap(makeRig(), use)), "50 seconds"))
const reasonOf = <A>(effect: Effect.Effect<A, ModelFailed>) =>
  Effect.match(effect, { onFailure: (error) => `${error.code} ${error.reason}`, onSuccess: () => "done" })
const rows = (rig: Rig) => Effect.provide(countRecords(COMPUTE), layerDatabase(rig.storage))
const until = (holds: Effect.Effect<boolean, unknown>): Effect.Effect<void, unknown> =>
  Effect.flatMap(holds, (is) => (is ? Effect.void : Effect.zipRight(Effect.sleep(20), until(holds))))
/** Waits until each of the two runners has its share of the slots. */
const shared = (rig: Rig) => Effect.tap(
  Effect.forEach([R0, R1], (name) => rig.mount.connect(COMPUTE, name, Runner)),
  (runners) => until(Effect.map(Effect.forEach(runners, (runner) => runner.Status()), (status) => status.every(({ slots }) => slots === 2)))
)
const LONG_MS = 30_000

describe("runs over two runners", PATIENCE, () => {
  it("sixteen are all answered right when one runner ends in the middle, and leave neither rows nor tensors in the database", async () => {
    await within((rig) => Effect.gen(function*() {
      const host = yield* rig.openService()
      // the first runner answers twice and would take half a minute for all others
      const first = arithmetic((n) => (n <= 2 ? 1 : LONG_MS))
      const second = arithmetic(() => 20)
      const end = yield* rig.openRunner(R0, first.run)
      yield* rig.openRunner(R1, second.run)
      yield* shared(rig)
      const asked = Array.from({ length: 16 }, (_, index) => [1234567, 7654321, index, index * index])
      const bytesOfInputs = Buffer.from(Float32Array.of(1234567, 7654321).buffer)
      const ask = (values: ReadonlyArray<number>) => Effect.map(host.run("affine", input(values), 40_000), ([y]) => numbersOf(y!))
      const answers = Effect.forEach(asked, ask, { concurrency: "unbounded" })
      const kill = Effect.zipRight(until(Effect.sync(() => first.made.begun > 2)), end)
      const [given] = yield* Effect.all([answers, kill], { concurrency: 2 })
      expect(given).toEqual(asked.map((values) => values.map((value) => Math.fround(2 * value + 1))))
      expect(first.made.ended).toBe(2)
      expect(second.made.ended).toBe(14)
      for (const file of readdirSync(rig.folder)) {
        const bytes = readFileSync(join(rig.folder, file))
        expect(bytes.includes(bytesOfInputs)).toBe(false)
        expect(bytes.includes("affine")).toBe(false)
        expect([file, statSync(join(rig.folder, file)).mode & 0o777]).toEqual([file, 0o600])
      }
      yield* until(Effect.map(rows(rig), (count) => count === 0))
    }))
  })

  it("spread evenly when the two are equals, wait in line beyond the slots, and are refused beyond the line", async () => {
    await within((rig) => Effect.gen(function*() {
      const host = yield* rig.openService({ queueCapacity: 2 })
      const both = [arithmetic(() => LONG_MS), arithmetic(() => LONG_MS)] as const
      yield* rig.openRunner(R0, both[0].run)
      yield* rig.openRunner(R1, both[1].run)
      const runners = yield* shared(rig)
      const asked = yield* Effect.forEach([1, 2, 3, 4, 5, 6], () => Effect.fork(reasonOf(host.run("affine", input([1, 2, 3, 4]), 60_000))))
      yield* until(Effect.sync(() => both[0].made.begun === 2 && both[1].made.begun === 2))
      expect(yield* reasonOf(host.run("affine", input([1, 2, 3, 4]), 60_000))).toBe("4 queue-full")
      expect(yield* reasonOf(host.run("rotate-1", input([1, 2, 3, 4]), 60_000))).toBe("4 unknown-model")
      expect(yield* reasonOf(host.run("affine", input([1, 2, 3, 4]).map((x) => ({ ...x, name: "z" })), 60_000))).toBe("3 invalid-input")
      // who is not the service cannot ask for anything and is told nothing
      const stranger = yield* rig.mount.connect("mallory", COMPUTE, RunDesk)
      expect(yield* Effect.flip(stranger.Models())).toMatchObject({ _tag: "RunUnknown" })
      expect(yield* runners[0]!.Status()).toMatchObject({ running: 2, finished: 0 })
      yield* Effect.forEach(asked, Fiber.interrupt)
      expect(yield* rows(rig)).toBeGreaterThan(0)
    }))
  })

  it("wait for a runner that comes later, and pass the model's own failures on", async () => {
    await within((rig) => Effect.gen(function*() {
      const host = yield* rig.openService()
      const early = yield* Effect.fork(reasonOf(host.run("affine", input([1, 2, 3, 4]), 20_000)))
      yield* until(Effect.map(rows(rig), (count) => count === 1))
      const { run } = arithmetic(() => 1)
      yield* rig.openRunner(R1, (model, inputs, limitMs) => (limitMs === 7 ? Effect.fail(failed("time-limit")) : run(model, inputs, limitMs)))
      expect(yield* Fiber.join(early)).toBe("done")
      expect(yield* reasonOf(host.run("affine", input([1, 2, 3, 4]), 7))).toBe("5 time-limit")
    }))
  })
})

describe("what a crash left in the database", PATIENCE, () => {
  it("goes when it is old, and all of it when the service starts", async () => {
    await within((rig) => Effect.gen(function*() {
      yield* Effect.scoped(rig.openService())
      const database = layerDatabase(rig.storage)
      const leave = (id: string) => Effect.flatMap(SqlClient, (sql) =>
        sql`INSERT INTO ${sql(`${tablePrefix(COMPUTE)}_replies`)} ${sql.insert({ id, kind: 0, request_id: id, payload: "{}" })}`)
      const idAt = (agoMs: number) => String(Snowflake.make({ machineId: MachineId.make(1), sequence: 1, timestamp: Date.now() - agoMs }))
      yield* Effect.provide(Effect.all([leave(idAt(120_000)), leave(idAt(10_000))]), database)
      yield* Effect.provide(sweepRecords(COMPUTE, 60_000), database)
      expect(yield* rows(rig)).toBe(1)
      yield* Effect.scoped(rig.openService())
      expect(yield* rows(rig)).toBe(0)
    }))
  })
})

describe("a runner", PATIENCE, () => {
  it("with other models than its service's, or that its service does not list, refuses to start", async () => {
    await within((rig) => Effect.gen(function*() {
      yield* rig.openService({ models: [{ id: "affine", profiles: [3] }] })
      const { run } = arithmetic(() => 1)
      const other = yield* Effect.flip(rig.openRunner(R0, run, { models: [planned()] }))
      expect(other).toMatchObject({ _tag: "RunnerRefused", message: expect.stringContaining("same topology and the same model files") })
      const unlisted = yield* Effect.flip(rig.openRunner("compute-0-runner-9", run))
      expect(unlisted).toMatchObject({ _tag: "RunnerRefused", message: expect.stringContaining("list it in the topology") })
    }))
  })
})

describe("a database that cannot be used", () => {
  it("is named, and connection strings are not", async () => {
    const path = "/dev/null/cluster.db"
    const failure = await Effect.runPromise(Effect.flip(Effect.scoped(Effect.provide(Effect.void, layerDatabase({ kind: "libsql", path })))))
    expect(failure).toBeInstanceOf(ClusterFailed)
    expect(failure.message).toContain(path)
    const url = Redacted.make("postgres://somebody:secret-word@127.0.0.1:1/nowhere")
    const unreachable = await Effect.runPromise(Effect.flip(Effect.scoped(Effect.provide(Effect.void, layerDatabase({ kind: "postgres", url })))))
    expect(unreachable.message).toContain("ECONNREFUSED")
    expect(JSON.stringify(unreachable) + String(unreachable) + unreachable.message).not.toContain("secret-word")
  })
})
