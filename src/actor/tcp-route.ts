/**
 * The way to one peer: the link that is dialled when a call needs it, and the calls that are open on it.
 *
 * Contract: every call that was submitted is told its messages in order until it ends, and `fail`ed once if the way ends first: `not-serving` when the
 * request was not sent, `closed` when it was. While the peer cannot be reached calls fail at once; the next call after the pause tries again.
 * Knows nothing of: schemas, time limits of calls.
 * Source: mixnet.md §17 (reconnecting), mount.ts (late binding); departures: nothing is dialled unless someone calls.
 *
 * @module
 */
import type { Envelope, FromResponder, Refusal } from "./tcp-envelope.ts"
import type { TcpCount, TcpLimits } from "./tcp-limits.ts"
import type { LinkEvents, TcpLink } from "./tcp-link.ts"

/** A call on its way. */
export interface OpenCall {
  readonly call: string
  /** As the protocol's schema encodes it. */
  readonly payload: unknown
  /** Told that the request is on its way; there is no answer to wait for then. */
  readonly onSent?: (() => void) | undefined
  /** False when the message breaks the protocol of calls. Ended calls are told nothing more. */
  readonly onMessage: (message: FromResponder) => boolean
  readonly fail: (reason: Refusal) => void
  /** The request cannot be sent for a reason of ours. */
  readonly die: (defect: unknown) => void
}

export interface RouteContext {
  readonly limits: TcpLimits
  readonly count: (count: TcpCount) => void
  readonly nowMs: () => number
  /** Uniform in [0, 1). */
  readonly uniform: () => number
  /** Starts to connect; `events` are told how it goes. `undefined`: there is no address for the peer. */
  readonly dial: (events: Pick<LinkEvents, "onMessage" | "onEnd"> & { readonly onOpen: (link: TcpLink) => void }) => Dialled | undefined
}

/** A connection that is being made or stands. */
export interface Dialled {
  readonly abandon: () => void
}

/** Milliseconds before attempt number `failureCount` + 1. @param u  uniform in [0, 1) */
export const redialPauseMs = (limits: Pick<TcpLimits, "firstPauseMs" | "longestPauseMs">, failureCount: number, u: number): number =>
  failureCount === 0 ? 0 : Math.min(limits.longestPauseMs, limits.firstPauseMs * 2 ** (failureCount - 1)) * (0.5 + u)

const FROM_RESPONDER: ReadonlySet<Envelope["_tag"]> = new Set(["Success", "Failure", "Refusal", "Items"])
const isFromResponder = (message: Envelope): message is FromResponder => FROM_RESPONDER.has(message._tag)

export class Route {
  readonly #context: RouteContext
  readonly #waiting = new Set<OpenCall>()
  readonly #open = new Map<number, OpenCall>()
  readonly #ids = new Map<OpenCall, number>()
  #link: TcpLink | undefined
  #dialled: Dialled | undefined
  #openedMs = 0
  #lastId = 0
  #failureCount = 0
  #retryAtMs = 0
  #closed = false

  constructor(context: RouteContext) {
    this.#context = context
  }

  /** True while calls are open or waiting. */
  get inUse(): boolean {
    return this.#open.size + this.#waiting.size > 0
  }

  submit(call: OpenCall): void {
    const { count, limits, nowMs } = this.#context
    if (this.#open.size + this.#waiting.size >= limits.callsPerLink) {
      count("refused-call")
      return call.fail("not-serving")
    }
    if (this.#link !== undefined) return this.#send(this.#link, call)
    if (this.#closed || (this.#dialled === undefined && nowMs() < this.#retryAtMs)) return call.fail("not-serving")
    this.#waiting.add(call)
    if (this.#dialled === undefined) this.#dial()
  }

  /** True when the request has left. */
  isSent(call: OpenCall): boolean {
    return this.#ids.has(call)
  }

  /** Ends a call from the caller's side; the peer is told if it knows of it. */
  cancel(call: OpenCall): void {
    const id = this.#forget(call)
    if (id !== undefined) this.#link?.send({ _tag: "Cancel", id }, true)
  }

  /** Items of a stream were consumed. */
  credit(call: OpenCall, count: number): void {
    const id = this.#ids.get(call)
    if (id !== undefined) this.#link?.send({ _tag: "Credit", id, count }, true)
  }

  /** The peer has shown itself: the next call need not wait. */
  encourage(): void {
    this.#failureCount = 0
    this.#retryAtMs = 0
  }

  /** Ends the link and every call. */
  end(): void {
    this.#closed = true
    this.#link?.close()
    this.#dialled?.abandon()
    this.#ended()
  }

  #dial(): void {
    const dialled = this.#context.dial({
      onOpen: (link) => this.#opened(link),
      onMessage: (message) => this.#take(message),
      onEnd: () => this.#ended()
    })
    if (dialled === undefined) return this.#ended()
    this.#dialled = dialled
    this.#context.count("dialled")
  }

  #opened(link: TcpLink): void {
    this.#link = link
    this.#openedMs = this.#context.nowMs()
    for (const call of [...this.#waiting]) {
      this.#waiting.delete(call)
      this.#send(link, call)
    }
  }

  #send(link: TcpLink, call: OpenCall): void {
    const id = ++this.#lastId
    this.#open.set(id, call)
    this.#ids.set(call, id)
    try {
      if (link.send({ _tag: "Request", id, call: call.call, payload: call.payload })) {
        if (call.onSent === undefined) return
        this.#forget(call)
        return call.onSent()
      }
    } catch (defect) {
      this.#forget(call)
      return call.die(defect)
    }
    this.#forget(call)
    this.#context.count("dropped-request")
    call.fail("not-serving")
  }

  #take(message: Envelope): void {
    const call = this.#open.get(message.id)
    const known = isFromResponder(message) && message.id <= this.#lastId && message.id > 0
    if (call !== undefined && known) {
      if (message._tag !== "Items") this.#forget(call)
      if (call.onMessage(message)) return
    } else if (known) return
    this.#context.count("malformed-message")
    this.#link?.end()
  }

  #ended(): void {
    const { limits, nowMs, uniform } = this.#context
    const settled = this.#link !== undefined && nowMs() - this.#openedMs >= limits.settledMs
    if (this.#link === undefined && this.#dialled !== undefined) this.#context.count("dial-failed")
    this.#failureCount = settled ? 0 : this.#failureCount + 1
    this.#retryAtMs = nowMs() + redialPauseMs(limits, this.#failureCount, uniform())
    this.#link = undefined
    this.#dialled = undefined
    const sent = [...this.#open.values()]
    const waiting = [...this.#waiting]
    this.#open.clear()
    this.#ids.clear()
    this.#waiting.clear()
    for (const call of sent) call.fail("closed")
    for (const call of waiting) call.fail("not-serving")
  }

  #forget(call: OpenCall): number | undefined {
    this.#waiting.delete(call)
    const id = this.#ids.get(call)
    if (id === undefined) return undefined
    this.#ids.delete(call)
    this.#open.delete(id)
    return id
  }
}
