/**
 * What waits for a tick: resends first, then fresh requests, each in order of arrival.
 *
 * Contract: at most `BACKLOG_COUNT` fresh transmissions wait (the caller of `offer` holds one of that many permits); resends are bounded by the
 * exchanges that are open. A transmission is in the queue, at the composer, in the outlet or over; withdrawing finds it in each of these states.
 * Knows nothing of: time, packets, replies.
 * Source: mixnet.md §4.2, pigeonhole.md §5.3 (retries before fresh requests); departures: one queue per session, fair by order of arrival.
 *
 * @module
 */
import type { NodeId, RecipientId } from "../sphinx/geometry.ts"

/** Fresh transmissions that may wait for a tick; the next caller waits before it may queue. */
export const BACKLOG_COUNT = 16

/** One packet's worth of request. */
export interface PacketRequest {
  readonly serviceNode: NodeId
  readonly recipient: RecipientId
  /** At most userPayloadBytes; the composer fills up with zeros. */
  readonly payload: Uint8Array
}

/** What became of a transmission: it left, or no packet to that destination could be made from the present document. */
export type TransmissionOutcome =
  | { readonly _tag: "Sent"; readonly sentAtMs: number; readonly etaMs: number }
  | { readonly _tag: "NotComposed" }

export interface Transmission<Owner> {
  readonly request: PacketRequest
  /** The exchange that it belongs to. */
  readonly owner: Owner
  readonly lane: "fresh" | "resend"
  /** Told once, unless it is withdrawn first. */
  readonly settled: (outcome: TransmissionOutcome) => void
  /** Set by its owner; whoever holds the transmission then lets go of it. */
  withdrawn: boolean
}

export class TransmissionQueue<Owner> {
  readonly #resends: Array<Transmission<Owner>> = []
  readonly #fresh: Array<Transmission<Owner>> = []

  /** Transmissions that wait, resends included. */
  get size(): number {
    return this.#resends.length + this.#fresh.length
  }

  /** Fresh transmissions that wait. */
  get freshCount(): number {
    return this.#fresh.length
  }

  offer(transmission: Transmission<Owner>): void {
    this.#lane(transmission).push(transmission)
  }

  /** The next one in line, which is no longer waiting then. */
  take(): Transmission<Owner> | undefined {
    return this.#resends.shift() ?? this.#fresh.shift()
  }

  /** Returns what `take` gave to the head of its line. */
  putBack(transmission: Transmission<Owner>): void {
    this.#lane(transmission).unshift(transmission)
  }

  /** True when it was waiting here. */
  remove(transmission: Transmission<Owner>): boolean {
    const lane = this.#lane(transmission)
    const at = lane.indexOf(transmission)
    if (at >= 0) lane.splice(at, 1)
    return at >= 0
  }

  #lane(transmission: Transmission<Owner>): Array<Transmission<Owner>> {
    return transmission.lane === "resend" ? this.#resends : this.#fresh
  }
}
