/**
 * Goal: whoever holds a ticket, and nobody else, fetches the answer; what a ticket cannot stand for is a typed error; whoever leaves, at any step, leaves a
 * client behind that goes quiet and works on.
 * Method: one brisk network with two clients in virtual time with real crypto; a tap counts what reaches the couriers.
 *
 * @module
 */
import { Clock, Effect, Either, Stream } from "effect"
import { describe, expect, it } from "vitest"
import type { InferenceEvent } from "../../actors/client/protocol.ts"
import { encodeReadCap, newWriteCap, readCapOf } from "../../src/bacap/capability.ts"
import { systemEntropy } from "../../src/crypto/entropy.ts"
import { decodeTicket, encodeTicket, type Ticket } from "../../src/inference/ticket.ts"
import { affineAnswer, affineInput, askAffine, briskParams, briskTopology, endingOf, inNetwork, within } from "./brisk-network.ts"

const LIMIT_MS = 90_000
const WEEK_MS = 7 * 86_400_000
const { quantumMs } = briskParams

const flipped = (bytes: Uint8Array): Uint8Array => bytes.map((byte, index) => (index === 5 ? byte ^ 1 : byte))

describe("a network", () => {
  it("gives the answer to another client with the ticket alone, and a typed error for any other ticket", async () => {
    await inNetwork(briskTopology(["affine"], { clients: 2 }), {}, (net) => within(LIMIT_MS)(Effect.gen(function* () {
      const [sender, receiver] = yield* Effect.all([net.client("client-0"), net.client("client-1")])
      const { input } = yield* sender.Upload({ model: "affine", inputs: [affineInput(7)] })
      const { ticket } = yield* sender.Dispatch({ input })
      const good = Either.getOrThrow(decodeTicket(ticket))
      const changed = (change: Partial<Ticket>) => encodeTicket({ ...good, ...change })
      const neverWritten = encodeReadCap(readCapOf(newWriteCap(net.setting.crypto, systemEntropy)))
      const nowMs = yield* Clock.currentTimeMillis
      const longAgoMs = Math.floor((nowMs - 3 * WEEK_MS) / quantumMs) * quantumMs
      const cases: ReadonlyArray<readonly [what: string, ticket: Uint8Array, reasons: ReadonlyArray<string>]> = [
        ["version", ticket.map((byte, index) => (index === 0 ? 9 : byte)), ["input-refused"]],
        ["truncated", ticket.slice(0, 255), ["input-refused"]],
        ["off the grid", changed({ acceptedAtMs: good.acceptedAtMs + 1 }), ["input-refused"]],
        ["bucket", changed({ bucket: 8 }), ["input-refused"]],
        ["service", changed({ serviceId: flipped(good.serviceId) }), ["no-compute-service"]],
        ["expired", changed({ acceptedAtMs: longAgoMs }), ["expired"]],
        ["never written", changed({ outputReadCap: neverWritten }), ["output-not-found"]],
        ["tag", changed({ outputTag: flipped(good.outputTag) }), ["output-damaged"]]
      ]
      const [ending, ...others] = yield* Effect.forEach(["", ...cases], (each) =>
        endingOf(receiver.Fetch({ ticket: typeof each === "string" ? ticket : each[1] })), { concurrency: "unbounded" })
      expect(ending).toMatchObject({ _tag: "Answer", numbers: affineAnswer(7) })
      for (const [index, [what, , reasons]] of cases.entries()) {
        const other = others[index]!
        expect(reasons, `${what}: ${JSON.stringify(other)}`).toContain(other._tag === "Failure" ? other.reason : "answered")
      }
    })))
  }, 2 * LIMIT_MS)

  it("goes quiet after jobs were left at each of the five steps, and answers the next one", async () => {
    let queryCount = 0
    const tap = ({ call, direction }: { readonly call: string; readonly direction: string }) => {
      if (call === "Query" && direction === "request") queryCount += 1
    }
    await inNetwork(briskTopology(["affine"]), { tap }, (net) => within(LIMIT_MS)(Effect.gen(function* () {
      const person = yield* net.client()
      const leaveAt = (tag: InferenceEvent["_tag"]) =>
        person.Infer({ model: "affine", inputs: [affineInput(1)] }).pipe(Stream.takeUntil((event) => event._tag === tag), Stream.runLast)
      const steps = ["Planned", "BoxWritten", "Uploaded", "Accepted", "BoxRead"] as const
      const left = yield* Effect.forEach(steps, leaveAt, { concurrency: "unbounded" })
      expect(left.map((event) => event._tag === "Some" ? event.value._tag : "none")).toEqual(steps)
      // Jobs that were accepted run to their end; after that nothing but decoys leaves.
      const quietFor = (durationMs: number) => Effect.gen(function* () {
        const before = queryCount
        yield* Effect.sleep(durationMs)
        return queryCount === before
      })
      yield* Effect.repeat(quietFor(2500), { until: (isQuiet) => isQuiet })
      const before = yield* person.Counters(undefined)
      yield* Effect.sleep(500)
      const after = yield* person.Counters(undefined)
      expect(after.sent - after.decoys).toBe(before.sent - before.decoys)
      expect(after.sent).toBeGreaterThan(before.sent)
      expect(yield* askAffine(net, 3)).toMatchObject({ _tag: "Answer", numbers: affineAnswer(3) })
    })))
  }, 2 * LIMIT_MS)
})
