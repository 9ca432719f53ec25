/**
 * What a role's `protocol.ts` is written with, and what its callers hold.
 *
 * Contract: a protocol is an `RpcGroup` of `Rpc`s, a behaviour is `Group.toLayer(…)`, a caller holds a `Client`. The three do not change with the
 * mount that joins them. Bytes inside messages are passed through: never re-encoded, shared by reference where no link lies between.
 * So nobody writes into bytes that came in a message or went out in one.
 * Knows nothing of: addresses, links, any role.
 * Source: style.md §2.7, effect-notes.md §2; departures: a `Client` has no per-call options and its errors are the mount's own two classes.
 *
 * @module
 */
import { type Rpc as RpcModule, type RpcGroup as RpcGroupModule, RpcSchema } from "@effect/rpc"
import { Context, Effect, Exit, FiberId, Runtime, Schema, type Stream } from "effect"
import { hasEnded } from "./prompt.ts"

export { Rpc, RpcGroup } from "@effect/rpc"

/** One byte string, carried as it is. `Schema.Uint8Array` would turn it into an array of numbers. */
export const Frame = Schema.declare((value: unknown): value is Uint8Array => value instanceof Uint8Array, { identifier: "Frame" })

/** A list of byte strings, carried as they are. */
export const Frames = Schema.declare(
  (value: unknown): value is ReadonlyArray<Uint8Array> => Array.isArray(value) && value.every((frame) => frame instanceof Uint8Array),
  { identifier: "Frames" }
)

/**
 * The actor called is not there: it never started (`not-serving`), ended or was restarted during the call (`closed`), its handler died of a
 * defect (`crashed`), or it does not know the call (`unknown-call`). Whether the call had an effect is unknown but for `not-serving`.
 */
export class ActorUnavailable extends Schema.TaggedError<ActorUnavailable>()("ActorUnavailable", {
  actor: Schema.String,
  reason: Schema.Literal("not-serving", "closed", "crashed", "unknown-call")
}) {
  override get message(): string {
    return `${this.actor}: ${this.reason}`
  }
}

/** No answer within the connection's time limit; the handler was told to stop. Whether the call had an effect is unknown. */
export class CallTimedOut extends Schema.TaggedError<CallTimedOut>()("CallTimedOut", { actor: Schema.String, call: Schema.String }) {
  override get message(): string {
    return `${this.actor}: no answer to ${this.call} in time`
  }
}

/** What any call may fail with, besides the errors that its protocol declares. */
export type MountError = ActorUnavailable | CallTimedOut

/** The result of one call, by what its `Rpc` declares: a `Stream` for `stream: true`, else an `Effect`. */
export type Answer<Current> = Current extends RpcModule.Rpc<infer _Tag, infer _Payload, infer Success, infer Failure, infer _Middleware>
  ? [Success] extends [RpcSchema.Stream<infer Item, infer StreamFailure>]
    ? Stream.Stream<Item["Type"], StreamFailure["Type"] | Failure["Type"] | MountError>
    : Effect.Effect<Success["Type"], Failure["Type"] | MountError>
  : never

/** What a caller of a group holds: one function per call. Calls are late bound, so a client outlives restarts of the actor it calls. */
export type Client<Rpcs extends RpcModule.Any> = {
  readonly [Current in Rpcs as Current["_tag"]]: (payload: RpcModule.PayloadConstructor<Current>) => Answer<Current>
}

/**
 * Marks a call that tells its caller nothing: over a link it ends when it is on its way, no answer travels back, and what becomes of it later is not told.
 * In one process it ends as any call does.
 */
export class OneWay extends Context.Reference<OneWay>()("funion/actor/OneWay", { defaultValue: (): boolean => false }) {}

