/**
 * Goal: a ticket is exactly the 256 bytes of the protocol.
 * Method: offsets by hand, round trips, every truncation, every bit.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { decodeTicket, encodeTicket, type Ticket } from "../../../src/inference/ticket.ts"
import { flipped } from "./sample-job.ts"

const ticket: Ticket = {
  staged: false, attested: true, bucket: 3, outputClass: 0x0102, acceptedAtMs: 1_700_000_010_000, outputReadCap: new Uint8Array(136).fill(1),
  outputTag: new Uint8Array(16).fill(2), serviceId: new Uint8Array(32).fill(3), modelIdHash: new Uint8Array(32).fill(4)
}

describe("ticket", () => {
  it("has 256 bytes with every field at its offset", () => {
    const bytes = encodeTicket(ticket)
    expect(bytes.length).toBe(256)
    expect([...bytes.slice(0, 8)]).toEqual([1, 2, 3, 0, 1, 2, 0, 0])
    expect(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(8)).toBe(1_700_000_010_000n)
    for (const [start, end, value] of [[16, 152, 1], [152, 168, 2], [168, 200, 3], [200, 232, 4], [232, 256, 0]] as const) {
      expect(bytes.slice(start, end)).toEqual(new Uint8Array(end - start).fill(value))
    }
  })

  it("comes back from its bytes, with and without a model", () => {
    for (const change of [{}, { modelIdHash: undefined }, { staged: true, bucket: 1, attested: false }]) {
      const value = { ...ticket, ...change }
      expect(Either.getOrThrow(decodeTicket(encodeTicket(value)))).toEqual(value)
    }
  })

  it("is refused truncated, one byte too long, and refused or different after any bit flip", () => {
    const bytes = encodeTicket(ticket)
    for (let length = 0; length < 256; length++) expect(Either.isLeft(decodeTicket(bytes.slice(0, length)))).toBe(true)
    expect(Either.isLeft(decodeTicket(Uint8Array.of(...bytes, 0)))).toBe(true)
    for (let index = 0; index < 256; index++) {
      const decoded = decodeTicket(flipped(bytes, index))
      if (Either.isRight(decoded)) expect(decoded.right).not.toEqual(ticket)
      if ([0, 3, 6, 7].includes(index) || index >= 232) expect(Either.isLeft(decoded)).toBe(true)
    }
  })

  it("is refused with bucket 0 or staged with another bucket than 1", () => {
    const bytes = encodeTicket(ticket)
    expect(Either.isLeft(decodeTicket(bytes.with(2, 0)))).toBe(true)
    expect(Either.isLeft(decodeTicket(bytes.with(1, 1)))).toBe(true)
  })
})
