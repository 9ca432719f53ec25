/**
 * The crypto backend of a simulation: a real one, or the one without cryptography.
 *
 * Contract: the only way to `elided` outside of its own tests. No command that serves a user comes here.
 * Knows nothing of: networks.
 * Source: the list; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import type { CryptoBackend } from "../../src/crypto/backend.ts"
import { elidedBackend } from "../../src/crypto/backends/elided.ts"
import { backendOf } from "../knowledge.ts"
import type { LaunchFailed } from "../launch-failed.ts"

export type SimulationBackend = "elided" | "native" | "reference"

/** @errors LaunchFailed: the native backend does not load */
export const simulationBackend = (wanted: SimulationBackend): Either.Either<CryptoBackend, LaunchFailed> =>
  wanted === "elided" ? Either.right(elidedBackend) : backendOf(wanted)
