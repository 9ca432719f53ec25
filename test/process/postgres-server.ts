/**
 * A PostgreSQL server of a test's own, thrown away with its scope.
 *
 * Goal: what is said about several machines is tried on the server that operators would use.
 * Method: `initdb` into a temporary folder, loopback and a free port, a password, nothing synced. The server refuses to run as root: then it runs as `nobody`.
 *
 * @module
 */
import { Effect, type Scope } from "effect"
import { execFileSync, spawn, type ChildProcess } from "node:child_process"
import { chownSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

const found = (program: string): boolean => {
  try {
    execFileSync(program, ["--version"], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

/** Whether `initdb` and `postgres` are installed. */
export const postgresIsInstalled: boolean = found("initdb") && found("postgres")

const idOfNobody = (flag: "-u" | "-g"): number => Number(execFileSync("id", [flag, "nobody"], { encoding: "utf8" }))
const asWhom = (): { readonly uid: number; readonly gid: number } | undefined =>
  process.getuid?.() === 0 ? { uid: idOfNobody("-u"), gid: idOfNobody("-g") } : undefined

const freePort = Effect.async<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
})

const stopped = (server: ChildProcess): Effect.Effect<void> => Effect.async((resume) => {
  if (server.exitCode !== null) return resume(Effect.void)
  server.on("exit", () => resume(Effect.void))
  server.kill("SIGINT")
})

/** Starts a server and gives its connection string. */
export const openPostgres: Effect.Effect<string, never, Scope.Scope> = Effect.gen(function*() {
  const who = asWhom()
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "funion-postgres-"))), (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true })))
  const port = yield* freePort
  const passwordFile = join(folder, "password")
  const data = join(folder, "data")
  yield* Effect.sync(() => {
    writeFileSync(passwordFile, "of-a-test\n")
    if (who !== undefined) for (const path of [folder, passwordFile]) chownSync(path, who.uid, who.gid)
    execFileSync("initdb", ["-D", data, "-U", "funion", "-A", "scram-sha-256", "--pwfile", passwordFile, "-E", "UTF8", "--no-locale", "--no-sync"],
      { stdio: "ignore", cwd: folder, ...who })
  })
  const server = yield* Effect.acquireRelease(
    Effect.sync(() => spawn("postgres", ["-D", data, "-F", "-c", "listen_addresses=127.0.0.1", "-p", String(port), "-k", folder], { cwd: folder, ...who })),
    stopped
  )
  yield* Effect.async<void>((resume) => {
    server.stderr.on("data", (chunk: Buffer) => {
      if (chunk.includes("ready to accept connections")) resume(Effect.void)
    })
  }).pipe(Effect.timeout("20 seconds"), Effect.orDie)
  return `postgres://funion:of-a-test@127.0.0.1:${port}/postgres`
})
