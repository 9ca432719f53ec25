/**
 * What a courier answers: one CourierQuery at a time, from the service node that hosts it.
 *
 * Contract: `query` is a Sphinx user payload (CourierQuery, zero-filled); `reply` is a CourierQueryReply, zero-filled to the same length. It is
 * answered from the cache at once: dispatching to replicas never holds the answer.
 * Source: pigeonhole.md §3.1, §5.4; departures: an unparseable query is answered with courier error 1 and a zero envelope hash.
 *
 * @module
 */
import { Schema } from "effect"
import { Frame, Rpc, RpcGroup } from "../../src/actor/actor.ts"

export class Courier extends RpcGroup.make(
  Rpc.make("Query", { payload: { query: Frame }, success: Schema.Struct({ reply: Frame }) })
) {}
