/**
 * What a storage replica answers: link commands of couriers and of fellow replicas, one fixed-size frame for one fixed-size frame.
 *
 * Contract: every command gets exactly one reply frame after a delay uniform in [0, 1/λR]; the frame holds the oldest reply that is ready for this
 * peer, as the mount names it, else a decoy. So neither the number, the size nor the time of replies depends on what was asked or how it went.
 * Source: pigeonhole.md §3.4, §5.6, §5.7; departures: replies are decoupled from the commands they ride on and matched by envelope hash.
 *
 * @module
 */
import { Schema } from "effect"
import { Frame, Rpc, RpcGroup } from "../../src/actor/actor.ts"

/** Messages that may be in work at one replica at once. */
export const IN_WORK_LIMIT = 2_048

const reply = Schema.Struct({ frame: Frame })

export class Replica extends RpcGroup.make(
  Rpc.make("CourierCommand", { payload: { frame: Frame }, success: reply }),
  Rpc.make("ReplicaCommand", { payload: { frame: Frame }, success: reply })
) {}
