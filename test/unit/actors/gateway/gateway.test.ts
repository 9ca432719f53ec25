/**
 * Whose queue a gateway lets a caller use.
 *
 * Goal: a caller that the mount names by its queue sends and reads for that queue alone, what it tries elsewhere is dropped and counted like anything
 * else, and the owner notices nothing; callers with a name of this process are trusted.
 * Method: a whole gateway on a mount in memory in virtual time; packets of one hop that end in a queue; the gateway's own counters.
 *
 * @module
 */
import { Context, Effect, Either, Fiber, Layer, Option, type Scope, Stream } from "effect"
import { describe, expect, it } from "vitest"
import { gateway } from "../../../../actors/gateway/gateway.ts"
import { Gateway } from "../../../../actors/gateway/protocol.ts"
import { freshQueueName } from "../../../../actors/packet-port.ts"
import { Meter, MeterBook } from "../../../../src/actor/meter.ts"
import { Mount } from "../../../../src/actor/mount.ts"
import { layerMountMemory } from "../../../../src/actor/mount-memory.ts"
import { utf8 } from "../../../../src/bytes/concat.ts"
import { seededEntropy } from "../../../../src/crypto/entropy.ts"
import { selectBackend } from "../../../../src/crypto/select-backend.ts"
import { MixKeyRing } from "../../../../src/mixnet/mix-key.ts"
import { epochAt } from "../../../../src/params/epoch.ts"
import { tinyParams } from "../../../../src/params/presets.ts"
import { nodeIdOf } from "../../../../src/pki/descriptor.ts"
import { Directory } from "../../../../src/pki/directory.ts"
import type { DirectoryView } from "../../../../src/pki/directory-view.ts"
import { makeIdentity } from "../../../../src/pki/network-setting.ts"
import { NoDocument, PkiView } from "../../../../src/pki/pki-view.ts"
import { makeGeometry, RecipientId, SurbId } from "../../../../src/sphinx/geometry.ts"
import { createPacket } from "../../../../src/sphinx/packet.ts"
import { runVirtual } from "../../session/virtual-time.ts"

const crypto = Either.getOrThrow(selectBackend())
const geometry = Either.getOrThrow(makeGeometry(tinyParams.geometry))
const entropy = seededEntropy(4, "gateway test")
const identity = makeIdentity(crypto, "gateway-0", entropy(32))
const [OWNER, OTHER] = [freshQueueName(entropy), freshQueueName(entropy)]
const noDocuments: DirectoryView = {
  current: Effect.fail(new NoDocument()), held: () => undefined, forEpoch: () => Effect.succeed(Option.none()),
  awaitDocument: Effect.never, documents: () => [],
  certificateOf: () => undefined
}

/** One packet that ends at the gateway as a message for a queue. */
const messageFor = (mixKey: Uint8Array, queueName: string): Uint8Array => {
  const commands = [
    { _tag: "Recipient" as const, recipient: RecipientId.unsafe(utf8(queueName)) }, { _tag: "SurbReply" as const, surbId: SurbId.unsafe(entropy(16)) }
  ]
  const payload = new Uint8Array(geometry.forwardPayloadBytes)
  return Either.getOrThrow(createPacket(crypto, geometry, [{ nodeId: nodeIdOf(crypto, identity.publicKey), publicKey: mixKey, commands }], payload, entropy))
}

const GARBAGE = new Uint8Array(geometry.packetBytes).fill(1)
const times = (count: number, packet: Uint8Array): ReadonlyArray<Uint8Array> => Array.from({ length: count }, () => packet)

interface Scene {
  readonly mount: Context.Tag.Service<typeof Mount>
  /** The last mix layer sends a message for a queue. */
  readonly replyTo: (queueName: string) => Effect.Effect<void>
  /** Reasons and numbers of what was dropped so far. */
  readonly drops: Effect.Effect<Readonly<Record<string, number>>>
}

