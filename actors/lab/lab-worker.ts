/**
 * The program of a thread of the lab: runs one part after the other and sends back what each of them gave.
 *
 * Contract: one message in, `{ name, scale, seed }`, one message out, `{ name, part }` or `{ name, message }` when the part failed. Ends with its thread.
 * Knows nothing of: parts.
 * Source: none; departures: none.
 *
 * @module
 */
import { parentPort } from "node:worker_threads"
import type { LabPart, LabScale } from "./lab-part.ts"
import { runPart } from "./part-list.ts"

export interface ToLabThread {
  readonly name: string
  readonly scale: LabScale
  readonly seed: number
}

export type FromLabThread =
  | { readonly name: string; readonly part: LabPart }
  | { readonly name: string; readonly message: string }

parentPort?.on("message", ({ name, scale, seed }: ToLabThread) => {
  const answer = (message: FromLabThread): void => parentPort?.postMessage(message)
  runPart(name, scale, seed).then(
    (part) => answer({ name, part }),
    (error: unknown) => answer({ name, message: error instanceof Error ? error.message : String(error) })
  )
})
