/**
 * Where each transmission of one exchange goes.
 *
 * Goal: a destination given as an effect is asked anew for every transmission, a fixed one stays. Method: a sender that notes what it is given.
 *
 * @module
 */
import { Clock, Effect } from "effect"
import { describe, expect, it } from "vitest"
import { type ExchangeRequest, transmitUntilInterrupted } from "../../../src/session/retransmit.ts"
import type { Sender } from "../../../src/session/sender.ts"
import { NodeId, recipientId } from "../../../src/sphinx/geometry.ts"
import { runVirtual } from "./virtual-time.ts"

const nodeOf = (byte: number) => NodeId.unsafe(new Uint8Array(32).fill(byte))

/** First bytes of destination and payload of every transmission within a second. */
const transmissions = (request: ExchangeRequest<never>): ReadonlyArray<readonly [number | undefined, number | undefined]> => {
  const seen: Array<readonly [number | undefined, number | undefined]> = []
  const transmit: Sender<object>["transmit"] = ({ payload, serviceNode }) =>
    Effect.map(Clock.currentTimeMillis, (sentAtMs) => {
      seen.push([serviceNode[0], payload[0]])
      return { _tag: "Sent" as const, sentAtMs, etaMs: 200 }
    })
  const sender = { transmit } as Sender<object>
  runVirtual(Effect.timeoutOption(transmitUntilInterrupted({ sender, owner: {}, request, slackMs: Effect.succeed(100), onRetransmit: () => {} }), 1_000))
  return seen
}

describe("retransmission", () => {
  it("asks for destination and payload anew at every transmission", () => {
    let asked = 0
    let made = 0
    const request = {
      destination: Effect.sync(() => ({ serviceNode: nodeOf(++asked), recipient: recipientId("queue-0") })),
      payload: Effect.sync(() => Uint8Array.of(++made))
    }
    expect(transmissions(request)).toEqual([[1, 1], [2, 2], [3, 3], [4, 4]])
  })

  it("keeps to one endpoint when that is what was asked", () => {
    const seen = transmissions({ serviceNode: nodeOf(7), recipient: recipientId("courier-0"), payload: Effect.succeed(Uint8Array.of(5)) })
    expect(seen).toEqual(Array.from({ length: 4 }, () => [7, 5]))
  })
})
