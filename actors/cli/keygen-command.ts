/**
 * `funion keygen`: makes the two key files of an actor, or of every actor of a topology.
 *
 * Contract: nothing is written over. The paths go to standard output, one a line; secrets go nowhere but into their files.
 * Knows nothing of: what keys are for.
 * Source: the list; departures: none.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { systemEntropy } from "../../src/crypto/entropy.ts"
import { selectBackend } from "../../src/crypto/select-backend.ts"
import { actorsOf } from "../../src/topology/topology.ts"
import { makeKeyFiles, publicPath, secretPath } from "../key-file.ts"
import { type CliFailure, failed } from "./cli-failure.ts"
import { KEYS_DIRECTORY } from "./network-access.ts"
import { printLine } from "./output.ts"
import { loadTopology } from "./topology-file.ts"

export interface KeygenRequest {
  readonly topology: string
  /** Default: every actor. */
  readonly name: string | undefined
  readonly directory: string | undefined
}

/** Makes key files. @errors CliFailure: no such actor, files that are there */
export const runKeygen = ({ directory = KEYS_DIRECTORY, name, topology: file }: KeygenRequest): Effect.Effect<void, CliFailure> =>
  Effect.gen(function*() {
    const { topology } = yield* loadTopology(file)
    const names = actorsOf(topology).map((actor) => actor.name)
    if (name !== undefined && !names.includes(name)) {
      return yield* failed(`there is no actor "${name.slice(0, 64)}" in ${topology.name}; it has ${names.join(", ")}`)
    }
    const crypto = yield* Either.mapLeft(selectBackend(), (error) => failed(error.message))
    yield* Effect.forEach(name === undefined ? names : [name], (each) =>
      Effect.zipRight(
        Effect.mapError(makeKeyFiles(crypto, directory, each, systemEntropy), (error) => failed(error.message)),
        printLine(`${secretPath(directory, each)}\n${publicPath(directory, each)}`)
      ), { discard: true })
  })
