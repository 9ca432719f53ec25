/**
 * `funion keygen`: makes the two key files of an actor, or of every actor of a topology.
 *
 * Contract: nothing is written over; keys of every actor are made only when none of them is there. The paths go to standard output, one a line; secrets
 * go nowhere but into their files.
 * Knows nothing of: what keys are for.
 * Source: the list; departures: none.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { systemEntropy } from "../../src/crypto/entropy.ts"
import { selectBackend } from "../../src/crypto/select-backend.ts"
import { processesOf } from "../../src/topology/topology.ts"
import { makeKeyFiles, publicPath, refuseMadeKeys, secretPath } from "../key-file.ts"
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
    const names = processesOf(topology).map((actor) => actor.name)
    if (name !== undefined && !names.includes(name)) {
      return yield* failed(`there is no actor "${name.slice(0, 64)}" in ${topology.name}; it has ${names.join(", ")}`)
    }
    const crypto = yield* Either.mapLeft(selectBackend(), (error) => failed(error.message))
    const wanted = name === undefined ? names : [name]
    const asFailure = (error: { readonly message: string }): CliFailure => failed(error.message)
    yield* Effect.mapError(Effect.forEach(wanted, (each) => refuseMadeKeys(directory, each), { discard: true }), asFailure)
    yield* Effect.forEach(wanted, (each) =>
      Effect.zipRight(
        Effect.mapError(makeKeyFiles(crypto, directory, each, systemEntropy), asFailure),
        printLine(`${secretPath(directory, each)}\n${publicPath(directory, each)}`)
      ), { discard: true })
  })
