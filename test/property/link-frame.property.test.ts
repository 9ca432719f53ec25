/**
 * Frames, however the network cuts them.
 *
 * Goal: chunk borders never matter; a broken stream gives a prefix of the commands, then nothing.
 * Method: random commands, random cuts, one random alteration.
 *
 * @module
 */
import { Either } from "effect"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { concatBytes } from "../../src/bytes/concat.ts"
import { CipherState } from "../../src/link/cipher-state.ts"
import { FrameOpener, FrameSealer, frameBytes } from "../../src/link/frame.ts"
import { realCrypto } from "../unit/link/link-rig.ts"

const COMMAND_BYTES = 40
const cipher = () => new CipherState(realCrypto, new Uint8Array(32).fill(3))
const commands = fc.array(fc.uint8Array({ minLength: COMMAND_BYTES, maxLength: COMMAND_BYTES }), { maxLength: 8 })
const cuts = fc.array(fc.integer({ min: 1, max: 150 }), { minLength: 1, maxLength: 30 })

const wireOf = (sent: ReadonlyArray<Uint8Array>): Uint8Array => {
  const sealer = new FrameSealer(cipher(), COMMAND_BYTES)
  return concatBytes(...sent.map((command) => Either.getOrThrow(sealer.seal(command))))
}

/** Feeds the bytes in pieces of the given lengths, repeated. */
const feed = (wire: Uint8Array, lengths: ReadonlyArray<number>): { readonly opened: ReadonlyArray<Uint8Array>; readonly broken: boolean } => {
  const opener = new FrameOpener(cipher(), COMMAND_BYTES)
  const opened: Array<Uint8Array> = []
  for (let at = 0, i = 0; at < wire.length; i++) {
    const length = lengths[i % lengths.length] as number
    const result = opener.push(wire.subarray(at, at + length))
    if (Either.isLeft(result)) return { opened, broken: true }
    opened.push(...result.right)
    at += length
  }
  return { opened, broken: false }
}

describe("link frames (property)", () => {
  it("any cutting of the bytes gives the same commands", () => {
    fc.assert(fc.property(commands, cuts, (sent, lengths) => {
      expect(feed(wireOf(sent), lengths)).toEqual({ opened: sent, broken: false })
    }), { numRuns: 100 })
  })
  it("after any alteration only commands before it come out", () => {
    fc.assert(fc.property(commands, cuts, fc.nat(), fc.integer({ min: 0, max: 7 }), (sent, lengths, where, bit) => {
      const wire = wireOf(sent)
      if (wire.length === 0) return
      const at = where % wire.length
      wire[at] = (wire[at] as number) ^ (1 << bit)
      const { broken, opened } = feed(wire, lengths)
      expect(broken).toBe(true)
      expect(opened).toEqual(sent.slice(0, opened.length))
      expect(opened.length).toBeLessThanOrEqual(Math.floor(at / frameBytes(COMMAND_BYTES)))
    }), { numRuns: 100 })
  })
  it("random bytes never open", () => {
    fc.assert(fc.property(fc.uint8Array({ minLength: 20, maxLength: 400 }), cuts, (noise, lengths) => {
      expect(feed(noise, lengths)).toEqual({ opened: [], broken: true })
    }), { numRuns: 50 })
  })
})
