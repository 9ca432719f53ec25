/**
 * The data directory of an actor, its lock and its folders.
 *
 * Goal: one owner at a time, no directory of somebody else, and a killed owner blocks nobody. Method: real folders; owners in this process, and one in a
 * process that is killed.
 *
 * @module
 */
import { spawn } from "node:child_process"
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Either, Exit, Scope } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { openDataDirectory, type DataDirectoryOptions } from "../../../src/disk/data-directory.ts"
import { openFolder } from "../../../src/disk/folder.ts"
import { openLogFile } from "../../../src/disk/log-file.ts"
import { lockFolder, OWNER_SOCKET } from "../../../src/disk/owner-lock.ts"

let root = ""
let made = 0
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "funion-data-"))
})
afterAll(() => {
  rmSync(root, { recursive: true })
})
const fresh = (): string => join(root, `d${++made}`)
const options = (directory: string, change: Partial<DataDirectoryOptions> = {}): DataDirectoryOptions =>
  ({ directory, network: "net-1", actor: "mix-1-0", ...change })

/** Opens and closes at once. @returns the refusal, or "opened" */
const tryOpen = (wanted: DataDirectoryOptions) =>
  Effect.runPromise(Effect.scoped(Effect.match(openDataDirectory(wanted), { onFailure: (refusal) => refusal, onSuccess: () => "opened" as const })))

const sockets = (directory: string): ReadonlyArray<string> => readdirSync(directory).filter((name) => OWNER_SOCKET.test(name))

/** A socket whose owner is dead: made here by taking its name away from a living one. */
const deadSocket = async (directory: string, name: string): Promise<void> => {
  const script = `require("net").createServer().listen(${JSON.stringify(join(directory, name))}, () => console.log("up"))`
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] })
  await new Promise((resolve) => child.stdout.once("data", resolve))
  const gone = new Promise((resolve) => child.once("exit", resolve))
  child.kill("SIGKILL")
  await gone
}

describe("a data directory", () => {
  it("is made with mode 0700, also where it was open to others, and says whose it is; its owner opens it again and again", async () => {
    const directory = join(fresh(), "deep", "mix-1-0")
    expect(await tryOpen(options(directory))).toBe("opened")
    expect([statSync(directory).mode & 0o777, statSync(join(directory, "identity")).mode & 0o777]).toEqual([0o700, 0o600])
    expect(readFileSync(join(directory, "identity"), "utf8")).toContain("network net-1\nactor mix-1-0")
    chmodSync(directory, 0o755)
    expect(await tryOpen(options(directory))).toBe("opened")
    expect([statSync(directory).mode & 0o777, sockets(directory)]).toEqual([0o700, []])
  })
  it("of another network or another actor is refused with both names and a way out", async () => {
    const directory = fresh()
    await tryOpen(options(directory))
    const network = await tryOpen(options(directory, { network: "net-2" }))
    expect(network).toMatchObject({ reason: "other-network", message: expect.stringMatching(/net-1.*mix-1-0.*net-2.*use another directory/) })
    const actor = await tryOpen(options(directory, { actor: "mix-2-0" }))
    expect(actor).toMatchObject({ reason: "other-actor", message: expect.stringMatching(/mix-1-0, not to mix-2-0; give mix-2-0/) })
    expect(await tryOpen(options(directory))).toBe("opened")
  })
  it("that holds other people's files is refused and left as it is", async () => {
    const directory = fresh()
    mkdirSync(directory, { mode: 0o755 })
    for (const name of ["thesis.tex", "draft.new"]) writeFileSync(join(directory, name), "x")
    expect(await tryOpen(options(directory))).toMatchObject({ reason: "not-ours", message: expect.stringContaining(directory) })
    expect([readdirSync(directory).sort(), statSync(directory).mode & 0o777]).toEqual([["draft.new", "thesis.tex"], 0o755])
  })
  it("whose identity was cut anywhere or changed in any byte is refused or belongs to somebody else, by name of the file", async () => {
    const directory = fresh()
    await tryOpen(options(directory))
    const file = join(directory, "identity")
    const whole = readFileSync(file)
    for (let at = 0; at < whole.length; at++) {
      writeFileSync(file, at % 2 === 0 ? whole.subarray(0, at) : whole.map((byte, index) => (index === at ? byte ^ 1 : byte)))
      expect(await tryOpen(options(directory)), `byte ${at}`).toMatchObject({ message: expect.stringContaining(directory) })
    }
  })
  it("that cannot be made is a typed error", async () => {
    writeFileSync(join(root, "file"), "")
    expect(await tryOpen(options(join(root, "file", "x")))).toMatchObject({ _tag: "DataDirectoryRefused", reason: "inaccessible" })
  })
})

