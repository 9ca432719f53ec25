/**
 * Boxes. Goal: only the writer's boxes open, a tombstone of another box never does, and sealing is deterministic.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import * as box from "../../../src/bacap/box.ts"
import { nextIndex, reseed } from "../../../src/bacap/box-index.ts"
import { decodeWriteCap, newWriteCap, readCapOf } from "../../../src/bacap/capability.ts"
import { utf8 } from "../../../src/bytes/concat.ts"
import { fromHex, toHex } from "../../../src/bytes/hex.ts"
import { referenceBackend as crypto } from "../../../src/crypto/backends/reference.ts"
import { seededEntropy } from "../../../src/crypto/entropy.ts"

const hex = (text: string): Uint8Array => Either.getOrThrow(fromHex(text))
/** Annex A: the fixed write cap W. */
const W = Either.getOrThrow(
  decodeWriteCap(
    crypto,
    hex(
      "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8" +
        `0100000000000000${"aa".repeat(32)}${"bb".repeat(32)}${"cc".repeat(32)}`
    )
  )
)
const next = (index: typeof W.index) => Either.getOrThrow(nextIndex(crypto, index))
const reasonOf = (result: Either.Either<unknown, box.BoxRefused>): string =>
  Either.match(result, { onLeft: (error) => error.reason, onRight: () => "accepted" })

describe("annex A", () => {
  it("A3: the box of `hello` under ctx-A", () => {
    const sealed = box.sealBox(crypto, W, W.index, utf8("hello"), utf8("ctx-A"))
    expect(toHex(sealed.boxId)).toBe("452f100fc6c43fc361233fc87eaeffa539ea93f16dc5c9fda8ffa7c365c39e6e")
    expect(toHex(sealed.ciphertext)).toBe("7ada7776007442d9bfc94d7425f314325810d99cd9")
    expect(toHex(sealed.signature)).toBe(
      "e9b1af50d20e4c645a8422157720eda5f2bab33c0926a6407b54732b60aa897813868a1ee6d5f353f73bb6c687fb3eb23dd48d33b9a4acd391415885c9d66c07"
    )
  })
  it("A4: the tombstone, and A5: the box id after re-seeding", () => {
    const sealed = box.sealTombstone(crypto, W, W.index)
    expect(toHex(sealed.boxId)).toBe("aaf072d5fa39c2b97177fe7cc0a7fef93a3991699eaa765db156e885c40760ac")
    expect(toHex(sealed.signature)).toBe(
      "9b56a8ff184cc645bfddb96e7c13a3ba01b1b3c238cf53b2b6d382ee5c0e1f6b217680668105404aafb5a858bf21e3a22c8f2491111472cd43e25d815f91e900"
    )
    const seeded = reseed(crypto, W.index, new Uint8Array(32).fill(0x11))
    expect(toHex(Either.getOrThrow(box.boxIdOf(crypto, W.publicKey, seeded)))).toBe("94b3e990e8367741d3b34bb4415707b5549f40f812ead9dc72b179cd1c281290")
  })
  it("A6: a valid tombstone of the next box is a box mismatch", () => {
    const foreign = {
      boxId: hex("a422267ffef8b687e21a29a984fbd2c2eae1798c471af982b53128517895e8f7"),
      ciphertext: new Uint8Array(0),
      signature: hex(
        "f23f6cd9e21e5bd46504112a00d7213cdf027b227f4df03a505221c935c181a82666ea495ea14b41d34c9b3fcb49d8bb77101067a87de7e10337f8729e577c0e"
      )
    }
    const at2 = next(next(W.index))
    expect(reasonOf(box.openBox(crypto, W.publicKey, at2, foreign))).toBe("box-mismatch")
    expect(Either.getOrThrow(box.openBox(crypto, W.publicKey, next(at2), foreign))).toEqual({ _tag: "Tombstone" })
  })
})

describe("boxes", () => {
  const cap = newWriteCap(crypto, seededEntropy(3, "box"))
  const reader = readCapOf(cap)
  const sealed = box.sealBox(crypto, cap, cap.index, utf8("a tensor"))

  it("open for the reader, verify for anyone, and seal to the same bytes twice", () => {
    expect(Either.getOrThrow(box.openBox(crypto, reader.publicKey, reader.index, sealed))).toEqual({ _tag: "Data", plaintext: utf8("a tensor") })
    expect(box.verifyBox(crypto, sealed.boxId, sealed.ciphertext, sealed.signature)).toBe(true)
    expect(box.sealBox(crypto, cap, cap.index, utf8("a tensor"))).toEqual(sealed)
    expect(Either.getOrThrow(box.boxIdOf(crypto, reader.publicKey, reader.index))).toEqual(sealed.boxId)
  })
  it("do not open after one flipped bit of ciphertext, signature or id", () => {
    for (const [field, step] of [["ciphertext", 5], ["signature", 13], ["boxId", 11]] as const) {
      for (let at = 0; at < sealed[field].length; at += step) {
        const bytes = sealed[field].slice()
        bytes[at]! ^= 1 << (at % 8)
        const reason = reasonOf(box.openBox(crypto, reader.publicKey, reader.index, { ...sealed, [field]: bytes }))
        expect(reason).toBe(field === "boxId" ? "box-mismatch" : "signature-invalid")
      }
    }
  })
  it("are refused for a zero id, a wrong index, another context and a short signature", () => {
    expect(reasonOf(box.openBox(crypto, reader.publicKey, reader.index, { ...sealed, boxId: new Uint8Array(32) }))).toBe("zero-box-id")
    expect(reasonOf(box.openBox(crypto, reader.publicKey, next(reader.index), sealed))).toBe("box-mismatch")
    expect(reasonOf(box.openBox(crypto, reader.publicKey, reader.index, sealed, utf8("other")))).toBe("box-mismatch")
    expect(reasonOf(box.openBox(crypto, reader.publicKey, reader.index, { ...sealed, signature: new Uint8Array(63) }))).toBe("signature-invalid")
    expect(reasonOf(box.openBox(crypto, Uint8Array.of(2, ...new Uint8Array(31)), reader.index, sealed))).toBe("not-a-point")
  })
  it("signed by the writer but not encrypted by the key schedule do not decrypt, however short", () => {
    const wrongKey = { ...cap.index, encryptionKey: new Uint8Array(32) }
    const forged = box.sealBox(crypto, cap, wrongKey, utf8("x"))
    expect(reasonOf(box.openBox(crypto, reader.publicKey, reader.index, forged))).toBe("decrypt-failed")
  })
  it("of an empty plaintext are ordinary boxes, not tombstones", () => {
    const empty = box.sealBox(crypto, cap, cap.index, new Uint8Array(0))
    expect(empty.ciphertext.length).toBe(box.BOX_OVERHEAD_BYTES)
    expect(Either.getOrThrow(box.openBox(crypto, reader.publicKey, reader.index, empty))).toEqual({ _tag: "Data", plaintext: new Uint8Array(0) })
  })
  it("of re-seeded streams agree whether the write cap or the read cap was re-seeded", () => {
    const context = utf8("voucher")
    const written = box.sealBox(crypto, cap, reseed(crypto, cap.index, context), utf8("hi"))
    expect(Either.isRight(box.openBox(crypto, reader.publicKey, reseed(crypto, reader.index, context), written))).toBe(true)
    expect(Either.isRight(box.openBox(crypto, reader.publicKey, reader.index, written))).toBe(false)
  })
})
