/**
 * Log lines of an actor process.
 *
 * Goal: no key, capability, identifier or content gets into a line, whatever is logged; lines are one line each and well formed.
 * Method: planted secrets in every shape, searched for in what was written.
 *
 * @module
 */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Redacted } from "effect"
import { layerOperatorLog, type OperatorLogOptions, redactedText } from "../../../actors/operator/operator-log.ts"
import { reportCrash } from "../../../src/actor/crash-report.ts"

const SECRET = Uint8Array.from({ length: 32 }, (_, index) => (index * 37 + 11) % 256)
const HEX = Buffer.from(SECRET).toString("hex")
const BASE64 = Buffer.from(SECRET).toString("base64")
const BASE64_URL = Buffer.from(SECRET).toString("base64url")

const linesOf = (options: Partial<OperatorLogOptions>, logged: Effect.Effect<unknown>) =>
  Effect.suspend(() => {
    const lines: Array<string> = []
    const all = { format: "json" as const, write: (line: string) => void lines.push(line), actor: "mix-0-0", ...options }
    return Effect.as(Effect.provide(logged, layerOperatorLog(all)), lines)
  })

const expectNoSecret = (text: string) => {
  for (const secret of [HEX, HEX.toUpperCase(), BASE64, BASE64_URL, SECRET.join(","), SECRET.join(", "), String(SECRET[5]) + "," + String(SECRET[6])]) {
    expect(text).not.toContain(secret)
  }
}

describe("operator log", () => {
  for (const format of ["json", "text"] as const) {
    it.effect(`${format}: secrets in messages, annotations and causes are not in the output`, () =>
      Effect.gen(function*() {
        const lines = yield* linesOf({ format, level: "debug" }, Effect.all([
          Effect.logInfo("key", SECRET), Effect.logInfo(`key ${HEX}`), Effect.logInfo(`key 0x${HEX.toUpperCase()}`), Effect.logInfo(`key ${BASE64}`),
          Effect.logInfo(`cap=${BASE64_URL}.`), Effect.logInfo(`[${SECRET.join(", ")}]`), Effect.logInfo("key", Redacted.make(HEX)),
          Effect.logInfo({ key: SECRET }), Effect.logInfo(`${HEX.match(/../g)?.join(":")}`),
          Effect.annotateLogs(Effect.logInfo("note"), { reason: HEX, readCap: HEX, cause: SECRET, peer: { id: HEX } }),
          reportCrash("actor crashed", Cause.fail({ _tag: HEX, box: SECRET }), { actor: "mix-0-0" }),
          reportCrash("actor crashed", Cause.die(new Error(`bad key ${HEX}`)), { actor: "mix-0-0" })
        ], { discard: true }))
        expect(lines.length).toBe(14)
        expectNoSecret(lines.join("\n"))
      }))
  }

  it.effect("a suspicion names the nodes and the links, as the pages promise", () =>
    Effect.gen(function*() {
      const annotations = { nodes: "mix-0-1", segments: "mix-0-1 to mix-1-0: some 90 % lost" }
      const lines = yield* linesOf({}, Effect.annotateLogs(Effect.logWarning("loops are lost"), annotations))
      expect(lines.map((line): unknown => JSON.parse(line))).toEqual([expect.objectContaining(annotations)])
    }))

  it.effect("json: a line is one object with time to the second, level, actor, message and listed annotations only", () =>
    Effect.gen(function*() {
      const lines = yield* linesOf({}, Effect.all([
        Effect.annotateLogs(Effect.logWarning("a vote\nwas late"), { authority: "authority-1", epoch: 12, secretWord: "x" }),
        Effect.annotateLogs(Effect.logError("down"), { actor: "mix-9-9" }),
        Effect.logDebug("unseen")
      ]))
      expect(lines.map((line): unknown => JSON.parse(line))).toEqual([
        {
          time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
          level: "warning", actor: "mix-0-0", message: "a vote was late", authority: "authority-1", epoch: 12
        },
        { time: expect.any(String), level: "error", actor: "mix-9-9", message: "down" }
      ])
    }))

  it.effect("text: control characters cannot make a second line, and lines are bounded", () =>
    Effect.gen(function*() {
      const [line = ""] = yield* linesOf({ format: "text" }, Effect.logInfo(`a\nb\u001b[31m\u2028c ${"word ".repeat(1_000)}`))
      expect(line).not.toMatch(/[\u0000-\u001f\u2028]/)
      expect(line.length).toBeLessThan(700)
    }))

  it("sentences, paths and actor names stay readable", () => {
    const text = "could not open data/replica-12/boxes: /var/lib/funion/replica-12/boxes/000123.ldb is damaged; see docs/operations.md, port 47103"
    expect(redactedText(text)).toBe(text)
  })
})
