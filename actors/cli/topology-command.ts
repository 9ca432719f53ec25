/**
 * `funion topology check` and `funion topology show`: a topology file examined without starting it.
 *
 * Contract: `check` says that the network can run, with warnings on standard error, or which field to change; `show` prints it as text.
 * Knows nothing of: models' manifests.
 * Source: the issue's list; departures: none.
 *
 * @module
 */
import { Effect } from "effect"
import { renderTopology } from "../../src/topology/render.ts"
import type { CliFailure } from "./cli-failure.ts"
import { printAside, printLine } from "./output.ts"
import { loadTopology } from "./topology-file.ts"

const warn = (warnings: ReadonlyArray<string>): Effect.Effect<void> =>
  warnings.length === 0 ? Effect.void : printAside(warnings.map((warning) => `warning: ${warning}\n`).join(""))

/** Checks a topology file. */
export const runTopologyCheck = (file: string): Effect.Effect<void, CliFailure> =>
  Effect.flatMap(loadTopology(file), ({ topology, warnings }) =>
    Effect.zipRight(warn(warnings), printLine(`${file}: the network ${topology.name} can run`)))

/** Prints a topology file as text. */
export const runTopologyShow = (file: string): Effect.Effect<void, CliFailure> =>
  Effect.flatMap(loadTopology(file), ({ topology }) => printLine(renderTopology(topology)))
