/**
 * What becomes of one message on a faulty link: lots, drawn for each direction of each link by itself.
 *
 * Contract: every direction draws from a source of its own, only while a fault is in force. What is out of the ordinary is told.
 * Knows nothing of: calls, streams, how a message is sent.
 * Source: issue 5, part 1; departures: none.
 *
 * @module
 */
import type { Entropy } from "../crypto/entropy.ts"
import { uniformFrom } from "../link/link-services.ts"
import { type FaultSchedule, heldUntilMs, isOpen, type LinkCondition, opensWithin, type Window } from "./fault-schedule.ts"
import { damaged } from "./message-parts.ts"

/** What a faulty link did to a message, or to some byte strings of one. */
export interface LinkFaultEvent {
  readonly instantMs: number
  /** Of the call, as in a link event. */
  readonly from: string
  readonly to: string
  readonly call: string
  readonly direction: "request" | "reply" | "item"
  readonly what: "lost" | "delayed" | "doubled" | "damaged"
  /** By how much the message is late, by the link and by who is paused; 0 unless `delayed`. */
  readonly delayMs: number
  /** As it set out; when `damaged`, what became of it. */
  readonly message: unknown
}

/** What is drawn for one message. */
interface Lot {
  readonly copies: 0 | 1 | 2
  readonly delayMs: number
  readonly isDamaged: boolean
}

/** What becomes of one message. */
export interface Fate<A> {
  readonly copies: 0 | 1 | 2
  readonly delayMs: number
  /** What arrives. */
  readonly message: A
}

/** One direction of one link. */
export class Direction {
  readonly conditions: ReadonlyArray<LinkCondition>
  readonly pauses: ReadonlyArray<Window>
  readonly #entropy: Entropy

  /** @param entropyOf  sources by label */
  constructor(schedule: FaultSchedule, entropyOf: (label: string) => Entropy, speaker: string, listener: string) {
    this.conditions = schedule.conditionsOf(speaker, listener)
    this.pauses = [...schedule.pausesOf(speaker), ...schedule.pausesOf(listener)]
    this.#entropy = entropyOf(`link ${speaker}>${listener}`)
  }

  get isSound(): boolean {
    return this.conditions.length === 0 && this.pauses.length === 0
  }

  /** Whether anything can happen to what crosses within a span. */
  isTroubled(fromMs: number, toMs: number): boolean {
    return this.conditions.some((each) => opensWithin(each, fromMs, toMs)) || this.pauses.some((each) => opensWithin(each, fromMs, toMs))
  }

  /** How long a message waits for one who is paused. */
  heldMs(atMs: number): number {
    return heldUntilMs(this.pauses, atMs) - atMs
  }

  /** Draws what becomes of a message that sets out now. */
  draw(atMs: number): Lot {
    let copies: 0 | 1 | 2 = 1
    let delayMs = 0
    let isDamaged = false
    for (const condition of this.conditions) {
      if (!isOpen(condition, atMs)) continue
      if (condition.kind === "partition") return { copies: 0, delayMs: 0, isDamaged: false }
      const isConcerned = uniformFrom(this.#entropy) < condition.share
      if (!isConcerned) continue
      switch (condition.kind) {
        case "loss": return { copies: 0, delayMs: 0, isDamaged: false }
        case "delay":
          delayMs += uniformFrom(this.#entropy) * condition.delayMs
          break
        case "reordering":
          delayMs += condition.delayMs
          break
        case "duplication":
          copies = 2
          break
        case "corruption":
          isDamaged = true
      }
    }
    return { copies, delayMs, isDamaged }
  }

  damaged<A>(message: A): A {
    return damaged(message, () => uniformFrom(this.#entropy))
  }
}

/** Who speaks to whom over a faulty link. */
export interface LinkEnds {
  readonly forth: Direction
  readonly back: Direction
  readonly nowMs: () => number
  /** Since the faults began. */
  readonly elapsedMs: (nowMs: number) => number
  readonly tell: (call: string, direction: LinkFaultEvent["direction"], what: LinkFaultEvent["what"], message: unknown, delayMs?: number) => void
}

/** Draws what becomes of a message and tells what is out of the ordinary with it. */
export const fateOf = <A>(link: LinkEnds, way: Direction, call: string, direction: LinkFaultEvent["direction"], message: A): Fate<A> => {
  const atMs = link.elapsedMs(link.nowMs())
  const { copies, delayMs, isDamaged } = way.draw(atMs)
  if (copies === 0) {
    link.tell(call, direction, "lost", message)
    return { copies, delayMs, message }
  }
  const arriving = isDamaged ? way.damaged(message) : message
  const lateMs = delayMs + way.heldMs(atMs + delayMs)
  if (copies === 2) link.tell(call, direction, "doubled", message)
  if (isDamaged) link.tell(call, direction, "damaged", arriving)
  if (lateMs > 0) link.tell(call, direction, "delayed", message, lateMs)
  return { copies, delayMs: lateMs, message: arriving }
}
