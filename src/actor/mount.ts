/**
 * The port that joins actors: serve a group under a name, connect to a name.
 *
 * Contract: a call ends: with its answer, with an error its protocol declares, or with a `MountError` within its connection's time limit
 * (streams have none). After `serve`'s scope has closed no handler of it runs any more, the calls it was answering have failed with
 * `ActorUnavailable`, and the name is free; whoever connected earlier reaches the next actor served under the name. A handler's defect fails its own
 * call alone. Handlers of one actor run concurrently and without bound: they bound themselves. Order between calls is not promised.
 * Knows nothing of: how bytes travel.
 * Source: effect-notes.md §2, §3, §5; departures: none.
 *
 * @module
 */
import type { Rpc, RpcGroup } from "@effect/rpc"
import { Context, Data, type Effect, type Layer, type Scope } from "effect"
import type { Client } from "./actor.ts"

/** A group could not be served. */
export class MountFailed extends Data.TaggedError("MountFailed")<{
  readonly name: string
  readonly reason: "name-taken" | "address-unavailable"
}> {
  override get message(): string {
    return `cannot serve ${this.name}: ${this.reason}`
  }
}

export interface ConnectOptions {
  /** Longest time one call may take, in milliseconds; not for streams. Default 10 000. */
  readonly limitMs?: number
}

/** Time limit of a call when its connection states none, in milliseconds. */
export const DEFAULT_LIMIT_MS = 10_000

export interface MountService {
  /**
   * Builds `handlers` in the caller's scope and answers calls to `name` with them until that scope closes. A handler must not close that scope
   * and wait for it: the scope waits for the handlers.
   * @errors MountFailed `name-taken` while another scope serves the name; E of the layer
   */
  readonly serve: <Rpcs extends Rpc.Any, E, R>(
    name: string,
    group: RpcGroup.RpcGroup<Rpcs>,
    handlers: Layer.Layer<Rpc.ToHandler<Rpcs>, E, R>
  ) => Effect.Effect<void, MountFailed | E, R | Scope.Scope>
  /**
   * A client of whatever is served under `to`, now or later; never waits for it. When the scope closes its calls fail with `ActorUnavailable`.
   * @param from  the caller's own name, which handlers see through `callerOf`
   */
  readonly connect: <Rpcs extends Rpc.Any>(
    from: string,
    to: string,
    group: RpcGroup.RpcGroup<Rpcs>,
    options?: ConnectOptions
  ) => Effect.Effect<Client<Rpcs>, never, Scope.Scope>
}

export class Mount extends Context.Tag("funion/actor/Mount")<Mount, MountService>() {}