/** Runs a test beside a gateway that serves. */
const beside = (use: (scene: Scene) => Effect.Effect<void, unknown, Scope.Scope>): void =>
  runVirtual(Effect.scoped(Effect.gen(function* () {
    const mount = Context.get(yield* Layer.build(layerMountMemory()), Mount)
    const meter = new MeterBook()
    const keys = new MixKeyRing({ crypto, geometry, entropy, replayCapacity: 100 })
    const epoch = epochAt(tinyParams, 0)
    keys.ensure(epoch)
    const config = {
      crypto, params: tinyParams, geometry, authorityKeys: [], authorityThreshold: 1, identity, keys, directoryView: noDocuments
    }
    yield* Effect.forkScoped(gateway(config)(Effect.void).pipe(
      Effect.provideService(Mount, mount),
      Effect.provideService(Meter, meter),
      Effect.provideService(PkiView, noDocuments),
      Effect.provideService(Directory, { postDescriptor: () => Effect.succeed(1), getConsensus: () => Effect.succeed([]), withdraw: () => Effect.succeed(0) })
    ))
    yield* Effect.sleep(10)
    const mix = yield* mount.connect("mix-2-0", "gateway-0", Gateway)
    const mixKey = keys.publicKeys(epoch).get(epoch) ?? new Uint8Array(32)
    yield* use({
      mount,
      replyTo: (queueName) => Effect.zipRight(Effect.orDie(mix.Forward({ packets: [messageFor(mixKey, queueName)] })), Effect.sleep(50)),
      drops: Effect.map(Effect.zipRight(Effect.sleep(50), meter.readings), (readings) =>
        Object.fromEntries([...readings.get("dropped_packets_total") ?? []].filter(([, count]) => count > 0)))
    })
  })))

/** Reads a queue in the background as some caller. */
const reader = ({ mount }: Scene, caller: string, queueName: string) =>
  Effect.gen(function* () {
    const messages: Array<Uint8Array> = []
    const client = yield* mount.connect(caller, "gateway-0", Gateway)
    const read = Stream.runForEach(client.Receive({ queueId: utf8(queueName) }), (message) => Effect.sync(() => messages.push(message)))
    const fiber = yield* Effect.forkScoped(read)
    yield* Effect.sleep(20)
    return { messages, isOver: Effect.map(Fiber.poll(fiber), Option.isSome) }
  })

describe("a caller that is named by its queue", () => {
  it("gets the messages of its queue", () => {
    beside((scene) => Effect.gen(function* () {
      const own = yield* reader(scene, OWNER, OWNER)
      yield* scene.replyTo(OWNER)
      expect(own.messages).toHaveLength(1)
      expect(yield* scene.drops).toEqual({})
    }))
  })
  it("gets nothing of another queue, and does not take the owner's place as its reader", () => {
    beside((scene) => Effect.gen(function* () {
      const own = yield* reader(scene, OWNER, OWNER)
      const thief = yield* reader(scene, OTHER, OWNER)
      expect(yield* thief.isOver).toBe(true)
      yield* scene.replyTo(OWNER)
      expect([own.messages.length, thief.messages.length]).toEqual([1, 0])
      expect(yield* own.isOver).toBe(false)
    }))
  })
  it("opens no queue for others", () => {
    beside((scene) => Effect.gen(function* () {
      yield* reader(scene, OTHER, OWNER)
      yield* scene.replyTo(OWNER)
      expect(yield* scene.drops).toEqual({ "unknown-recipient": 1 })
    }))
  })
  it("sends nothing for another queue: its packets are dropped under the reason of packets over the rate, and cost the owner nothing", () => {
    beside((scene) => Effect.gen(function* () {
      const thief = yield* scene.mount.connect(OTHER, "gateway-0", Gateway)
      yield* thief.Submit({ queueId: utf8(OWNER), packets: times(300, GARBAGE) })
      expect(yield* scene.drops).toEqual({ "rate-limited": 300 })
      const owner = yield* scene.mount.connect(OWNER, "gateway-0", Gateway)
      yield* owner.Submit({ queueId: utf8(OWNER), packets: times(200, GARBAGE) })
      expect(yield* scene.drops).toEqual({ "rate-limited": 300, "wrong-version": 200 })
    }))
  })
  it("is not told: the acknowledgement is the same for its own queue and for another", () => {
    beside((scene) => Effect.gen(function* () {
      const caller = yield* scene.mount.connect(OTHER, "gateway-0", Gateway)
      const answers = yield* Effect.forEach([OTHER, OWNER], (queueName) => Effect.exit(caller.Submit({ queueId: utf8(queueName), packets: [GARBAGE] })))
      expect(answers[0]).toEqual(answers[1])
    }))
  })
})

describe("a caller with a name of this process", () => {
  it("may use the queue that it chose", () => {
    beside((scene) => Effect.gen(function* () {
      const client = yield* reader(scene, "client-0", OWNER)
      yield* scene.replyTo(OWNER)
      expect(client.messages).toHaveLength(1)
      const sender = yield* scene.mount.connect("client-0", "gateway-0", Gateway)
      yield* sender.Submit({ queueId: utf8(OTHER), packets: times(5, GARBAGE) })
      expect(yield* scene.drops).toEqual({ "wrong-version": 5 })
    }))
  })
})
