/**
 * A mount whose links misbehave as a schedule says: what is called, answered and streamed is lost, late, doubled, overtaken, damaged or cut off.
 *
 * Contract: that of mount.ts, and its errors only. A call whose request or reply is lost ends with `CallTimedOut` at the connection's limit; a one-way
 * call ends when it is on its way, whatever becomes of it; a stream whose request is lost ends as one whose link died does. Byte strings of a list (the
 * packets of a batch) meet their fates one by one. Damage flips one bit of a copy. Who is paused says and hears nothing until it goes on. Every direction
 * of every link draws from a source of its own, only while a fault is in force. Where nothing can happen a call costs what it costs
 * below. A link that the schedule never touches is the one below, unwrapped.
 * Knows nothing of: what messages mean.
 * Source: issue 5, part 1; departures: a stream that was opened survives a partition and loses what would have crossed, since links between machines come
 * back by themselves.
 *
 * @module
 */
import { Effect, Exit, Mailbox, Stream } from "effect"
import { ActorUnavailable, callNow, callsOf, type Client, promptCall, type Rpc, type RpcGroup } from "../actor/actor.ts"
import { DEFAULT_LIMIT_MS, type MountService } from "../actor/mount.ts"
import { CallsInWork } from "../actor/calls-in-work.ts"
import { makeTimer } from "../actor/timer.ts"
import { listen, type OnEnd, type OnItem, told } from "../actor/told.ts"
import type { Entropy } from "../crypto/entropy.ts"
import type { FaultSchedule } from "./fault-schedule.ts"
import { type AnyEffect, asking, type FaultyLink, type Send, telling } from "./faulty-call.ts"
import { Direction, fateOf, type LinkFaultEvent } from "./link-fate.ts"
import { copyOf } from "./message-parts.ts"

export interface FaultyMountOptions {
  readonly schedule: FaultSchedule
  /** Sources by label, one for each direction of each link. */
  readonly entropyOf: (label: string) => Entropy
  readonly onFault?: (event: LinkFaultEvent) => void
}

/** Items that a stream may be ahead of its consumer. */
const STREAM_BUFFER_ITEMS = 16

type AnyStream = Stream.Stream<unknown, unknown>
type Calls = Readonly<Record<string, (payload: unknown) => unknown>>

const isTroubled = ({ back, elapsedMs, forth, limitMs, nowMs }: FaultyLink): boolean => {
  const fromMs = elapsedMs(nowMs())
  return forth.isTroubled(fromMs, fromMs + limitMs) || back.isTroubled(fromMs, fromMs + limitMs)
}

