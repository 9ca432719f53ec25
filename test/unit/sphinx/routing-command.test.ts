/**
 * Goal: a block of commands reads back as written, and every other block is refused.
 * Method: one block with all four commands; each truncation, each flipped bit, one byte more; hand-made bad blocks. Vectors are in test/vectors.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { NodeId, recipientId } from "../../../src/sphinx/geometry.ts"
import { commandsByteLength, decodeCommands, encodeCommands, findCommand, type RoutingCommand } from "../../../src/sphinx/routing-command.ts"
import { flipBit, reasonOf, SURB_ID } from "./sphinx-path.ts"

const ALL: ReadonlyArray<RoutingCommand> = [
  { _tag: "NodeDelay", delayMs: 4_294_967_295 },
  { _tag: "Recipient", recipient: recipientId("echo") },
  { _tag: "SurbReply", surbId: SURB_ID },
  { _tag: "NextNode", nodeId: NodeId.unsafe(new Uint8Array(32).fill(7)), mac: new Uint8Array(32).fill(9) }
]
const BLOCK = encodeCommands(ALL)
const BOUNDARIES = [0, 5, 38, 55, 120]

describe("routing commands", () => {
  it("a block reads back as written, with and without zeros behind it", () => {
    expect(BLOCK).toHaveLength(commandsByteLength(ALL))
    expect(Either.getOrThrow(decodeCommands(BLOCK))).toEqual(ALL)
    expect(Either.getOrThrow(decodeCommands(encodeCommands(ALL, 200)))).toEqual(ALL)
    expect(Either.getOrThrow(decodeCommands(encodeCommands(ALL, BLOCK.length + 1)))).toEqual(ALL)
  })

  it("a block cut anywhere but between two commands is refused", () => {
    for (let length = 0; length < BLOCK.length; length++) {
      const decoded = decodeCommands(BLOCK.subarray(0, length))
      const commandCount = BOUNDARIES.indexOf(length)
      if (commandCount < 0) expect(reasonOf(decoded), `${length} bytes`).toBe("truncated")
      else expect(Either.getOrThrow(decoded)).toEqual(ALL.slice(0, commandCount))
    }
  })

  it("no flipped bit goes unnoticed", () => {
    for (let byteIndex = 0; byteIndex < BLOCK.length; byteIndex++) {
      const decoded = decodeCommands(flipBit(BLOCK, byteIndex, byteIndex % 8))
      if (Either.isRight(decoded)) expect(decoded.right).not.toEqual(ALL)
      else expect(BOUNDARIES).toContain(byteIndex)
    }
  })

  it("one byte too many is refused unless it is zero", () => {
    expect(reasonOf(decodeCommands(Uint8Array.from([...BLOCK, 0x01])))).toBe("truncated")
    expect(reasonOf(decodeCommands(Uint8Array.from([...BLOCK, 0x7f])))).toBe("unknown-type")
    expect(Either.getOrThrow(decodeCommands(Uint8Array.from([...BLOCK, 0x00])))).toEqual(ALL)
  })

  it("every byte behind the terminator must be zero", () => {
    const padded = encodeCommands([], 40)
    expect(Either.getOrThrow(decodeCommands(padded))).toEqual([])
    for (let byteIndex = 1; byteIndex < padded.length; byteIndex++) {
      expect(reasonOf(decodeCommands(flipBit(padded, byteIndex, byteIndex % 8)))).toBe("padding-not-zero")
    }
  })

  it("a second next node or SURB reply is refused, a second delay or recipient is left to the node", () => {
    for (const command of ALL) {
      const once = command._tag === "NextNode" || command._tag === "SurbReply"
      expect(reasonOf(decodeCommands(encodeCommands([command, command])))).toBe(once ? "inconsistent" : "accepted")
    }
  })

  it("what is read does not change when the block does", () => {
    const block = encodeCommands(ALL)
    const decoded = Either.getOrThrow(decodeCommands(block))
    block.fill(0xff)
    expect(decoded).toEqual(ALL)
    expect(findCommand(decoded, "Recipient")).toEqual(ALL[1])
    expect(findCommand(decoded.slice(0, 1), "Recipient")).toBeUndefined()
  })

  it("a delay that is no u32 dies before it reaches a packet", () => {
    for (const delayMs of [-1, 2 ** 32, 0.5, Number.NaN]) expect(() => encodeCommands([{ _tag: "NodeDelay", delayMs }])).toThrow(RangeError)
  })
})
