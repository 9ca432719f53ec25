/**
 * What a courier remembers of copy commands: which are running, and how the others ended.
 *
 * Contract: a command runs once while it is remembered. Ended ones are remembered for 30 minutes, checked on look-up and by `prune`, and bounded in
 * number, the oldest first; a running one is never forgotten. Running ones are bounded: beyond that `start` refuses.
 * Knows nothing of: what a copy does, clocks (instants are arguments, Unix milliseconds).
 * Source: pigeonhole.md §5.4 (copy status TTL), §5.5, §7 Y1, Y11; departures: bounds on both numbers.
 *
 * @module
 */
import { toHex } from "../../src/bytes/hex.ts"
import type { CopyCommandReply, CopyKey } from "../../src/pigeonhole/copy-command.ts"
import { COPY_STATUS, REPLICA_ERROR } from "../../src/pigeonhole/error-code.ts"

export const COPY_STATUS_TTL_MS = 1_800_000
/** Copies that run at once: each holds less than two packets of data, and at most two places in queues of 64. */
export const RUNNING_LIMIT = 32
/** Ended copies that are remembered, some 10 MB. */
export const ENDED_LIMIT = 65_536

/** The answer while a copy runs. */
export const IN_PROGRESS: CopyCommandReply = { status: COPY_STATUS.inProgress, errorCode: REPLICA_ERROR.success, failedEnvelopeIndex: 0n }

interface Ended {
  readonly reply: CopyCommandReply
  readonly endedMs: number
}

export class CopyDesk {
  readonly #running = new Set<string>()
  /** In the order of their ends. */
  readonly #ended = new Map<string, Ended>()

  get runningCount(): number {
    return this.#running.size
  }

  get endedCount(): number {
    return this.#ended.size
  }

  /** What to answer to a command that is known. */
  find(key: CopyKey, nowMs: number): CopyCommandReply | undefined {
    const id = toHex(key)
    if (this.#running.has(id)) return IN_PROGRESS
    const ended = this.#ended.get(id)
    return ended === undefined || nowMs - ended.endedMs > COPY_STATUS_TTL_MS ? undefined : ended.reply
  }

  /** Takes a command in, in one step with the look-up that missed. @returns false when too many are running */
  start(key: CopyKey, nowMs: number): boolean {
    this.prune(nowMs)
    if (this.#running.size >= RUNNING_LIMIT) return false
    this.#running.add(toHex(key))
    return true
  }

  /** Notes how a running copy ended; the first verdict stays. */
  end(key: CopyKey, reply: CopyCommandReply, nowMs: number): void {
    const id = toHex(key)
    if (!this.#running.delete(id)) return
    this.#ended.set(id, { reply, endedMs: nowMs })
    for (const oldest of this.#ended.keys()) {
      if (this.#ended.size <= ENDED_LIMIT) break
      this.#ended.delete(oldest)
    }
  }

  /** Forgets what ended long ago. */
  prune(nowMs: number): void {
    for (const [id, { endedMs }] of this.#ended) {
      if (nowMs - endedMs <= COPY_STATUS_TTL_MS) break
      this.#ended.delete(id)
    }
  }
}
