/**
 * The way of a session to its gateway.
 *
 * Goal: replies come as they are sent, across interruptions of the gateway; what is too short to be one does not; a taker's mistake is not taken for the
 * link's.
 * Method: a gateway as a script on a mount in memory, virtual time.
 *
 * @module
 */
import { Context, Effect, Exit, Layer, Stream } from "effect"
import { describe, expect, it } from "vitest"
import { Gateway } from "../../../actors/gateway/protocol.ts"
import { openPacketPort } from "../../../actors/packet-port.ts"
import { Mount } from "../../../src/actor/mount.ts"
import { layerMountMemory } from "../../../src/actor/mount-memory.ts"
import type { SurbDelivery } from "../../../src/session/packet-port.ts"
import { NodeId, SURB_ID_BYTES } from "../../../src/sphinx/geometry.ts"
import { runVirtual } from "../session/virtual-time.ts"

const message = (first: number, payloadBytes: number): Uint8Array => new Uint8Array(SURB_ID_BYTES + payloadBytes).fill(first)

/** Receives from a gateway whose streams are these, one after another; the last is taken again and again. @returns how it ended, if it did in a second */
const receiveAll = (streams: ReadonlyArray<Stream.Stream<Uint8Array>>, onDelivery: (delivery: SurbDelivery) => void) =>
  runVirtual(Effect.scoped(Effect.gen(function*() {
    const mount = Context.get(yield* Layer.build(layerMountMemory()), Mount)
    let connections = 0
    const handlers = Gateway.toLayer({
      GetConsensus: () => Effect.never, Forward: () => Effect.never, Submit: () => Effect.never,
      Receive: () => streams[Math.min(connections++, streams.length - 1)] ?? Stream.never
    })
    yield* Effect.orDie(mount.serve("gateway-0", Gateway, handlers))
    const port = yield* Effect.provideService(
      openPacketPort("client-0", { name: "gateway-0", nodeId: NodeId.unsafe(new Uint8Array(32)) }, "0".repeat(32)), Mount, mount)
    const ended = yield* Effect.timeoutTo(Effect.exit(port.receive(onDelivery)), { duration: 1_000, onSuccess: (exit) => exit, onTimeout: () => undefined })
    return { ended, connections }
  })))

describe("a packet port", () => {
  it("hands over every message that is long enough, and listens again after an end or a defect of the gateway's", () => {
    const got: Array<readonly [number | undefined, number]> = []
    const streams = [
      Stream.make(message(1, 40), message(2, 0), message(3, 1)),
      Stream.concat(Stream.make(message(4, 40)), Stream.die("planted")),
      Stream.concat(Stream.make(message(5, 40)), Stream.never)
    ]
    const { connections, ended } = receiveAll(streams, ({ payload, surbId }) => got.push([surbId[0], payload.length]))
    expect(got).toEqual([[1, 40], [3, 1], [4, 40], [5, 40]])
    expect(connections).toBe(3)
    expect(ended).toBeUndefined()
  })
  it("waits between its attempts", () => {
    const { connections } = receiveAll([Stream.empty], () => undefined)
    expect(connections).toBeGreaterThanOrEqual(4)
    expect(connections).toBeLessThanOrEqual(6)
  })
  it("ends with the defect of who takes the deliveries, and hands over nothing more", () => {
    let taken = 0
    const { connections, ended } = receiveAll([Stream.make(message(1, 40), message(2, 40))], () => {
      taken++
      throw new TypeError("planted")
    })
    expect(ended).toEqual(Exit.die(new TypeError("planted")))
    expect({ taken, connections }).toEqual({ taken: 1, connections: 1 })
  })
})
