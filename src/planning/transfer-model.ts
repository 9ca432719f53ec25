/**
 * How long boxes take to storage or back: the protocol of a transfer, with everything that is drawn at random drawn, and nothing else.
 *
 * A box is an envelope to a uniformly drawn courier. Its packet waits for a tick of a session (one more than the next, since packets are made one tick
 * ahead), passes L + 2 hops, and is acknowledged over L hops. The courier gives two replicas a command each, on the next free tick of their links. A replica
 * that is no shard of the box asks a shard, on a tick of the link between them; whoever answers a command does so within a gap 1/λR, or with the answer to
 * a neighbouring command when that leaves earlier. The client asks the courier again after the pause that storage/poll-timing gives, until there is an answer.
 *
 * Ticks are Poisson, so the wait for the next one needs no history. Commands of others on a link take a share of its ticks, as do other transfers of
 * a session; what is left is a slower stream of ticks (exact for commands that come at random instants: the sojourn time of an M/M/1 queue).
 * Work on packets and boxes costs no time; nothing is lost. From node to node a packet takes `linkMs`, and
 * before that `gatherMs` for others that leave with it.
 *
 * Contract: pure but for `uniform`. Instants are milliseconds from an origin of the caller's.
 * Knows nothing of: jobs, edges, contents.
 * Source: mixnet.md §4, pigeonhole.md §5.2–§5.7, milestones.md (times to expect); departures: no loss, so no retransmission.
 *
 * @module
 */
import { DueHeap } from "../mixnet/due-heap.ts"
import type { Uniform } from "../mixnet/path.ts"
import type { MixnetParams } from "../params/mixnet-params.ts"
import { pollTimingOf } from "../storage/box-store.ts"
import { windowCountFor } from "../storage/box-stream.ts"
import { POLLS_PER_ENVELOPE } from "../storage/envelope-exchange.ts"
import { pauseAfterAckMs } from "../storage/poll-timing.ts"
import { hopsMs, pickOf, tickMs } from "./draws.ts"

export type TransferRates = Pick<MixnetParams, "muPerMs" | "lambdaPPerMs" | "lambdaRPerMs" | "mixLayers">

/** The storage that a transfer meets. */
export interface StorageFigures {
  readonly params: TransferRates
  readonly couriers: number
  readonly replicas: number
  /** Share of the ticks of courier links, and of links between replicas, that carry others' commands. */
  readonly linkUse: { readonly courier: number; readonly replica: number }
  /** Time that a packet takes from one node to the next beside its delays. */
  readonly linkMs: number
  /** Mean time that it waits at a node for others that go the same way. */
  readonly gatherMs: number
}

/** A packet's way from a session to what it asks: the gateway's delay, those of the mixes and of the service node. */
export const wayOutMs = ({ gatherMs, linkMs, params: { mixLayers, muPerMs } }: StorageFigures, uniform: Uniform): number =>
  hopsMs(uniform, muPerMs, mixLayers + 2) + (mixLayers + 1) * gatherMs + (mixLayers + 2) * linkMs

/** A reply's way home: the delays of the mixes. */
export const wayHomeMs = ({ gatherMs, linkMs, params: { mixLayers, muPerMs } }: StorageFigures, uniform: Uniform): number =>
  hopsMs(uniform, muPerMs, mixLayers) + (mixLayers + 1) * gatherMs + (mixLayers + 2) * linkMs

/** Whose ticks carry a transfer. */
export interface SessionFigures {
  readonly sessions: number
  /** Share of λP ticks that carry its owner's other packets. */
  readonly use: number
}

export interface TransferPlan extends SessionFigures {
  readonly kind: "write" | "read"
  readonly startMs: number
  readonly boxes: number
  /** A read finds nothing on replicas before this instant; default: everything is there. */
  readonly availableMs?: number
}

export interface TransferOutcome {
  /** When the last box was confirmed, or read. */
  readonly doneMs: number
  /** When the first replica that keeps it had the last box. */
  readonly storedMs: number
  /** Whether every read found its box. */
  readonly found: boolean
  /** Packets that it took. */
  readonly packets: number
  /** False when the links could not carry it: it was given up, and all is as of then. */
  readonly finished: boolean
}

/** What takes longer than the ticks of its packets by this factor, and this time, never comes to an end: what it repeats comes on top of what waits. */
const PATIENCE = { factor: 20, ms: 60_000 } as const

interface Answer {
  readonly atMs: number
  readonly found: boolean
}

/** One box under way. */
interface Box {
  courier: number
  shards: readonly [number, number]
  dispatched: boolean
  acks: number
  storedMs: number
  /** By intermediate. */
  answers: Array<Answer | undefined>
}

interface Session {
  readonly waiting: Array<Box>
  prepared: Box | undefined
  ticking: boolean
}

