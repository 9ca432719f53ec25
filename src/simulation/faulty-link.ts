/**
 * A mount whose links misbehave as a schedule says: what is called, answered and streamed is lost, late, doubled, overtaken, damaged or cut off.
 *
 * Contract: that of mount.ts, and its errors only. A call whose request or reply is lost ends with `CallTimedOut` at the connection's limit; a one-way
 * call ends when it is on its way, whatever becomes of it; a stream whose request is lost ends as one whose link died does. Byte strings of a list (the
 * packets of a batch) meet their fates one by one. Damage flips one bit of a copy. Who is paused says and hears nothing until it goes on. Every direction
 * of every link draws from a source of its own, only while a fault is in force. A link that the schedule never touches is the one below, unwrapped.
 * Knows nothing of: what messages mean.
 * Source: issue 5, part 1; departures: a stream that was opened survives a partition and loses what would have crossed, since links between machines come
 * back by themselves.
 *
 * @module
 */
import { Effect, Exit, Mailbox, type Scope, Stream } from "effect"
import { ActorUnavailable, CallTimedOut, callsOf, type Client, type Rpc, type RpcGroup } from "../actor/actor.ts"
import { DEFAULT_LIMIT_MS, type MountService } from "../actor/mount.ts"
import type { Entropy } from "../crypto/entropy.ts"
import { uniformFrom } from "../link/link-services.ts"
import { type FaultSchedule, heldUntilMs, isOpen, type LinkCondition, opensWithin, type Window } from "./fault-schedule.ts"
import { damaged, packetsOf, withPackets } from "./message-parts.ts"

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

export interface FaultyMountOptions {
  readonly schedule: FaultSchedule
  /** Sources by label, one for each direction of each link. */
  readonly entropyOf: (label: string) => Entropy
  readonly onFault?: (event: LinkFaultEvent) => void
}

/** What is drawn for one message. */
interface Lot {
  readonly copies: 0 | 1 | 2
  readonly delayMs: number
  readonly isDamaged: boolean
}

/** What becomes of one message. */
interface Fate<A> {
  readonly copies: 0 | 1 | 2
  readonly delayMs: number
  /** What arrives. */
  readonly message: A
}

/** Items that a stream may be ahead of its consumer. */
const STREAM_BUFFER_ITEMS = 16

type AnyStream = Stream.Stream<unknown, unknown>
type AnyEffect = Effect.Effect<unknown, unknown>
type Calls = Readonly<Record<string, (payload: unknown) => unknown>>

/** One direction of one link. */
class Direction {
  readonly conditions: ReadonlyArray<LinkCondition>
  readonly pauses: ReadonlyArray<Window>
  readonly #entropy: Entropy

