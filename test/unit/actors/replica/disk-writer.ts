/**
 * A process that writes boxes to a disk table and says which were acknowledged, for tests that kill or hinder it.
 *
 * Goal: one line per box on standard output, `stored ID` or `refused ID`, after `put` came back; after each round `read ROUND` or `missed ROUND` for the
 * first box of all.
 * Method: started with node and jiti; arguments: folder, boxes per round, rounds.
 *
 * @module
 */
import { spawn, type ChildProcessByStdio } from "node:child_process"
import { dirname, resolve } from "node:path"
import type { Readable } from "node:stream"
import { fileURLToPath } from "node:url"
import { Effect, Either } from "effect"
import { openDiskBoxTable } from "../../../../actors/replica/box-table-disk.ts"
import { plainBox } from "./plain-box.ts"

const HERE = fileURLToPath(import.meta.url)
const ROOT = resolve(dirname(HERE), "../../../..")
const PAYLOAD_BYTES = 4_000

export const writtenBox = (id: number) => plainBox(id, id & 255, PAYLOAD_BYTES)

/** Starts the writer. @param fileLimitKb  largest file that it may write */
export const startWriter = (
  directory: string,
  { fileLimitKb, perRound, rounds }: { readonly fileLimitKb?: number; readonly perRound: number; readonly rounds: number }
): ChildProcessByStdio<null, Readable, Readable> => {
  const program = `import { createJiti } from "jiti"
    const { write } = await createJiti(process.cwd() + "/writer", { fsCache: false }).import(${JSON.stringify(HERE)})
    await write(process.argv[1], Number(process.argv[2]), Number(process.argv[3]))`
  const limit = fileLimitKb === undefined ? "" : `ulimit -f ${fileLimitKb}; `
  const words = [process.execPath, "--input-type=module", "-e", program, directory, String(perRound), String(rounds)]
  return spawn("bash", ["-c", `${limit}exec "$@"`, "writer", ...words], { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] })
}

/** Runs in the child. */
export const write = (directory: string, perRound: number, rounds: number): Promise<void> =>
  Effect.runPromise(Effect.scoped(Effect.gen(function*() {
    const table = yield* openDiskBoxTable({ directory, quotaBytes: 1e9, reserveBytes: 0 })
    for (let round = 0; round < rounds; round++) {
      yield* Effect.forEach(Array.from({ length: perRound }, (_, at) => round * perRound + at), (id) =>
        Effect.map(Effect.either(table.put(5, writtenBox(id))), (outcome) => {
          process.stdout.write(`${Either.isRight(outcome) ? "stored" : "refused"} ${id}\n`)
        }), { concurrency: "unbounded", discard: true })
      const first = yield* Effect.either(table.get(writtenBox(0).boxId, [5]))
      process.stdout.write(`${Either.isRight(first) && first.right !== undefined ? "read" : "missed"} ${round}\n`)
    }
  })))
