/**
 * A mix that passes every packet on as it comes.
 *
 * Contract: in all else a mix: it publishes itself, and its packets are of the right form. Caught by the hop delay checker.
 * Source: issue 5 ("a mix with zero delay"); departures: none.
 *
 * @module
 */
import { Effect, type Scope } from "effect"
import type { Wrap } from "../../../src/actor/handler-wrap.ts"
import { DropCounters } from "../../../src/mixnet/drop-counters.ts"
import { makeOutgoingLinks } from "../../../src/node/outgoing-links.ts"
import { forwardOrderOf } from "../../../src/node/pipeline.ts"
import { isOpened, openPacket } from "../../../src/node/unwrap-outcome.ts"
import { epochAt } from "../../../src/params/epoch.ts"
import { nodeSlackMs } from "../../../src/params/mixnet-params.ts"
import type { Variant } from "../world.ts"
import { bentMount } from "./bent-mount.ts"
import { servicesOfLife } from "./life-services.ts"

export const mixWithoutDelay: Variant = (life, { around, knowledge, lifeWith, stock }) => {
  if (stock.role !== "mix") return life
  const { setting, topology } = knowledge
  const served = (name: string): Effect.Effect<Wrap, never, Scope.Scope> =>
    Effect.gen(function*() {
      const services = yield* servicesOfLife
      const layer = topology.mixes.find((mix) => mix.name === name)?.layer ?? 0
      const links = yield* makeOutgoingLinks({
        name, crypto: setting.crypto, drops: new DropCounters(), sendSlackMs: nodeSlackMs(setting.params),
        neighboursIn: (document) => document.mixLayers[layer + 1] ?? [...document.gateways, ...document.serviceNodes]
      }).pipe(Effect.provide(services))
      const passOn = (packet: Uint8Array) =>
        Effect.flatMap(Effect.clock, (clock) => {
          const keys = stock.keys.candidates(epochAt(setting.params, clock.unsafeCurrentTimeMillis())).map(({ privateKey }) => privateKey)
          const outcome = openPacket(setting.crypto, setting.geometry, keys, packet)
          const order = isOpened(outcome) ? forwardOrderOf(outcome.unwrapped) : undefined
          return order === undefined ? Effect.void : links.send(order.nodeId, order.packet)
        })
      return (call, payload, handle) =>
        call === "Forward" ? Effect.forEach((payload as { readonly packets: ReadonlyArray<Uint8Array> }).packets, passOn, { discard: true }) : handle(payload)
    })
  return lifeWith({ ...around, mount: bentMount(around.mount, { served }) }, stock)
}
