/**
 * The ring of mix keys over the epochs.
 *
 * Goal: which keys exist when, in which order they are tried, and that a destroyed key neither opens packets nor comes back.
 * Method: reference backend, seeded entropy.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { referenceBackend as crypto } from "../../../src/crypto/backends/reference.ts"
import { seededEntropy } from "../../../src/crypto/entropy.ts"
import { MixKeyRing } from "../../../src/mixnet/mix-key.ts"
import { makeGeometry, NodeId, recipientId } from "../../../src/sphinx/geometry.ts"
import { createPacket } from "../../../src/sphinx/packet.ts"
import { unwrap } from "../../../src/sphinx/unwrap.ts"

const geometry = Either.getOrThrow(makeGeometry({ scheme: "x25519", hopCount: 2, userPayloadBytes: 32, withSurb: false }))
const makeRing = () => new MixKeyRing({ crypto, geometry, entropy: seededEntropy(1, "ring"), replayCapacity: 10 })
const epochsOf = (keys: ReadonlyArray<{ readonly epoch: number }>) => keys.map(({ epoch }) => epoch)

describe("mix key ring", () => {
  it("makes the keys of an epoch and the two after it, each once", () => {
    const ring = makeRing()
    expect(ring.ensure(10)).toEqual([10, 11, 12])
    const before = ring.publicKeys(10)
    expect(ring.ensure(10)).toEqual([])
    expect(ring.ensure(11)).toEqual([13])
    expect(ring.publicKeys(10)).toEqual(before)
    expect([...ring.publicKeys(11).keys()]).toEqual([11, 12, 13])
    expect(new Set([...ring.publicKeys(10).values(), ...ring.publicKeys(11).values()].map(String)).size).toBe(4)
  })
  it("tries the key of now first, then that of the epoch before, then that of the next", () => {
    const ring = makeRing()
    ring.ensure(10)
    ring.ensure(12)
    expect(epochsOf(ring.candidates(11))).toEqual([11, 10, 12])
    expect(epochsOf(ring.candidates(10))).toEqual([10, 11])
    expect(epochsOf(ring.candidates(15))).toEqual([14])
    expect(ring.candidates(99)).toEqual([])
  })
  it("tries what was made or destroyed since the last look at once", () => {
    const ring = makeRing()
    expect(ring.candidates(10)).toEqual([])
    ring.ensure(10)
    const both = ring.candidates(10)
    expect(epochsOf(both)).toEqual([10, 11])
    expect(ring.candidates(10)).toBe(both)
    ring.prune(12)
    expect(epochsOf(ring.candidates(10))).toEqual([11])
    ring.wipe()
    expect(ring.candidates(10)).toEqual([])
  })
  it("destroys keys older than the epoch before now, with what they had seen, and never makes them again", () => {
    const ring = makeRing()
    ring.ensure(10)
    const old = ring.candidates(10)[0]!
    const packet = Either.getOrThrow(createPacket(
      crypto,
      geometry,
      [{ nodeId: NodeId.unsafe(new Uint8Array(32)), publicKey: old.privateKey.publicKey, commands: [{ _tag: "Recipient", recipient: recipientId("x") }] }],
      new Uint8Array(geometry.forwardPayloadBytes),
      seededEntropy(2, "packet")
    ))
    const { replayTag } = Either.getOrThrow(unwrap(crypto, geometry, old.privateKey, packet))
    expect(old.replayFilter.testAndSet(replayTag)).toBe("fresh")
    expect(ring.prune(11)).toEqual([])
    expect(ring.prune(12)).toEqual([10])
    expect(Either.isLeft(unwrap(crypto, geometry, old.privateKey, packet))).toBe(true)
    expect(old.replayFilter.size).toBe(0)
    expect(ring.ensure(10)).toEqual([])
    expect(epochsOf(ring.candidates(11))).toEqual([11, 12])
  })
  it("wiping destroys every key for good", () => {
    const ring = makeRing()
    ring.ensure(10)
    const keys = ring.candidates(11)
    ring.wipe()
    expect(ring.candidates(11)).toEqual([])
    expect(ring.ensure(11)).toEqual([])
    expect(keys.every(({ replayFilter }) => replayFilter.size === 0)).toBe(true)
  })
  it("bounds what each key remembers by the given capacity", () => {
    const ring = makeRing()
    ring.ensure(1)
    const entropy = seededEntropy(4, "tags")
    const answers = Array.from({ length: 11 }, () => ring.candidates(1)[0]!.replayFilter.testAndSet(entropy(32)))
    expect(answers).toEqual([...Array.from({ length: 10 }, () => "fresh"), "full"])
  })
})
