/**
 * Goal: one inference by the compiled program, as a user runs it, one that it refuses to send, and Ctrl-C in the middle of others.
 * Method: the real program with a whole network inside; signals are sent when the program says which step it is at.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { funion } from "./cli-process.ts"

const LIMIT_MS = 180_000

/** Sends one signal when standard error matches. */
const signalAt = (pattern: RegExp, signal: NodeJS.Signals) => {
  let sent = false
  return (text: string, child: { readonly kill: (signal: NodeJS.Signals) => boolean }): void => {
    if (sent || !pattern.test(text)) return
    sent = true
    child.kill(signal)
  }
}

describe("funion infer", () => {
  it("prints one JSON object with the language of a text, and tells the five steps on standard error", async () => {
    const run = await funion(["infer", "lang-id", "--json", "-"], { stdin: "Wo finde ich hier in der Nähe eine Apotheke?\n" })
    expect(run.status, run.stderr).toBe(0)
    expect(run.stdout).toMatch(/^\{[^\n]+\}\n$/)
    const answer = JSON.parse(run.stdout) as Record<string, unknown>
    expect(Object.keys(answer)).toEqual(["model", "version", "outputs", "text", "bucket", "overflow", "timings", "packets", "boxes", "estimate"])
    expect(answer).toMatchObject({ model: "lang-id", version: 1, text: "deu", bucket: 1, boxes: { in: 4, out: 4 } })
    const [output] = answer["outputs"] as ReadonlyArray<{ readonly data: ReadonlyArray<number> }>
    expect(output).toMatchObject({ name: "probabilities", dtype: "float32", shape: [1, 50] })
    expect(output?.data.reduce((sum, probability) => sum + probability, 0)).toBeCloseTo(1, 4)
    const timings = answer["timings"] as Readonly<Record<string, number>>
    expect(Object.keys(timings)).toEqual(["uploadMs", "dispatchMs", "heldMs", "fetchMs", "totalMs"])
    for (const durationMs of Object.values(timings)) expect(durationMs).toBeGreaterThan(0)
    for (const step of ["1/5 upload", "2/5 dispatch", "3/5 fetch", "4/5 compute and hold: accepted", "5/5 fetch"]) expect(run.stderr).toContain(step)
    expect(run.stderr).not.toContain("warning")
    expect(run.stderr).not.toContain("\r")
    expect([run.left, run.orphans]).toEqual([[], false])
  }, LIMIT_MS)

  it("sends nothing and fails when more anonymity is asked for than is certain, also after a wait", async () => {
    const run = await funion(["infer", "affine", "1", "2", "3", "4", "--json", "--min-anonymity", "60", "--wait", "1"])
    expect(run.status, run.stderr).toBe(1)
    expect(run.stdout).toBe("")
    expect(run.stderr).toMatch(/^estimate: an answer in about .* bits of anonymity certain/m)
    expect(run.stderr).toMatch(/^funion: 60 bits of anonymity are asked for, and [\d.]+ are certain now: .*nothing was sent\./m)
    expect(run.stderr).not.toMatch(/^\d\/5/m)
    expect([run.left, run.orphans]).toEqual([[], false])
  }, LIMIT_MS)

  it.each([
    ["while the input is written", /^network tiny/m, "SIGINT"],
    ["while the result is held", /^4\/5/m, "SIGTERM"]
  ] as const)("stopped %s ends with status 130 and nothing left behind", async (_when, pattern, signal) => {
    const run = await funion(["infer", "lang-id", "Guten Morgen, wie geht es Ihnen?", "--json"], { onStderr: signalAt(pattern, signal) })
    expect(run.status, run.stderr).toBe(130)
    expect(run.stdout).toBe("")
    expect(run.stderr).toMatch(/funion: interrupted, closing\n$/)
    expect([run.left, run.orphans]).toEqual([[], false])
  }, LIMIT_MS)
})
