/**
 * What one recorded run of a network leaves behind: every byte string on a link, every operation on storage, and the truth about who was who.
 *
 * Contract: plain records; lists are in order of time. Two parts are kept apart: what happened where somebody may watch (`links`, `storage`), and what
 * happened inside of nodes (`matches`), which only whoever runs the node knows and which the lab uses as ground truth to score guesses.
 * Knows nothing of: who watches (observer), how the run was made.
 * Source: funion.md §5; departures: none.
 *
 * @module
 */
import type { LinkEvent } from "../simulation/link-event.ts"


export type { LinkEvent }

/** Names the bytes of a packet, as `LinkEvent.digest` does. */
export type Digest = LinkEvent["digest"]

/** One operation on one box, as the replica that did it saw it. */
export interface StorageEvent {
  readonly instantMs: number
  readonly replica: string
  readonly operation: "read" | "write"
  /** Hex. */
  readonly boxId: string
  readonly found: boolean
}

/**
 * What one node did with one packet. `inDigest` is absent where the packet began at the node (its own loops), `outDigest` where it ended there
 * (delivered, dropped, a loop that came home). An arrival without any match was still waiting when the recording ended.
 */
export interface HopMatch {
  readonly node: string
  readonly inDigest?: Digest
  readonly outDigest?: Digest
}

export interface RecordedRun {
  readonly links: ReadonlyArray<LinkEvent>
  readonly storage: ReadonlyArray<StorageEvent>
  readonly matches: ReadonlyArray<HopMatch>
}
