/**
 * The auth message and the padding of commands.
 *
 * Goal: exact layouts; everything else refused.
 * Method: round trips, truncations, one flipped bit, one byte too long, random bytes.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { concatBytes } from "../../../src/bytes/concat.ts"
import { seededEntropy } from "../../../src/crypto/entropy.ts"
import { decodeAuthMessage, encodeAuthMessage } from "../../../src/link/auth-message.ts"
import { CommandId, padCommand, unpadCommand } from "../../../src/link/padding.ts"

describe("auth message", () => {
  it("is 260 bytes: length, data, zeros, big-endian seconds", () => {
    const bytes = encodeAuthMessage({ additionalData: Uint8Array.of(7, 8), unixTimeS: 0x01020304 })
    expect(bytes.length).toBe(260)
    expect(Array.from(bytes.subarray(0, 4))).toEqual([2, 7, 8, 0])
    expect(Array.from(bytes.subarray(256))).toEqual([1, 2, 3, 4])
  })
  it("returns what was written, for every length of data", () => {
    for (let length = 0; length <= 255; length++) {
      const message = { additionalData: new Uint8Array(length).fill(0xa5), unixTimeS: 4_294_967_295 }
      expect(Either.getOrThrow(decodeAuthMessage(encodeAuthMessage(message)))).toEqual(message)
    }
  })
  it("every other length and every bit in the padding is refused", () => {
    const bytes = encodeAuthMessage({ additionalData: new Uint8Array(32).fill(1), unixTimeS: 1 })
    for (let length = 0; length < 260; length++) expect(Either.isLeft(decodeAuthMessage(bytes.subarray(0, length)))).toBe(true)
    expect(Either.isLeft(decodeAuthMessage(concatBytes(bytes, Uint8Array.of(0))))).toBe(true)
    for (let at = 33; at < 256; at++) {
      const altered = bytes.slice()
      altered[at] = 1 << (at % 8)
      expect(Either.isLeft(decodeAuthMessage(altered))).toBe(true)
    }
  })
})

describe("padding", () => {
  it("gives every command the same length and its body back", () => {
    for (const body of [new Uint8Array(0), new Uint8Array(1).fill(9), new Uint8Array(94).fill(9)]) {
      const command = padCommand({ id: CommandId.Segment, body }, 100)
      expect(command.length).toBe(100)
      expect(Either.getOrThrow(unpadCommand(command))).toEqual({ id: CommandId.Segment, body })
    }
    expect(padCommand({ id: CommandId.NoOp, body: new Uint8Array(0) }, 100)).toEqual(new Uint8Array(100))
  })
  it("a body that does not fit dies", () => {
    expect(() => padCommand({ id: CommandId.Segment, body: new Uint8Array(95) }, 100)).toThrow(RangeError)
  })
  it("a reserved byte, a bit of padding, a body beyond the end, an unknown id and a body where none belongs are refused", () => {
    const command = padCommand({ id: CommandId.Segment, body: Uint8Array.of(1, 2, 3) }, 24)
    const altered = (at: number, value: number): string | undefined => {
      const copy = command.slice()
      copy[at] = value
      const result = unpadCommand(copy)
      return Either.isLeft(result) ? result.left.reason : undefined
    }
    expect(altered(1, 1)).toBe("malformed-command")
    for (let at = 9; at < 24; at++) expect(altered(at, 128)).toBe("malformed-command")
    expect(altered(2, 255)).toBe("malformed-command")
    expect(altered(5, 19)).toBe("malformed-command")
    expect(altered(0, 2)).toBe("unexpected-command")
    expect(altered(0, 0)).toBe("unexpected-command")
    for (let length = 0; length < 9; length++) expect(Either.isLeft(unpadCommand(command.subarray(0, length)))).toBe(true)
  })
  it("random bytes never throw", () => {
    const entropy = seededEntropy("padding", "test")
    for (let round = 0; round < 500; round++) unpadCommand(entropy(round % 64))
  })
})
