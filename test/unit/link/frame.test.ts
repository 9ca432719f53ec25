/**
 * Frames.
 *
 * Goal: a frame opens once, in order, unaltered and in step with the key; everything else ends the link.
 * Method: a sealer and an opener over the same key.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { concatBytes } from "../../../src/bytes/concat.ts"
import { CipherState } from "../../../src/link/cipher-state.ts"
import { FrameOpener, FrameSealer, frameBytes } from "../../../src/link/frame.ts"
import { realCrypto } from "./link-rig.ts"

const COMMAND_BYTES = 64
const key = () => new Uint8Array(32).fill(5)
const direction = (commandBytes = COMMAND_BYTES, counter = 0) => ({
  sealer: new FrameSealer(new CipherState(realCrypto, key(), counter), commandBytes),
  opener: new FrameOpener(new CipherState(realCrypto, key(), counter), commandBytes)
})
const command = (fill: number): Uint8Array => new Uint8Array(COMMAND_BYTES).fill(fill)
const sealed = (sealer: FrameSealer, count: number): ReadonlyArray<Uint8Array> =>
  Array.from({ length: count }, (_, i) => Either.getOrThrow(sealer.seal(command(i))))
const breakOf = (opener: FrameOpener, bytes: Uint8Array): string | undefined => {
  const result = opener.push(bytes)
  return Either.isLeft(result) ? result.left.reason : undefined
}

describe("frame", () => {
  it("of a 3 088-byte command has 3 124 bytes", () => {
    const { sealer } = direction(3_088)
    expect(Either.getOrThrow(sealer.seal(new Uint8Array(3_088))).length).toBe(3_124)
    expect(frameBytes(3_088)).toBe(3_124)
  })
  it("commands come back in order, and equal commands never look alike", () => {
    const { opener, sealer } = direction()
    const frames = [1, 1, 1, 2].map((fill) => Either.getOrThrow(sealer.seal(command(fill))))
    expect(new Set(frames.map((frame) => Buffer.from(frame).toString("hex"))).size).toBe(4)
    expect(Either.getOrThrow(opener.push(concatBytes(...frames)))).toEqual([1, 1, 1, 2].map(command))
  })
  it("the key changes after every command by Noise's REKEY and the counter goes on", () => {
    const { sealer } = direction()
    const [first, second] = sealed(sealer, 2) as [Uint8Array, Uint8Array]
    const nonce = (counter: number) => {
      const bytes = new Uint8Array(12)
      bytes[4] = counter
      return bytes
    }
    const none = new Uint8Array(0)
    const length = Uint8Array.of(0, 0, 0, COMMAND_BYTES + 16)
    const seal = realCrypto.chacha20Poly1305Seal
    expect(first).toEqual(concatBytes(seal(key(), nonce(0), none, length), seal(key(), nonce(1), none, command(0))))
    const maximum = concatBytes(new Uint8Array(4), new Uint8Array(8).fill(255))
    const next = seal(key(), maximum, none, new Uint8Array(32)).subarray(0, 32)
    expect(second).toEqual(concatBytes(seal(next, nonce(2), none, length), seal(next, nonce(3), none, command(1))))
  })
  it("reordered, repeated and missing frames end the link", () => {
    const [a, b, c] = sealed(direction().sealer, 3) as [Uint8Array, Uint8Array, Uint8Array]
    for (const order of [[b, a], [a, a], [a, c], [a, b, b], [b]]) {
      expect(breakOf(direction().opener, concatBytes(...order))).toBe("bad-seal")
    }
  })
  it("after the first bad byte nothing opens any more", () => {
    const { opener, sealer } = direction()
    const [a, b] = sealed(sealer, 2) as [Uint8Array, Uint8Array]
    expect(breakOf(opener, b)).toBe("bad-seal")
    expect(breakOf(opener, a)).toBe("bad-seal")
    expect(breakOf(opener, new Uint8Array(0))).toBe("bad-seal")
  })
  it("one bit flipped in any byte ends the link", () => {
    for (let at = 0; at < frameBytes(COMMAND_BYTES); at++) {
      const { opener, sealer } = direction()
      const [frame] = sealed(sealer, 1) as [Uint8Array]
      frame[at] = (frame[at] as number) ^ (1 << (at % 8))
      expect(breakOf(opener, frame)).toBe("bad-seal")
    }
  })
  it("another command length is refused as soon as its length has arrived, whatever it claims", () => {
    for (const commandBytes of [0, 63, 65, 100_000]) {
      const sealer = new FrameSealer(new CipherState(realCrypto, key()), commandBytes)
      const head = Either.getOrThrow(sealer.seal(new Uint8Array(commandBytes))).subarray(0, 20)
      const { opener } = direction()
      expect(breakOf(opener, head.subarray(0, 19))).toBeUndefined()
      expect(breakOf(opener, head.subarray(19))).toBe("wrong-command-length")
      expect(opener.pendingBytes).toBeLessThanOrEqual(20)
    }
    const cipher = new CipherState(realCrypto, key())
    expect(breakOf(direction().opener, cipher.seal(new Uint8Array(4).fill(255)) as Uint8Array)).toBe("wrong-command-length")
  })
  it("one byte at a time works and never holds more than a frame", () => {
    const { opener, sealer } = direction()
    const bytes = concatBytes(...sealed(sealer, 3))
    const commands: Array<Uint8Array> = []
    for (const byte of bytes) {
      commands.push(...Either.getOrThrow(opener.push(Uint8Array.of(byte))))
      expect(opener.pendingBytes).toBeLessThan(frameBytes(COMMAND_BYTES))
    }
    expect(commands).toEqual([0, 1, 2].map(command))
  })
  it("a command of another length dies in the sealer", () => {
    expect(() => direction().sealer.seal(new Uint8Array(COMMAND_BYTES - 1))).toThrow(RangeError)
  })
  it("a used-up counter refuses instead of wrapping", () => {
    const { opener, sealer } = direction(COMMAND_BYTES, Number.MAX_SAFE_INTEGER - 2)
    expect(Either.getOrThrow(opener.push(Either.getOrThrow(sealer.seal(command(1)))))).toHaveLength(1)
    const refused = sealer.seal(command(2))
    expect(Either.isLeft(refused) && refused.left.reason).toBe("nonce-exhausted")
  })
})
