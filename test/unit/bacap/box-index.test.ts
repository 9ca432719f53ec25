/**
 * Box indexes and capabilities. Goal: a stream only moves forward, and a malformed cap is refused for the right reason.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import * as index from "../../../src/bacap/box-index.ts"
import * as caps from "../../../src/bacap/capability.ts"
import { toHex } from "../../../src/bytes/hex.ts"
import { referenceBackend as crypto } from "../../../src/crypto/backends/reference.ts"
import { seededEntropy } from "../../../src/crypto/entropy.ts"

/** Annex A: the fixed write cap W. */
const W: index.MessageBoxIndex = {
  counter: 1n,
  blindingKey: new Uint8Array(32).fill(0xaa),
  encryptionKey: new Uint8Array(32).fill(0xbb),
  hkdfState: new Uint8Array(32).fill(0xcc)
}
const LAST = 0xffff_ffff_ffff_ffffn
const reasonOf = <E extends { readonly _tag: string; readonly reason?: string }>(result: Either.Either<unknown, E>): string =>
  Either.match(result, { onLeft: (error) => `${error._tag} ${error.reason ?? ""}`.trim(), onRight: () => "accepted" })

describe("box index", () => {
  it("one step of W is the published one (A1), and so is K after 1000 steps", () => {
    expect(toHex(index.encodeBoxIndex(Either.getOrThrow(index.nextIndex(crypto, W))))).toBe(
      "0200000000000000d6afc0f178b9df3102c2f2054314d06942ee2cd0b54bb510fc03070775efaf15" +
        "4683f8eda97ee58a8fb03e68fd1fa29228e4d907c151021a4e700ee5e54a95ee89890efb132a4d0ffb004aacbb976aea2de9aa98687c912735f1ca02cac75322"
    )
    const far = Either.getOrThrow(index.advanceTo(crypto, W, 1001n))
    expect(toHex(far.blindingKey)).toBe("2f16e5fa12dd54b71a4431e48de467210514dbfcbca1df89cdced11ac8635850")
  })
  it("re-seeding W gives the published K (A5) and keeps the counter", () => {
    const seeded = index.reseed(crypto, W, new Uint8Array(32).fill(0x11))
    expect([seeded.counter, toHex(seeded.blindingKey)]).toEqual([1n, "a06051cc559359d914185df750dc054c42353ba282ac7dca25fdd3020121c12e"])
  })
  it("E5: the step after 2^64 − 1 is refused, the last index itself is reachable", () => {
    const nearEnd = { ...W, counter: LAST - 2n }
    const last = Either.getOrThrow(index.advanceTo(crypto, nearEnd, LAST))
    expect(last.counter).toBe(LAST)
    expect(reasonOf(index.nextIndex(crypto, last))).toBe("IndexExhausted")
    expect(reasonOf(index.advanceTo(crypto, last, LAST + 1n))).toBe("IndexExhausted")
  })
  it("E5: a rewind and a walk of more than 2^18 steps are refused without walking", () => {
    const at5 = { ...W, counter: 5n }
    expect(reasonOf(index.advanceTo(crypto, at5, 4n))).toBe("IndexRefused rewind")
    expect(reasonOf(index.advanceTo(crypto, at5, 5n + 2n ** 18n + 1n))).toBe("IndexRefused too-far")
    expect(index.INDEX_WALK_STEPS).toBe(2 ** 18)
    expect(reasonOf(index.advanceTo(crypto, at5, 8n, 2))).toBe("IndexRefused too-far")
    expect(Either.getOrThrow(index.advanceTo(crypto, at5, 5n))).toEqual(at5)
  })
  it("survives serialisation; every other length is refused", () => {
    const bytes = index.encodeBoxIndex(W)
    expect(Either.getOrThrow(index.decodeBoxIndex(bytes))).toEqual(W)
    for (let end = 0; end < bytes.length; end++) expect(reasonOf(index.decodeBoxIndex(bytes.slice(0, end)))).toBe("DecodeError wrong-length")
    expect(reasonOf(index.decodeBoxIndex(Uint8Array.of(...bytes, 0)))).toBe("DecodeError wrong-length")
  })
  it("one flipped bit anywhere takes a received index off the stream", () => {
    const ahead = Either.getOrThrow(index.advanceTo(crypto, W, 9n))
    expect(index.indexIsOnStream(crypto, W, ahead)).toBe(true)
    expect(index.indexIsOnStream(crypto, W, W)).toBe(true)
    expect(index.indexIsOnStream(crypto, ahead, W)).toBe(false)
    expect(index.indexIsOnStream(crypto, W, ahead, 7)).toBe(false)
    const bytes = index.encodeBoxIndex(ahead)
    for (let at = 0; at < bytes.length; at++) {
      const flipped = bytes.slice()
      flipped[at]! ^= 1
      expect(index.indexIsOnStream(crypto, W, Either.getOrThrow(index.decodeBoxIndex(flipped)), 20)).toBe(false)
    }
  })
})

describe("capabilities", () => {
  const cap = caps.newWriteCap(crypto, seededEntropy(1, "caps"))
  it("a fresh cap asks for 32, 32 and 16 bytes, starts below 2^63, and has taken one step", () => {
    const asked: Array<number> = []
    const fresh = caps.newWriteCap(crypto, (byteCount) => {
      asked.push(byteCount)
      return new Uint8Array(byteCount).fill(0xff)
    })
    expect(asked).toEqual([32, 32, 16])
    expect(fresh.index.counter).toBe(2n ** 63n - 2n + 1n)
  })
  it("both caps survive serialisation at 168 and 136 bytes", () => {
    const write = caps.encodeWriteCap(cap)
    const read = caps.encodeReadCap(caps.readCapOf(cap))
    expect([write.length, read.length]).toEqual([168, 136])
    expect(Either.getOrThrow(caps.decodeWriteCap(crypto, write))).toEqual(cap)
    expect(Either.getOrThrow(caps.decodeReadCap(crypto, read))).toEqual(caps.readCapOf(cap))
  })
  it("every other length is refused", () => {
    const write = caps.encodeWriteCap(cap)
    const wrongLength = "DecodeError wrong-length"
    for (const end of [0, 1, 64, 135, 136, 167]) expect(reasonOf(caps.decodeWriteCap(crypto, write.slice(0, end)))).toBe(wrongLength)
    expect(reasonOf(caps.decodeWriteCap(crypto, Uint8Array.of(...write, 0)))).toBe(wrongLength)
    for (const end of [0, 32, 135, 137, 168]) expect(reasonOf(caps.decodeReadCap(crypto, write.slice(0, end)))).toBe(wrongLength)
  })
  it("E5: a root key that is no point, and a public half of another seed, are refused", () => {
    const notAPoint = caps.encodeReadCap({ ...cap, publicKey: Uint8Array.of(2, ...new Uint8Array(31)) })
    expect(reasonOf(caps.decodeReadCap(crypto, notAPoint))).toBe("DecodeError not-a-point")
    const other = caps.newWriteCap(crypto, seededEntropy(2, "caps"))
    expect(reasonOf(caps.decodeWriteCap(crypto, caps.encodeWriteCap({ ...cap, publicKey: other.publicKey })))).toBe("DecodeError inconsistent")
  })
  it("one flipped bit in any byte of the key halves is refused", () => {
    const bytes = caps.encodeWriteCap(cap)
    for (let at = 0; at < 64; at += 3) {
      const flipped = bytes.slice()
      flipped[at]! ^= 1
      expect(reasonOf(caps.decodeWriteCap(crypto, flipped))).not.toBe("accepted")
    }
  })
})
