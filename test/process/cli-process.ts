/**
 * Runs the compiled program `funion` as a user would, for the tests of this folder.
 *
 * Goal: every run has its own process group, home, temporary and working folder, so that what it leaves behind is seen.
 * Method: spawn, collect both outputs, wait for the end.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"

export const ROOT = resolve(import.meta.dirname, "../..")

export interface Run {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
  /** Files in the home, temporary and working folder, but for those given. */
  readonly left: ReadonlyArray<string>
  /** True when a process of the run's group was still there after its end. */
  readonly orphans: boolean
}

export interface RunOptions {
  /** Files of the working folder. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>
  readonly stdin?: string | Uint8Array
  /** Called with everything on standard error so far. */
  readonly onStderr?: (text: string, child: ChildProcess) => void
}

const groupLives = (pid: number | undefined): boolean => {
  if (pid === undefined) return false
  try {
    process.kill(-pid, 0)
    return true
  } catch {
    return false
  }
}

/** Runs a script of this package with Node. */
export const runScript = (script: string, args: ReadonlyArray<string>, options: RunOptions = {}): Promise<Run> =>
  new Promise((done, refused) => {
    const folder = mkdtempSync(join(tmpdir(), "funion-process-"))
    const work = mkdtempSync(join(tmpdir(), "funion-process-work-"))
    for (const [name, content] of Object.entries(options.files ?? {})) writeFileSync(join(work, name), content)
    const child = spawn(process.execPath, [join(ROOT, script), ...args], { cwd: work, detached: true, env: { ...process.env, TMPDIR: folder, HOME: folder } })
    let stdout = ""
    let stderr = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text
    })
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text
      options.onStderr?.(stderr, child)
    })
    child.on("error", refused)
    child.stdin.on("error", () => undefined)
    child.stdin.end(options.stdin ?? "")
    child.on("close", (status) => {
      const left = [...readdirSync(folder), ...readdirSync(work).filter((name) => options.files?.[name] === undefined)]
      rmSync(folder, { recursive: true })
      rmSync(work, { recursive: true })
      done({ status, stdout, stderr, left, orphans: groupLives(child.pid) })
    })
  })

/** Runs `funion` with these arguments. */
export const funion = (args: ReadonlyArray<string>, options: RunOptions = {}): Promise<Run> => runScript("bin/funion.mjs", args, options)
