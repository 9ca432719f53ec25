/**
 * The port of a session to its gateway: packets go out, SURB payloads come in.
 *
 * Contract: the gateway and the reply queue are fixed for the life of the port. `send` hands over one whole packet and says nothing about its fate.
 * `receive` is used by one session only; its end means that the connection is gone for good.
 * Knows nothing of: routes, requests, decoys, the way to the gateway (memory, TCP).
 * Source: mixnet.md §4.1, §4.3; departures: none.
 *
 * @module
 */
import { Context, type Effect } from "effect"
import type { NodeId, RecipientId, SurbId } from "../sphinx/geometry.ts"

/** A payload that a reply block brought home: still wrapped once per hop of the return path. */
export interface SurbDelivery {
  readonly surbId: SurbId
  /** 32 + forwardPayloadBytes of the geometry. */
  readonly payload: Uint8Array
}

/** What one connection to a gateway offers. */
export interface PacketPortService {
  /** First hop of every packet and last hop of every reply. */
  readonly gateway: NodeId
  /** The recipient id under which the gateway keeps replies for this connection. */
  readonly queueId: RecipientId
  /** Never waits; false when there was no room for the packet, which is lost. */
  readonly send: (packet: Uint8Array) => boolean
  /** Hands every delivery over as it comes, to who is done with it when it returns; what it throws is the end, as a defect. */
  readonly receive: (onDelivery: (delivery: SurbDelivery) => void) => Effect.Effect<void>
}

export class PacketPort extends Context.Tag("funion/session/PacketPort")<PacketPort, PacketPortService>() {}
