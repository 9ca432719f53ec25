/**
 * A client that, while it has a job, sends its packets in pairs: two boxes of a stream are written by one burst.
 *
 * Contract: every second packet waits for the one after it; the number of packets stays. Caught by the emission checker.
 * Source: issue 5 ("two boxes of a stream written by one packet burst"); departures: none.
 *
 * @module
 */
import { Effect } from "effect"
import type { Wrap } from "../../../src/actor/handler-wrap.ts"
import type { Variant } from "../world.ts"
import { bentMount } from "./bent-mount.ts"
import { watchBusiness } from "./client-without-cover.ts"
import { Business } from "./life-services.ts"

interface Submission {
  readonly packets: ReadonlyArray<Uint8Array>
}

export const packetBursts: Variant = (life, { around, lifeWith, stock }) => {
  if (stock.role !== "client") return life
  const business = new Business()
  let kept: ReadonlyArray<Uint8Array> = []
  const called = (): Wrap => (call, payload, handle) => {
    if (call !== "Submit") return handle(payload)
    const packets = [...kept, ...(payload as Submission).packets]
    const waits = business.isBusy && packets.length < 2
    kept = waits ? packets : []
    return waits ? Effect.void : handle({ ...(payload as object), packets })
  }
  const mount = bentMount(around.mount, { served: () => Effect.succeed(watchBusiness(business)), called })
  return lifeWith({ ...around, mount }, stock)
}
