/**
 * Goal: a dispatch and its reply open for their party alone, are bound to suite, service and key, and have one size each.
 * Method: both suites through seal and open; the construction is recomputed by hand from the primitives; every byte is flipped once.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { seededEntropy } from "../../../src/crypto/entropy.ts"
import {
  decodeReply, encodeReply, fillerReply, openReply, reactionTo, REJECT_REASONS, sealReply, type DispatchReply
} from "../../../src/inference/dispatch-reply.ts"
import {
  dispatchMessageBytes, jobKeyCandidates, jobPublicKeyBytes, openDispatch, padMessage, sealDispatch, type JobPrivateKey
} from "../../../src/inference/dispatch-seal.ts"
import { encodeDispatch, type DispatchSuite } from "../../../src/inference/dispatch.ts"
import { crypto, flipped, leftOf, sampleDispatch, sampleJobKey, SERVICE_ID } from "./sample-job.ts"

const SUITES: ReadonlyArray<DispatchSuite> = [1, 2]
const text = (value: string) => new TextEncoder().encode(value)
const sealSample = (suite: DispatchSuite, key: JobPrivateKey, seed = 1) =>
  Either.getOrThrow(sealDispatch(crypto, { suite, jobPublicKey: key.publicKey, serviceId: SERVICE_ID }, sampleDispatch(suite), seededEntropy(seed, "seal")))

describe("sealed dispatch", () => {
  it("has 978 bytes in suite 1 and 1986 in suite 2", () => {
    expect(SUITES.map(dispatchMessageBytes)).toEqual([978, 1986])
    expect(SUITES.map(jobPublicKeyBytes)).toEqual([32, 1216])
    for (const suite of SUITES) expect(sealSample(suite, sampleJobKey(suite)).message.length).toBe(dispatchMessageBytes(suite))
  })

  it.each(SUITES)("opens at the service with the reply key of the client, suite %i", (suite) => {
    const key = sampleJobKey(suite)
    const sealed = sealSample(suite, key)
    for (const body of [sealed.message, padMessage(sealed.message, 2000)]) {
      const opened = Either.getOrThrow(openDispatch(crypto, suite, [key], SERVICE_ID, body))
      expect(Either.getOrThrow(opened.dispatch)).toEqual(sampleDispatch(suite))
      expect(opened.plaintext).toEqual(encodeDispatch(suite, sampleDispatch(suite)))
      expect(opened.replyKey).toEqual(sealed.replyKey)
      expect(opened.keyEpoch).toBe(5)
      expect(opened.keyDigest).toEqual(crypto.blake2b256(key.publicKey))
    }
  })

  it("is the construction of the protocol, byte for byte (suite 1)", () => {
    const key = sampleJobKey(1)
    const { message, replyKey } = sealSample(1, key)
    const ct = message.slice(2, 34)
    const secret = crypto.x25519(key.suite === 1 ? key.scalar : new Uint8Array(32), ct)!
    const info = Uint8Array.of(1, ...crypto.blake2b256(key.publicKey, ct))
    const okm = crypto.hkdfSha256(secret, text("funion-dispatch-v1"), info, 64)
    const aad = Uint8Array.of(1, 1, ...SERVICE_ID)
    const sealed = crypto.chacha20Poly1305Seal(okm.slice(0, 32), new Uint8Array(12), aad, encodeDispatch(1, sampleDispatch(1)))
    expect(message).toEqual(Uint8Array.of(1, 1, ...ct, ...sealed))
    expect(replyKey).toEqual(okm.slice(32))
  })

  it("never repeats bytes: two sealings of one dispatch differ everywhere but in the two type bytes", () => {
    const key = sampleJobKey(2)
    const [a, b] = [sealSample(2, key, 1), sealSample(2, key, 2)]
    expect(a.message.slice(2, 34)).not.toEqual(b.message.slice(2, 34))
    expect(a.message.slice(-32)).not.toEqual(b.message.slice(-32))
    expect(a.replyKey).not.toEqual(b.replyKey)
  })

  it.each(SUITES)("is unreadable after a bit flip in any byte, suite %i", (suite) => {
    const key = sampleJobKey(suite)
    const { message } = sealSample(suite, key)
    const step = suite === 1 ? 1 : 7
    for (let index = 0; index < message.length; index += index < 40 ? 1 : step) {
      // the top bit of an X25519 public key is not part of it, but it is part of the derived key
      expect(Either.isLeft(openDispatch(crypto, suite, [key], SERVICE_ID, flipped(message, index)))).toBe(true)
    }
    expect(Either.isLeft(openDispatch(crypto, suite, [key], SERVICE_ID, flipped(message, 33, 7)))).toBe(true)
  })

  it("is unreadable when short, with bytes after it, for another service, under another suite or key", () => {
    const key = sampleJobKey(1)
    const { message } = sealSample(1, key)
    const open = (body: Uint8Array, serviceId = SERVICE_ID, keys = [key]) => openDispatch(crypto, 1, keys, serviceId, body)
    for (let length = 0; length < message.length; length++) expect(Either.isLeft(open(message.slice(0, length)))).toBe(true)
    expect(Either.isLeft(open(Uint8Array.of(...message, 0, 1)))).toBe(true)
    expect(Either.isLeft(open(message, new Uint8Array(32)))).toBe(true)
    expect(Either.isLeft(open(message, SERVICE_ID, [sampleJobKey(1, 6)]))).toBe(true)
    expect(Either.isLeft(open(message, SERVICE_ID, [sampleJobKey(2)]))).toBe(true)
    expect(Either.isLeft(openDispatch(crypto, 2, [sampleJobKey(2)], SERVICE_ID, padMessage(message, 2000)))).toBe(true)
  })

  it("is unreadable when its ephemeral key gives an all-zero secret", () => {
    const message = new Uint8Array(978)
    message.set([1, 1])
    expect(leftOf(openDispatch(crypto, 1, [sampleJobKey(1)], SERVICE_ID, message))._tag).toBe("DispatchUnreadable")
  })

  it("tries the job keys of epochs c, c − 1, c + 1 and says which one opened it", () => {
    const keys = new Map([3, 4, 5, 6].map((epoch) => [epoch, sampleJobKey(1, epoch)]))
    expect(jobKeyCandidates(keys, 5).map((key) => key.keyEpoch)).toEqual([5, 4, 6])
    expect(jobKeyCandidates(keys, 6).map((key) => key.keyEpoch)).toEqual([6, 5])
    for (const [epoch, opens] of [[3, false], [4, true], [5, true], [6, true]] as const) {
      const opened = openDispatch(crypto, 1, jobKeyCandidates(keys, 5), SERVICE_ID, sealSample(1, sampleJobKey(1, epoch)).message)
      expect(Either.getOrUndefined(Either.map(opened, (value) => value.keyEpoch))).toBe(opens ? epoch : undefined)
    }
  })

  it("cannot be made for a job key of the wrong length or of small order", () => {
    const target = (jobPublicKey: Uint8Array) => ({ suite: 1 as const, jobPublicKey, serviceId: SERVICE_ID })
    for (const key of [new Uint8Array(31), new Uint8Array(1216), new Uint8Array(32)]) {
      expect(leftOf(sealDispatch(crypto, target(key), sampleDispatch(1), seededEntropy(1, "seal")))._tag).toBe("JobKeyInvalid")
    }
  })
})

const accepted: DispatchReply = {
  _tag: "Accepted", acceptedAtMs: 1_010_000, firstEdgeMs: 1_070_000, lastEdgeMs: 1_210_000, contentDigest: new Uint8Array(32).fill(4)
}
const rejected: DispatchReply = { _tag: "Rejected", reason: 7, retryAfterQuanta: 258, contentDigest: new Uint8Array(32).fill(4) }

describe("reply plaintext", () => {
  it("puts every field at its offset", () => {
    const encoded = encodeReply(accepted)
    const view = new DataView(encoded.buffer, encoded.byteOffset, encoded.length)
    expect([view.getUint32(0), view.getUint32(4), view.getBigUint64(8), view.getBigUint64(16), view.getBigUint64(24)])
      .toEqual([0x01000000, 0, 1_010_000n, 1_070_000n, 1_210_000n])
    expect([...encodeReply(rejected).slice(0, 32)]).toEqual([1, 1, 7, 0, 1, 2, 0, 0, ...new Array<number>(24).fill(0)])
    expect(encodeReply(rejected).slice(32)).toEqual(new Uint8Array(32).fill(4))
  })

  it("comes back, for both answers and every reason", () => {
    const all = [accepted, ...Object.values(REJECT_REASONS).map((reason): DispatchReply => ({ ...rejected, _tag: "Rejected", reason, retryAfterQuanta: 0 }))]
    for (const reply of all) expect(Either.getOrThrow(decodeReply(encodeReply(reply)))).toEqual(reply)
  })

  it("is refused at every length but 64, and never reads the same after a bit flip", () => {
    for (const reply of [accepted, rejected]) {
      const bytes = encodeReply(reply)
      for (let length = 0; length < 64; length++) expect(Either.isLeft(decodeReply(bytes.slice(0, length)))).toBe(true)
      expect(Either.isLeft(decodeReply(Uint8Array.of(...bytes, 0)))).toBe(true)
      for (let index = 0; index < 64; index++) {
        for (let bit = 0; bit < 8; bit++) {
          const decoded = decodeReply(flipped(bytes, index, bit))
          if (Either.isRight(decoded)) expect(decoded.right).not.toEqual(reply)
        }
      }
    }
  })

  it("is refused with instants in a rejection, a reason in an acceptance, an unknown reason or status", () => {
    const from = (bytes: Uint8Array, at: number, value: number) => decodeReply(Object.assign(bytes.slice(), { [at]: value }))
    expect(Either.isLeft(from(encodeReply(rejected), 15, 1))).toBe(true)
    expect(Either.isLeft(from(encodeReply(accepted), 2, 7))).toBe(true)
    expect(Either.isLeft(from(encodeReply(accepted), 5, 1))).toBe(true)
    for (const reason of [0, 10, 14, 16, 255]) expect(Either.isLeft(from(encodeReply(rejected), 2, reason))).toBe(true)
    expect(Either.isLeft(from(encodeReply(rejected), 1, 2))).toBe(true)
  })
})

describe("sealed reply", () => {
  const key = new Uint8Array(32).fill(1)

  it("has 93 bytes, like the filler, and opens with zeros behind it", () => {
    for (const reply of [accepted, rejected]) {
      const sealed = sealReply(crypto, key, SERVICE_ID, reply, seededEntropy(1, "reply"))
      expect(sealed.length).toBe(93)
      expect(fillerReply(seededEntropy(1, "filler")).length).toBe(93)
      for (const payload of [sealed, padMessage(sealed, 2000)]) expect(Either.getOrThrow(openReply(crypto, key, SERVICE_ID, payload))).toEqual(reply)
    }
  })

  it("differs each time it is made for one dispatch", () => {
    const entropy = seededEntropy(1, "reply")
    expect(sealReply(crypto, key, SERVICE_ID, accepted, entropy)).not.toEqual(sealReply(crypto, key, SERVICE_ID, accepted, entropy))
  })

  it("is no answer when flipped anywhere, truncated, extended, under another key or service, and neither is filler", () => {
    const sealed = sealReply(crypto, key, SERVICE_ID, accepted, seededEntropy(1, "reply"))
    const opens = (payload: Uint8Array, replyKey = key, serviceId = SERVICE_ID) => Either.isRight(openReply(crypto, replyKey, serviceId, payload))
    for (let index = 0; index < 93; index++) expect([opens(flipped(sealed, index)), opens(sealed.slice(0, index))]).toEqual([false, false])
    expect(opens(Uint8Array.of(...sealed, 1))).toBe(false)
    expect(opens(sealed, new Uint8Array(32))).toBe(false)
    expect(opens(sealed, key, new Uint8Array(32))).toBe(false)
    expect(opens(fillerReply(seededEntropy(2, "filler")))).toBe(false)
  })

  it("tells the client what to do about every reason", () => {
    expect([1, 2, 3, 9].map((reason) => reactionTo(reason as 1))).toEqual(["stop", "stop", "stop", "stop"])
    expect([4, 5, 6].map((reason) => reactionTo(reason as 4))).toEqual(["new-token", "new-token", "new-not-after"])
    expect([7, 8, 15].map((reason) => reactionTo(reason as 7))).toEqual(["later-quantum", "later-quantum", "later-quantum"])
  })
})
