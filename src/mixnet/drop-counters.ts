/**
 * Counts of dropped packets by reason: the only trace a drop leaves.
 *
 * Contract: a reason is one of a small closed set of names; counts hold no instants and no identifiers. Packets of the mix network and commands of the
 * links behind it (couriers, replicas, queues) share the reasons: what is dropped anywhere is counted here under one.
 * Knows nothing of: who reads them.
 * Source: mixnet.md §5 (drop reasons); departures: none.
 *
 * @module
 */
export const DROP_REASONS = [
  "inbound-queue-full", "unwrap-dwell-exceeded", "unwrap-thread-lost", "commit-dwell-exceeded", "tag-not-durable", "wrong-length", "wrong-version",
  "bad-element", "bad-mac", "bad-command", "bad-payload", "replay", "replay-filter-full", "no-mix-key", "delay-impossible", "not-forward",
  "not-terminal", "unknown-recipient", "client-to-local-user",
  "rate-limited", "delay-queue-overflow", "deadline-blown", "next-hop-invalid", "outgoing-queue-full", "outgoing-failed", "service-queue-full",
  "service-failed", "surb-invalid", "inbox-full", "inbox-expired", "reader-lost", "link-queue-full", "command-unreadable", "reply-unreadable",
  "reply-expired", "paused", "internal-error"
] as const

export type DropReason = (typeof DROP_REASONS)[number]

export class DropCounters {
  readonly #counts = new Map<DropReason, number>()

  count(reason: DropReason, packets = 1): void {
    if (packets > 0) this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + packets)
  }

  get(reason: DropReason): number {
    return this.#counts.get(reason) ?? 0
  }

  /** Reason → packets, of every reason. */
  readings(): Readonly<Record<DropReason, number>> {
    return Object.fromEntries(DROP_REASONS.map((reason) => [reason, this.get(reason)])) as Record<DropReason, number>
  }

  /** Reason → packets, of reasons seen so far. */
  snapshot(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts)
  }
}
