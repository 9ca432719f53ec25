/**
 * The client's judgement of a reply that opened: is it an answer to this dispatch, and are its instants possible?
 *
 * Contract: edges that are off the grid, or not those of a published list of deadlines, would mark the job for an observer; a service that
 * states them is broken and nothing of the reply is used.
 * Knows nothing of: how replies are sealed, what happens next.
 * Source: funion.md §6.2; departures: where the caller knows the deadlines (of the document it used and of the newest), the edges must be theirs.
 *
 * @module
 */
import { Data, Either } from "effect"
import { constantTimeEqual } from "../bytes/equal.ts"
import { isOnGrid, quantumIndexAt, releaseEdgesMs } from "./bucket.ts"
import type { DispatchReply, RejectReason } from "./dispatch-reply.ts"

export type BrokenReason = "other-content" | "off-grid" | "accepted-too-early" | "accepted-too-late" | "edges"

/** An authentic reply that no correct service sends. */
export class BrokenService extends Data.TaggedError("BrokenService")<{ readonly reason: BrokenReason }> {}

/** What the client knows of its own dispatch. */
export interface SentDispatch {
  readonly contentDigest: Uint8Array
  /** First sending of this jobId; a repeated answer may be older than the latest sending. */
  readonly firstSentAtMs: number
  /** Of the latest sending */
  readonly notAfterMs: number
  readonly bucket: number
  readonly quantumMs: number
  /** Deadlines in quanta of every document that may have ruled; empty: only the grid is checked. */
  readonly deadlinesQuanta: ReadonlyArray<ReadonlyArray<number>>
}

export type CheckedReply =
  | {
    readonly _tag: "Accepted"
    readonly acceptedAtMs: number
    /** Edge of every release r, ascending; without known deadlines the first and the last one. */
    readonly edgesMs: ReadonlyArray<number>
  }
  | { readonly _tag: "Rejected"; readonly reason: RejectReason; readonly retryAfterQuanta: number }

type Accepted = Extract<DispatchReply, { readonly _tag: "Accepted" }>

const edgesOf = (sent: SentDispatch, reply: Accepted): ReadonlyArray<number> | undefined => {
  const { firstEdgeMs, lastEdgeMs } = reply
  if (sent.deadlinesQuanta.length === 0) return firstEdgeMs === lastEdgeMs ? [firstEdgeMs] : [firstEdgeMs, lastEdgeMs]
  const quantumIndex = quantumIndexAt(sent.quantumMs, reply.acceptedAtMs) - 1
  return sent.deadlinesQuanta
    .map((deadlines) => releaseEdgesMs(sent.quantumMs, deadlines, quantumIndex, sent.bucket))
    .find((edges) => edges[0] === firstEdgeMs && edges.at(-1) === lastEdgeMs)
}

/** @errors BrokenService: refuse the reply, the service is broken */
export const checkReply = (sent: SentDispatch, reply: DispatchReply): Either.Either<CheckedReply, BrokenService> => {
  const broken = (reason: BrokenReason) => Either.left(new BrokenService({ reason }))
  if (!constantTimeEqual(reply.contentDigest, sent.contentDigest)) return broken("other-content")
  if (reply._tag === "Rejected") return Either.right({ _tag: "Rejected", reason: reply.reason, retryAfterQuanta: reply.retryAfterQuanta })
  const { acceptedAtMs, firstEdgeMs, lastEdgeMs } = reply
  if (![acceptedAtMs, firstEdgeMs, lastEdgeMs].every((instant) => isOnGrid(sent.quantumMs, instant))) return broken("off-grid")
  if (acceptedAtMs < sent.firstSentAtMs) return broken("accepted-too-early")
  if (acceptedAtMs > sent.notAfterMs + sent.quantumMs) return broken("accepted-too-late")
  if (firstEdgeMs <= acceptedAtMs || lastEdgeMs < firstEdgeMs) return broken("edges")
  const edgesMs = edgesOf(sent, reply)
  return edgesMs === undefined ? broken("edges") : Either.right({ _tag: "Accepted", acceptedAtMs, edgesMs })
}
