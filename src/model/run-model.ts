/**
 * The one function that every adapter gives: run a job.
 *
 * Contract: see `RunModel`; it never rejects.
 * Source: none needed; departures: none.
 *
 * @module
 */
import type { Either } from "effect"
import type { RunFailed } from "./onnx-session.ts"
import type { Tensor } from "./tensor.ts"

/**
 * Runs one job on tensors that passed `validateInputs`. `stopped` turns true when the time is up or the host closes; an answer made in steps
 * ends there with what is ready.
 */
export type RunModel = (
  inputs: ReadonlyArray<Tensor>, stopped: () => boolean
) => Promise<Either.Either<ReadonlyArray<Tensor>, RunFailed>>
