/**
 * The one error of every byte parser: what was being read and why the bytes are not that.
 *
 * Contract: `what` names a structure of the protocol, `reason` comes from a closed list; neither ever holds bytes of the input.
 * Knows nothing of: any particular structure.
 * Source: style.md §2.4; departures: none.
 *
 * @module
 */
import { Data } from "effect"

export type DecodeReason =
  | "truncated" | "trailing-bytes" | "wrong-length" | "unknown-type" | "reserved-not-zero" | "padding-not-zero"
  | "out-of-range" | "not-a-point" | "bad-signature" | "inconsistent"

/** Bytes did not parse. Stays inside the process; nothing about it is told to the sender. */
export class DecodeError extends Data.TaggedError("DecodeError")<{ readonly what: string; readonly reason: DecodeReason }> {
  override get message(): string {
    return `${this.what}: ${this.reason}`
  }
}
