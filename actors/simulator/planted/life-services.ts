/**
 * What a planted fault takes from the life in whose place, or around whose handlers, it stands.
 *
 * Contract: to be used within a life, which has these services though the types of a mount do not say so.
 * Source: none needed; departures: none.
 *
 * @module
 */
import { type Context, Effect } from "effect"
import type { Mount } from "../../../src/actor/mount.ts"
import type { PkiView } from "../../../src/pki/pki-view.ts"

/** The mount and the directory of the life that is running here. */
export const servicesOfLife: Effect.Effect<Context.Context<Mount | PkiView>> =
  Effect.map(Effect.context<never>(), (context) => context as unknown as Context.Context<Mount | PkiView>)

/** Whether the life has a job of a person's, by the calls of its own protocol that are open. */
export class Business {
  #open = 0

  get isBusy(): boolean {
    return this.#open > 0
  }

  /** A job begins: also one of several at a time. */
  begin(): void {
    this.#open += 1
  }

  end(): void {
    this.#open -= 1
  }
}
