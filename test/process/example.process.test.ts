/**
 * Goal: the example of the README runs as it is printed, from the compiled package.
 * Method: the file itself as a child process; Node resolves `funion` to this package.
 *
 * @module
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { ROOT, runScript } from "./cli-process.ts"

describe("the example", () => {
  it("infers with one client, and fetches with another what the first commissioned", async () => {
    const run = await runScript("docs/example.mjs", [])
    // a machine that is too busy for its network is warned of on the way, in lines of Effect's logger
    const answers = run.stdout.split("\n").filter((line) => !line.startsWith("timestamp=")).join("\n")
    expect(answers, run.stderr).toBe("lang-id deu 1\naffine 3 5 7 9\n")
    expect(run.status).toBe(0)
    expect([run.left, run.orphans]).toEqual([[], false])
  }, 180_000)
  it("has at most 20 lines", () => {
    expect(readFileSync(join(ROOT, "docs/example.mjs"), "utf8").trimEnd().split("\n").length).toBeLessThanOrEqual(20)
  })
})
