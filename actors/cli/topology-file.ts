/**
 * Topology files: a TypeScript or JavaScript module anywhere on the machine that exports one constant `topology`, or the same value as JSON.
 *
 * Contract: what the file exports is checked before anybody uses it; every refusal names the file, and the field where there is one. The file is run:
 * it is code that its owner trusts. It may import `effect` and the topology language of `funion` wherever it lies, and modules beside it; copies of the
 * shipped topologies run anywhere. Nothing is cached on disk.
 * Knows nothing of: how a topology is started.
 * Source: effect-notes.md §1 (jiti, the running instances as virtual modules); departures: a named export, no default export; `funion` in a topology file
 * is the topology language alone, so that checking a file does not load the actors.
 *
 * @module
 */
import * as effect from "effect"
import { Effect, Either } from "effect"
import { existsSync, readFileSync, statSync } from "node:fs"
import { dirname, resolve } from "node:path"
import * as epoch from "../../src/params/epoch.ts"
import * as presets from "../../src/params/presets.ts"
import * as sizeClass from "../../src/params/size-class.ts"
import * as builder from "../../src/topology/builder.ts"
import * as render from "../../src/topology/render.ts"
import * as plain from "../../src/topology/topology.ts"
import * as validate from "../../src/topology/validate.ts"
import type { ValidTopology } from "../../src/topology/validate.ts"
import { type CliFailure, failed, thrownMessage } from "./cli-failure.ts"

/** The names that a topology file finds in `funion`. */
const topologyLanguage = { ...presets, ...builder, ...plain, ...validate, ...render, ...sizeClass, ...epoch }

/** What went wrong in a file, in one line; errors of spelling with their place. */
const describeFault = (thrown: unknown, path: string): string => {
  const place = thrown instanceof Error ? /:(\d+:\d+)\s*$/.exec(thrown.message)?.[1] : undefined
  const message = thrownMessage(thrown).replace(/^ParseError: /, "").replaceAll(`${path}: `, "")
  return place === undefined ? message : `${message} at ${place}`
}

/** The modules that the shipped topologies import, as they write it. */
const SHIPPED_IMPORTS: Readonly<Record<string, unknown>> = { "../src/params/presets.ts": presets, "../src/topology/builder.ts": builder }

/** So that a shipped topology can be copied anywhere: what it imports and does not find beside it. */
const missingImports = (path: string): Record<string, unknown> =>
  Object.fromEntries(Object.entries(SHIPPED_IMPORTS).filter(([specifier]) => !existsSync(resolve(dirname(path), specifier))))

const runModule = (path: string, shown: string): Effect.Effect<unknown, CliFailure> =>
  Effect.tryPromise({
    try: async () => {
      const { createJiti } = await import("jiti")
      const jiti = createJiti(import.meta.url, {
        fsCache: false, interopDefault: false, sourceMaps: false,
        virtualModules: { effect, funion: topologyLanguage, ...missingImports(path) }
      })
      return await jiti.import(path)
    },
    catch: (thrown) => failed(`${shown} can not be run: ${describeFault(thrown, path)}`)
  })

/** The value of a JSON file: a topology without code. */
const jsonIn = (path: string, shown: string): Either.Either<unknown, CliFailure> =>
  Either.try({
    try: (): unknown => JSON.parse(readFileSync(path, "utf8")),
    catch: (thrown) => failed(`${shown} is no JSON: ${thrownMessage(thrown)}`)
  })

const exportedBy = (module: unknown, shown: string): Either.Either<unknown, CliFailure> =>
  typeof module === "object" && module !== null && "topology" in module && module.topology !== undefined
    ? Either.right(module.topology)
    : Either.left(failed(`${shown}: there is no exported constant "topology" (write: export const topology = network({ … }))`))

/**
 * Checks a value as the topology of a file.
 * @errors CliFailure naming the field
 */
export const checkTopology = (value: unknown, shown: string): Either.Either<ValidTopology, CliFailure> =>
  Either.mapLeft(validate.validateTopology(value), ({ field, message }) => failed(`${shown}: ${field}: ${message}`))

/**
 * Runs and checks a topology file.
 * @param file  path as the user wrote it, from the working folder
 * @errors CliFailure: no such file, a file that does not run, no constant `topology`, a topology that can not run
 */
export const loadTopology = (file: string): Effect.Effect<ValidTopology, CliFailure> =>
  Effect.gen(function*() {
    if (file === "") return yield* failed("the name of the topology file is empty")
    const path = resolve(file)
    if (!existsSync(path)) return yield* failed(`${file}: there is no such file`)
    if (!statSync(path).isFile()) return yield* failed(`${file}: this is no file`)
    if (path.endsWith(".json")) return yield* Either.flatMap(jsonIn(path, file), (value) => checkTopology(value, file))
    const module = yield* runModule(path, file)
    return yield* Either.flatMap(exportedBy(module, file), (value) => checkTopology(value, file))
  })

/** The network that commands use when none is named: one that the backend can keep up with. */
export const defaultTopology = (backend: "native" | "reference"): Effect.Effect<ValidTopology, CliFailure> =>
  Effect.promise(() => (backend === "reference" ? import("../../topologies/tiny-reference.ts") : import("../../topologies/tiny.ts"))).pipe(
    Effect.flatMap(({ topology }) => checkTopology(topology, `topology ${topology.name}`))
  )