describe("the owner's lock", () => {
  it("refuses a second owner by the folder's name, as often as it asks, and is free when the first one has ended", async () => {
    const directory = fresh()
    const scope = await Effect.runPromise(Scope.make())
    await Effect.runPromise(Scope.extend(openDataDirectory(options(directory)), scope))
    for (let times = 0; times < 3; times++) {
      expect(await tryOpen(options(directory))).toMatchObject({ reason: "in-use", message: expect.stringContaining(directory) })
    }
    expect(sockets(directory)).toHaveLength(1)
    await Effect.runPromise(Scope.close(scope, Exit.void))
    expect(await tryOpen(options(directory))).toBe("opened")
  })
  it("of a killed process blocks nobody, and its remains go", async () => {
    const directory = fresh()
    mkdirSync(directory)
    await deadSocket(directory, "owner-00")
    expect(sockets(directory)).toEqual(["owner-00"])
    expect(await tryOpen(options(directory))).toBe("opened")
    expect(sockets(directory)).toEqual([])
  })
  it("is never held by two of many that begin at once", async () => {
    const directory = fresh()
    mkdirSync(directory)
    for (let round = 0; round < 10; round++) {
      let owners = 0
      let most = 0
      const owner = Effect.scoped(Effect.flatMap(lockFolder(directory), () => Effect.gen(function*() {
        owners += 1
        most = Math.max(most, owners)
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        owners -= 1
      })))
      await Effect.runPromise(Effect.all(Array.from({ length: 6 }, () => Effect.ignore(owner)), { concurrency: "unbounded" }))
      expect(most).toBeLessThanOrEqual(1)
    }
  })
  it("is held in folders of long names too", async () => {
    const directory = join(fresh(), "n".repeat(120), "m".repeat(120))
    const second = Effect.flip(Effect.scoped(lockFolder(directory)))
    mkdirSync(directory, { recursive: true })
    const refusal = await Effect.runPromise(Effect.scoped(Effect.zipRight(lockFolder(directory), second)))
    expect(refusal).toMatchObject({ reason: "in-use" })
    expect(sockets(directory)).toEqual([])
  })
  it("of a socket that somebody else answers counts as taken", async () => {
    const directory = fresh()
    mkdirSync(directory)
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(join(directory, "owner-ff"), resolve))
    expect(await tryOpen(options(directory))).toMatchObject({ reason: "in-use" })
    await new Promise((resolve) => server.close(resolve))
  })
})

describe("a folder", () => {
  const right = <A, E>(outcome: Either.Either<A, E>): A => Either.getOrThrow(outcome)
  it("puts files in place whole, renames and destroys them, and forgets the remains of interrupted writes", () => {
    const directory = fresh()
    const folder = right(openFolder(directory))
    right(folder.write("a", Uint8Array.of(1, 2)))
    right(folder.write("a", Uint8Array.of(3)))
    right(folder.rename("a", "b"))
    expect([right(folder.read("a", 10)), right(folder.read("b", 10)), right(folder.names())]).toEqual([undefined, Uint8Array.of(3), ["b"]])
    expect(statSync(join(directory, "b")).mode & 0o777).toBe(0o600)
    right(folder.destroy("b"))
    right(folder.destroy("b"))
    right(folder.remove("b"))
    writeFileSync(join(directory, "c.new"), "half")
    expect(right(right(openFolder(directory)).names())).toEqual([])
  })
  it("reads no file beyond the limit, and tells what failed by the file's name", () => {
    const directory = fresh()
    const folder = right(openFolder(directory))
    right(folder.write("a", new Uint8Array(11)))
    expect(Either.getLeft(folder.read("a", 10))).toMatchObject({ value: { _tag: "DiskFailed", path: join(directory, "a") } })
    expect(Either.getLeft(folder.rename("none", "b"))).toMatchObject({ value: { code: "ENOENT", message: expect.stringContaining("none") } })
  })
  it("opens logs: written at places, cut, erased; a closed one fails", async () => {
    const path = join(root, "log")
    const log = right(openLogFile(path))
    await Effect.runPromise(Effect.gen(function*() {
      yield* log.write(0, Uint8Array.of(1, 2, 3, 4))
      yield* log.write(2, Uint8Array.of(9, 8, 7))
      yield* log.truncate(4)
      expect(yield* log.read(4)).toEqual(Uint8Array.of(1, 2, 9, 8))
      expect(yield* Effect.flip(log.read(3))).toMatchObject({ message: expect.stringContaining(path) })
      yield* log.erase
      expect(yield* Effect.flip(log.write(0, Uint8Array.of(1)))).toMatchObject({ _tag: "DiskFailed" })
      log.close()
    }))
    expect([[...readFileSync(path)], statSync(path).mode & 0o777, existsSync(path)]).toEqual([[0, 0, 0, 0], 0o600, true])
  })
})
