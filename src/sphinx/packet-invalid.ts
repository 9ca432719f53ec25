/**
 * The errors of Sphinx: a packet that cannot be made, and a packet that is not accepted.
 *
 * Contract: closed reasons, no bytes of keys, packets or paths in them. A refused packet is dropped; its sender learns nothing, so the reason is
 * for counters only. Refusals are made once and shared: garbage costs no stack trace.
 * Knows nothing of: what the caller does about it.
 * Source: sphinx.md §8, §10; departures: none.
 *
 * @module
 */
import { Data, Either } from "effect"

export type PacketInvalidReason =
  /** The path has no hop or more than the geometry allows. */
  | "path-length"
  /** A hop's commands: a NextNode (the header builder adds those), a second SurbReply, or a delay that is no u32. */
  | "bad-command"
  /** A hop's commands and its NextNode do not fit its block. */
  | "commands-too-long"
  /** A node id, a public key, injected secrets or filler have the wrong length, or a public key is of low order. */
  | "bad-key"
  /** The last hop of a SURB path carries no SurbReply. */
  | "no-surb-reply"
  /** The payload has not the length, or is above the length, that the geometry fixes. */
  | "payload-length"
  /** The SURB has not the length that the geometry fixes, or the geometry has no room for one. */
  | "surb-length"

/** A packet, SURB or payload cannot be built from these arguments. */
export class PacketInvalid extends Data.TaggedError("PacketInvalid")<{ readonly reason: PacketInvalidReason }> {}

export type PacketRefusedReason = "wrong-length" | "wrong-version" | "bad-element" | "bad-mac" | "bad-command" | "bad-payload"

/** A packet was refused. Stays in this process; the sender learns nothing, not even that it was refused. */
export class PacketRefused extends Data.TaggedError("PacketRefused")<{ readonly reason: PacketRefusedReason }> {}

const refusal = (reason: PacketRefusedReason): Either.Either<never, PacketRefused> => Either.left(new PacketRefused({ reason }))

const REFUSALS: { readonly [Reason in PacketRefusedReason]: Either.Either<never, PacketRefused> } = {
  "wrong-length": refusal("wrong-length"),
  "wrong-version": refusal("wrong-version"),
  "bad-element": refusal("bad-element"),
  "bad-mac": refusal("bad-mac"),
  "bad-command": refusal("bad-command"),
  "bad-payload": refusal("bad-payload")
}

/** The refusal for a reason. */
export const refuse = (reason: PacketRefusedReason): Either.Either<never, PacketRefused> => REFUSALS[reason]

/** The failure for a reason. */
export const invalid = (reason: PacketInvalidReason): Either.Either<never, PacketInvalid> => Either.left(new PacketInvalid({ reason }))
