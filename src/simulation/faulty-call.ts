/**
 * Calls over a faulty link, without a fiber of their own.
 *
 * Contract: a call that asks ends once, with its answer or with `CallTimedOut` at the connection's limit; one that tells ends when it is on its way. What
 * nobody waits for is called off with the connection.
 * Knows nothing of: which faults there are.
 * Source: issue 5, part 1; departures: none.
 *
 * @module
 */
import { type Effect, Exit, type Runtime } from "effect"
import { callNow, CallTimedOut, followCall, later } from "../actor/actor.ts"
import type { CallsInWork } from "../actor/calls-in-work.ts"
import type { Timer } from "../actor/timer.ts"
import { fateOf, type LinkEnds } from "./link-fate.ts"
import { copyOf, packetsOf, withPackets } from "./message-parts.ts"

export type AnyEffect = Effect.Effect<unknown, unknown>
export type Send = (payload: unknown) => AnyEffect

/** What all calls of one connection over a faulty link share. */
export interface FaultyLink extends LinkEnds {
  readonly to: string
  readonly limitMs: number
  readonly runtime: Runtime.Runtime<never>
  readonly timer: Timer
  /** Deliveries that nobody waits for. */
  readonly aside: CallsInWork
}

/** Delivers something that nobody waits for; what cannot be delivered is told as lost. */
const deliverAside = (link: FaultyLink, call: string, message: unknown, delayMs: number, send: Send): void => {
  const delivery = link.aside.begin()
  const ended = (exit: Exit.Exit<unknown, unknown>): void => {
    if (link.aside.end(delivery) && Exit.isFailure(exit)) link.tell(call, "request", "lost", message)
  }
  const depart = (): void => { delivery.stop = followCall(link.runtime, callNow(send, message), ended) }
  if (delayMs > 0) delivery.stop = link.timer(depart, delayMs)
  else depart()
}

/** The parts of a batch by what becomes of them: those that go at once together, every other one alone. */
export const telling = (link: FaultyLink, call: string, payload: unknown, send: Send): AnyEffect => {
  const packets = packetsOf(payload)
  const parts = packets === undefined ? [payload] : packets.map((packet) => withPackets(payload, [packet]))
  const prompt: Array<unknown> = []
  const twins: Array<() => void> = []
  for (const part of parts) {
    const { copies, delayMs, message } = fateOf(link, link.forth, call, "request", part)
    if (copies === 0) continue
    if (delayMs > 0) deliverAside(link, call, message, delayMs, send)
    else prompt.push(message)
    if (copies === 2) {
      const twin = copyOf(message)
      twins.push(() => deliverAside(link, call, twin, delayMs, send))
    }
  }
  const together = packets === undefined ? prompt[0] : withPackets(payload, prompt.flatMap((part) => packetsOf(part) ?? []))
  const sent = prompt.length === 0 ? Exit.void : callNow(send, together)
  for (const deliver of twins) deliver()
  return sent
}

/** A call that waits for its answer. */
export const asking = (link: FaultyLink, call: string, payload: unknown, send: Send): AnyEffect =>
  later((done) => {
    const stops: Array<() => void> = []
    let isOpen = true
    const close = (): void => {
      isOpen = false
      for (const stop of stops.splice(0)) stop()
    }
    const end = (exit: Exit.Exit<unknown, unknown>): void => {
      if (!isOpen) return
      close()
      done(exit)
    }
    const deadlineMs = link.nowMs() + link.limitMs
    /** The link below minds the time of a call that reaches it when it is made, and of its answer. The caller's clock may lie, by turns. */
    const limit = (): void => {
      const leftMs = Math.min(link.limitMs, Math.max(0, deadlineMs - link.nowMs()))
      stops.push(link.timer(() => end(Exit.fail(new CallTimedOut({ actor: link.to, call }))), leftMs))
    }
    const answer = (exit: Exit.Exit<unknown, unknown>): void => {
      if (!isOpen) return
      if (Exit.isFailure(exit) && link.nowMs() >= deadlineMs) return end(exit)
      // of a failure nothing can be damaged but its kind, which a link keeps
      const reply = fateOf(link, link.back, call, "reply", Exit.isSuccess(exit) ? exit.value : undefined)
      const arriving = Exit.isSuccess(exit) ? Exit.succeed(reply.message) : exit
      if (reply.copies > 0 && reply.delayMs === 0) return end(arriving)
      limit()
      if (reply.copies > 0) stops.push(link.timer(() => end(arriving), reply.delayMs))
    }
    const { copies, delayMs, message } = fateOf(link, link.forth, call, "request", payload)
    const depart = (): void => {
      const stop = followCall(link.runtime, callNow(send, message), answer)
      if (isOpen) stops.push(stop)
    }
    const twin = copies === 2 ? copyOf(message) : undefined
    if (copies > 0 && delayMs === 0) depart()
    else limit()
    if (copies > 0 && delayMs > 0) stops.push(link.timer(depart, delayMs))
    if (copies === 2) deliverAside(link, call, twin, delayMs, send)
    return close
  })
