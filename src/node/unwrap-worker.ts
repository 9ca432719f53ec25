/**
 * The program file of an unwrap thread.
 *
 * Contract: messages of the pool in, answers out (unwrap-message); an error ends the thread, and the pool starts another.
 * Knows nothing of: anything else.
 * Source: none; departures: none.
 *
 * @module
 */
import { parentPort } from "node:worker_threads"
import { unwrapProgram } from "./unwrap-thread.ts"

const port = parentPort
if (port === null) throw new RangeError("this program runs in a thread of an unwrap pool")
const program = unwrapProgram((message) => port.postMessage(message))
port.on("message", program)
