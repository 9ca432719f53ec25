/**
 * One whole mix between a neighbour that sends and a neighbour that receives, for the benches of the packet path.
 *
 * Contract: the mix is the actor of `actors/mix` with everything a network gives it (mix keys with replay filters, delay queue, outgoing links, calls);
 * only the directory is made up, and its document silences the mix's own loops, for which one neighbour is no route. `IN_FLIGHT` packets are under way
 * at any time: whoever receives some sends as many new ones. No packet is sent twice. Packets follow from a seed of their own, so that two processes
 * make the same ones. Whatever the mix's side and the floor's side did is folded alike, in any order, so that they can be compared.
 * Knows nothing of: clocks, how cost is measured.
 * Source: issue 4, point 4; departures: none.
 *
 * @module
 */
import { Clock, Effect, Either, Option, type Scope } from "effect"
import { mix } from "../actors/mix/mix.ts"
import { Mix } from "../actors/mix/protocol.ts"
import { callNow, RpcGroup } from "../src/actor/actor.ts"
import { Mount, type MountService } from "../src/actor/mount.ts"
import { Forward, PACKETS_PER_BATCH } from "../src/actor/packet-link.ts"
import { makeOutbox } from "../src/actor/outbox.ts"
import { seededEntropy, type Entropy } from "../src/crypto/entropy.ts"
import type { CryptoBackend } from "../src/crypto/backend.ts"
import { MixKeyRing } from "../src/mixnet/mix-key.ts"
import type { UnwrapThreads } from "../src/node/unwrap-pool.ts"
import { Epoch, epochAt } from "../src/params/epoch.ts"
import type { MixnetParams } from "../src/params/mixnet-params.ts"
import { tinyParams } from "../src/params/presets.ts"
import { nodeIdOf, type NodeDescriptor } from "../src/pki/descriptor.ts"
import { Directory } from "../src/pki/directory.ts"
import type { Document } from "../src/pki/document.ts"
import { makeIdentity, type Identity } from "../src/pki/network-setting.ts"
import { PkiView } from "../src/pki/pki-view.ts"
import { makeGeometry, NodeId, recipientId, VERSION_BYTES, type Geometry } from "../src/sphinx/geometry.ts"
import { createPacket, type PathHop } from "../src/sphinx/packet.ts"
import { unwrap, type MixPrivateKey } from "../src/sphinx/unwrap.ts"

/** Packets between sender and receiver at any time. */
export const IN_FLIGHT = 64
/** Mean of the delays that packets carry, exponentially distributed, in milliseconds. */
const MEAN_DELAY_MS = 2
const REPLAY_CAPACITY = 1_000_000
export const MIX = "mix"
export const SENDER = "sender"
export const RECEIVER = "receiver"

class Receiver extends RpcGroup.make(Forward) {}

/** Long epochs, so that none ends during a run; no loops. */
const BENCH_PARAMS: MixnetParams = { ...tinyParams, epochPeriodMs: 24 * 3_600_000, sendSlackMs: 2_000, lambdaMPerMs: 0, lambdaGPerMs: 0 }

/** What a mix and packets for it are made with. */
export interface MixSetting {
  readonly crypto: CryptoBackend
  readonly geometry: Geometry
  readonly ring: MixKeyRing
  /** Of the mix, and of the receiver. */
  readonly identity: Identity
  readonly receiver: Identity
  readonly entropy: Entropy
}

export const makeMixSetting = (crypto: CryptoBackend, userPayloadBytes: number): MixSetting => {
  const geometry = Either.getOrThrow(makeGeometry({ scheme: "x25519", hopCount: 5, userPayloadBytes, withSurb: true }))
  const entropy = seededEntropy("bench", "mix")
  return {
    crypto,
    geometry,
    entropy,
    ring: new MixKeyRing({ crypto, geometry, entropy, replayCapacity: REPLAY_CAPACITY }),
    identity: makeIdentity(crypto, MIX, entropy(32)),
    receiver: makeIdentity(crypto, RECEIVER, entropy(32))
  }
}

const uniform = (entropy: Entropy): number => (new DataView(entropy(4).buffer).getUint32(0) + 1) / 2 ** 32

/** Packets for the mix, each of two hops: to take off the first layer costs the same however many follow. */
export const makePackets = ({ crypto, geometry, receiver }: MixSetting, publicKey: Uint8Array, count: number): ReadonlyArray<Uint8Array> => {
  const entropy = seededEntropy("bench", "packets of the mix")
  const lastKey = crypto.x25519PublicKey(entropy(32))
  const payload = entropy(geometry.forwardPayloadBytes)
  return Array.from({ length: count }, () => {
    const delayMs = Math.round(-Math.log(uniform(entropy)) * MEAN_DELAY_MS)
    const path: ReadonlyArray<PathHop> = [
      { nodeId: NodeId.unsafe(entropy(32)), publicKey, commands: [{ _tag: "NodeDelay", delayMs }] },
      {
        nodeId: NodeId.unsafe(nodeIdOf(crypto, receiver.publicKey)), publicKey: lastKey,
        commands: [{ _tag: "NodeDelay", delayMs }, { _tag: "Recipient", recipient: recipientId("echo") }]
      }
    ]
    return Either.getOrThrow(createPacket(crypto, geometry, path, payload, entropy))
  })
}

