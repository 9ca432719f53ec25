/**
 * Tells the operator what an authority refused, and of whom.
 *
 * Contract: every rejection is counted by reason in `authority_rejected`; each peer has at most eight log lines per epoch, strangers together have as many.
 * Lines name configured names, the kind and the reason, nothing that was sent.
 * Knows nothing of: why something is refused.
 * Source: mixnet.md §13 (acceptance rules), style.md §2.7 (logs); departures: none.
 *
 * @module
 */
import { Effect, Metric } from "effect"
import type { Rejection } from "./council.ts"

const rejected = Metric.counter("authority_rejected", { incremental: true })
const LINES = 8
/** Peers and epochs that are remembered. */
const REMEMBERED = 4_096

/** @param authority  name of the authority that refuses */
export const makeReporter = (authority: string): (rejection: Rejection) => Effect.Effect<void> => {
  const lines = new Map<string, number>()
  return ({ epoch, kind, peer, reason }) =>
    Effect.suspend(() => {
      const key = `${epoch} ${peer}`
      const count = (lines.get(key) ?? 0) + 1
      lines.set(key, count)
      const [oldest] = lines.keys()
      if (lines.size > REMEMBERED && oldest !== undefined) lines.delete(oldest)
      const line = count > LINES ? Effect.void : Effect.annotateLogs(
        Effect.logWarning(`rejected ${kind} of ${peer}: ${reason}`), { actor: authority, peer, kind, reason, epoch }
      )
      return Effect.zipRight(Metric.increment(Metric.tagged(rejected, "reason", reason)), line)
    })
}
