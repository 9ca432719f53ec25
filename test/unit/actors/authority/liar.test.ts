/**
 * Authorities that lie, come too late, or talk nonsense.
 *
 * Goal: one liar among three or five keeps nobody from agreeing and chooses nothing; whatever is refused has its code and its line in the log.
 * Method: real authorities, and one whose messages are made by hand with its real key; see authority-rig.
 *
 * @module
 */
import { Effect, Metric } from "effect"
import { describe, expect, it } from "vitest"
import { concatBytes } from "../../../../src/bytes/concat.ts"
import { toHex } from "../../../../src/bytes/hex.ts"
import { Epoch } from "../../../../src/params/epoch.ts"
import { makeCommit, makeReveal } from "../../../../src/pki/shared-random.ts"
import { encodeContents, type VoteContents } from "../../../../src/pki/vote.ts"
import { encodeMessage, shareOf, signCert, signReveal, signVote, type Message } from "../../../../src/pki/vote-message.ts"
import { configuredReplicasOf } from "../../../../actors/authority/pinned.ts"
import { seedOf } from "../../pki/sample-network.ts"
import { crypto, E, listen, nameOf, P, params, pinned, SEED, startOf, uploadsFor, withRig, type Rig } from "./authority-rig.ts"

const contentsWith = (change: Partial<VoteContents> = {}): Uint8Array => encodeContents(crypto, {
  params, configuredReplicas: configuredReplicasOf(pinned), past: undefined, descriptors: uploadsFor(E).map(([, bytes]) => bytes), ...change
})
const revealOf = (byte: number): Uint8Array => makeReveal(crypto, Epoch(E), seedOf(byte))
const voteOf = (author: number, secret: number, attempt = 1, contents = contentsWith()): Message =>
  signVote(crypto, seedOf(SEED + author), { epoch: Epoch(E), attempt }, makeCommit(crypto, Epoch(E), revealOf(secret)), contents)
const revealing = (author: number, secret: number, attempt = 1): Message =>
  signReveal(crypto, seedOf(SEED + author), { epoch: Epoch(E), attempt }, revealOf(secret))

type Kind = "Vote" | "Reveal" | "Cert" | "Sig"
/** Sends bytes in the name of an authority; gives the status. */
const send = (rig: Rig, from: number | string, to: number, kind: Kind, bytes: Uint8Array) =>
  Effect.flatMap(rig.callAs(typeof from === "number" ? nameOf(from) : from, to), (client): Effect.Effect<{ readonly status: number }, unknown> =>
    client[kind]({ message: bytes })).pipe(Effect.scoped, Effect.map(({ status }) => status))

/** A network of `count` in which the last one lies as told, from the moment the others have begun attempt 1. */
const withLiar = (count: number, lie: (rig: Rig, liar: number, heard: ReadonlyArray<Message>) => Effect.Effect<unknown, unknown>) =>
  withRig(count, startOf(E) + P / 3, (rig) => Effect.gen(function*() {
    const heard: Array<Message> = []
    const honest = Array.from({ length: count - 1 }, (_, index) => index)
    yield* listen(rig, nameOf(count - 1), heard)
    for (const index of honest) yield* rig.start(index)
    yield* Effect.sleep(10)
    yield* rig.upload(E, honest)
    yield* Effect.sleep(10)
    yield* lie(rig, count - 1, heard)
    yield* Effect.sleep(8_000)
    return yield* Effect.forEach(honest, (index) => rig.document(index, E))
  }))
const agree = (documents: ReadonlyArray<{ readonly sharedRandomValue: Uint8Array } | undefined>): void => {
  expect(documents.every((document) => document !== undefined)).toBe(true)
  expect(new Set(documents.map((document) => toHex(document?.sharedRandomValue ?? new Uint8Array(0)))).size).toBe(1)
}

