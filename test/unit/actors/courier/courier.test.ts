/**
 * What a courier answers and what it sends, rows K… of pigeonhole.md §7.
 *
 * Goal: answers come at once from the cache, whatever replicas do; garbage gets error 1, odd epochs error 4; replicas speak for themselves only.
 * Method: the actor over a mount in memory, in virtual time whose instant 0 lies in replica epoch 0; replicas as scripts.
 *
 * @module
 */
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { type CourierEnvelope, EnvelopeHash } from "../../../../src/pigeonhole/envelope.ts"
import { entropy, envelopeOf, geometry, hashOf, pigeonhole, queryOf, replyFrame, withCourier } from "./courier-bench.ts"

describe("refusals", () => {
  it("E7: what does not parse, query type 2 too, gets error 1 and a zero hash, and replicas hear nothing of it", () => {
    withCourier([0, 1], ({ ask, commands }) => Effect.gen(function*() {
      for (let attempt = 0; attempt < 50; attempt++) {
        const garbage = entropy(attempt === 0 ? 0 : geometry.userPayloadBytes)
        if (garbage.length > 0) garbage[0] = attempt % 2 === 0 ? 2 + attempt : 0
        const reply = yield* ask(garbage)
        if (reply.errorCode !== 4) expect([reply.errorCode, reply.envelopeHash]).toEqual([1, EnvelopeHash.unsafe(new Uint8Array(32))])
      }
      yield* Effect.sleep(2000)
      expect(commands).toEqual([])
    }))
  })
  it.each([2n, 3n, 2n ** 64n - 1n])("K4, E2: replica epoch %i gets error 4 before the cache is touched", (odd) => {
    withCourier([0, 1], ({ ask, commands }) => Effect.gen(function*() {
      const envelope = envelopeOf({ epoch: odd })
      expect((yield* ask(queryOf(envelope))).errorCode).toBe(4)
      yield* Effect.sleep(1000)
      expect(commands).toEqual([])
      expect(yield* ask(queryOf({ ...envelope, epoch: 1n }))).toMatchObject({ errorCode: 0, replyType: "ack" })
      yield* Effect.sleep(1000)
      expect(commands).toHaveLength(2)
    }))
  })
  it("K3: reply indexes above 1 get error 1, at first sight and later", () => {
    withCourier([0, 1], ({ ask, commands }) => Effect.gen(function*() {
      const envelope = envelopeOf()
      for (let replyIndex = 2; replyIndex < 256; replyIndex++) expect((yield* ask(queryOf({ ...envelope, replyIndex }))).errorCode).toBe(1)
      yield* Effect.sleep(1000)
      expect(commands).toEqual([])
      yield* ask(queryOf(envelope))
      expect((yield* ask(queryOf({ ...envelope, replyIndex: 2 }))).errorCode).toBe(1)
    }))
  })
  it("keys and ciphertexts of another length get error 1 and are not passed on", () => {
    withCourier([0, 1], ({ ask, commands }) => Effect.gen(function*() {
      const odd = [{ senderPublicKey: entropy(31) }, { senderPublicKey: entropy(0) }, { ciphertext: entropy(pigeonhole.envelopeCiphertextBytes - 1) }]
      for (const change of odd) expect((yield* ask(queryOf(envelopeOf(change)))).errorCode).toBe(1)
      yield* Effect.sleep(1000)
      expect(commands).toEqual([])
    }))
  })
})

describe("envelopes", () => {
  it("K1: are acknowledged at once and asked of both intermediates once, each with its own DEK, however often they come", () => {
    withCourier([0, 1, 2], ({ ask, commands }) => Effect.gen(function*() {
      const envelope = envelopeOf({ intermediateReplicas: [2, 0] })
      const replies = yield* Effect.all([ask(queryOf(envelope)), ask(queryOf(envelope)), ask(queryOf(envelope))])
      expect(replies.map(({ errorCode, replyType }) => [replyType, errorCode])).toEqual([["ack", 0], ["ack", 0], ["ack", 0]])
      yield* Effect.sleep(2000)
      expect([...commands].sort(([a], [b]) => a - b)).toEqual([[0, envelope.deks[1]], [2, envelope.deks[0]]])
    }))
  })
  it("K14, K16: are answered while no replica is there; the second is asked when the first is unknown", () => {
    withCourier([1], ({ ask, commands }) => Effect.gen(function*() {
      const envelope = envelopeOf({ intermediateReplicas: [9, 1] })
      expect(yield* ask(queryOf(envelope))).toMatchObject({ replyType: "ack", errorCode: 0 })
      yield* Effect.sleep(2000)
      expect(commands.map(([replicaId]) => replicaId)).toEqual([1])
      for (let more = 0; more < 200; more++) expect(yield* ask(queryOf(envelopeOf({ intermediateReplicas: [0, 2] })))).toMatchObject({ replyType: "ack" })
    }))
  })
  it("K11: serve the reply of either replica as soon as it is there, under the index it came from", () => {
    withCourier([0, 1], ({ answers, ask }) => Effect.gen(function*() {
      const envelope = envelopeOf()
      yield* ask(queryOf(envelope))
      const payload = entropy(pigeonhole.envelopeReplyBytes)
      answers.set(1, [replyFrame(envelope, 1, payload)])
      yield* Effect.sleep(1000)
      for (const replyIndex of [0, 1]) {
        expect(yield* ask(queryOf({ ...envelope, replyIndex }))).toEqual({
          envelopeHash: hashOf(envelope), replyIndex: 1, replyType: "payload", payload, errorCode: 0
        })
      }
    }))
  })
  it("K8: whose replicas give errors only are asked again on a poll and acknowledged meanwhile, five times at most", () => {
    withCourier([0, 1], ({ answers, ask, commands }) => Effect.gen(function*() {
      const envelope = envelopeOf()
      for (let poll = 0; poll < 20; poll++) {
        answers.set(0, [replyFrame(envelope, 0, new Uint8Array(0), 8)])
        expect(yield* ask(queryOf(envelope))).toMatchObject({ replyType: "ack", errorCode: 0 })
        yield* Effect.sleep(2000)
      }
      expect(commands).toHaveLength(12)
    }))
  })
})

describe("replies of replicas", () => {
  it.each<readonly [string, (envelope: CourierEnvelope) => Uint8Array]>([
    ["in the name of another", (envelope) => replyFrame(envelope, 0, entropy(pigeonhole.envelopeReplyBytes))],
    ["of another length", (envelope) => replyFrame(envelope, 1, entropy(pigeonhole.envelopeReplyBytes - 1))],
    ["to an unknown envelope", () => replyFrame(envelopeOf(), 1, entropy(pigeonhole.envelopeReplyBytes))],
    ["in a longer frame", (envelope) => new Uint8Array([...replyFrame(envelope, 1, entropy(pigeonhole.envelopeReplyBytes)), 0])],
    ["in garbage", () => entropy(pigeonhole.linkCommandBytes)]
  ])("%s count for nothing", (_, frame) => {
    withCourier([0, 1], ({ answers, ask }) => Effect.gen(function*() {
      const envelope = envelopeOf()
      yield* ask(queryOf(envelope))
      answers.set(1, [frame(envelope)])
      yield* Effect.sleep(2000)
      for (const replyIndex of [0, 1]) expect((yield* ask(queryOf({ ...envelope, replyIndex }))).replyType).toBe("ack")
    }))
  })
})