/** What a mount that wraps another must know of a group's calls. */
export const callsOf = <Rpcs extends RpcModule.Any>(
  group: RpcGroupModule.RpcGroup<Rpcs>
): ReadonlyArray<{ readonly name: string; readonly isStream: boolean; readonly isOneWay: boolean }> =>
  [...(group.requests as unknown as ReadonlyMap<string, RpcModule.AnyWithProps>).values()].map(({ _tag, annotations, successSchema }) =>
    ({ name: _tag, isStream: RpcSchema.isStreamSchema(successSchema), isOneWay: Context.get(annotations, OneWay) }))

/** An effect that only waits: who has no fiber to run it in begins it, and is called back. */
export interface Later<A, E = never> extends Effect.Effect<A, E> {
  /** @param done  told the end, once, unless what `begin` gives has called it off before */
  readonly begin: (done: (exit: Exit.Exit<A, E>) => void) => () => void
}

export const later = <A, E = never>(begin: Later<A, E>["begin"]): Later<A, E> =>
  Object.assign(Effect.async<A, E>((resume) => Effect.sync(begin(resume))), { begin })

export const isLater = <A, E, R>(effect: Effect.Effect<A, E, R>): effect is Later<A, E> => "begin" in effect

/**
 * Runs what is left of a call: one that has ended is told at once, one that only waits needs no fiber.
 * @param done  told the end, once, unless the call was called off before
 * @returns calls it off
 */
export const followCall = <A, E>(runtime: Runtime.Runtime<never>, call: Effect.Effect<A, E>, done: (exit: Exit.Exit<A, E>) => void): () => void => {
  if (hasEnded(call)) {
    done(call)
    return () => undefined
  }
  if (isLater(call)) return call.begin(done)
  let isOpen = true
  const fiber = Runtime.runFork(runtime, call)
  fiber.addObserver((exit) => { if (isOpen) done(exit) })
  return () => {
    isOpen = false
    fiber.unsafeInterruptAsFork(FiberId.none)
  }
}

/** What an effect gives, made into something else; what has ended or only waits still does. A `change` that throws is a defect of the effect. */
export const mapped = <A, B, E>(effect: Effect.Effect<A, E>, change: (value: A) => B): Effect.Effect<B, E> => {
  const changed = (exit: Exit.Exit<A, E>): Exit.Exit<B, E> => {
    try {
      return Exit.map(exit, change)
    } catch (defect) {
      return Exit.die(defect)
    }
  }
  if (hasEnded(effect)) return changed(effect as Exit.Exit<A, E>)
  return isLater(effect) ? later((done) => effect.begin((exit) => done(changed(exit)))) : Effect.map(effect, change)
}

/** How a mount makes a call at once, beside the call that waits to be run. */
export interface Prompt<Payload, A, E> {
  readonly now: (payload: Payload) => Effect.Effect<A, E>
}

/**
 * Makes a call at once if its mount can, else gives the call.
 * @returns an `Exit` when the call has ended, otherwise what is left of it, which the caller runs
 */
export const callNow = <Payload, A, E>(
  call: ((payload: Payload) => Effect.Effect<A, E>) & Partial<Prompt<Payload, A, E>>, payload: Payload
): Effect.Effect<A, E> => (call.now ?? call)(payload)

/** A call that can be made at once. @param make  makes it, and gives what is left of it */
export const promptCall = <Payload, A, E>(
  make: (payload: Payload) => Effect.Effect<A, E>
): ((payload: Payload) => Effect.Effect<A, E>) & Prompt<Payload, A, E> => {
  const now = (payload: Payload): Effect.Effect<A, E> => {
    try {
      return make(payload)
    } catch (defect) {
      return Exit.die(defect)
    }
  }
  return Object.assign((payload: Payload) => Effect.suspend(() => make(payload)), { now })
}

/** The name under which the mount puts the caller's name into the headers of a call. */
export const CALLER_HEADER = "funion-caller"

/**
 * The name of the actor that made a call, from the second argument of its handler. As trustworthy as the mount: in memory it is the name given
 * to `connect`.
 */
export const callerOf = (options: { readonly headers: { readonly [name: string]: string | undefined } }): string => options.headers[CALLER_HEADER] ?? ""
