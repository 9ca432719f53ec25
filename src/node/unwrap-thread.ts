/**
 * The thread of an unwrap pool: the program that runs in it, as far as it knows messages only, and its start.
 *
 * Contract: a thread is started from the compiled program, and ends with its scope. Memory of secrets stays shared: nothing
 * is copied but what a backend expands, which is forgotten when the secret has been overwritten.
 * Knows nothing of: queues, replay filters.
 * Source: models' worker threads (src/model/worker-link.ts); departures: none.
 *
 * @module
 */
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { Worker } from "node:worker_threads"
import { Effect, Either, type Scope } from "effect"
import { isAllZero } from "../bytes/equal.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { selectBackend } from "../crypto/select-backend.ts"
import type { Geometry } from "../sphinx/geometry.ts"
import { mixPrivateKeyOver, type MixPrivateKey } from "../sphinx/unwrap.ts"
import { UnwrapBatch } from "./unwrap-batch.ts"
import type { FromUnwrapThread, ToUnwrapThread, UnwrapThread, UnwrapThreadEvents } from "./unwrap-message.ts"
import { isOpened, openPacket } from "./unwrap-outcome.ts"

export type OpenUnwrapThread = (events: UnwrapThreadEvents) => Effect.Effect<UnwrapThread, never, Scope.Scope>

const here = fileURLToPath(import.meta.url)
/** Node 20 starts threads from compiled files only. */
const program = here.endsWith(".ts")
  ? join(resolve(dirname(here), "../.."), "dist", "src", "node", "unwrap-worker.js")
  : join(dirname(here), "unwrap-worker.js")

/** Starts a thread of this process. */
export const openUnwrapThread: OpenUnwrapThread = ({ onExit, onMessage }) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const worker = new Worker(program, { execArgv: [] })
        worker.on("message", onMessage)
        worker.on("error", () => undefined)
        worker.on("exit", onExit)
        return worker
      }),
      (worker) => Effect.promise(() => worker.terminate())
    ),
    (worker) => ({ post: (message) => worker.postMessage(message) })
  )

interface Started {
  readonly crypto: CryptoBackend
  readonly geometry: Geometry
  readonly batches: ReadonlyArray<UnwrapBatch>
}

interface Held {
  readonly secret: Uint8Array
  readonly privateKey: MixPrivateKey
}

/** What a thread does with messages. @param answer  sends to the pool */
export const unwrapProgram = (answer: (message: FromUnwrapThread) => void): ((message: ToUnwrapThread) => void) => {
  const keys = new Map<number, Held>()
  let started: Started | undefined
  const sweep = (): void => {
    for (const [keyNumber, { secret }] of keys) if (isAllZero(secret)) keys.delete(keyNumber)
  }
  const run = ({ batches, crypto, geometry }: Started, { keyNumbers, packetCount, slot }: Extract<ToUnwrapThread, { type: "batch" }>): void => {
    const batch = batches[slot]
    if (batch === undefined) throw new RangeError("no such batch")
    // A key may have been wiped since the batch was sent; the others keep their places.
    const places = keyNumbers.flatMap((keyNumber, place) => (keys.has(keyNumber) ? [place] : []))
    const privateKeys = keyNumbers.flatMap((keyNumber) => keys.get(keyNumber)?.privateKey ?? [])
    for (let index = 0; index < packetCount; index++) {
      const outcome = openPacket(crypto, geometry, privateKeys, batch.packet(index))
      batch.writeOutcome(index, isOpened(outcome) ? { ...outcome, keyIndex: places[outcome.keyIndex] as number } : outcome)
    }
    answer({ type: "done", slot })
  }
  return (message) => {
    if (message.type === "start") {
      const { backend, geometry, memories } = message
      started = { crypto: Either.getOrThrow(selectBackend(backend)), geometry, batches: memories.map((memory) => new UnwrapBatch(geometry, memory)) }
      answer({ type: "ready" })
      return
    }
    if (started === undefined) throw new RangeError("the thread was not started")
    if (message.type === "batch") return run(started, message)
    sweep()
    if (message.type === "sweep") return
    const secret = new Uint8Array(message.secret)
    if (isAllZero(secret)) return
    keys.set(message.keyNumber, { secret, privateKey: mixPrivateKeyOver(started.crypto, started.geometry, secret) })
  }
}
