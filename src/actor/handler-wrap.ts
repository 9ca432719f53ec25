/**
 * Handlers with something around them: each call of a served group passes through a function that may answer in the handler's place.
 *
 * Contract: handlers keep the context in which they were built. What is wrapped is one call's answer: an effect, or a stream for calls that stream.
 * Knows nothing of: what calls mean.
 * Source: none (simulations put broken actors in the place of sound ones); departures: none.
 *
 * @module
 */
import type { Rpc, RpcGroup } from "@effect/rpc"
import { Context, type Effect, Layer, type Stream } from "effect"
import { callsOf } from "./actor.ts"

/** What a handler gives for one call. */
export type Handled = Effect.Effect<unknown, unknown> | Stream.Stream<unknown, unknown>

/** @param handle  the handler itself */
export type Wrap = (call: string, payload: unknown, handle: (payload: unknown) => Handled) => Handled

type AnyHandler = { readonly handler: (payload: unknown, options: unknown) => Handled }

export const wrapHandlers = <Rpcs extends Rpc.Any, E, R>(
  group: RpcGroup.RpcGroup<Rpcs>, handlers: Layer.Layer<Rpc.ToHandler<Rpcs>, E, R>, wrap: Wrap
): Layer.Layer<Rpc.ToHandler<Rpcs>, E, R> =>
  Layer.map(handlers, (built) => {
    const entries = new Map(built.unsafeMap)
    const requests = group.requests as unknown as ReadonlyMap<string, Rpc.AnyWithProps>
    for (const { name } of callsOf(group)) {
      const key = requests.get(name)?.key
      const entry = key === undefined ? undefined : entries.get(key) as AnyHandler | undefined
      if (key === undefined || entry === undefined) continue
      const handler: AnyHandler["handler"] = (payload, options) => wrap(name, payload, (other) => entry.handler(other, options))
      entries.set(key, { ...entry, handler })
    }
    return Context.unsafeMake<Rpc.ToHandler<Rpcs>>(entries)
  })
