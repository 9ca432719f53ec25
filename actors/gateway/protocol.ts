/**
 * What a gateway answers: packets of its clients and of the last mix layer, and the replies it holds for its clients.
 *
 * Contract: everything that crosses the client link has one size per direction. `Submit` is acknowledged before anything is done with the packets.
 * `Receive` is an endless stream of messages for one queue; the newest stream of a queue id wins. Who is known by a queue alone uses that queue alone.
 * Knows nothing of: which packets are decoys, what replies hold.
 * Source: mixnet.md §4.1, §9; departures: replies travel as a stream of fixed-size frames, its chunk acknowledgements stand for MessageDelivered.
 *
 * @module
 */
import { Schema } from "effect"
import { Frame, Frames, OneWay, Rpc, RpcGroup } from "../../src/actor/actor.ts"
import { Forward } from "../../src/actor/packet-link.ts"

/** Whether a caller is named by its queue, as a client is whose link proved nothing else. */
export const isQueueName = (name: string): boolean => /^[0-9a-f]{32}$/.test(name)

export class Gateway extends RpcGroup.make(
  Forward,
  /** Packets of the client that reads `queueId` (32 bytes). Over its rate they are dropped silently. */
  Rpc.make("Submit", { payload: { queueId: Frame, packets: Frames } }).annotate(OneWay, true),
  /** Messages for `queueId`: SURB id 16 ‖ payload 32 + forwardPayloadBytes. */
  Rpc.make("Receive", { payload: { queueId: Frame }, success: Frame, stream: true }),
  /** The signed document of `epoch` as the authorities gave it; status as at the authorities. */
  Rpc.make("GetConsensus", { payload: { epoch: Schema.Number }, success: Schema.Struct({ status: Schema.Literal(0, 1, 2), certificate: Frame }) })
) {}
