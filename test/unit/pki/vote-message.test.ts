/**
 * Goal: messages of authorities say what their author signed, for one kind, epoch and attempt, and nothing else is read.
 * Method: round trips; each bit and each truncation of signed bytes; the same signature in another place; random bytes.
 *
 * @module
 */
import { Either } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Epoch } from "../../../src/params/epoch.ts"
import { makeCommit, makeReveal, type Past } from "../../../src/pki/shared-random.ts"
import { decodeContents, decodePast, encodeContents, encodePast, tally, type VoteContents } from "../../../src/pki/vote.ts"
import {
  encodeMessage, openMessage, readCert, readEvidence, shareOf, signCert, signReveal, signSig, signVote, sigBody, voteBody, withoutAttachment, type Message
} from "../../../src/pki/vote-message.ts"
import { openWithdrawal, signWithdrawal } from "../../../src/pki/withdrawal.ts"
import { contents as documentContents, crypto, damaged, epoch, identityOf, params, seedOf, signAll, network } from "./sample-network.ts"

const at = { epoch, attempt: 3 }
const past: Past = {
  epoch: Epoch(epoch - 1), genesisEpoch: Epoch(epoch - 9), sharedRandomValue: new Uint8Array(32).fill(4),
  priorSharedRandom: [new Uint8Array(32).fill(5), new Uint8Array(32).fill(6)]
}
const contents: VoteContents = { params, configuredReplicas: documentContents().configuredReplicas, past, descriptors: documentContents().descriptors }
const small = encodeContents(crypto, { ...contents, descriptors: [] })
const reveal = makeReveal(crypto, epoch, new Uint8Array(32).fill(1))
const vote = signVote(crypto, seedOf(101), at, makeCommit(crypto, epoch, reveal), small)
const revealing = signReveal(crypto, seedOf(101), at, reveal)
const share = shareOf(vote, revealing)
const cert = signCert(crypto, seedOf(101), at, [share], small)
const document = new Uint8Array([1, 2, 3])
const evidence = { certs: [encodeMessage(withoutAttachment(cert))], contents: small }
const sig = signSig(crypto, seedOf(101), at, document, new Uint8Array(64).fill(7), evidence)
const messages: ReadonlyArray<readonly [Message["kind"], Message]> = [["vote", vote], ["reveal", revealing], ["cert", cert], ["sig", sig]]

describe("a message", () => {
  it.each(messages)("of kind %s comes out as it went in", (kind, message) => {
    expect(Either.getOrThrow(openMessage(crypto, kind, encodeMessage(message)))).toEqual(message)
  })
  it.each(messages)("of kind %s is no message of another kind", (kind, message) => {
    for (const [other] of messages) if (other !== kind) expect(Either.isLeft(openMessage(crypto, other, encodeMessage(message)))).toBe(true)
  })
  it.each(messages)("of kind %s with anything changed, cut off or added is refused", (kind, message) => {
    for (const bytes of damaged(encodeMessage(message), kind === "reveal" ? 1 : 13)) {
      const opened = openMessage(crypto, kind, bytes)
      if (Either.isLeft(opened)) continue
      // What a sig was computed from is not signed again: it carries its own signatures.
      expect([kind, opened.right.body, opened.right.epoch, opened.right.attempt]).toEqual(["sig", message.body, message.epoch, message.attempt])
    }
  })
  it("signed for one epoch, attempt or author is worth nothing for another", () => {
    for (const change of [{ epoch: Epoch(epoch + 1) }, { attempt: 4 }, { author: identityOf(102) }]) {
      expect(openMessage(crypto, "reveal", encodeMessage({ ...revealing, ...change })).pipe(Either.flip, Either.getOrThrow).reason).toBe("forged")
    }
  })
  it("whose attachment is not the one that was signed is malformed", () => {
    for (const message of [vote, cert]) {
      const other = encodeContents(crypto, { ...contents, past: undefined, descriptors: [] })
      expect(openMessage(crypto, message.kind, encodeMessage({ ...message, attachment: other })).pipe(Either.flip, Either.getOrThrow).reason).toBe("malformed")
    }
  })
  it("holds its parts", () => {
    expect(voteBody(vote)).toEqual({ commit: makeCommit(crypto, epoch, reveal), contentsHash: crypto.blake2b256(small) })
    expect(sigBody(sig)).toEqual({ documentHash: crypto.blake2b256(document), documentSignature: new Uint8Array(64).fill(7) })
    expect(Either.getOrThrow(readCert(cert))).toEqual({ contentsHash: crypto.blake2b256(small), shares: [share] })
    expect(Either.getOrThrow(readEvidence(sig))).toEqual(evidence)
  })
  it("of random bytes never throws and is never one", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), fc.constantFrom("vote", "reveal", "cert", "sig"), (bytes, kind) => {
      expect(Either.isLeft(openMessage(crypto, kind, bytes))).toBe(true)
      expect(Either.isLeft(decodeContents(epoch, bytes))).toBe(true)
      expect(Either.isLeft(openWithdrawal(crypto, bytes))).toBe(true)
    }), { numRuns: 300 })
  })
})

