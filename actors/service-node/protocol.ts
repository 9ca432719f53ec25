/**
 * What a service node accepts: packets that end here, and the two directions of a compute service's queue link.
 *
 * Contract: the queue link carries frames of one size, userPayloadBytes + 22, on λR ticks in both directions, whether or not a dispatch waits.
 * Frame: u8 kind (0 decoy, 1 Deliver, 2 Answer) ‖ u8 zero ‖ u32 body length ‖ body ‖ zeros;
 * Deliver body = queryId 16 ‖ dispatch payload (userPayloadBytes), Answer body = queryId 16 ‖ reply 93.
 * Knows nothing of: what a dispatch holds, whether it was accepted.
 * Source: funion.md §6.1, mixnet.md §10; departures: the compute service dials, so both directions share its link.
 *
 * @module
 */
import { Frame, OneWay, Rpc, RpcGroup } from "../../src/actor/actor.ts"
import { Forward } from "../../src/actor/packet-link.ts"

/** Requests that may wait for their delay; one of them is dropped and counted beyond. */
export const REQUEST_CAPACITY = 8_192

export class ServiceNode extends RpcGroup.make(
  Forward,
  /** Endless: one frame per λR tick for the compute service that reads `endpoint` (32 bytes). */
  Rpc.make("QueueDeliveries", { payload: { endpoint: Frame }, success: Frame, stream: true }),
  /** One frame per λR tick from that compute service. */
  Rpc.make("QueueAnswer", { payload: { endpoint: Frame, frame: Frame } }).annotate(OneWay, true)
) {}
