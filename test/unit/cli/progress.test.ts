/**
 * Goal: the five steps are told in order: one replaced line on a terminal, plain finished lines in a pipe.
 * Method: the events of a job with an overflow, printed into a list.
 *
 * @module
 */
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { clockFace, makeProgress, stepLines } from "../../../actors/cli/progress.ts"
import type { InferenceEvent } from "../../../actors/client/protocol.ts"

const edgeMs = 1_700_000_000_000
const events: ReadonlyArray<InferenceEvent> = [
  { _tag: "Planned", service: "compute-0", model: "affine", version: 1, bucket: 1, boxesIn: 4, boxesOut: 4, warnings: [] },
  { _tag: "BoxWritten", done: 1, total: 4 },
  { _tag: "Uploaded", uploadMs: 1234 },
  { _tag: "Accepted", dispatchMs: 900, acceptedAtMs: edgeMs - 3000, firstEdgeMs: edgeMs, lastEdgeMs: edgeMs + 9000 },
  { _tag: "EdgePassed", overflow: 0, heldMs: 3000 },
  { _tag: "EdgePassed", overflow: 1, heldMs: 6000 },
  { _tag: "BoxRead", done: 1, total: 4 },
  { _tag: "Answered", outputs: [], overflow: 1, fetchMs: 800, totalMs: 9000, packets: { sent: 1, received: 1, decoys: 0 } }
]

const printed = (onTerminal: boolean): ReadonlyArray<string> => {
  const parts: Array<string> = []
  const progress = makeProgress(onTerminal, (text) => Effect.sync(() => {
    if (text !== "") parts.push(text)
  }))
  Effect.runSync(Effect.forEach(events.flatMap(stepLines), ({ done, text }) => (done ? progress.tell(text) : progress.show(text))))
  return parts
}

describe("progress", () => {
  it("tells every step once, in order, as plain lines in a pipe", () => {
    const lines = printed(false)
    expect(lines.map((line) => line.slice(0, 3))).toEqual(["1/5", "2/5", "3/5", "4/5", "4/5", "5/5"])
    for (const line of lines) expect(line).toMatch(/^[^\r\u001b\n]+\n$/)
  })
  it("says until which edge the result is held", () => {
    expect(printed(false)[3]).toContain(`held until edge ${clockFace(edgeMs)}`)
    expect(clockFace(edgeMs)).toMatch(/^\d\d:\d\d:\d\d$/)
  })
  it("replaces its line on a terminal and ends with a finished one", () => {
    const parts = printed(true)
    for (const part of parts) expect(part).toMatch(/^\r[^\r\n]+\u001b\[K\n?$/)
    expect(parts.length).toBeGreaterThan(printed(false).length)
    expect(parts.at(-1)).toMatch(/\n$/)
  })
})
