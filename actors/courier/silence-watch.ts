/**
 * Says once which replicas leave envelopes unanswered.
 *
 * Contract: a replica is named when an envelope has waited for it longer than `SILENCE_MS`, and not again before it has answered something.
 * Knows nothing of: envelopes, logs, clocks.
 * Source: pigeonhole.md §5.4 (warn on unserved read), §7 K10; departures: one warning per replica, not per read: a line for each would tell how many reads
 * there are.
 *
 * @module
 */

/** An envelope unanswered for this long tells of a silent replica. */
export const SILENCE_MS = 180_000

export class SilenceWatch {
  readonly #named = new Set<number>()

  /** Notes that a replica answered. */
  heard(replicaId: number): void {
    this.#named.delete(replicaId)
  }

  /** @param silent  replicas that are waited for too long  @returns those not named yet, ascending */
  news(silent: ReadonlySet<number>): ReadonlyArray<number> {
    const fresh = [...silent].filter((replicaId) => !this.#named.has(replicaId)).sort((a, b) => a - b)
    for (const replicaId of fresh) this.#named.add(replicaId)
    return fresh
  }
}
