/**
 * The mount of an actor that is to misbehave: what it serves, and what it calls, passes through a function.
 *
 * Contract: used for planted faults only. Other actors' mounts are not touched, so what they see of the bent one is what links carry.
 * Source: issue 5 ("broken variants planted by us are each caught"); departures: none.
 *
 * @module
 */
import { Effect, type Scope } from "effect"
import { callsOf } from "../../../src/actor/actor.ts"
import { wrapHandlers, type Wrap } from "../../../src/actor/handler-wrap.ts"
import type { MountService } from "../../../src/actor/mount.ts"

export interface Bend {
  /** What stands around the handlers served under a name; made in the scope and surroundings of whoever serves. */
  readonly served?: (name: string) => Effect.Effect<Wrap, never, Scope.Scope>
  /** What stands around the calls to a peer. */
  readonly called?: (to: string) => Wrap
}

export const bentMount = (mount: MountService, { called, served }: Bend): MountService => ({
  serve: (name, group, handlers) =>
    served === undefined
      ? mount.serve(name, group, handlers)
      : Effect.flatMap(served(name), (wrap) => mount.serve(name, group, wrapHandlers(group, handlers, wrap))),
  connect: (from, to, group, options) =>
    Effect.map(mount.connect(from, to, group, options), (client) => {
      if (called === undefined) return client
      const wrap = called(to)
      const calls = client as unknown as Readonly<Record<string, (payload: unknown) => ReturnType<Wrap>>>
      return Object.fromEntries(callsOf(group).flatMap(({ name }) => {
        const call = calls[name]
        return call === undefined ? [] : [[name, (payload: unknown) => wrap(name, payload, call)]]
      })) as unknown as typeof client
    })
})
