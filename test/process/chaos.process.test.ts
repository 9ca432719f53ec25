/**
 * The kill matrix in its short form: real processes killed with SIGKILL while jobs are at every step.
 *
 * Goal: nothing that a service accepted is lost and no answer is wrong; the command prints what its README says.
 * Method: the compiled command as a child process; the checker is in it, outside of the network. How long a recovery takes is not asserted.
 *
 * @module
 */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { ROOT } from "./cli-process.ts"

// the same run took 112 s and 235 s on one machine, on different days
const LIMIT_MS = 480_000
const PORT = 25_200

interface Run {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

const chaos = (...args: ReadonlyArray<string>): Promise<Run> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [join(ROOT, "dist/bench/chaos/main.js"), ...args], { stdio: ["ignore", "pipe", "pipe"] })
    let stdout = ""
    let stderr = ""
    child.stdout.on("data", (chunk: Buffer) => { stdout += chunk.toString() })
    child.stderr.on("data", (chunk: Buffer) => { stderr += chunk.toString() })
    child.once("exit", (status) => resolve({ status, stdout, stderr }))
  })

describe("the kill matrix", () => {
  it("loses no accepted job and answers none wrong while a mix and a compute service are killed", async () => {
    const { status, stderr, stdout } = await chaos("--short", "--json", "--port", String(PORT))
    const { faults } = JSON.parse(stdout) as { readonly faults: ReadonlyArray<Record<string, unknown>> }
    expect(faults.map(({ name }) => name)).toEqual(["kill mix-0-0", "kill compute-0"])
    for (const fault of faults) {
      expect(Object.keys(fault)).toEqual(["name", "requests", "answered", "retried", "lost", "wrong", "recoveryMs"])
      expect(fault).toMatchObject({ lost: 0, wrong: 0 })
      expect(fault["requests"]).toBe(3)
      expect(fault["answered"]).toBe(3)
    }
    expect(stderr).toContain("6 requests, 6 answered, 0 lost, 0 wrong")
    expect(status).toBe(0)
  }, LIMIT_MS)
  it("refuses options that it has not", async () => {
    const { status, stderr, stdout } = await chaos("--fast")
    expect([status, stdout]).toEqual([2, ""])
    expect(stderr).toContain("there is no option --fast")
  })
})
