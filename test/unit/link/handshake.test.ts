/**
 * The handshake of a link.
 *
 * Goal: sizes to the byte, agreement of both ends, and a refusal by the right end for everything that is not an honest run.
 * Method: whole runs with one interference each; every byte of every message is altered with the quick stand-in for X-Wing, every 201st with the real one.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { concatBytes, utf8 } from "../../../src/bytes/concat.ts"
import { fromHex, toHex } from "../../../src/bytes/hex.ts"
import * as handshake from "../../../src/link/handshake.ts"
import { claimMatches } from "../../../src/link/peer-check.ts"
import { makeEnds, quickCrypto, realCrypto, RESPONDER_TIME_S, run, type RunOptions } from "./link-rig.ts"

const flipped = (bytes: Uint8Array, at: number, mask = 1): Uint8Array => {
  const copy = bytes.slice()
  copy[at] = (copy[at] as number) ^ mask
  return copy
}

const only = (wanted: number, change: (message: Uint8Array) => Uint8Array): RunOptions =>
  ({ onWire: (number, message) => (number === wanted ? change(message) : message) })

describe("handshake: an honest run", () => {
  const ends = makeEnds(realCrypto)
  const result = run(realCrypto, ends)

  it("has messages of 1217, 2628, 2644 and 1152 bytes", () => {
    expect(result.messages.map((message) => message.length)).toEqual([1217, 2628, 2644, 1152])
    expect([handshake.MESSAGE_1_BYTES, handshake.MESSAGE_2_BYTES, handshake.MESSAGE_3_BYTES, handshake.MESSAGE_4_BYTES]).toEqual([1217, 2628, 2644, 1152])
    expect(result.messages[0]?.[0]).toBe(3)
  })
  it("gives both ends the same session and opposite directions", () => {
    expect(result.initiator?.sessionHash).toEqual(result.responder?.sessionHash)
    const text = utf8("a command")
    const there = result.initiator?.sending.seal(text)
    const back = result.responder?.sending.seal(text)
    expect(there).not.toEqual(back)
    expect(result.responder?.receiving.open(there ?? text)).toEqual(text)
    expect(result.initiator?.receiving.open(back ?? text)).toEqual(text)
  })
  it("tells each end the key, the additional data and the name of the other", () => {
    expect(result.initiator?.peer).toEqual({
      name: "responder", linkKey: ends.responder.linkKey.publicKey, additionalData: ends.responder.additionalData, unixTimeS: RESPONDER_TIME_S
    })
    expect(result.responder?.peer).toMatchObject({ name: "initiator", additionalData: ends.initiator.additionalData, unixTimeS: 0 })
  })
  it("shows neither static key nor identity in clear", () => {
    const wire = Buffer.from(concatBytes(...result.messages))
    for (const secret of [ends.initiator, ends.responder]) {
      expect(wire.includes(Buffer.from(secret.linkKey.publicKey.subarray(0, 32)))).toBe(false)
      expect(wire.includes(Buffer.from(secret.additionalData))).toBe(false)
    }
  })
  it("uses the whole Noise name, padded to 64 bytes, and the prologue", () => {
    expect(handshake.PROTOCOL_NAME).toBe("Noise_pqXX_XWING_ChaChaPoly_BLAKE2b")
    const padded = concatBytes(utf8(handshake.PROTOCOL_NAME), new Uint8Array(64 - handshake.PROTOCOL_NAME.length))
    const prologueHash = realCrypto.blake2b(64, padded, Uint8Array.of(3))
    const opened = handshake.openHandshake(realCrypto, ends.initiator, ends.entropy)
    const keyHash = realCrypto.blake2b(64, prologueHash, opened.message.subarray(1))
    expect(opened.state.transcript.hash).toEqual(realCrypto.blake2b(64, keyHash))
  })
  it("leaves earlier states usable: a step repeated gives the same answer", () => {
    const opened = handshake.openHandshake(quickCrypto, ends.initiator, ends.entropy)
    const answered = Either.getOrThrow(handshake.answerHandshake(quickCrypto, ends.responder, opened.message, ends.entropy, 1))
    const again = () =>
      Either.getOrThrow(handshake.authenticateInitiator(quickCrypto, opened.state, answered.message, () => "", () => new Uint8Array(64))).message
    expect(again()).toEqual(again())
  })
})

describe("handshake: a fixed run", () => {
  // Values of an independent reading of the protocol document, straight on @noble (X-Wing by its hybrid module), both ends in one transcript.
  const filled = (fill: number, bytes: number) => new Uint8Array(bytes).fill(fill)
  const draws = [3, 4, 5, 6]
  const identity = (seed: number, data: number) => ({ linkKey: realCrypto.xwingPrivateKey(filled(seed, 32)), additionalData: filled(data, 32) })
  const result = run(realCrypto, {
    initiator: identity(1, 7),
    responder: identity(2, 8),
    entropy: (byteCount) => filled(draws.shift() ?? 0, byteCount)
  })

  it("gives these messages", () => {
    expect(result.messages.map((message) => toHex(realCrypto.sha256(message)))).toEqual([
      "dddb27c4cff98f6fa851995cd936332e6a822140594240c818f71e0d745c630e",
      "b2bfac487618ab64709c60f9b4f02f91047f600f48f03dce9f71153cb48497b8",
      "458ea665bd55a6245a003ed311487f442501742df3630e7d9a2ea4096502b772",
      "ef6f374f1729b980edd03efa9418c6770d1803fe383b00a832edc1ac0a3fc48f"
    ])
  })
  it("gives this session hash and these keys", () => {
    expect(toHex(result.initiator?.sessionHash.subarray(0, 32) ?? filled(0, 1))).toBe("84bcfd3f715190a900ec307714bd3668e98dcc0dd97653a2c163dbd9d7c8610b")
    const sealed = (key: string) => realCrypto.chacha20Poly1305Seal(Either.getOrThrow(fromHex(key)), filled(0, 12), filled(0, 0), utf8("text"))
    expect(result.initiator?.sending.seal(utf8("text"))).toEqual(sealed("184aae022d7f1bf72abaf45acb706b1fc9d4748f4713041887d7cb6ef5b2c05d"))
    expect(result.responder?.sending.seal(utf8("text"))).toEqual(sealed("6a3b0798cd3d067475ed9e9a4f0c274d31fd023e5f2f24c5b71f422193b6e84d"))
  })
})

describe("handshake: interference", () => {
  const ends = makeEnds(quickCrypto, "interference")
  const refusers = { 1: "initiator", 2: "initiator", 3: "responder", 4: "initiator" } as const

  for (const number of [1, 2, 3, 4] as const) {
    it(`one bit in any byte of message ${number} is found by the ${refusers[number]}`, () => {
      const length = run(quickCrypto, ends).messages[number - 1]?.length ?? 0
      for (let at = 0; at < length; at++) {
        const { refusedBy, reason } = run(quickCrypto, ends, only(number, (message) => flipped(message, at, 1 << (at % 8))))
        const expected = number === 1 && at === 0 ? ["responder", "wrong-version"] : [refusers[number], "bad-seal"]
        if (refusedBy !== expected[0] || reason !== expected[1]) expect([at, refusedBy, reason]).toEqual([at, ...expected])
      }
      expect(length).toBeGreaterThan(0)
    })
  }
  it("the same holds for the real X-Wing in every 201st byte, but unusable keys and ciphertexts may be found earlier", () => {
    const real = makeEnds(realCrypto, "real")
    for (const [number, length] of [[1, 1217], [2, 2628], [3, 2644], [4, 1152]] as const) {
      for (let at = 1; at < length; at += 201) {
        const { refusedBy } = run(realCrypto, real, only(number, (message) => flipped(message, at)))
        expect([number, at, refusedBy === refusers[number] || (number === 1 && refusedBy === "responder")]).toEqual([number, at, true])
      }
    }
  })
  it("messages of any other length are refused before anything is computed", () => {
    const never = { ...quickCrypto, xwingDecapsulate: () => expect.fail("computed"), xwingEncapsulate: () => expect.fail("computed") }
    const opened = handshake.openHandshake(quickCrypto, ends.initiator, ends.entropy)
    const answered = Either.getOrThrow(handshake.answerHandshake(quickCrypto, ends.responder, opened.message, ends.entropy, 1))
    const authenticated = Either.getOrThrow(handshake.authenticateInitiator(quickCrypto, opened.state, answered.message, () => "", ends.entropy))
    const finished = Either.getOrThrow(handshake.finishResponder(quickCrypto, answered.state, authenticated.message, () => "", ends.entropy))
    const steps: ReadonlyArray<readonly [Uint8Array, (message: Uint8Array) => Either.Either<unknown, { readonly reason: string }>]> = [
      [opened.message, (message) => handshake.answerHandshake(never, ends.responder, message, ends.entropy, 1)],
      [answered.message, (message) => handshake.authenticateInitiator(never, opened.state, message, () => "", ends.entropy)],
      [authenticated.message, (message) => handshake.finishResponder(never, answered.state, message, () => "", ends.entropy)],
      [finished.message, (message) => handshake.finishInitiator(never, authenticated.state, message)]
    ]
    for (const [message, step] of steps) {
      for (const wrong of [new Uint8Array(0), message.subarray(0, 1), message.subarray(0, -1), concatBytes(message, Uint8Array.of(0))]) {
        expect(Either.getOrThrow(Either.flip(step(wrong)))).toMatchObject({ _tag: "HandshakeFailed", reason: "wrong-length" })
      }
    }
  })
  it("a message of another session fails in any place", () => {
    const before = run(quickCrypto, ends)
    for (const [number, refusedBy] of [[1, "initiator"], [2, "initiator"], [3, "responder"], [4, "initiator"]] as const) {
      const replayed = run(quickCrypto, ends, only(number, () => before.messages[number - 1] as Uint8Array))
      expect([number, replayed.refusedBy, replayed.reason]).toEqual([number, refusedBy, "bad-seal"])
    }
  })
  it("a responder cannot be run with an initiator's replayed messages 1 and 3", () => {
    const before = run(quickCrypto, ends)
    const answered = Either.getOrThrow(handshake.answerHandshake(quickCrypto, ends.responder, before.messages[0] as Uint8Array, ends.entropy, 1))
    const finished = handshake.finishResponder(quickCrypto, answered.state, before.messages[2] as Uint8Array, () => "", ends.entropy)
    expect(Either.isLeft(finished) && finished.left.reason).toBe("bad-seal")
  })
})

describe("handshake: peers", () => {
  const ends = makeEnds(quickCrypto, "peers")
  const stranger = makeEnds(quickCrypto, "stranger")

  it("an initiator that expects another key stops before it shows its own", () => {
    const expected = { linkKey: stranger.responder.linkKey.publicKey, additionalData: ends.responder.additionalData }
    const result = run(quickCrypto, ends, { initiatorCheck: (claim) => (claimMatches(claim, expected) ? "responder" : undefined) })
    expect([result.refusedBy, result.reason, result.messages.length]).toEqual(["initiator", "peer-refused", 2])
  })
  it("a responder refuses the right key under another identity, and the right identity with another key", () => {
    const known = { linkKey: ends.initiator.linkKey.publicKey, additionalData: ends.initiator.additionalData }
    const check: RunOptions = { responderCheck: (claim) => (claimMatches(claim, known) ? "initiator" : undefined) }
    expect(run(quickCrypto, ends, check).refusedBy).toBeUndefined()
    for (const initiator of [
      { ...ends.initiator, additionalData: new Uint8Array(32) },
      { ...ends.initiator, linkKey: stranger.initiator.linkKey }
    ]) {
      const result = run(quickCrypto, { ...ends, initiator }, check)
      expect([result.refusedBy, result.reason, result.messages.length]).toEqual(["responder", "peer-refused", 3])
    }
  })
  it("a responder that shows a key it does not own cannot open message 3", () => {
    const borrowed = { ...ends.responder.linkKey, publicKey: stranger.responder.linkKey.publicKey }
    const crypto = { ...quickCrypto, xwingDecapsulate: (key: { readonly seed: Uint8Array }, ciphertext: Uint8Array) =>
      quickCrypto.blake2b256(quickCrypto.xwingPrivateKey(key.seed).publicKey, ciphertext) }
    const result = run(crypto, { ...ends, responder: { ...ends.responder, linkKey: borrowed } })
    expect([result.refusedBy, result.reason]).toEqual(["responder", "bad-seal"])
  })
  it("an initiator that shows a key it does not own cannot open message 4", () => {
    const borrowed = { ...ends.initiator.linkKey, publicKey: stranger.initiator.linkKey.publicKey }
    const crypto = { ...quickCrypto, xwingDecapsulate: (key: { readonly seed: Uint8Array }, ciphertext: Uint8Array) =>
      quickCrypto.blake2b256(quickCrypto.xwingPrivateKey(key.seed).publicKey, ciphertext) }
    const result = run(crypto, { ...ends, initiator: { ...ends.initiator, linkKey: borrowed } })
    expect([result.refusedBy, result.reason]).toEqual(["initiator", "bad-seal"])
  })
  it("keys of small order, keys that are not reduced, and our own key are refused", () => {
    const real = makeEnds(realCrypto, "degenerate")
    const unreduced = new Uint8Array(1216).fill(0xff)
    const smallOrder = concatBytes(real.responder.linkKey.publicKey.subarray(0, 1184), new Uint8Array(32))
    for (const key of [unreduced, smallOrder]) {
      const answered = handshake.answerHandshake(realCrypto, real.responder, concatBytes(Uint8Array.of(3), key), real.entropy, 1)
      expect(Either.isLeft(answered) && answered.left.reason).toBe("bad-key")
      const shown = { ...real, responder: { ...real.responder, linkKey: { ...real.responder.linkKey, publicKey: key } } }
      expect(run(realCrypto, shown)).toMatchObject({ refusedBy: "initiator", reason: "bad-key" })
    }
    expect(run(realCrypto, { ...real, initiator: real.responder })).toMatchObject({ refusedBy: "initiator", reason: "bad-key" })
  })
  it("a failure names its reason and nothing else", () => {
    const refused = handshake.answerHandshake(quickCrypto, ends.responder, new Uint8Array(5), ends.entropy, 1)
    expect(Either.isLeft(refused) && refused.left.message).toBe("link handshake: wrong-length")
  })
})