describe("an authority that contradicts itself", { timeout: 60_000 }, () => {
  it.each([3, 5])("by votes that differ from fellow to fellow is left out by name, and the others agree: of %d", (count) => {
    const { result, warnings } = withLiar(count, (rig, liar) => Effect.gen(function*() {
      for (let to = 0; to < liar; to++) yield* send(rig, liar, to, "Vote", encodeMessage(voteOf(liar, 50 + to)))
      yield* Effect.sleep(20)
      for (let to = 0; to < liar; to++) yield* send(rig, liar, to, "Reveal", encodeMessage(revealing(liar, 50 + to)))
    }))
    agree(result)
    expect(warnings.some((line) => line.endsWith(`: rejected vote of ${nameOf(count - 1)}: excluded for equivocation`))).toBe(true)
  })
  it("by two votes to one fellow is told so, and left out", () => {
    const { result, warnings } = withLiar(3, (rig, liar) => Effect.gen(function*() {
      expect(yield* send(rig, liar, 0, "Vote", encodeMessage(voteOf(liar, 50)))).toBe(0)
      expect(yield* send(rig, liar, 0, "Vote", encodeMessage(voteOf(liar, 50)))).toBe(6)
      expect(yield* send(rig, liar, 0, "Vote", encodeMessage(voteOf(liar, 51)))).toBe(6)
    }))
    agree(result)
    expect(warnings).toContain("authority-0: rejected vote of authority-2: equivocation")
  })
  it("by different reveals gets none of them in where it did not commit to it; the others agree", () => {
    const { result, warnings } = withLiar(3, (rig, liar) => Effect.gen(function*() {
      for (const to of [0, 1]) yield* send(rig, liar, to, "Vote", encodeMessage(voteOf(liar, 50)))
      yield* Effect.sleep(20)
      expect(yield* send(rig, liar, 0, "Reveal", encodeMessage(revealing(liar, 50)))).toBe(8)
      expect(yield* send(rig, liar, 1, "Reveal", encodeMessage(revealing(liar, 60)))).toBe(11)
    }))
    agree(result)
    expect(warnings).toContain("authority-1: rejected reveal of authority-2: invalid")
  })
  it("by certificates that differ is left out", () => {
    const { result } = withLiar(3, (rig, liar, heard) => Effect.gen(function*() {
      for (const to of [0, 1]) yield* send(rig, liar, to, "Vote", encodeMessage(voteOf(liar, 50)))
      yield* Effect.sleep(20)
      for (const to of [0, 1]) yield* send(rig, liar, to, "Reveal", encodeMessage(revealing(liar, 50)))
      yield* Effect.sleep(20)
      const votes = heard.filter(({ kind }) => kind === "vote")
      const reveals = heard.filter(({ kind }) => kind === "reveal")
      for (const to of [0, 1]) {
        const vote = votes[to] as Message
        const reveal = reveals.find(({ author }) => toHex(author) === toHex(vote.author)) as Message
        const cert = signCert(crypto, seedOf(SEED + liar), { epoch: Epoch(E), attempt: 1 }, [shareOf(vote, reveal)], contentsWith())
        yield* send(rig, liar, to, "Cert", encodeMessage(cert))
      }
    }))
    agree(result)
  })
  it("by votes without any descriptors, or with other parameters, changes nothing", () => {
    for (const contents of [contentsWith({ descriptors: [] }), contentsWith({ params: { ...params, muPerMs: params.muPerMs / 2 } })]) {
      const { result } = withLiar(3, (rig, liar) => Effect.gen(function*() {
        for (const to of [0, 1]) yield* send(rig, liar, to, "Vote", encodeMessage(voteOf(liar, 50, 1, contents)))
      }))
      agree(result)
      expect(result.map((document) => [document?.gateways.length, document?.params.muPerMs])).toEqual([[1, params.muPerMs], [1, params.muPerMs]])
    }
  })
})

