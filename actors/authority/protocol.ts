/**
 * What a directory authority answers: descriptors in, signed documents out, and what authorities say to each other.
 *
 * Contract: every payload is bytes that carry their own signatures; the statuses are the reference's codes. Nothing here is secret.
 * Knows nothing of: when messages are due.
 * Source: mixnet.md §12, §13, §15 (codes); departures: withdrawals; "not found" is never answered.
 *
 * @module
 */
import { Schema } from "effect"
import { Frame, Rpc, RpcGroup } from "../../src/actor/actor.ts"

/** 0 accepted, 1 invalid, 2 conflict with other bytes for this epoch, 3 forbidden (unknown identity, wrong name or role). */
export const PostStatus = Schema.Literal(0, 1, 2, 3)
/** 0 document, 1 not yet, 2 gone. */
export const ConsensusStatus = Schema.Literal(0, 1, 2)

/** Codes of what came of a message: 0 ok, 1 late, 2 early, 3 not authorised, 4 not signed, 5 malformed, 6 already received. */
export const VoteStatus = Schema.Literal(0, 1, 2, 3, 4, 5, 6)
/** 8 ok, 9 early, 10 not authorised, 11 not signed, 12 already, 13 late. */
export const RevealStatus = Schema.Literal(8, 9, 10, 11, 12, 13)
/** 14 ok, 15 early, 16 not authorised, 17 not signed, 18 already, 19 late. */
export const CertStatus = Schema.Literal(14, 15, 16, 17, 18, 19)
/** 20 ok, 21 not authorised, 22 not signed, 23 early, 24 late, 25 already (the document is complete), 26 invalid. */
export const SigStatus = Schema.Literal(20, 21, 22, 23, 24, 25, 26)

/** From a fellow authority: one signed message, see src/pki/vote-message. */
const spoken = { message: Frame }

export class Authority extends RpcGroup.make(
  Rpc.make("PostDescriptor", { payload: { epoch: Schema.Number, descriptor: Frame }, success: Schema.Struct({ status: PostStatus }) }),
  /** The caller's own signed withdrawal, see src/pki/withdrawal. */
  Rpc.make("Withdraw", { payload: { withdrawal: Frame }, success: Schema.Struct({ status: PostStatus }) }),
  /** `certificate` is the signed document (see pki/certificate), empty unless status is 0. */
  Rpc.make("GetConsensus", { payload: { epoch: Schema.Number }, success: Schema.Struct({ status: ConsensusStatus, certificate: Frame }) }),
  Rpc.make("Vote", { payload: spoken, success: Schema.Struct({ status: VoteStatus }) }),
  Rpc.make("Reveal", { payload: spoken, success: Schema.Struct({ status: RevealStatus }) }),
  Rpc.make("Cert", { payload: spoken, success: Schema.Struct({ status: CertStatus }) }),
  Rpc.make("Sig", { payload: spoken, success: Schema.Struct({ status: SigStatus }) })
) {}