/** The public key of the mix for now. */
export const publicKeyNow = ({ ring }: MixSetting, nowMs: number): Uint8Array => {
  const epoch = epochAt(BENCH_PARAMS, nowMs)
  ring.ensure(epoch)
  const key = ring.publicKeys(epoch).get(epoch)
  if (key === undefined) throw new RangeError("the bench's mix has no key")
  return key
}

/** The mix's own key of now, for bare unwrapping. */
export const ownKey = ({ ring }: MixSetting, nowMs: number): MixPrivateKey => {
  const [key] = ring.candidates(epochAt(BENCH_PARAMS, nowMs))
  if (key === undefined) throw new RangeError("the bench's mix has no key")
  return key.privateKey
}

const wordAt = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24))

/** 32 bits of a packet as it leaves a mix, to be added up: of its blinded element, its routing information, its MAC and the last bytes of its payload. */
export const foldOf = ({ elementBytes, headerBytes }: Geometry, packet: Uint8Array): number => {
  let fold = wordAt(packet, VERSION_BYTES)
  fold = Math.imul(fold ^ wordAt(packet, VERSION_BYTES + elementBytes), 0x01000193)
  fold = Math.imul(fold ^ wordAt(packet, headerBytes - 4), 0x01000193)
  return Math.imul(fold ^ wordAt(packet, packet.length - 4), 0x01000193)
}

/** Takes a layer off every packet and does nothing with it; the folds of what came out, added up. */
export const unwrapAll = ({ crypto, geometry }: MixSetting, key: MixPrivateKey, packets: ReadonlyArray<Uint8Array>): number => {
  let fold = 0
  for (const packet of packets) {
    const { next } = Either.getOrThrow(unwrap(crypto, geometry, key, packet))
    if (next === undefined) throw new RangeError("a bench packet ended at its first hop")
    fold = (fold + foldOf(geometry, next.packet)) | 0
  }
  return fold
}

const documentOf = ({ receiver }: MixSetting, nowMs: number): Document => {
  const listed = { name: RECEIVER, identityKey: receiver.publicKey } as NodeDescriptor
  const places = { mixLayers: [[], [listed]], gateways: [], serviceNodes: [] }
  return { epoch: epochAt(BENCH_PARAMS, nowMs), params: BENCH_PARAMS, ...places } as unknown as Document
}

/** Starts the mix in the caller's scope; returns when it serves. */
export const startMix = (setting: MixSetting, threads?: UnwrapThreads): Effect.Effect<void, never, Mount | Scope.Scope> =>
  Effect.gen(function*() {
    const { crypto, geometry, identity, ring } = setting
    const document = documentOf(setting, yield* Clock.currentTimeMillis)
    const up = yield* Effect.makeLatch(false)
    const life = mix({
      crypto, geometry, identity, keys: ring, mixLayer: 0, threads, params: BENCH_PARAMS, authorityKeys: [identity.publicKey], authorityThreshold: 1
    })(up.open)
    yield* Effect.forkScoped(life.pipe(
      Effect.scoped,
      Effect.provideService(Directory, { postDescriptor: () => Effect.succeed(1), getConsensus: () => Effect.succeed([]), withdraw: () => Effect.succeed(1) }),
      Effect.provideService(PkiView, {
        current: Effect.succeed(document),
        held: () => document,
        forEpoch: (epoch: Epoch) => Effect.succeed(epoch === document.epoch ? Option.some(document) : Option.none())
      }),
      Effect.orDie
    ))
    yield* up.await
  })

export interface Traffic {
  /** Sends the packets through the mix, `IN_FLIGHT` at a time; done when as many have come out, with their folds added up. */
  readonly run: (packets: ReadonlyArray<Uint8Array>) => Effect.Effect<number>
}

/** Sender and receiver on their mounts, in the caller's scope. */
export const startTraffic = (
  { geometry }: MixSetting, senderMount: MountService, receiverMount: MountService
): Effect.Effect<Traffic, never, Scope.Scope> =>
  Effect.gen(function*() {
    const client = yield* senderMount.connect(SENDER, MIX, Mix)
    const outbox = yield* makeOutbox({
      capacity: 2 * IN_FLIGHT, batchLimit: PACKETS_PER_BATCH, slackMs: 10_000,
      send: (packets) => callNow(client.Forward, { packets }), onLost: () => { throw new RangeError("the bench lost packets") }
    })
    const finished = yield* Effect.makeLatch(false)
    let waiting: ReadonlyArray<Uint8Array> = []
    let sent = 0
    let received = 0
    let fold = 0
    const send = (count: number): void => {
      for (const end = Math.min(waiting.length, sent + count); sent < end; sent++) outbox.offer(waiting[sent] as Uint8Array)
    }
    yield* Effect.orDie(receiverMount.serve(RECEIVER, Receiver, Receiver.toLayer({
      Forward: ({ packets }) => Effect.suspend(() => {
        received += packets.length
        for (const packet of packets) fold = (fold + foldOf(geometry, packet)) | 0
        send(packets.length)
        return received >= waiting.length ? finished.open : Effect.void
      })
    })))
    const run: Traffic["run"] = (packets) => Effect.suspend(() => {
      waiting = packets
      sent = 0
      received = 0
      fold = 0
      finished.unsafeClose()
      send(IN_FLIGHT)
      return Effect.map(finished.await, () => fold)
    })
    return { run }
  })
