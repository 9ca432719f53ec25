/**
 * The choice of the crypto backend.
 *
 * Contract: an explicit wish is fulfilled or refused; without one the native backend is taken, and the reference where it cannot be used.
 * Source: sphinx.md §16; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import type { BackendUnavailable } from "./backend-unavailable.ts"
import type { CryptoBackend } from "./backend.ts"
import { nativeBackend } from "./backends/native.ts"
import { referenceBackend } from "./backends/reference.ts"

/** @errors BackendUnavailable only when `wanted` is `"native"` */
export const selectBackend = (wanted?: "native" | "reference"): Either.Either<CryptoBackend, BackendUnavailable> => {
  if (wanted === "reference") return Either.right(referenceBackend)
  return wanted === "native" ? nativeBackend() : Either.orElse(nativeBackend(), () => Either.right(referenceBackend))
}
