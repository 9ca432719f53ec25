/**
 * What a directory authority answers: descriptors in, signed documents out.
 *
 * Contract: every payload is bytes that carry their own signatures; the statuses are the reference's codes. Nothing here is secret.
 * Knows nothing of: voting (one authority builds the document from the descriptors it holds; its peers sign the same bytes).
 * Source: mixnet.md §12, §13, §15; departures: signatures over one identical document are exchanged, no votes, no shared randomness.
 *
 * @module
 */
import { Schema } from "effect"
import { Frame, Rpc, RpcGroup } from "../../src/actor/actor.ts"

/** 0 accepted, 1 invalid, 2 conflict with other bytes for this epoch, 3 forbidden (unknown identity, wrong name or role). */
export const PostStatus = Schema.Literal(0, 1, 2, 3)
/** 0 document, 1 not yet, 2 gone. */
export const ConsensusStatus = Schema.Literal(0, 1, 2)

export class Authority extends RpcGroup.make(
  Rpc.make("PostDescriptor", { payload: { epoch: Schema.Number, descriptor: Frame }, success: Schema.Struct({ status: PostStatus }) }),
  /** `certificate` is the signed document (see pki/certificate), empty unless status is 0. */
  Rpc.make("GetConsensus", { payload: { epoch: Schema.Number }, success: Schema.Struct({ status: ConsensusStatus, certificate: Frame }) }),
  /** From a fellow authority: its certificate over the document of `epoch`, carrying its own signature. */
  Rpc.make("PostSignature", { payload: { epoch: Schema.Number, certificate: Frame }, success: Schema.Struct({ status: PostStatus }) })
) {}
