/**
 * A courier over minutes and hours, rows K… of pigeonhole.md §7.
 *
 * Goal: memory ends when it should, silence and trouble of single replicas harm nobody else, and a restart loses nothing that clients do not mend.
 * Method: see `courier-bench.ts`; links tick slowly so that hours cost little.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { describe, expect, it } from "vitest"
import { tinyParams as params } from "../../../../src/params/presets.ts"
import { encodeCourierQuery } from "../../../../src/pigeonhole/courier-query.ts"
import { decodeCourierQueryReplyTop } from "../../../../src/pigeonhole/courier-reply.ts"
import { document, entropy, envelopeOf, geometry, pigeonhole, queryOf, replyFrame, SLOW, SLOWEST, withCourier } from "./courier-bench.ts"

describe("a courier's hours", () => {
  it("K2: one replica that takes commands and never answers delays nobody, and no more than a bounded number waits for it", () => {
    withCourier([0, 1, 2], ({ answers, ask, hung }) => Effect.gen(function*() {
      hung.replicaIds.add(0)
      for (let number = 0; number < 300; number++) {
        expect(yield* ask(queryOf(envelopeOf({ intermediateReplicas: [0, 0] })))).toMatchObject({ replyType: "ack", errorCode: 0 })
        yield* Effect.sleep(30)
      }
      const envelope = envelopeOf({ intermediateReplicas: [1, 2] })
      yield* ask(queryOf(envelope))
      answers.set(1, [replyFrame(envelope, 1, entropy(pigeonhole.envelopeReplyBytes))])
      yield* Effect.sleep(1000)
      expect((yield* ask(queryOf(envelope))).replyType).toBe("payload")
      expect(hung.most).toBeGreaterThan(50)
      expect(hung.most).toBeLessThanOrEqual(256)
    }))
  })

  it("K6: an envelope older than its life is new again, without any other traffic, and is asked of both replicas anew", () => {
    withCourier([0, 1], ({ answers, ask, commands }) => Effect.gen(function*() {
      const envelope = envelopeOf()
      yield* ask(queryOf(envelope))
      answers.set(0, [replyFrame(envelope, 0, entropy(pigeonhole.envelopeReplyBytes))])
      yield* Effect.sleep(60_000)
      expect((yield* ask(queryOf(envelope))).replyType).toBe("payload")
      expect(commands).toHaveLength(2)
      yield* Effect.sleep(241_000)
      expect(yield* ask(queryOf(envelope))).toMatchObject({ replyType: "ack", errorCode: 0 })
      yield* Effect.sleep(60_000)
      expect(commands).toHaveLength(4)
    }), SLOW)
  })

  it("K7: an envelope without any reply is asked again by polls after 30 s, five times in all, never without a poll", () => {
    withCourier([0, 1], ({ ask, commands }) => Effect.gen(function*() {
      const envelope = envelopeOf()
      yield* ask(queryOf(envelope))
      yield* Effect.sleep(29_000)
      yield* ask(queryOf(envelope))
      yield* Effect.sleep(15_000)
      expect(commands).toHaveLength(2)
      yield* ask(queryOf(envelope))
      yield* ask(queryOf(envelope))
      yield* Effect.sleep(20_000)
      expect(commands).toHaveLength(4)
      for (let poll = 0; poll < 22; poll++) {
        yield* ask(queryOf(envelope))
        yield* Effect.sleep(10_000)
      }
      yield* Effect.sleep(10_000)
      expect(commands).toHaveLength(12)
    }), SLOW)
  })

  it("K10: a read that is unserved for an hour is acknowledged without error; one warning names the silent replicas", () => {
    withCourier([0, 1, 2], ({ answers, ask, warnings }) => Effect.gen(function*() {
      const envelope = envelopeOf({ intermediateReplicas: [0, 2] })
      const served = envelopeOf({ intermediateReplicas: [1, 2] })
      yield* ask(queryOf(served))
      answers.set(1, [replyFrame(served, 1, entropy(pigeonhole.envelopeReplyBytes))])
      for (let minute = 0; minute < 60; minute++) {
        expect(yield* ask(queryOf(envelope))).toMatchObject({ replyType: "ack", errorCode: 0 })
        yield* Effect.sleep(60_000)
      }
      expect(warnings).toHaveLength(1)
      expect(warnings[0]).toContain("replica-0, replica-2")
      expect(warnings[0]).not.toContain("replica-1")
    }), SLOWEST)
  })

  it("K17: a replica missing for one or two re-authentications keeps its link; the third in a row closes it; it opens again when listed", () => {
    withCourier([0, 1, 2], ({ directory, instants }) => Effect.gen(function*() {
      const without = { ...document, replicas: document.replicas.slice(1) }
      const heard = (replicaId: number, forMs: number) => Effect.gen(function*() {
        const before = instants.get(replicaId)?.length ?? 0
        yield* Effect.sleep(forMs)
        return (instants.get(replicaId)?.length ?? 0) - before
      })
      const period = params.epochPeriodMs / 4
      yield* Effect.sleep(1.5 * period)
      directory.document = without
      yield* Effect.sleep(2 * period)
      expect(yield* heard(0, 0.4 * period)).toBeGreaterThan(0)
      directory.document = document
      yield* Effect.sleep(period)
      directory.document = without
      expect(yield* heard(0, 2 * period)).toBeGreaterThan(0)
      yield* Effect.sleep(0.3 * period)
      expect(yield* heard(0, 0.6 * period)).toBe(0)
      expect(yield* heard(1, 0.5 * period)).toBeGreaterThan(0)
      directory.document = document
      yield* Effect.sleep(0.1 * period)
      expect(yield* heard(0, 0.5 * period)).toBeGreaterThan(0)
    }), SLOWEST)
  })

  it("K18: while there is no document, the last one serves: links stay and envelopes go out", () => {
    withCourier([0, 1], ({ ask, commands, directory, warnings }) => Effect.gen(function*() {
      directory.document = undefined
      yield* Effect.sleep(2 * params.epochPeriodMs)
      yield* ask(queryOf(envelopeOf()))
      yield* Effect.sleep(60_000)
      expect(commands).toHaveLength(2)
      yield* Effect.sleep(180_000)
      expect(warnings[0]).toContain("replica-0, replica-1")
    }), SLOWEST)
  })

  it("K19: commands leave at the same instants whether replies take no time or longer than many gaps", () => {
    const instantsWith = (answerMs: number) => withCourier([0, 1], ({ ask, instants }) => Effect.gen(function*() {
      for (let number = 0; number < 20; number++) {
        yield* ask(queryOf(envelopeOf()))
        yield* Effect.sleep(500)
      }
      return [0, 1].map((replicaId) => [...instants.get(replicaId)!])
    }), { answerMs })
    const prompt = instantsWith(0)
    expect(prompt[0]!.length).toBeGreaterThan(150)
    expect(instantsWith(3000)).toEqual(prompt)
  })

  it("K20, K21: unknown commands of a newer replica, and garbage, are named once per kind; the link goes on", () => {
    withCourier([0, 1], ({ answers, ask, warnings }) => Effect.gen(function*() {
      const unknown = new Uint8Array(pigeonhole.linkCommandBytes)
      unknown[0] = 99
      const envelope = envelopeOf()
      const payload = entropy(pigeonhole.envelopeReplyBytes)
      yield* ask(queryOf(envelope))
      answers.set(0, [unknown, unknown, new Uint8Array(0), new Uint8Array(7), unknown, replyFrame(envelope, 0, payload)])
      yield* Effect.sleep(3000)
      expect(yield* ask(queryOf(envelope))).toMatchObject({ replyType: "payload", payload })
      expect(warnings).toHaveLength(2)
      expect(warnings[0]).toContain('"kind":99')
    }))
  })

  it("K23: after a restart nothing is remembered, and the client's next transmission builds it up again", () => {
    withCourier([0, 1], ({ answers, ask, commands, restart }) => Effect.gen(function*() {
      const envelope = envelopeOf()
      const payload = entropy(pigeonhole.envelopeReplyBytes)
      yield* ask(queryOf(envelope))
      answers.set(0, [replyFrame(envelope, 0, payload)])
      yield* Effect.sleep(1000)
      expect((yield* ask(queryOf(envelope))).replyType).toBe("payload")
      yield* restart
      expect((yield* ask(queryOf(envelope))).replyType).toBe("ack")
      answers.set(1, [replyFrame(envelope, 1, payload)])
      yield* Effect.sleep(1000)
      expect(yield* ask(queryOf(envelope))).toMatchObject({ replyType: "payload", replyIndex: 1, payload })
      expect(commands).toHaveLength(4)
    }))
  })

  it("a copy command is answered at once with in progress, in the one length, and ends with a verdict", () => {
    withCourier([0, 1, 2], ({ askRaw }) => Effect.gen(function*() {
      const query = new Uint8Array(geometry.userPayloadBytes)
      query.set(encodeCourierQuery({ _tag: "CopyCommand", copyCommand: { writeCap: entropy(168) } }))
      const look = Effect.map(askRaw(query), (reply) => Either.getOrThrow(decodeCourierQueryReplyTop(reply)))
      expect(yield* look).toMatchObject({ _tag: "CopyCommandReply", copyCommandReply: { status: 1 } })
      yield* Effect.sleep(1000)
      expect(yield* look).toMatchObject({ _tag: "CopyCommandReply", copyCommandReply: { status: 2, errorCode: 5, failedEnvelopeIndex: 0n } })
    }))
  })
})
