/**
 * The loops of one sender that are out, and what became of those that are not.
 *
 * Contract: a loop is decided once: `timely`, `late` (back, but overdue by more than a busy network explains) or `lost` (not back by its estimate and the
 * slack, or back with other bytes than were sent). Counts are kept per segment, an ordered pair of neighbours on the way out or on the way home, and per
 * epoch in which the loops left, for `EPOCHS_KEPT` epochs. At most `LOOPS_OUT_LIMIT` loops are out; beyond that the oldest is forgotten undecided. Reply
 * keys handed in are overwritten when their loop is decided or forgotten.
 * Knows nothing of: packets, who learns of it. Reads no clock: every instant is an argument, in milliseconds since the Unix epoch.
 * Source: mixnet.md §4.3, §8; departures: a loop that is back late is told apart; the turn at the service and the link to the first hop are no segments, as
 * there; a segment whose loops were all lost has the ratio 0 (reference: 1).
 *
 * @module
 */
import { toHex } from "../bytes/hex.ts"
import { zeroize } from "../crypto/zeroize.ts"
import { epochAt } from "../params/epoch.ts"
import { loopSlackMs, type MixnetParams } from "../params/mixnet-params.ts"
import type { NodeId, SurbId } from "../sphinx/geometry.ts"

/** Epochs whose counts are kept, the present one included. */
export const EPOCHS_KEPT = 7
/** Loops that may be out: 28 a second for two minutes. */
export const LOOPS_OUT_LIMIT = 4096

/** What is known of a loop when it leaves. */
export interface SentLoop {
  readonly surbId: SurbId
  /** Ids of the hops out and home. */
  readonly route: { readonly forward: ReadonlyArray<NodeId>; readonly back: ReadonlyArray<NodeId> }
  /** Sum of its delays, both ways. */
  readonly etaMs: number
  /** Opens its reply; empty where somebody else keeps them. */
  readonly keys: Uint8Array
}

export type LoopOutcome = "timely" | "late" | "lost"

/** A loop on its way. */
export interface OpenLoop {
  readonly keys: Uint8Array
  /** Ids of all hops in hex, out and home. */
  readonly nodes: ReadonlyArray<string>
  /** Of the epoch in which it left. */
  readonly segments: ReadonlyArray<Tally>
  readonly dueMs: number
  readonly lateAtMs: number
  readonly lostAtMs: number
}

/** Loops over one segment. */
export interface SegmentCount {
  readonly sent: number
  /** Back in time or late, with the bytes that were sent. */
  readonly completed: number
  /** Those that are neither are still out. */
  readonly lost: number
}

interface Tally extends SegmentCount {
  sent: number
  completed: number
  lost: number
}

/** A segment that loses loops. */
export interface SegmentLoss {
  /** Ids in hex. */
  readonly from: string
  readonly to: string
  readonly lost: number
  /** Loops over it of which it is known what became of them. */
  readonly decided: number
}

/** From node → to node → loops. */
type Segments = Map<string, Map<string, Tally>>

/** Overdue time per hop that a busy network explains: half of what a sender allows a tick. */
export const lateLoopMs = (params: Pick<MixnetParams, "sendSlackMs" | "retransmitSlackMs">, hopCount: number): number =>
  Math.min(loopSlackMs(params), (hopCount * params.sendSlackMs) / 2)

const tallyOf = (segments: Segments, from: string, to: string): Tally => {
  let onward = segments.get(from)
  if (onward === undefined) segments.set(from, onward = new Map())
  let tally = onward.get(to)
  if (tally === undefined) onward.set(to, tally = { sent: 0, completed: 0, lost: 0 })
  return tally
}

/** Counts a loop that leaves over these hops. @returns its segments */
const leave = (segments: Segments, hops: ReadonlyArray<string>): Array<Tally> =>
  hops.slice(1).map((to, index) => {
    const tally = tallyOf(segments, hops[index] as string, to)
    tally.sent += 1
    return tally
  })

/** completed / sent; 1 only when nothing was sent. */
export const segmentRatio = ({ completed, sent }: Pick<SegmentCount, "completed" | "sent">): number => (sent === 0 ? 1 : completed / sent)

