/**
 * The choice of the crypto backend of a program that serves somebody.
 *
 * Contract: an explicit wish is fulfilled or refused; without one the native backend is taken, and the reference where it cannot be used. The backend of
 * simulations, which protects nothing, is refused by name.
 * Source: sphinx.md §16; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { BackendUnavailable } from "./backend-unavailable.ts"
import { ELIDED_REFUSED } from "./elided-refused.ts"
import type { CryptoBackend, ServingBackend } from "./backend.ts"
import { nativeBackend } from "./backends/native.ts"
import { referenceBackend } from "./backends/reference.ts"

const refused = (backend: string, reason: "no-secrecy" | "unknown", detail: string): Either.Either<never, BackendUnavailable> =>
  Either.left(new BackendUnavailable({ backend, reason, detail }))

/** @errors BackendUnavailable: native does not load or fails its self-test; `elided`, or a name that is none */
export const selectBackend = (wanted?: CryptoBackend["name"]): Either.Either<ServingBackend, BackendUnavailable> => {
  switch (wanted) {
    case undefined: return Either.orElse(nativeBackend(), () => Either.right(referenceBackend))
    case "native": return nativeBackend()
    case "reference": return Either.right(referenceBackend)
    case "elided": return refused(wanted, "no-secrecy", ELIDED_REFUSED)
    default: return refused(String(wanted), "unknown", "there is none of this name: native, reference")
  }
}
