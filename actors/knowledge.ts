/**
 * What is fixed before the first actor starts: the crypto backend and the sizes that the parameters give.
 *
 * Contract: pure; a refusal names the parameter.
 * Knows nothing of: processes, files.
 * Source: style.md §2.6; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import type { CryptoBackend } from "../src/crypto/backend.ts"
import { selectBackend } from "../src/crypto/select-backend.ts"
import { ENVELOPE_KEY_BYTES } from "../src/params/mixnet-params.ts"
import { pigeonholeGeometry } from "../src/pigeonhole/geometry.ts"
import type { NetworkSetting } from "../src/pki/network-setting.ts"
import { makeGeometry } from "../src/sphinx/geometry.ts"
import type { Topology } from "../src/topology/topology.ts"
import { LaunchFailed } from "./launch-failed.ts"
import type { Knowledge } from "./roles.ts"

/** Backend of a launch. @errors LaunchFailed: it does not load */
export const backendOf = (wanted: "native" | "reference" | undefined): Either.Either<CryptoBackend, LaunchFailed> =>
  Either.mapLeft(selectBackend(wanted), (error) => new LaunchFailed({ message: error.message }))

/** What all actors of a topology know. @errors LaunchFailed naming the parameter */
export const knowledgeOf = (topology: Topology, crypto: CryptoBackend, keyOf: Knowledge["keyOf"]): Either.Either<Knowledge, LaunchFailed> =>
  Either.gen(function*() {
    const failed = (message: string) => new LaunchFailed({ message })
    const geometry = yield* Either.mapLeft(makeGeometry(topology.params.geometry), () => failed("params.geometry: no such packet geometry"))
    const pigeonhole = yield* Either.mapLeft(
      pigeonholeGeometry(geometry.userPayloadBytes, ENVELOPE_KEY_BYTES),
      () => failed("params.geometry.userPayloadBytes: too small for a box")
    )
    const authorityKeys = topology.authorities.map(({ name }) => keyOf(name))
    const setting: NetworkSetting = { crypto, params: topology.params, geometry, authorityKeys, authorityThreshold: topology.authorityThreshold }
    return { topology, setting, pigeonhole, keyOf }
  })