  constructor({ entropyOf, schedule }: FaultyMountOptions, speaker: string, listener: string) {
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

/** What all calls of one connection over a faulty link share. */
interface Faulty {
  readonly from: string
  readonly to: string
  readonly forth: Direction
  readonly back: Direction
  readonly limitMs: number
  readonly scope: Scope.Scope
  readonly nowMs: () => number
  readonly elapsedMs: (nowMs: number) => number
  readonly tell: (call: string, direction: LinkFaultEvent["direction"], what: LinkFaultEvent["what"], message: unknown, delayMs?: number) => void
}

/** Draws what becomes of a message and tells what is out of the ordinary with it. */
const fateOf = <A>(link: Faulty, way: Direction, call: string, direction: LinkFaultEvent["direction"], message: A): Fate<A> => {
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

const after = <A, E>(delayMs: number, effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  delayMs > 0 ? Effect.zipRight(Effect.sleep(delayMs), effect) : effect

/** Delivers something that nobody waits for; what cannot be delivered is told as lost. */
const deliverAside = (link: Faulty, call: string, message: unknown, delivery: AnyEffect): Effect.Effect<void> =>
  Effect.asVoid(Effect.forkIn(Effect.catchAllCause(delivery, () => Effect.sync(() => link.tell(call, "request", "lost", message))), link.scope))

/** The parts of a batch by what becomes of them: those that go at once together, every other one alone. */
const oneWay = (link: Faulty, call: string, payload: unknown, send: (payload: unknown) => AnyEffect): AnyEffect =>
  Effect.suspend(() => {
    const packets = packetsOf(payload)
    const parts = packets === undefined ? [payload] : packets.map((packet) => withPackets(payload, [packet]))
    const prompt: Array<unknown> = []
    const aside: Array<Effect.Effect<void>> = []
    for (const part of parts) {
      const { copies, delayMs, message } = fateOf(link, link.forth, call, "request", part)
      if (copies === 0) continue
      const delivery = after(delayMs, Effect.suspend(() => send(message)))
      if (delayMs > 0) aside.push(deliverAside(link, call, message, delivery))
      else prompt.push(message)
      if (copies === 2) aside.push(deliverAside(link, call, message, delivery))
    }
    const together = packets === undefined ? prompt : prompt.length === 0 ? [] : [withPackets(payload, prompt.flatMap((part) => packetsOf(part) ?? []))]
    return Effect.zipRight(Effect.all(aside, { discard: true }), Effect.forEach(together, send, { discard: true }))
  })

/** A call that waits for its answer. */
const asking = (link: Faulty, call: string, payload: unknown, send: (payload: unknown) => AnyEffect): AnyEffect =>
  Effect.suspend(() => {
    const { copies, delayMs, message } = fateOf(link, link.forth, call, "request", payload)
    if (copies === 0) return Effect.never
    const once = Effect.suspend(() => send(message))
    const twin = copies === 2 ? deliverAside(link, call, message, after(delayMs, once)) : Effect.void
    return Effect.zipRight(twin, after(delayMs, once)).pipe(
      Effect.exit,
      Effect.flatMap((exit) => {
        // of a failure nothing can be damaged but its kind, which a link keeps
        const reply = fateOf(link, link.back, call, "reply", Exit.isSuccess(exit) ? exit.value : undefined)
        if (reply.copies === 0) return Effect.never
        return after(reply.delayMs, Exit.isSuccess(exit) ? Effect.succeed(reply.message) : exit)
      })
    )
  }).pipe(Effect.timeoutFail({ duration: link.limitMs, onTimeout: () => new CallTimedOut({ actor: link.to, call }) }))

const isTroubled = ({ back, elapsedMs, forth, limitMs, nowMs }: Faulty): boolean => {
  const fromMs = elapsedMs(nowMs())
  return forth.isTroubled(fromMs, fromMs + limitMs) || back.isTroubled(fromMs, fromMs + limitMs)
}

/** The items of a stream as they come out of the link. */
const items = (link: Faulty, call: string, source: AnyStream): AnyStream =>
  Stream.unwrapScoped(Effect.gen(function*() {
    const mailbox = yield* Mailbox.make<unknown, unknown>(STREAM_BUFFER_ITEMS)
    const scope = yield* Effect.scope
    const pass = (item: unknown): Effect.Effect<unknown> => {
      const atMs = link.elapsedMs(link.nowMs())
      if (!link.back.isTroubled(atMs, atMs)) return mailbox.offer(item)
      const { copies, delayMs, message } = fateOf(link, link.back, call, "item", item)
      if (copies === 0) return Effect.void
      const delivery = after(delayMs, mailbox.offer(message))
      const aside = Effect.asVoid(Effect.forkIn(delivery, scope))
      const first: Effect.Effect<unknown> = delayMs > 0 ? aside : delivery
      return copies === 2 ? Effect.zipRight(first, aside) : first
    }
    yield* Stream.runForEach(source, pass).pipe(
      Effect.exit,
      Effect.flatMap((exit) => mailbox.done(Exit.asVoid(exit))),
      Effect.forkScoped
    )
    return Mailbox.toStream(mailbox)
  }))

const opening = (link: Faulty, call: string, payload: unknown, open: (payload: unknown) => AnyStream): AnyStream =>
  Stream.unwrap(Effect.suspend(() => {
    const atMs = link.elapsedMs(link.nowMs())
    if (!link.forth.isTroubled(atMs, atMs)) return Effect.succeed(open(payload))
    const { copies, delayMs, message } = fateOf(link, link.forth, call, "request", payload)
    const died = new ActorUnavailable({ actor: link.to, reason: "closed" })
    if (copies === 0) return Effect.as(Effect.sleep(link.limitMs), Stream.fail(died))
    return after(delayMs, Effect.sync(() => open(message)))
  }))

const clientOver = <Rpcs extends Rpc.Any>(link: Faulty, group: RpcGroup.RpcGroup<Rpcs>, below: Client<Rpcs>): Client<Rpcs> => {
  const calls: Record<string, (payload: unknown) => unknown> = {}
  for (const { isOneWay, isStream, name } of callsOf(group)) {
    const send = (below as unknown as Calls)[name]
    if (send === undefined) continue
    if (isStream) {
      calls[name] = (payload) => items(link, name, opening(link, name, payload, send as (payload: unknown) => AnyStream))
      continue
    }
    const over = isOneWay ? oneWay : asking
    calls[name] = (payload) =>
      Effect.suspend(() => isTroubled(link) ? over(link, name, payload, send as (payload: unknown) => AnyEffect) : send(payload) as AnyEffect)
  }
  return calls as unknown as Client<Rpcs>
}

/** A mount over `below` in which the faults of the schedule happen. */
export const makeFaultyMount = (below: MountService, options: FaultyMountOptions): MountService => ({
  serve: below.serve,
  connect: (from, to, group, connectOptions) => {
    const forth = new Direction(options, from, to)
    const back = new Direction(options, to, from)
    if (forth.isSound && back.isSound) return below.connect(from, to, group, connectOptions)
    return Effect.gen(function*() {
      const clock = yield* Effect.clock
      const client = yield* below.connect(from, to, group, connectOptions)
      const nowMs = (): number => clock.unsafeCurrentTimeMillis()
      const link: Faulty = {
        from, to, forth, back, nowMs,
        limitMs: connectOptions?.limitMs ?? DEFAULT_LIMIT_MS,
        scope: yield* Effect.scope,
        elapsedMs: (instantMs) => options.schedule.elapsedMs(instantMs),
        tell: (call, direction, what, message, delayMs = 0) =>
          options.onFault?.({ instantMs: nowMs(), from, to, call, direction, what, delayMs, message })
      }
      return clientOver(link, group, client)
    })
  }
})
