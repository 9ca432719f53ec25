/**
 * The one call by which Sphinx packets travel from node to node.
 *
 * Contract: one way and batched; the callee acknowledges on acceptance into its bounded inbound queue (or drops and counts) and says nothing else.
 * Every packet has exactly the geometry's packet length, and is the callee's from here on: where caller and callee share memory, the callee writes to it.
 * Knows nothing of: what is inside a packet.
 * Source: mixnet.md §1, §5; departures: a batch may carry up to 64 packets.
 *
 * @module
 */
import { Frames, OneWay, Rpc } from "./actor.ts"

/** Most packets that one call may carry. */
export const PACKETS_PER_BATCH = 64

export const Forward = Rpc.make("Forward", { payload: { packets: Frames } }).annotate(OneWay, true)
