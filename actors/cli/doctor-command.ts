/**
 * `funion doctor`: what this machine has for running networks, and what is missing.
 *
 * Contract: the report goes to standard output, as one JSON object with `--json`. Status 1 when a model's files are missing or damaged, or no execution
 * provider works.
 * Knows nothing of: networks.
 * Source: the list; departures: none.
 *
 * @module
 */
import { availableParallelism } from "node:os"
import { Effect, Either } from "effect"
import type { CryptoBackend } from "../../src/crypto/backend.ts"
import { selectBackend } from "../../src/crypto/select-backend.ts"
import { probeProviders } from "../../src/model/direct-run.ts"
import { FILE_ROLES } from "../../src/model/manifest.ts"
import { openModel } from "../../src/model/model-folder.ts"
import type { ProviderReport } from "../../src/model/worker-message.ts"
import { ownThreadLimit, workersAmong } from "../../src/node/thread-count.ts"
import type { PacketGeometry } from "../../src/params/mixnet-params.ts"
import { tinyParams } from "../../src/params/presets.ts"
import { type UnwrapFigures, unwrapsPerSecondOf } from "../../src/planning/unwrap-work.ts"
import { type CliFailure, failed } from "./cli-failure.ts"
import { printLine } from "./output.ts"
import { packageVersion } from "./package-version.ts"
import { renderFigures, type SelfBenchFigures, storedFigures } from "./self-bench.ts"
import { defaultTopology } from "./topology-file.ts"

interface ModelReport {
  readonly id: string
  readonly version: number | undefined
  /** Why it can not be used; absent when all files are as its manifest says. */
  readonly problem?: string
}

interface Report {
  readonly funion: string
  readonly node: string
  readonly platform: string
  readonly versions: Readonly<Record<string, string>>
  readonly backend: { readonly inUse: string; readonly native: string; readonly providers: Readonly<Record<string, string>> }
  readonly executionProviders: ReadonlyArray<ProviderReport>
  readonly models: ReadonlyArray<ModelReport>
  /** What `funion bench node` measured here; absent when it was not run with this version. */
  readonly speed?: SelfBenchFigures
  /**
   * What `funion run` makes of it for a node that has this machine to itself: threads above so many packets per second, of 2,000 bytes with X25519 or with
   * X-Wing, and how many at most.
   */
  readonly unwrapThreads?: { readonly abovePacketsPerSecond: number; readonly aboveXWingPacketsPerSecond: number; readonly most: number }
}

const PACKAGES = ["effect", "@effect/cli", "@effect/rpc", "msgpackr", "onnxruntime-node", "sodium-native", "@noble/curves", "@noble/post-quantum"] as const

/** Reads all files of a model, which checks their hashes. */
const examineModel = (crypto: CryptoBackend, modelId: string): ModelReport => {
  const opened = openModel(crypto, modelId)
  if (Either.isLeft(opened)) return { id: modelId, version: undefined, problem: opened.left.detail }
  const { file, manifest } = opened.right
  const roles = FILE_ROLES.filter((role) => manifest.files.some((entry) => entry.role === role))
  const files = Either.all(roles.map(file))
  return { id: modelId, version: manifest.version, ...(Either.isLeft(files) ? { problem: files.left.detail } : {}) }
}

/** For a node alone on this machine; the most threads are for packets that never end. */
export const threadsHere = (figures: UnwrapFigures, cores: number): NonNullable<Report["unwrapThreads"]> => {
  const limitFor = (scheme: PacketGeometry["scheme"]): number =>
    ownThreadLimit({ unwrapsPerSecond: unwrapsPerSecondOf({ geometry: { ...tinyParams.geometry, scheme } }, figures) })
  const { unwrapsPerSecond } = figures
  return {
    abovePacketsPerSecond: limitFor("x25519"),
    aboveXWingPacketsPerSecond: limitFor("XWING"),
    most: workersAmong({ packetsPerSecond: Number.POSITIVE_INFINITY }, { cores, unwrapsPerSecond }, { processes: 1, nodes: 1 })
  }
}

const gather: Effect.Effect<Report, CliFailure> = Effect.gen(function*() {
  const native = selectBackend("native")
  const crypto = yield* Either.mapLeft(selectBackend(), (error) => failed(error.message))
  const { topology } = yield* defaultTopology(crypto.name)
  const speed = storedFigures(crypto)
  const modelIds = [...new Set(topology.computes.flatMap(({ models }) => models.map(({ id }) => id)))]
  return {
    funion: packageVersion("."),
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    versions: Object.fromEntries(PACKAGES.map((name) => [name, packageVersion(name)])),
    backend: { inUse: crypto.name, native: Either.isLeft(native) ? native.left.message : "available", providers: crypto.providers },
    executionProviders: yield* Effect.orElseSucceed(probeProviders, () => []),
    models: modelIds.map((id) => examineModel(crypto, id)),
    ...(speed === undefined ? {} : { speed, unwrapThreads: threadsHere(speed, availableParallelism()) })
  }
})

const providerState = ({ bundled, usable }: ProviderReport): string =>
  usable ? "works" : bundled ? "in this build, not usable on this machine" : "not in this build"

const aligned = (rows: Readonly<Record<string, string>>): ReadonlyArray<string> => {
  const width = Math.max(...Object.keys(rows).map((key) => key.length))
  return Object.entries(rows).map(([key, value]) => `  ${key.padEnd(width)}  ${value}`)
}

/** The threads that a node gets. */
const threadLine = ({ abovePacketsPerSecond, aboveXWingPacketsPerSecond, most }: NonNullable<Report["unwrapThreads"]>): string =>
  most === 0
    ? "none: there is one core"
    : `none up to ${abovePacketsPerSecond} packets per second (X-Wing: ${aboveXWingPacketsPerSecond}), above that up to ${most}, for a node alone here`

const renderSpeed = ({ speed, unwrapThreads }: Report): ReadonlyArray<string> =>
  speed === undefined || unwrapThreads === undefined
    ? ["  not measured; funion bench node does it"]
    : aligned({ ...renderFigures(speed), "unwrap threads": threadLine(unwrapThreads) })

const render = (report: Report): string => [
  `funion ${report.funion}, node ${report.node}, ${report.platform}`,
  "packages",
  ...aligned(report.versions),
  `crypto backend: ${report.backend.inUse} (native: ${report.backend.native})`,
  ...aligned(report.backend.providers),
  "execution providers for models",
  ...(report.executionProviders.length === 0
    ? ["  the trial of the execution providers ended without an answer"]
    : aligned(Object.fromEntries(report.executionProviders.map((provider) => [provider.name, providerState(provider)])))),
  "speed of this machine",
  ...renderSpeed(report),
  "models",
  ...aligned(Object.fromEntries(report.models.map(({ id, problem, version }) => [id, problem ?? `version ${version}, files as in the manifest`])))
].join("\n")

/** Examines this machine. */
export const runDoctor = (request: { readonly json: boolean }): Effect.Effect<void, CliFailure> =>
  Effect.gen(function*() {
    const report = yield* gather
    yield* printLine(request.json ? JSON.stringify(report) : render(report))
    const broken = report.models.filter(({ problem }) => problem !== undefined)
    if (broken.length > 0) return yield* failed(`models with problems: ${broken.map(({ id }) => id).join(", ")}`)
    if (!report.executionProviders.some(({ usable }) => usable)) return yield* failed("no execution provider works: models can not run on this machine")
  })