describe("a message that comes too early or too late", { timeout: 60_000 }, () => {
  it("on schedule has the code of its kind and a line with the name of its author", () => {
    const codes = withRig(3, startOf(E - 1) + 100, (rig) => Effect.gen(function*() {
      yield* rig.start(0)
      const at = { epoch: Epoch(E), attempt: 0 }
      const vote = voteOf(1, 40, 0)
      const kinds = [
        ["Vote", vote], ["Reveal", revealing(1, 40, 0)], ["Cert", signCert(crypto, seedOf(SEED + 1), at, [], contentsWith())]
      ] as const
      const sendAll = Effect.forEach(kinds, ([kind, message]) => send(rig, 1, 0, kind, encodeMessage(message)))
      const early = yield* sendAll
      yield* Effect.sleep((6.5 * P) / 8)
      return { early, late: yield* sendAll }
    }))
    expect(codes.result).toEqual({ early: [2, 9, 15], late: [1, 13, 19] })
    for (const [kind, reason] of ["vote", "reveal", "cert"].flatMap((each) => [[each, "early"], [each, "late"]])) {
      expect(codes.warnings).toContain(`authority-0: rejected ${kind} of authority-1: ${reason}`)
    }
  })
  it("for epochs long gone or far ahead is refused", () => {
    const { result } = withRig(3, startOf(E) + P / 3, (rig) => Effect.gen(function*() {
      yield* rig.start(0)
      return yield* Effect.forEach([E - 2, E + 2], (epoch) => {
        const vote = signVote(crypto, seedOf(SEED + 1), { epoch: Epoch(epoch), attempt: 1 }, new Uint8Array(40), contentsWith())
        return send(rig, 1, 0, "Vote", encodeMessage(vote))
      })
    }))
    expect(result).toEqual([1, 2])
  })
})

describe("a message that is not what it should be", { timeout: 60_000 }, () => {
  const flipped = (bytes: Uint8Array): Uint8Array => bytes.map((byte, at) => (at === bytes.length - 1 ? byte ^ 1 : byte))
  it("is refused by code and logged by name: forged, malformed, from nobody we know", () => {
    const before = Effect.runSync(Metric.value(Metric.tagged(Metric.counter("authority_rejected", { incremental: true }), "reason", "malformed"))).count
    const { result, warnings } = withRig(3, startOf(E) + P / 3, (rig) => Effect.gen(function*() {
      yield* rig.start(0)
      const vote = voteOf(1, 40)
      const forged = { ...vote, signature: flipped(vote.signature) }
      const wrong = { ...vote, attachment: concatBytes(vote.attachment, new Uint8Array(1)) }
      return [
        yield* send(rig, 1, 0, "Vote", encodeMessage(forged)),
        yield* send(rig, 1, 0, "Vote", encodeMessage(wrong)),
        yield* send(rig, 1, 0, "Vote", new Uint8Array(1_000)),
        yield* send(rig, "node-1", 0, "Vote", encodeMessage(vote)),
        yield* send(rig, 1, 0, "Vote", encodeMessage(voteOf(9, 40))),
        yield* send(rig, 1, 0, "Reveal", new Uint8Array(10)),
        yield* send(rig, 1, 0, "Cert", new Uint8Array(10)),
        yield* send(rig, 1, 0, "Sig", new Uint8Array(10))
      ]
    }))
    expect(result).toEqual([4, 5, 5, 3, 3, 11, 17, 26])
    expect(warnings).toContain("authority-0: rejected vote of authority-1: forged signature")
    expect(warnings).toContain("authority-0: rejected vote of authority-1: malformed")
    expect(warnings).toContain("authority-0: rejected vote of a stranger: not authorised")
    const after = Effect.runSync(Metric.value(Metric.tagged(Metric.counter("authority_rejected", { incremental: true }), "reason", "malformed"))).count
    expect(after - before).toBe(5)
  })
  it("a hundred times fills no log", () => {
    const { warnings } = withRig(3, startOf(E) + P / 3, (rig) => Effect.gen(function*() {
      yield* rig.start(0)
      for (let times = 0; times < 100; times++) yield* send(rig, 1, 0, "Vote", new Uint8Array([times]))
    }))
    expect(warnings).toHaveLength(8)
  })
})
