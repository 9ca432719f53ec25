/**
 * Goal: runs move to a living runner when a runner's process is killed, over real links and both databases.
 * Method: the service and one runner in this process, the other runner in a process of its own with the compiled program and a real model; that one hangs
 * after two runs, and is killed with SIGKILL then, so that its runs must move. Needs `npm run build`.
 *
 * @module
 */
import { Context, Effect, Either, Layer, type Scope } from "effect"
import { spawn } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { describe, expect, it } from "vitest"
import { layerDatabase, parseClusterStorage } from "../../actors/compute/cluster/cluster-database.ts"
import { layerCluster } from "../../actors/compute/cluster/cluster-host.ts"
import { Runner } from "../../actors/compute/cluster/protocol.ts"
import { countRecords } from "../../actors/compute/cluster/record-sweep.ts"
import { mountWithDesk, RunDeskHost } from "../../actors/compute/cluster/run-desk.ts"
import { runner } from "../../actors/compute/cluster/runner.ts"
import { Compute, ComputeStatus } from "../../actors/compute/protocol.ts"
import { Mount } from "../../src/actor/mount.ts"
import { Crypto } from "../../src/crypto/crypto-service.ts"
import { ModelHost } from "../../src/model/model-host.ts"
import { numbersOf, tensorOf } from "../../src/model/tensor.ts"
import { crypto, makeTcpNetwork, type TcpNetwork } from "../contract/tcp-rig.ts"
import { arithmetic, planned } from "../unit/compute/cluster/cluster-rig.ts"
import { openPostgres, postgresIsInstalled } from "./postgres-server.ts"

const COMPUTE = "compute-0"
const RUNNERS = ["compute-0-runner-0", "compute-0-runner-1"]
const PROGRAM = resolve(import.meta.dirname, "cluster-runner.mjs")
const timing = { lockExpiryMs: 3_000, lookMs: 250, drainMs: 1_000 }

interface Running {
  /** Waits for a line. */
  readonly said: (line: string) => Effect.Effect<void>
  readonly kill: () => void
}

/** A runner's process; killed with the scope. */
const openRunner = (network: TcpNetwork, name: string, storage: string, hangsAfter: number): Effect.Effect<Running, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const service = network.addresses.get(COMPUTE)
      const config = JSON.stringify({ name, compute: COMPUTE, storage, service, hangsAfter, timing })
      const child = spawn(process.execPath, [PROGRAM, config], { stdio: ["ignore", "pipe", "inherit"] })
      const lines = new Set<string>()
      child.stdout.on("data", (chunk: Buffer) => {
        for (const line of String(chunk).split("\n")) {
          lines.add(line)
          const port = /^port (\d+)$/.exec(line)?.[1]
          if (port !== undefined) network.addresses.set(name, { host: "127.0.0.1", port: Number(port) })
        }
      })
      const kill = () => { child.kill("SIGKILL") }
      const said = (line: string): Effect.Effect<void> => Effect.suspend(() => (lines.has(line) ? Effect.void : Effect.delay(said(line), 20)))
      return { said, kill }
    }),
    ({ kill }) => Effect.sync(kill)
  )

const openService = (network: TcpNetwork, storage: string) =>
  Effect.gen(function*() {
    const mount = yield* network.mountOf(COMPUTE)
    const around = Layer.merge(Layer.succeed(Mount, mount), Layer.succeed(Crypto, crypto))
    const built = yield* Layer.build(Layer.provide(layerCluster({
      name: COMPUTE, runners: RUNNERS, models: [{ id: "affine" }], storage: Either.getOrThrow(parseClusterStorage(storage)), slots: 4, timing
    }), around))
    const status = new ComputeStatus({ ready: true, draining: false, admitted: 0, rejected: 0, released: 0, alarms: 0 })
    const handlers = Compute.toLayer({ Status: () => Effect.succeed(status), Drain: () => Effect.void })
    yield* mountWithDesk(mount, COMPUTE, Context.get(built, RunDeskHost)).serve(COMPUTE, Compute, handlers)
    return Context.get(built, ModelHost)
  })

/** A runner in this process whose model is arithmetic. */
const openSecondRunner = (network: TcpNetwork, storage: string) =>
  Effect.gen(function*() {
    const mount = yield* network.mountOf(RUNNERS[1]!)
    const life = runner({
      crypto, name: RUNNERS[1]!, compute: COMPUTE, storage: Either.getOrThrow(parseClusterStorage(storage)), slots: 4, workers: 2, gpu: false,
      models: [planned()], host: { run: arithmetic(() => 20).run }, timing
    })(Effect.void)
    yield* Effect.forkScoped(Effect.provideService(Effect.scoped(life), Mount, mount))
  })

/** Sixteen runs, the first runner killed while it has some. */
const sixteen = (storage: string) =>
  Effect.gen(function*() {
    const network = yield* makeTcpNetwork([COMPUTE, ...RUNNERS])
    const host = yield* openService(network, storage)
    const first = yield* openRunner(network, RUNNERS[0]!, storage, 2)
    yield* openSecondRunner(network, storage)
    yield* first.said("ready")
    const runners = yield* Effect.forEach(RUNNERS, (name) => Effect.flatMap(network.mountOf(COMPUTE), (mount) => mount.connect(COMPUTE, name, Runner)))
    const shared: Effect.Effect<void, unknown> = Effect.flatMap(Effect.forEach(runners, (runner) => runner.Status()), (status) =>
      (status.every(({ slots }) => slots === 2) ? Effect.void : Effect.delay(shared, 50)))
    yield* shared
    const asked = Array.from({ length: 16 }, (_, index) => [index, index + 1, index * 2, 7])
    const ask = (values: ReadonlyArray<number>) =>
      Effect.map(host.run("affine", [Either.getOrThrow(tensorOf("x", "f32", [1, 4], values))], 20_000), ([y]) => numbersOf(y!))
    const answers = Effect.forEach(asked, ask, { concurrency: "unbounded" })
    const [given] = yield* Effect.all([answers, Effect.zipRight(first.said("begun 3"), Effect.sync(first.kill))], { concurrency: 2 })
    expect(given).toEqual(asked.map((values) => values.map((value) => 2 * value + 1)))
    const count = Effect.provide(countRecords(COMPUTE), layerDatabase(Either.getOrThrow(parseClusterStorage(storage))))
    const empty: Effect.Effect<void, unknown> = Effect.flatMap(count, (rows) => (rows === 0 ? Effect.void : Effect.delay(empty, 50)))
    yield* empty
  })

/** Ends before the test is given up, so that no process is left behind. */
const inTime = (program: Effect.Effect<void, unknown, Scope.Scope>) => Effect.runPromise(Effect.timeout(Effect.scoped(program), "50 seconds"))

describe("sixteen runs over two processes, one of them killed with SIGKILL", { timeout: 60_000 }, () => {
  it("are all answered right and leave no row, with an embedded database", async () => {
    const folder = mkdtempSync(join(tmpdir(), "funion-cluster-"))
    try {
      await inTime(sixteen(join(folder, "cluster.db")))
      for (const file of readdirSync(folder)) expect(readFileSync(join(folder, file)).includes("affine")).toBe(false)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it.skipIf(!postgresIsInstalled)("are all answered right and leave no row, with PostgreSQL (skipped where initdb is not installed)", async () => {
    await inTime(Effect.flatMap(openPostgres, sixteen))
  })
})