/** Intermediates of an envelope: no shards of the box where there are enough others (pigeonhole.md §5.2). */
const intermediatesOf = (uniform: Uniform, replicas: number, shards: readonly [number, number]): ReadonlyArray<number> => {
  const all = Array.from({ length: replicas }, (_, replica) => replica)
  const others = all.filter((replica) => !shards.includes(replica))
  const pool = replicas >= 4 ? others : replicas === 3 ? [shards[0], others[0] ?? shards[1]] : all
  const [first] = pool.splice(pickOf(uniform, pool.length), 1)
  return [first ?? 0, pool[pickOf(uniform, pool.length)] ?? 0]
}

const drawShards = (uniform: Uniform, replicas: number): readonly [number, number] => {
  const first = pickOf(uniform, replicas)
  return [first, (first + 1 + pickOf(uniform, replicas - 1)) % replicas]
}

/** One transfer, event by event. */
class Transfer {
  readonly #figures: StorageFigures
  readonly #plan: TransferPlan
  readonly #uniform: Uniform
  readonly #events = new DueHeap<(nowMs: number) => void>()
  readonly #sessions: ReadonlyArray<Session>
  /** When the last command left, by link. */
  readonly #lastLeftMs = new Map<number, number>()
  readonly #gapMs: number
  #started = 0
  #active = 0
  #done = 0
  #packets = 0
  #storedMs = 0
  #found = true

  constructor(figures: StorageFigures, plan: TransferPlan, uniform: Uniform) {
    this.#figures = figures
    this.#plan = plan
    this.#uniform = uniform
    this.#gapMs = 1 / figures.params.lambdaRPerMs
    this.#sessions = Array.from({ length: plan.sessions }, () => ({ waiting: [], prepared: undefined, ticking: false }))
  }

  run(): TransferOutcome {
    const { boxes, sessions, startMs, use } = this.#plan
    const windowCount = windowCountFor(this.#figures.params, sessions)
    const ticksMs = (2 * boxes) / (sessions * this.#figures.params.lambdaPPerMs * (1 - use))
    const endMs = startMs + PATIENCE.ms + PATIENCE.factor * ticksMs
    let nowMs = startMs
    const fill = (): void => {
      while (this.#active < windowCount && this.#started < boxes) this.#startBox(nowMs)
    }
    fill()
    while (this.#done < boxes) {
      const event = this.#events.pop()
      if (event === undefined) break
      nowMs = event.dueMs
      if (nowMs > endMs) return { doneMs: endMs, storedMs: endMs, found: this.#found, packets: this.#packets, finished: false }
      event.item(nowMs)
      fill()
    }
    return { doneMs: nowMs, storedMs: this.#storedMs, found: this.#found, packets: this.#packets, finished: true }
  }

  #at(dueMs: number, run: (nowMs: number) => void): void {
    this.#events.push(run, dueMs)
  }

  #startBox(nowMs: number): void {
    this.#started += 1
    this.#active += 1
    const shards = drawShards(this.#uniform, this.#figures.replicas)
    const box: Box = { courier: 0, shards, dispatched: false, acks: 0, storedMs: Number.POSITIVE_INFINITY, answers: [] }
    this.#sealAnew(box)
    this.#send(box, nowMs)
  }

  #sealAnew(box: Box): void {
    box.courier = pickOf(this.#uniform, this.#figures.couriers)
    box.dispatched = false
    box.acks = 0
    box.answers = []
  }

  /** Queues a packet at a session. */
  #send(box: Box, nowMs: number): void {
    const session = this.#sessions[pickOf(this.#uniform, this.#sessions.length)]
    if (session === undefined) throw new RangeError("a transfer needs a session")
    session.waiting.push(box)
    if (!session.ticking) this.#awaitTick(session, nowMs)
  }

  #awaitTick(session: Session, nowMs: number): void {
    session.ticking = true
    const ratePerMs = this.#figures.params.lambdaPPerMs * (1 - this.#plan.use)
    this.#at(nowMs + tickMs(this.#uniform, ratePerMs), (tickedMs) => {
      const leaving = session.prepared
      session.prepared = session.waiting.shift()
      session.ticking = false
      if (session.prepared !== undefined) this.#awaitTick(session, tickedMs)
      if (leaving !== undefined) this.#leave(leaving, tickedMs)
    })
  }

