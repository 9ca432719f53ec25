/**
 * A crypto backend cannot be used on this machine.
 *
 * Contract: `reason` is closed; `detail` is text of the loader or the name of the failed check, for `funion doctor`, never a secret.
 * Source: style.md §2.4; departures: none.
 *
 * @module
 */
import { Data } from "effect"

export class BackendUnavailable extends Data.TaggedError("BackendUnavailable")<{
  readonly backend: string
  readonly reason: "library-missing" | "self-test-failed" | "no-secrecy" | "unknown"
  readonly detail: string
}> {
  override get message(): string {
    return `crypto backend ${this.backend}: ${this.reason} (${this.detail})`
  }
}
