/**
 * The served side of a link: the peer's calls, answered by the actor of this process.
 *
 * Contract: a call that is let in ends with exactly one of Success, Failure, Refusal, unless the peer cancels it or the link ends: then its handler is
 * stopped and nothing is sent. A stream sends no more items than the peer has room for. What does not fit into the link's queue is replaced by a Refusal.
 * A message that breaks the protocol of calls ends the link; a payload that does not fit its schema only its call.
 * Knows nothing of: sockets, who may connect.
 * Source: mount.ts; departures: a call beyond the link's limit is refused as `not-serving` (it had no effect).
 *
 * @module
 */
import type { Rpc, RpcGroup } from "@effect/rpc"
import { Cause, Chunk, Effect, Either, ExecutionStrategy, Exit, type Fiber, FiberId, Option, Runtime, Scope, Stream } from "effect"
import { ActorUnavailable, CallTimedOut, type Client } from "./actor.ts"
import { reportCrash } from "./crash-report.ts"
import type { MountService } from "./mount.ts"
import type { CallCodec } from "./tcp-call-codec.ts"
import type { Envelope, FromResponder, Refusal } from "./tcp-envelope.ts"
import type { TcpCount, TcpLimits } from "./tcp-limits.ts"
import type { TcpLink } from "./tcp-link.ts"

/** Items of a stream that the peer holds at most. */
export const STREAM_WINDOW_ITEMS = 16
/** Items that travel in one message. */
const ITEMS_PER_MESSAGE = 8

/** The actor of this process, by the memory mount that runs its handlers. */
export interface Served {
  readonly name: string
  readonly codecs: ReadonlyMap<string, CallCodec>
  readonly connect: (caller: string) => Effect.Effect<Client<Rpc.Any>, never, Scope.Scope>
}

export const servedBy = <Rpcs extends Rpc.Any>(
  memory: MountService,
  name: string,
  group: RpcGroup.RpcGroup<Rpcs>,
  codecs: ReadonlyMap<string, CallCodec>,
  callMs: number
): Served => ({
  name,
  codecs,
  connect: (caller) => memory.connect(caller, name, group, { limitMs: callMs }) as unknown as Effect.Effect<Client<Rpc.Any>, never, Scope.Scope>
})

export interface HostContext {
  readonly served: () => Served | undefined
  readonly mayCall: (caller: string, call: string) => boolean
  readonly limits: TcpLimits
  readonly count: (count: TcpCount) => void
  readonly runtime: Runtime.Runtime<never>
  /** Of the mount. */
  readonly scope: Scope.Scope
  readonly fork: (effect: Effect.Effect<unknown>) => Fiber.RuntimeFiber<unknown>
}

interface HostedCall {
  fiber: Fiber.RuntimeFiber<unknown> | undefined
  readonly room: Effect.Semaphore
  /** Items sent and not yet consumed. */
  outstanding: number
}

type AnyCall = (payload: unknown) => Effect.Effect<unknown, unknown> | Stream.Stream<unknown, unknown>

