/**
 * Goal: the shared random value is the formula's, to the byte, and nobody chooses it.
 * Method: the formula written out by hand over fixed numbers; certificates of five authorities with one thing wrong each.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { toHex } from "../../../src/bytes/hex.ts"
import { Epoch } from "../../../src/params/epoch.ts"
import { collect } from "../../../src/pki/outcome.ts"
import { makeCommit, makeReveal, priorSharedRandomOf, revealFits, sharedRandomOf, type Past } from "../../../src/pki/shared-random.ts"
import { readCert, shareOf, signCert, signReveal, signVote, type Message, type Share } from "../../../src/pki/vote-message.ts"
import { crypto, epoch, identityOf, params, seedOf } from "./sample-network.ts"

const be64 = (value: number): Uint8Array => {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value))
  return bytes
}
const hash = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => crypto.blake2b256(Buffer.concat(parts))
const secret = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)

describe("commits and reveals", () => {
  it("are the epoch and the hash of what lies behind", () => {
    const reveal = makeReveal(crypto, epoch, secret(1))
    expect(toHex(reveal)).toBe(toHex(Buffer.concat([be64(epoch), hash(secret(1))])))
    expect(toHex(makeCommit(crypto, epoch, reveal))).toBe(toHex(Buffer.concat([be64(epoch), hash(reveal)])))
  })
  it("fit only each other and their epoch", () => {
    const reveal = makeReveal(crypto, epoch, secret(1))
    const commit = makeCommit(crypto, epoch, reveal)
    const other = Epoch(epoch + 1)
    expect(revealFits(crypto, epoch, commit, reveal)).toBe(true)
    expect(revealFits(crypto, epoch, commit, makeReveal(crypto, epoch, secret(2)))).toBe(false)
    expect(revealFits(crypto, other, commit, reveal)).toBe(false)
    expect(revealFits(crypto, epoch, makeCommit(crypto, epoch, makeReveal(crypto, other, secret(1))), makeReveal(crypto, other, secret(1)))).toBe(false)
    expect(revealFits(crypto, epoch, commit, reveal.slice(1))).toBe(false)
  })
})

describe("the shared random value", () => {
  const revealed = [3, 1, 2].map((byte) => ({ authorityKey: identityOf(byte), reveal: makeReveal(crypto, epoch, secret(byte)) }))
  it("is the hash of label, epoch, numbers in descending order with their authorities, and the value before", () => {
    const previous = new Uint8Array(32).fill(9)
    const descending = [...revealed].sort((a, b) => -Buffer.compare(a.reveal, b.reveal))
    const expected = hash(
      Buffer.from("shared-random"), be64(epoch), ...descending.flatMap(({ authorityKey, reveal }) => [hash(authorityKey), reveal]), previous
    )
    expect(toHex(sharedRandomOf(crypto, epoch, revealed, previous))).toBe(toHex(expected))
    expect(toHex(sharedRandomOf(crypto, epoch, [...revealed].reverse(), previous))).toBe(toHex(expected))
  })
  it("depends on every number, on who gave it, on the epoch and on the value before", () => {
    const zeros = new Uint8Array(32)
    const values = [
      sharedRandomOf(crypto, epoch, revealed, zeros),
      sharedRandomOf(crypto, epoch, revealed.slice(1), zeros),
      sharedRandomOf(crypto, epoch, revealed.map((each) => ({ ...each, authorityKey: identityOf(5) })), zeros),
      sharedRandomOf(crypto, Epoch(epoch + 1), revealed, zeros),
      sharedRandomOf(crypto, epoch, revealed, secret(1))
    ]
    expect(new Set(values.map(toHex)).size).toBe(5)
  })
})

describe("prior values", () => {
  const past = (at: number): Past =>
    ({ epoch: Epoch(at), genesisEpoch: Epoch(1), sharedRandomValue: secret(1), priorSharedRandom: [secret(2), secret(3)] })
  const weekEpochs = params.replicaEpochPeriodMs / params.epochPeriodMs
  const firstOfWeek = Math.ceil(epoch / weekEpochs) * weekEpochs
  it("are zeros at the beginning, stay within a replica epoch, and move on by one with the next", () => {
    expect(priorSharedRandomOf(params, epoch, undefined)).toEqual([new Uint8Array(32), new Uint8Array(32)])
    expect(priorSharedRandomOf(params, Epoch(firstOfWeek + 2), past(firstOfWeek + 1))).toEqual([secret(2), secret(3)])
    expect(priorSharedRandomOf(params, Epoch(firstOfWeek), past(firstOfWeek - 1))).toEqual([secret(1), secret(2)])
    expect(priorSharedRandomOf(params, Epoch(firstOfWeek + 5), past(firstOfWeek - 3))).toEqual([secret(1), secret(2)])
  })
})

describe("what certificates say together", () => {
  const AUTHORITIES = [101, 102, 103, 104, 105]
  const setting = { crypto, authorityKeys: AUTHORITIES.map(identityOf), authorityThreshold: 3 }
  const at = { epoch, attempt: 1 }
  const contents = new Uint8Array([1])
  const share = (author: number, byte = author, revealed = byte, where = at): Share => {
    const commit = makeCommit(crypto, epoch, makeReveal(crypto, epoch, secret(byte)))
    const reveal = signReveal(crypto, seedOf(author), where, makeReveal(crypto, epoch, secret(revealed)))
    return shareOf(signVote(crypto, seedOf(author), where, commit, contents), reveal)
  }
  const cert = (author: number, shares: ReadonlyArray<Share>): Message => signCert(crypto, seedOf(author), at, shares, contents)
  const good = AUTHORITIES.map((author) => share(author))
  const authorsOf = (certs: ReadonlyArray<Message>): ReadonlyArray<number> =>
    collect(setting, at, certs).revealed.map(({ authorityKey }) => AUTHORITIES.find((each) => toHex(identityOf(each)) === toHex(authorityKey)) ?? 0).sort()
  const excludedOf = (certs: ReadonlyArray<Message>): ReadonlyArray<readonly [number, string]> =>
    [...collect(setting, at, certs).excluded].map(([key, reason]) => [AUTHORITIES.find((each) => toHex(identityOf(each)) === key) ?? 0, reason])

  it("is everybody's number when all saw all, in whatever order they come", () => {
    const certs = AUTHORITIES.map((author) => cert(author, good))
    expect(authorsOf(certs)).toEqual(AUTHORITIES)
    expect(authorsOf([...certs].reverse())).toEqual(AUTHORITIES)
    expect(collect(setting, at, certs).contentsHash).toBe(toHex(hash(contents)))
  })
  it("includes a number that only one other has seen, and not one that nobody but its author has", () => {
    const without = good.slice(0, 4)
    expect(authorsOf([cert(101, good), ...[102, 103, 104].map((author) => cert(author, without))])).toEqual(AUTHORITIES)
    expect(authorsOf([cert(105, good), ...[101, 102, 103, 104].map((author) => cert(author, without))])).toEqual([101, 102, 103, 104])
  })
  it("leaves out who voted twice", () => {
    const certs = [cert(101, [...good.slice(0, 4), share(105, 50)]), cert(102, good), cert(103, good)]
    expect(authorsOf(certs)).toEqual([101, 102, 103, 104])
    expect(excludedOf(certs)).toEqual([[105, "equivocation"]])
  })
  it("leaves out both who sent an entry whose reveal is not its commit's and who signed it", () => {
    const certs = [cert(101, [...good.slice(0, 4), share(105, 105, 50)]), cert(102, good), cert(103, good), cert(104, good)]
    expect([...excludedOf(certs)].sort()).toEqual([[101, "bad-entry"], [105, "bad-reveal"]])
    expect(authorsOf(certs)).toEqual([102, 103, 104])
  })
  it.each<readonly [string, Share]>([
    ["a wrong signature", { ...share(105), voteSignature: new Uint8Array(64) }],
    ["an author who is no authority", share(66)],
    ["an entry of another attempt", share(105, 105, 105, { epoch, attempt: 2 })],
    ["an entry of another epoch", share(105, 105, 105, { epoch: Epoch(epoch + 1), attempt: 1 })],
    ["an author twice", good[0] as Share]
  ])("leaves out who sent %s, and keeps the others", (_, bad) => {
    const certs = [cert(101, [...good.slice(0, 4), bad]), ...[102, 103, 104, 105].map((author) => cert(author, good))]
    expect(excludedOf(certs)).toEqual([[101, "bad-entry"]])
    expect(authorsOf(certs)).toEqual([102, 103, 104, 105])
  })
  it("names no contents without the threshold for them", () => {
    const other = signCert(crypto, seedOf(103), at, good, new Uint8Array([2]))
    expect(collect(setting, at, [cert(101, good), cert(102, good), other]).contentsHash).toBeUndefined()
    expect(collect(setting, at, [cert(101, good), cert(101, good), cert(102, good)]).contentsHash).toBeUndefined()
  })
  it("has certificates that read back as they were signed", () => {
    expect(Either.getOrThrow(readCert(cert(101, good))).shares).toEqual(good)
  })
})
