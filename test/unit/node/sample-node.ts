/**
 * A pipeline with real keys and packets for it, for the tests of this folder.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { seededEntropy } from "../../../src/crypto/entropy.ts"
import { selectBackend } from "../../../src/crypto/select-backend.ts"
import { DropCounters } from "../../../src/mixnet/drop-counters.ts"
import { MixKeyRing } from "../../../src/mixnet/mix-key.ts"
import { type AcceptedPacket, makeNodePipeline } from "../../../src/node/pipeline.ts"
import { tinyParams } from "../../../src/params/presets.ts"
import { makeGeometry, NodeId, recipientId } from "../../../src/sphinx/geometry.ts"
import type { RoutingCommand } from "../../../src/sphinx/routing-command.ts"
import { createPacket } from "../../../src/sphinx/packet.ts"

export const crypto = Either.getOrThrow(selectBackend())
export const geometry = Either.getOrThrow(makeGeometry({ scheme: "x25519", hopCount: 3, userPayloadBytes: 64, withSurb: true }))
export const entropy = seededEntropy("node tests", "entropy")
export const NEXT = NodeId.unsafe(new Uint8Array(32).fill(9))
/** Instant 0 lies in epoch 0. */
export const params = tinyParams

export const makeRing = (): MixKeyRing => new MixKeyRing({ crypto, geometry, entropy, replayCapacity: 10_000 })

/** A packet whose first hop holds `publicKey`; by default it goes on to `NEXT` after 5 ms. */
export const packetFor = (publicKey: Uint8Array, commands: ReadonlyArray<RoutingCommand> = [{ _tag: "NodeDelay", delayMs: 5 }], last = false): Uint8Array => {
  const first = { nodeId: NodeId.unsafe(entropy(32)), publicKey, commands }
  const second = {
    nodeId: NEXT, publicKey: crypto.x25519PublicKey(entropy(32)),
    commands: [{ _tag: "NodeDelay", delayMs: 1 }, { _tag: "Recipient", recipient: recipientId("echo") }] as const
  }
  return Either.getOrThrow(createPacket(crypto, geometry, last ? [first] : [first, second], entropy(geometry.forwardPayloadBytes), entropy))
}

/** A pipeline whose routed packets are kept. */
export const pipelineWith = (ring: MixKeyRing, change: Partial<Parameters<typeof makeNodePipeline<never>>[0]> = {}) =>
  Effect.gen(function*() {
    const drops = new DropCounters()
    const routed: Array<AcceptedPacket> = []
    const pipeline = yield* makeNodePipeline<never>({
      crypto, geometry, params, keys: ring, drops, inboundCapacity: 100, unwrapDwellMs: 250,
      route: (packet) => Effect.sync(() => { routed.push(packet) }),
      ...change
    })
    return { pipeline, drops, routed }
  })
