/**
 * What a mix accepts: batches of packets, one way.
 *
 * Contract: the call is acknowledged on acceptance, before mixing; nothing returned depends on the packets or on later hops.
 * Source: mixnet.md §1, §5; style.md §2.7; departures: none.
 *
 * @module
 */
import { RpcGroup } from "../../src/actor/actor.ts"
import { Forward } from "../../src/actor/packet-link.ts"

export class Mix extends RpcGroup.make(Forward) {}