/** Nobody is told how a one-way call ended; a defect of its handler is reported. */
const unanswered = (actor: string, call: string, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
  Exit.isFailure(exit) && Cause.isDie(exit.cause) ? reportCrash("one-way call", exit.cause, { actor, call }) : Effect.void

export class HostedLink {
  readonly #link: TcpLink
  readonly #caller: string
  readonly #context: HostContext
  readonly #calls = new Map<number, HostedCall>()
  readonly #scope: Scope.CloseableScope
  #bound: { readonly served: Served; readonly client: Readonly<Record<string, AnyCall>> } | undefined

  constructor(link: TcpLink, caller: string, context: HostContext) {
    this.#link = link
    this.#caller = caller
    this.#context = context
    this.#scope = Runtime.runSync(context.runtime)(Scope.fork(context.scope, ExecutionStrategy.sequential))
  }

  /** False when the message breaks the protocol. */
  take(message: Envelope): boolean {
    switch (message._tag) {
      case "Request": return this.#request(message.id, message.call, message.payload)
      case "Credit": return this.#credit(message.id, message.count)
      case "Cancel": {
        this.#calls.get(message.id)?.fiber?.unsafeInterruptAsFork(FiberId.none)
        return true
      }
      default: return false
    }
  }

  /** Stops every handler that runs for this link. */
  end(): void {
    for (const { fiber } of this.#calls.values()) fiber?.unsafeInterruptAsFork(FiberId.none)
    this.#calls.clear()
    this.#context.fork(Scope.close(this.#scope, Exit.void))
  }

  #request(id: number, call: string, payload: unknown): boolean {
    const { count, fork, limits, mayCall, served } = this.#context
    if (this.#calls.has(id)) return false
    const actor = served()
    const codec = actor?.codecs.get(call)
    if (actor === undefined || this.#calls.size >= limits.callsPerLink) {
      if (actor !== undefined) count("refused-call")
      if (codec?.isOneWay !== true) this.#refuse(id, "not-serving")
      return true
    }
    const decoded = codec?.decodePayload(payload)
    if (codec === undefined || decoded === undefined || Either.isLeft(decoded) || !mayCall(this.#caller, call)) {
      count("refused-call")
      this.#refuse(id, "unknown-call")
      return true
    }
    const hosted: HostedCall = { fiber: undefined, room: Effect.unsafeMakeSemaphore(STREAM_WINDOW_ITEMS), outstanding: 0 }
    this.#calls.set(id, hosted)
    const client = this.#clientOf(actor)
    const handled = Effect.suspend(() => {
      const answer = client[call]?.(decoded.right)
      if (Effect.isEffect(answer)) return answer
      return Stream.runForEachChunk(answer as Stream.Stream<unknown, unknown>, (items) => this.#items(id, hosted, codec, actor, items))
    })
    const fiber = fork(Effect.flatMap(Effect.exit(handled), (exit) =>
      (codec.isOneWay ? unanswered(actor.name, call, exit) : this.#reply(id, call, codec, actor, exit))))
    hosted.fiber = fiber
    fiber.addObserver(() => {
      if (this.#calls.get(id) === hosted) this.#calls.delete(id)
    })
    return true
  }

  #credit(id: number, count: number): boolean {
    const hosted = this.#calls.get(id)
    if (hosted === undefined) return true
    if (count > hosted.outstanding) return false
    hosted.outstanding -= count
    Runtime.runSync(this.#context.runtime)(hosted.room.release(count))
    return true
  }

  /** The actor's own client for this caller; a new one after the actor was replaced. */
  #clientOf(served: Served): Readonly<Record<string, AnyCall>> {
    if (this.#bound?.served !== served) {
      const client = Runtime.runSync(this.#context.runtime)(Scope.extend(served.connect(this.#caller), this.#scope))
      this.#bound = { served, client: client as unknown as Readonly<Record<string, AnyCall>> }
    }
    return this.#bound.client
  }

  #items(id: number, hosted: HostedCall, codec: CallCodec, actor: Served, items: Chunk.Chunk<unknown>): Effect.Effect<void, unknown> {
    const lost = new ActorUnavailable({ actor: actor.name, reason: "closed" })
    return Effect.forEach(Chunk.toReadonlyArray(Chunk.chunksOf(items, ITEMS_PER_MESSAGE)), (part) =>
      Effect.zipRight(hosted.room.take(Chunk.size(part)), Effect.suspend(() => {
        hosted.outstanding += Chunk.size(part)
        return this.#send({ _tag: "Items", id, values: Chunk.toReadonlyArray(part).map(codec.encodeValue) }) ? Effect.void : Effect.fail(lost)
      })), { discard: true })
  }

  #reply(id: number, call: string, codec: CallCodec, actor: Served, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    if (Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause)) return Effect.void
    const crashed = (cause: Cause.Cause<unknown>): Effect.Effect<void> => {
      this.#refuse(id, "crashed")
      return reportCrash("answer could not be sent", cause, { actor: actor.name, call })
    }
    const answer = Effect.sync(() => {
      const message = this.#answerOf(id, codec, actor, exit)
      if (message === undefined) return exit as Exit.Exit<never, unknown>
      if (!this.#send(message)) this.#refuse(id, "closed")
      return undefined
    })
    return answer.pipe(
      Effect.flatMap((unsendable) => (unsendable === undefined ? Effect.void : unsendable)),
      Effect.asVoid,
      Effect.catchAllCause(crashed)
    )
  }

  /** The message for a handler's end; `undefined` for a defect. */
  #answerOf(id: number, codec: CallCodec, actor: Served, exit: Exit.Exit<unknown, unknown>): FromResponder | undefined {
    if (Exit.isSuccess(exit)) return { _tag: "Success", id, value: codec.isStream ? undefined : codec.encodeValue(exit.value) }
    const failure = Cause.failureOption(exit.cause)
    if (Option.isNone(failure)) return undefined
    const error = failure.value
    const ours = (error instanceof ActorUnavailable || error instanceof CallTimedOut) && error.actor === actor.name
    if (!ours) return { _tag: "Failure", id, error: codec.encodeError(error) }
    return { _tag: "Refusal", id, reason: error instanceof ActorUnavailable ? error.reason : "timed-out" }
  }

  #send(message: FromResponder): boolean {
    const queued = this.#link.send(message)
    if (!queued) this.#context.count("dropped-reply")
    return queued
  }

  #refuse(id: number, reason: Refusal): void {
    this.#link.send({ _tag: "Refusal", id, reason }, true)
  }
}
