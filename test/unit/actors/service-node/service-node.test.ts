/**
 * A whole service node on a mount in memory.
 *
 * Goal: a request acts after its last delay, not when it arrives. Method: one packet of one hop in virtual time, a courier that notes when it is asked.
 *
 * @module
 */
import { Clock, Context, Effect, Either, Layer, Option } from "effect"
import { describe, expect, it } from "vitest"
import { Courier } from "../../../../actors/courier/protocol.ts"
import { ServiceNode } from "../../../../actors/service-node/protocol.ts"
import { serviceNode } from "../../../../actors/service-node/service-node.ts"
import { Mount } from "../../../../src/actor/mount.ts"
import { layerMountMemory } from "../../../../src/actor/mount-memory.ts"
import { seededEntropy } from "../../../../src/crypto/entropy.ts"
import { selectBackend } from "../../../../src/crypto/select-backend.ts"
import { MixKeyRing } from "../../../../src/mixnet/mix-key.ts"
import { Epoch, epochAt } from "../../../../src/params/epoch.ts"
import { tinyParams } from "../../../../src/params/presets.ts"
import { nodeIdOf } from "../../../../src/pki/descriptor.ts"
import { Directory } from "../../../../src/pki/directory.ts"
import { makeIdentity } from "../../../../src/pki/network-setting.ts"
import { NoDocument, PkiView } from "../../../../src/pki/pki-view.ts"
import { makeGeometry, recipientId, SurbId } from "../../../../src/sphinx/geometry.ts"
import { createPacket, encodeForwardPayload } from "../../../../src/sphinx/packet.ts"
import { createSurb } from "../../../../src/sphinx/surb.ts"
import { runVirtual } from "../../session/virtual-time.ts"

const crypto = Either.getOrThrow(selectBackend())
const geometry = Either.getOrThrow(makeGeometry(tinyParams.geometry))
const entropy = seededEntropy(3, "service node test")
const identity = makeIdentity(crypto, "service-node-0", entropy(32))
const nodeId = nodeIdOf(crypto, identity.publicKey)

/** One packet for the courier behind the node, to be held there for `delayMs`. */
const packetFor = (mixKey: Uint8Array, delayMs: number): Uint8Array => {
  const back = { nodeId, publicKey: mixKey, commands: [
    { _tag: "Recipient" as const, recipient: recipientId("q") }, { _tag: "SurbReply" as const, surbId: SurbId.unsafe(entropy(16)) }
  ] }
  const { surb } = Either.getOrThrow(createSurb(crypto, geometry, [back], entropy))
  const payload = Either.getOrThrow(encodeForwardPayload(geometry, { surb, userPayload: new Uint8Array(geometry.userPayloadBytes) }))
  const commands = [{ _tag: "NodeDelay" as const, delayMs }, { _tag: "Recipient" as const, recipient: recipientId("courier-0") }]
  return Either.getOrThrow(createPacket(crypto, geometry, [{ nodeId, publicKey: mixKey, commands }], payload, entropy))
}

/** How long after their arrival the node hands requests with these delays to the courier, in milliseconds. */
const actedAfterMs = (delaysMs: ReadonlyArray<number>): ReadonlyArray<number> =>
  runVirtual(Effect.scoped(Effect.gen(function* () {
    const mount = Context.get(yield* Layer.build(layerMountMemory()), Mount)
    const asked: Array<number> = []
    yield* mount.serve("courier-0", Courier, Courier.toLayer({
      Query: ({ query }) => Effect.map(Clock.currentTimeMillis, (nowMs) => {
        asked.push(nowMs)
        return { reply: query }
      })
    }))
    const keys = new MixKeyRing({ crypto, geometry, entropy, replayCapacity: 100 })
    const epoch = epochAt(tinyParams, yield* Clock.currentTimeMillis)
    keys.ensure(epoch)
    const config = {
      crypto, params: tinyParams, geometry, authorityKeys: [], authorityThreshold: 1, identity, keys, couriers: ["courier-0"], queues: []
    }
    yield* Effect.forkScoped(serviceNode(config)(Effect.void).pipe(
      Effect.provideService(Mount, mount),
      Effect.provideService(PkiView, {
        current: Effect.fail(new NoDocument()), held: () => undefined, forEpoch: (_epoch: Epoch) => Effect.succeed(Option.none())
      }),
      Effect.provideService(Directory, { postDescriptor: () => Effect.succeed(1), getConsensus: () => Effect.succeed([]), withdraw: () => Effect.succeed(0) })
    ))
    yield* Effect.sleep(10)
    const node = yield* mount.connect("mix-2-0", "service-node-0", ServiceNode)
    const sentMs = yield* Clock.currentTimeMillis
    const mixKey = keys.publicKeys(epoch).get(epoch) ?? new Uint8Array(32)
    yield* node.Forward({ packets: delaysMs.map((delayMs) => packetFor(mixKey, delayMs)) })
    yield* Effect.sleep(1_000)
    return asked.map((atMs) => atMs - sentMs)
  })))

describe("a service node", () => {
  it("hands a request to its endpoint when the sampled last delay is over, neither on arrival nor later", () => {
    const acted = actedAfterMs([250, 20, 75])
    expect(acted.map(Math.round)).toEqual([20, 75, 250])
  })
})
