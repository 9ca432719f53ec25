/**
 * How much does unwrapping a packet at a mix cost beyond the two scalar multiplications that X25519 Sphinx cannot do without?
 *
 * Contract: one row per scheme and user payload, `unwrap/<scheme>/<bytes>`; the floor is the same everywhere: two bare X25519 multiplications of the
 * same backend (libsodium's `crypto_scalarmult` in the native one). A packet is unwrapped at its first of five hops, over several packets in
 * turn; keys are prepared beforehand, as a mix does once per epoch.
 * Knows nothing of: queues, links, replay filters.
 * Source: sphinx.md §16; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import type { CryptoBackend } from "../src/crypto/backend.ts"
import { seededEntropy, type Entropy } from "../src/crypto/entropy.ts"
import { makeGeometry, NodeId, recipientId, type Geometry } from "../src/sphinx/geometry.ts"
import { createPacket, encodeForwardPayload, type PathHop } from "../src/sphinx/packet.ts"
import { mixPrivateKey, unwrap, type MixPrivateKey } from "../src/sphinx/unwrap.ts"
import { compare, type Bench, type BenchOptions, type BenchRow, type Operation } from "./harness.ts"

const HOP_COUNT = 5
const PACKET_COUNT = 16
const SMALL_PACKET_COUNT = 2

const CASES = [
  { label: "x25519", scheme: "x25519", userPayloadBytes: 2000 },
  { label: "x25519", scheme: "x25519", userPayloadBytes: 30000 },
  { label: "x-wing", scheme: "XWING", userPayloadBytes: 2000 },
  { label: "x-wing", scheme: "XWING", userPayloadBytes: 30000 }
] as const

interface Prepared {
  readonly geometry: Geometry
  readonly key: MixPrivateKey
  readonly packets: ReadonlyArray<Uint8Array>
}

const prepare = (crypto: CryptoBackend, scheme: string, userPayloadBytes: number, packetCount: number, entropy: Entropy): Prepared => {
  const geometry = Either.getOrThrow(makeGeometry({ scheme, hopCount: HOP_COUNT, userPayloadBytes, withSurb: true }))
  const keys = Array.from({ length: HOP_COUNT }, () => mixPrivateKey(crypto, geometry, entropy(32)))
  const path = keys.map(({ publicKey }, hopIndex): PathHop => ({
    nodeId: NodeId.unsafe(entropy(32)),
    publicKey,
    commands: hopIndex < HOP_COUNT - 1
      ? [{ _tag: "NodeDelay", delayMs: 20 }]
      : [{ _tag: "NodeDelay", delayMs: 20 }, { _tag: "Recipient", recipient: recipientId("echo") }]
  }))
  const packets = Array.from({ length: packetCount }, () => {
    const payload = Either.getOrThrow(encodeForwardPayload(geometry, { userPayload: entropy(userPayloadBytes) }))
    return Either.getOrThrow(createPacket(crypto, geometry, path, payload, entropy))
  })
  return { geometry, key: keys[0] as MixPrivateKey, packets }
}

const first32Bits = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0)

/** Unwraps packet number `inputIndex`; the result is the first payload word of the next packet. */
const unwrapOperation = (crypto: CryptoBackend, { geometry, key, packets }: Prepared): Operation => (inputIndex) => {
  const { next } = Either.getOrThrow(unwrap(crypto, geometry, key, packets[inputIndex] as Uint8Array))
  if (next === undefined) throw new RangeError("a bench packet ended at its first hop")
  return first32Bits(next.packet.subarray(geometry.headerBytes))
}

/** Two scalar multiplications on fresh points. */
const floorOperation = (crypto: CryptoBackend, inputCount: number, entropy: Entropy): Operation => {
  const scalar = entropy(32)
  const points = Array.from({ length: inputCount }, () => crypto.x25519PublicKey(entropy(32)))
  return (inputIndex) => {
    const shared = crypto.x25519(scalar, points[inputIndex] as Uint8Array)
    const again = shared === undefined ? undefined : crypto.x25519(scalar, shared)
    if (again === undefined) throw new RangeError("a bench point is of low order")
    return first32Bits(again)
  }
}

const run = ({ crypto, small }: BenchOptions): Promise<ReadonlyArray<BenchRow>> => {
  const inputCount = small ? SMALL_PACKET_COUNT : PACKET_COUNT
  const floor = floorOperation(crypto, inputCount, seededEntropy("bench", "unwrap floor"))
  const rows = CASES.map(({ label, scheme, userPayloadBytes }) => {
    const id = `unwrap/${label}/${userPayloadBytes}`
    const prepared = prepare(crypto, scheme, userPayloadBytes, inputCount, seededEntropy("bench", id))
    return compare({ id, candidate: unwrapOperation(crypto, prepared), floor, inputCount, small })
  })
  return Promise.resolve(rows)
}

export const unwrapBench: Bench = {
  name: "unwrap",
  question: "What does unwrapping cost, in units of two bare X25519 scalar multiplications?",
  run
}