  #leave(box: Box, nowMs: number): void {
    this.#packets += 1
    this.#at(nowMs + wayOutMs(this.#figures, this.#uniform), (arrivedMs) => {
      const answer = this.#askCourier(box, arrivedMs)
      this.#at(arrivedMs + wayHomeMs(this.#figures, this.#uniform), (homeMs) => this.#hear(box, answer, homeMs))
    })
  }

  /** What the courier has to say: nothing yet, or the answer of an intermediate, the first one's before the other's. */
  #askCourier(box: Box, nowMs: number): Answer | undefined {
    if (box.dispatched) return box.answers.find((answer) => answer !== undefined && answer.atMs <= nowMs)
    box.dispatched = true
    const { replicas } = this.#figures
    const answers: Array<Answer | undefined> = [undefined, undefined]
    box.answers = answers
    intermediatesOf(this.#uniform, replicas, box.shards).forEach((replica, slot) => {
      const leftMs = this.#command(replicas + box.courier, replica, nowMs)
      this.#at(leftMs, (askedMs) => this.#serve(box, replica, askedMs, (answer) => {
        answers[slot] = answer
      }))
    })
    return undefined
  }

  /** When a command leaves: the tick after those that wait before it. */
  #command(from: number, to: number, nowMs: number): number {
    const { linkUse, params, replicas } = this.#figures
    const link = from * replicas + to
    const ratePerMs = params.lambdaRPerMs * (1 - (from < replicas ? linkUse.replica : linkUse.courier))
    const leftMs = Math.max(nowMs, this.#lastLeftMs.get(link) ?? nowMs) + tickMs(this.#uniform, ratePerMs)
    this.#lastLeftMs.set(link, leftMs)
    return leftMs
  }

  /** A replica has a courier's command. */
  #serve(box: Box, replica: number, askedMs: number, answer: (answer: Answer) => void): void {
    const ownTakeMs = askedMs + this.#uniform() * this.#gapMs
    const reply = (readyMs: number, found: boolean): void => {
      const otherMs = readyMs + tickMs(this.#uniform, this.#figures.params.lambdaRPerMs)
      answer({ atMs: ownTakeMs >= readyMs ? Math.min(ownTakeMs, otherMs) : otherMs, found })
    }
    if (box.shards.includes(replica)) return reply(askedMs, this.#operate(box, replica, askedMs))
    const [first, second] = this.#uniform() < 0.5 ? box.shards : [box.shards[1], box.shards[0]]
    this.#ask(box, replica, first, askedMs, (readyMs, found) =>
      found ? reply(readyMs, true) : this.#ask(box, replica, second, readyMs, reply))
  }

  /** A replica asks a shard. */
  #ask(box: Box, replica: number, shard: number, nowMs: number, heard: (readyMs: number, found: boolean) => void): void {
    this.#at(this.#command(replica, shard, nowMs), (askedMs) => {
      const found = this.#operate(box, shard, askedMs)
      const takeMs = askedMs + Math.min(this.#uniform() * this.#gapMs, tickMs(this.#uniform, this.#figures.params.lambdaRPerMs))
      this.#at(takeMs, (readyMs) => heard(readyMs, found))
    })
  }

  /** What a shard does: a write is kept, and copied to the other shard; a read finds what is there. */
  #operate(box: Box, shard: number, nowMs: number): boolean {
    if (this.#plan.kind === "read") return nowMs >= (this.#plan.availableMs ?? nowMs)
    if (nowMs < box.storedMs) box.storedMs = nowMs
    const other = box.shards[0] === shard ? box.shards[1] : box.shards[0]
    this.#command(shard, other, nowMs)
    return true
  }

  /** An acknowledgement is followed by another question after a pause; an answer ends the box. */
  #hear(box: Box, answer: Answer | undefined, nowMs: number): void {
    if (answer !== undefined) {
      this.#active -= 1
      this.#done += 1
      this.#storedMs = Math.max(this.#storedMs, box.storedMs)
      this.#found &&= answer.found
      return
    }
    box.acks += 1
    if (box.acks >= POLLS_PER_ENVELOPE) {
      this.#sealAnew(box)
      return this.#send(box, nowMs)
    }
    const pauseMs = pauseAfterAckMs(pollTimingOf(this.#figures.params), box.acks, this.#uniform())
    this.#at(nowMs + pauseMs, (pausedMs) => this.#send(box, pausedMs))
  }
}

/** One draw of a transfer; no boxes take no time. */
export const drawTransfer = (figures: StorageFigures, plan: TransferPlan, uniform: Uniform): TransferOutcome =>
  plan.boxes === 0
    ? { doneMs: plan.startMs, storedMs: plan.startMs, found: true, packets: 0, finished: true }
    : new Transfer(figures, plan, uniform).run()

/** Two transfers, one after the other, as streams are written: all boxes but the manifest, then the manifest. */
export const drawStream = (figures: StorageFigures, plan: TransferPlan, uniform: Uniform): TransferOutcome => {
  const data = drawTransfer(figures, { ...plan, boxes: plan.boxes - 1 }, uniform)
  const manifest = drawTransfer(figures, { ...plan, boxes: 1, startMs: data.doneMs }, uniform)
  return { ...manifest, packets: data.packets + manifest.packets, found: data.found && manifest.found, finished: data.finished && manifest.finished }
}
