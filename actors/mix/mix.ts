/**
 * A mix: takes one layer off every packet, holds it as long as its sender asked, passes it to the next layer.
 *
 * Contract: only packets that go on, and the mix's own loops, are accepted; everything else is dropped and counted. Runs until its scope closes.
 * Source: mixnet.md §1, §5, §8; departures: none.
 *
 * @module
 */
import { Effect } from "effect"
import { Mount } from "../../src/actor/mount.ts"
import type { MixKeyRing } from "../../src/mixnet/mix-key.ts"
import { makeNode } from "../../src/node/node.ts"
import type { UnwrapThreads } from "../../src/node/unwrap-pool.ts"
import type { Identity, NetworkSetting } from "../../src/pki/network-setting.ts"
import { Mix } from "./protocol.ts"

export interface MixConfig extends NetworkSetting {
  readonly identity: Identity
  readonly keys: MixKeyRing
  /** Index of the layer, from 0. */
  readonly mixLayer: number
  readonly threads?: UnwrapThreads | undefined
}

export const mix = (config: MixConfig) => (ready: Effect.Effect<void>) =>
  Effect.gen(function*() {
    const mount = yield* Mount
    const node = yield* makeNode({
      ...config,
      role: "mix",
      services: [],
      forwards: () => true,
      terminal: undefined,
      neighboursIn: (document) => document.mixLayers[config.mixLayer + 1] ?? [...document.gateways, ...document.serviceNodes]
    })
    yield* mount.serve(config.identity.name, Mix, Mix.toLayer({ Forward: ({ packets }) => node.accept(packets, "node") }))
    yield* ready
    return yield* Effect.never
  })