describe("contents of a vote", () => {
  it("come out as they went in, and the order of descriptors does not show", () => {
    const bytes = encodeContents(crypto, contents)
    const decoded = Either.getOrThrow(decodeContents(epoch, bytes))
    expect(encodeContents(crypto, decoded)).toEqual(bytes)
    expect(new Set(decoded.descriptors.map(String))).toEqual(new Set(contents.descriptors.map(String)))
    expect(encodeContents(crypto, { ...contents, descriptors: [...contents.descriptors].reverse() })).toEqual(bytes)
    expect([decoded.past, decoded.params]).toEqual([past, params])
  })
  it("truncated or with a byte more are refused", () => {
    for (const bytes of damaged(small, 7)) if (bytes.length !== small.length) expect(Either.isLeft(decodeContents(epoch, bytes))).toBe(true)
  })
  it("with a past that is not before the epoch are refused", () => {
    expect(Either.isLeft(decodeContents(past.epoch, small))).toBe(true)
  })
  it("keep a past by itself", () => {
    expect(Either.getOrThrow(decodePast(encodePast(past)))).toEqual(past)
    for (const bytes of damaged(encodePast(past), 5)) if (bytes.length !== encodePast(past).length) expect(Either.isLeft(decodePast(bytes))).toBe(true)
  })
})

describe("the tally", () => {
  const names = new Map(contents.descriptors.map((bytes, index) => [String(bytes), `id-${index}`]))
  const identify = (bytes: Uint8Array): string | undefined => names.get(String(bytes))
  const [first, second, third] = contents.descriptors as readonly [Uint8Array, Uint8Array, Uint8Array]
  const voting = (descriptors: ReadonlyArray<Uint8Array>, change: Partial<VoteContents> = {}): VoteContents => ({ ...contents, descriptors, ...change })
  it("takes what the threshold of votes holds, exactly", () => {
    const counted = tally([voting([first, second]), voting([second, third]), voting([third, second])], 2, identify)
    expect(counted?.descriptors.map(identify).sort()).toEqual([identify(second), identify(third)].sort())
    expect(tally([voting([first]), voting([first])], 3, identify)).toBeUndefined()
  })
  it("counts a descriptor once in a vote that holds it twice", () => {
    expect(tally([voting([first, first]), voting([]), voting([])], 2, identify)?.descriptors).toEqual([])
  })
  it("leaves out who is not recognised, and an identity with two descriptors that both have enough votes", () => {
    const both = [voting([first, second]), voting([first, second])]
    expect(tally(both, 2, (bytes) => (bytes === first ? undefined : "x"))?.descriptors).toEqual([second])
    expect(tally(both, 2, () => "the same")?.descriptors).toEqual([])
  })
  it("gives nothing without agreement on parameters or configured replicas, and starts anew without one on the past", () => {
    const faster = { params: { ...params, muPerMs: params.muPerMs * 2 } }
    expect(tally([voting([]), voting([], faster)], 2, identify)).toBeUndefined()
    expect(tally([voting([]), voting([], { configuredReplicas: [] })], 2, identify)).toBeUndefined()
    expect(tally([voting([]), voting([]), voting([], faster)], 2, identify)?.params).toEqual(params)
    const counted = tally([voting([]), voting([], { past: undefined })], 2, identify)
    expect([counted !== undefined, counted?.past]).toEqual([true, undefined])
  })
})

describe("a withdrawal", () => {
  const bytes = signWithdrawal(crypto, seedOf(2), epoch)
  it("comes out as it went in, and only the identity can make it", () => {
    expect(Either.getOrThrow(openWithdrawal(crypto, bytes))).toEqual({ identityKey: identityOf(2), epoch })
    for (const other of damaged(bytes)) expect(Either.isLeft(openWithdrawal(crypto, other))).toBe(true)
  })
  it("is no signature of anything else: descriptors of the identity differ", () => {
    expect(signAll(network()).some((descriptor) => Either.isRight(openWithdrawal(crypto, descriptor)))).toBe(false)
  })
})
