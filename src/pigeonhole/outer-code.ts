/**
 * The outer code of a replica's reply: what the courier that carries the sealed answer is told of it.
 *
 * Contract: with a sealed answer the outer code is 0, unless the network runs as the reference does (`katzenpost`) or the sender of this very envelope
 * consented: senders of copy commands do, since the courier that writes for them has to know how each write went. Consent is a mark on the
 * envelope (crypto/mkem) which couriers can neither see nor set. Early failures, which carry no sealed answer, are always told.
 * Knows nothing of: links, what couriers do with codes.
 * Source: pigeonhole.md §6.2; departures: beside the switch for a whole network there is consent of single envelopes, so that copy commands work in
 * masked networks and nobody else's answers are told.
 *
 * @module
 */
import { utf8 } from "../bytes/concat.ts"
import { REPLICA_ERROR, type ReplicaErrorCode } from "./error-code.ts"

/** How the replicas of a network label sealed answers for the courier. */
export type OuterErrorCode = "katzenpost" | "masked"

/** The mark of an envelope whose sender lets the courier know the outcome. */
export const OUTCOME_CONSENT = utf8("funion outcome to the courier")

/**
 * The outer code of a reply with a sealed answer.
 * @param consented  whether the envelope bears the mark
 * @param code       the real code, which is inside as well
 */
export const outerCode = (setting: OuterErrorCode, consented: boolean, code: ReplicaErrorCode): ReplicaErrorCode =>
  setting === "katzenpost" || consented ? code : REPLICA_ERROR.success
