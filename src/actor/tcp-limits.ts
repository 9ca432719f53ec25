/**
 * The numbers that bound a TCP mount, and what it counts.
 *
 * Contract: every queue, table and wait of the mount has its bound here. All durations in milliseconds, all sizes in bytes.
 * Knows nothing of: how they are enforced.
 * Source: mixnet.md §14, §17; departures: reconnecting starts at 100 ms instead of an epoch's 64th: a client waits for its answers. `queueBytes` bounds
 * the output queue in bytes, not in 64 packets: one call carries a batch.
 *
 * @module
 */
import { Metric } from "effect"
import type { BucketRate } from "../link/token-bucket.ts"

export interface TcpLimits {
  /** Incoming connections, in whatever state. */
  readonly connections: number
  /** Of one address: an IPv4 address or an IPv6 /64. */
  readonly connectionsPerAddress: number
  /** Incoming connections whose peer is not proved yet; beyond it the oldest ones go, silent ones first. */
  readonly halfOpen: number
  /** First byte to proved peer, and dialling to open link. */
  readonly handshakeMs: number
  /** First messages that are answered, per address. */
  readonly handshakes: BucketRate
  /** Commands taken from one peer; beyond it the peer is read more slowly. */
  readonly commands: BucketRate
  readonly messageBytes: number
  /** Per link, of messages that wait to be sent. */
  readonly queueBytes: number
  /** Of all links together: messages that wait to be sent, and messages that have arrived in part. */
  readonly heldBytes: number
  /** Calls open on one link. */
  readonly callsPerLink: number
  /** Longest that a served call may take, whatever its caller allows. */
  readonly callMs: number
  /** Silence after which a link ends; a quarter of it without traffic makes the initiator send a NoOp while calls are open. */
  readonly idleMs: number
  /** Longest time in which a peer takes nothing of what waits for it. */
  readonly writeMs: number
  /** Between checks that live links' peers are still admitted. */
  readonly recheckMs: number
  /** Pause before another attempt to reach a peer, doubling, times a factor uniform in [0.5, 1.5). */
  readonly firstPauseMs: number
  readonly longestPauseMs: number
  /** Lifetime under which a link counts as a failed attempt. */
  readonly settledMs: number
}

export const DEFAULT_TCP_LIMITS: TcpLimits = {
  connections: 4_096,
  connectionsPerAddress: 256,
  halfOpen: 128,
  handshakeMs: 3_000,
  handshakes: { capacity: 256, perS: 64 },
  commands: { capacity: 20_000, perS: 10_000 },
  messageBytes: 4 << 20,
  queueBytes: 8 << 20,
  heldBytes: 256 << 20,
  callsPerLink: 1_024,
  callMs: 600_000,
  idleMs: 60_000,
  writeMs: 60_000,
  recheckMs: 30_000,
  firstPauseMs: 100,
  longestPauseMs: 2_000,
  settledMs: 2_000
}

/** Bytes that all links of a mount hold together. */
export class ByteBudget {
  readonly #limitBytes: number
  #usedBytes = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** Replaces a holding of `before` bytes by one of `after`; false, and nothing replaced, when that is too much. */
  change(before: number, after: number): boolean {
    if (after > before && this.#usedBytes + after - before > this.#limitBytes) return false
    this.#usedBytes += after - before
    return true
  }
}

/** What happened to links and messages; nothing of it says whose. */
export type TcpCount =
  | "accepted" | "opened" | "dialled" | "dial-failed" | "refused-full" | "refused-address" | "evicted-half-open" | "handshake-failed"
  | "handshake-deadline" | "link-broken" | "malformed-message" | "replaced" | "idle" | "write-stalled" | "peer-withdrawn" | "throttled"
  | "message-too-long" | "dropped-request" | "dropped-reply" | "refused-call"

const counter = Metric.counter("link_events", { incremental: true })

/** Adds one to the metric `link_events` and tells the observer. */
export const makeCount = (observe: ((count: TcpCount) => void) | undefined): (count: TcpCount) => void => (count) => {
  Metric.tagged(counter, "event", count).unsafeUpdate(1, [])
  observe?.(count)
}
