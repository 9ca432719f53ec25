/**
 * Virtual time for networks with workers in other threads, which live in real time: the clock moves only when no actor can do anything, and never faster
 * than a multiple of the real one.
 *
 * Contract: as `VirtualTime` but for the pace; between two sleepers the event loop turns, so that messages of workers come in. What reads the machine's own
 * clock sees real time. A slow machine makes a run slower but never late. Runs are not the same run twice: workers answer when they answer.
 * Knows nothing of: networks.
 * Source: style.md §1.1 (simulation); departures: none.
 *
 * @module
 */
import { type Effect, Exit } from "effect"
import { VirtualTime } from "../src/simulation/virtual-clock.ts"

/** See `runVirtually`; for tests whose workers have next to nothing to do. */
const JUMP_FACTOR = 20
/** The clock may be ahead of its pace by this much. */
const CREDIT_LIMIT_MS = 50
/** How long to wait for workers before the next look. */
const WORKER_LOOK_MS = 1

const turn = (): Promise<void> => new Promise((done) => setImmediate(done))
const rest = (): Promise<void> => new Promise((done) => setTimeout(done, WORKER_LOOK_MS))

/**
 * Runs `effect` to its end.
 * @param jumpFactor  the clock is at most this many times as fast as the real one, so that other threads get their time: work of theirs that takes
 * 100 ms takes at most this many times 100 ms of the clock, and 50 ms
 */
export const runVirtually = async <A, E>(effect: Effect.Effect<A, E>, jumpFactor = JUMP_FACTOR): Promise<A> => {
  const time = new VirtualTime()
  let lookedMs = performance.now()
  let creditMs = 0
  let end: Exit.Exit<A, E> | undefined
  time.start(effect, (exit) => { end = exit })
  while (end === undefined) {
    time.drain()
    await turn()
    if (time.isBusy || end !== undefined) continue
    const realMs = performance.now()
    creditMs += jumpFactor * (realMs - lookedMs)
    lookedMs = realMs
    const dueMs = time.nextDueMs
    if (dueMs === undefined || dueMs - time.nowMs > creditMs) {
      await rest()
      continue
    }
    creditMs = Math.min(creditMs - Math.max(0, dueMs - time.nowMs), CREDIT_LIMIT_MS)
    time.wakeNext()
  }
  return Exit.getOrElse(end, (cause) => {
    throw new Error(String(cause))
  })
}