export class LoopLedger {
  readonly #out = new Map<string, OpenLoop>()
  readonly #epochs = new Map<number, Segments>()
  /** Ids in hex, so that there is one string for each node and not one for each loop. */
  readonly #names = new WeakMap<NodeId, string>()
  readonly #onDecided: (loop: OpenLoop, outcome: LoopOutcome) => void

  /** @param onDecided  told of every decision */
  constructor(onDecided: (loop: OpenLoop, outcome: LoopOutcome) => void = () => undefined) {
    this.#onDecided = onDecided
  }

  /** Loops that are out. */
  get size(): number {
    return this.#out.size
  }

  /** Notes a loop that leaves now. */
  sent({ etaMs, keys, route, surbId }: SentLoop, params: MixnetParams, nowMs: number): void {
    const [forward, back] = [route.forward.map((id) => this.#nameOf(id)), route.back.map((id) => this.#nameOf(id))]
    const nodes = [...forward, ...back]
    const dueMs = nowMs + etaMs
    const counts = this.#segmentsOf(epochAt(params, nowMs))
    const segments = [...leave(counts, forward), ...leave(counts, back)]
    if (this.#out.size >= LOOPS_OUT_LIMIT) this.#forgetOldest()
    this.#out.set(toHex(surbId), {
      keys, nodes, segments, dueMs, lateAtMs: dueMs + lateLoopMs(params, nodes.length), lostAtMs: dueMs + loopSlackMs(params)
    })
  }

  /** Takes a loop out whose reply block came back; undefined when none with this id is out. Whoever takes it has to `decide`. */
  take(surbId: SurbId): OpenLoop | undefined {
    const id = toHex(surbId)
    const loop = this.#out.get(id)
    this.#out.delete(id)
    return loop
  }

  /** Decides a loop that was taken. @param isIntact  whether it brought back what was sent */
  decide(loop: OpenLoop, isIntact: boolean, nowMs: number): LoopOutcome {
    const outcome = !isIntact || nowMs > loop.lostAtMs ? "lost" : nowMs > loop.lateAtMs ? "late" : "timely"
    zeroize(loop.keys)
    for (const segment of loop.segments) segment[outcome === "lost" ? "lost" : "completed"] += 1
    this.#onDecided(loop, outcome)
    return outcome
  }

  /** Decides what is lost by now. */
  settle(nowMs: number): void {
    for (const [id, loop] of this.#out) {
      if (nowMs <= loop.lostAtMs) continue
      this.#out.delete(id)
      this.decide(loop, false, nowMs)
    }
  }

  /** Counts of the loops that left in `epoch`, by segment: both ids in hex, one behind the other. */
  segmentsIn(epoch: number): ReadonlyMap<string, SegmentCount> {
    const segments = [...this.#epochs.get(epoch) ?? []]
    return new Map(segments.flatMap(([from, onward]) => [...onward].map(([to, tally]) => [from + to, tally] as const)))
  }

  /** Segments that lost loops of those that left in `epoch` or in the one before. */
  lossesIn(epoch: number): ReadonlyArray<SegmentLoss> {
    const losses = new Map<string, SegmentLoss>()
    for (const each of [epoch - 1, epoch]) {
      for (const [from, onward] of this.#epochs.get(each) ?? []) {
        for (const [to, { completed, lost }] of onward) {
          const before = losses.get(from + to) ?? { from, to, lost: 0, decided: 0 }
          losses.set(from + to, { from, to, lost: before.lost + lost, decided: before.decided + lost + completed })
        }
      }
    }
    return [...losses.values()].filter(({ lost }) => lost > 0)
  }

  /** Forgets all loops that are out. */
  clear(): void {
    for (const { keys } of this.#out.values()) zeroize(keys)
    this.#out.clear()
  }

  #nameOf(id: NodeId): string {
    let name = this.#names.get(id)
    if (name === undefined) this.#names.set(id, name = toHex(id))
    return name
  }

  #segmentsOf(epoch: number): Segments {
    let segments = this.#epochs.get(epoch)
    if (segments === undefined) {
      this.#epochs.set(epoch, segments = new Map())
      for (const kept of this.#epochs.keys()) if (kept <= epoch - EPOCHS_KEPT) this.#epochs.delete(kept)
    }
    return segments
  }

  #forgetOldest(): void {
    for (const [id, { keys }] of this.#out) {
      zeroize(keys)
      this.#out.delete(id)
      return
    }
  }
}