const after = <A, E>(delayMs: number, effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  delayMs > 0 ? Effect.zipRight(Effect.sleep(delayMs), effect) : effect

/** The items of a stream as they come out of the link. */
const items = (link: FaultyLink, call: string, source: AnyStream): AnyStream =>
  Stream.unwrapScoped(Effect.gen(function*() {
    const mailbox = yield* Mailbox.make<unknown, unknown>(STREAM_BUFFER_ITEMS)
    const scope = yield* Effect.scope
    const pass = (item: unknown): Effect.Effect<unknown> => {
      const atMs = link.elapsedMs(link.nowMs())
      if (!link.back.isTroubled(atMs, atMs)) return mailbox.offer(item)
      const { copies, delayMs, message } = fateOf(link, link.back, call, "item", item)
      if (copies === 0) return Effect.void
      const delivery = (copy: unknown): Effect.Effect<unknown> => after(delayMs, mailbox.offer(copy))
      const aside = (copy: unknown): Effect.Effect<unknown> => Effect.forkIn(delivery(copy), scope)
      const first = delayMs > 0 ? aside(message) : delivery(message)
      return copies === 2 ? Effect.zipRight(first, aside(copyOf(message))) : first
    }
    yield* Stream.runForEach(source, pass).pipe(
      Effect.exit,
      Effect.flatMap((exit) => mailbox.done(Exit.asVoid(exit))),
      Effect.forkScoped
    )
    return Mailbox.toStream(mailbox)
  }))

const opening = (link: FaultyLink, call: string, payload: unknown, open: (payload: unknown) => AnyStream): AnyStream =>
  Stream.unwrap(Effect.suspend(() => {
    const atMs = link.elapsedMs(link.nowMs())
    if (!link.forth.isTroubled(atMs, atMs)) return Effect.succeed(open(payload))
    const { copies, delayMs, message } = fateOf(link, link.forth, call, "request", payload)
    const died = new ActorUnavailable({ actor: link.to, reason: "closed" })
    if (copies === 0) return Effect.as(Effect.sleep(link.limitMs), Stream.fail(died))
    return after(delayMs, Effect.sync(() => open(message)))
  }))

/** Tells the items of a stream as they come out of the link. @returns leaves */
const eachItem = (
  link: FaultyLink, call: string, payload: unknown, open: (payload: unknown) => AnyStream, onItem: OnItem<unknown>, onEnd: OnEnd<unknown>
): () => void => {
  const late = new Set<() => void>()
  const deliver = (message: unknown, delayMs: number): void => {
    if (delayMs === 0) return onItem(message)
    const callOff = link.timer(() => {
      late.delete(callOff)
      onItem(message)
    }, delayMs)
    late.add(callOff)
  }
  const forget = (): void => {
    for (const callOff of late) callOff()
    late.clear()
  }
  const pass = (item: unknown): void => {
    const atMs = link.elapsedMs(link.nowMs())
    if (!link.back.isTroubled(atMs, atMs)) return onItem(item)
    const { copies, delayMs, message } = fateOf(link, link.back, call, "item", item)
    const twin = copies === 2 ? copyOf(message) : undefined
    if (copies > 0) deliver(message, delayMs)
    if (copies === 2) deliver(twin, delayMs)
  }
  const atMs = link.elapsedMs(link.nowMs())
  const source = link.forth.isTroubled(atMs, atMs) ? opening(link, call, payload, open) : open(payload)
  const leave = listen(link.runtime, source, pass, (exit) => {
    forget()
    onEnd(exit)
  })
  return () => {
    leave()
    forget()
  }
}

const clientOver = <Rpcs extends Rpc.Any>(link: FaultyLink, group: RpcGroup.RpcGroup<Rpcs>, below: Client<Rpcs>): Client<Rpcs> => {
  const calls: Record<string, (payload: unknown) => unknown> = {}
  for (const { isOneWay, isStream, name } of callsOf(group)) {
    const send = (below as unknown as Calls)[name]
    if (send === undefined) continue
    if (isStream) {
      const open = send as (payload: unknown) => AnyStream
      calls[name] = (payload) =>
        told(items(link, name, opening(link, name, payload, open)), (onItem, onEnd) => eachItem(link, name, payload, open, onItem, onEnd))
      continue
    }
    const over = isOneWay ? telling : asking
    calls[name] = promptCall((payload): AnyEffect =>
      isTroubled(link) ? over(link, name, payload, send as Send) : callNow(send as Send, payload))
  }
  return calls as unknown as Client<Rpcs>
}

/** A mount over `below` in which the faults of the schedule happen. */
export const makeFaultyMount = (below: MountService, options: FaultyMountOptions): MountService => ({
  serve: below.serve,
  connect: (from, to, group, connectOptions) => {
    const { entropyOf, schedule } = options
    const forth = new Direction(schedule, entropyOf, from, to)
    const back = new Direction(schedule, entropyOf, to, from)
    if (forth.isSound && back.isSound) return below.connect(from, to, group, connectOptions)
    return Effect.gen(function*() {
      const clock = yield* Effect.clock
      const client = yield* below.connect(from, to, group, connectOptions)
      const nowMs = (): number => clock.unsafeCurrentTimeMillis()
      const aside = new CallsInWork()
      yield* Effect.addFinalizer(() => Effect.sync(() => aside.callOffAll()))
      const link: FaultyLink = {
        to, forth, back, nowMs, aside,
        limitMs: connectOptions?.limitMs ?? DEFAULT_LIMIT_MS,
        runtime: yield* Effect.runtime<never>(),
        timer: yield* makeTimer,
        elapsedMs: (instantMs) => schedule.elapsedMs(instantMs),
        tell: (call, direction, what, message, delayMs = 0) =>
          options.onFault?.({ instantMs: nowMs(), from, to, call, direction, what, delayMs, message })
      }
      return clientOver(link, group, client)
    })
  }
})
