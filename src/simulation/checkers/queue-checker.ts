/**
 * Every queue that an actor shows stays under the bound that its code states, and every queue has one.
 *
 * Contract: levels are looked at at instants that the caller chooses. A level without a bound is a finding too: nobody has said how large it may grow.
 * Knows nothing of: what waits.
 * Source: style.md §2.7 (every queue has a stated bound); issue 5, part 1; departures: none.
 *
 * @module
 */
import { type Verdict, verdictOf } from "./checker.ts"

export class QueueChecker {
  /** By name of the level. */
  readonly #bounds: ReadonlyMap<string, number>
  readonly #highest = new Map<string, number>()
  readonly #findings = new Set<string>()

  constructor(bounds: ReadonlyMap<string, number>) {
    this.#bounds = bounds
  }

  /** @param queue  name of the level, such as "queued/inbound" */
  observe(actor: string, queue: string, level: number): void {
    this.#highest.set(queue, Math.max(level, this.#highest.get(queue) ?? 0))
    const bound = this.#bounds.get(queue)
    if (bound === undefined) this.#findings.add(`${actor}: no bound is stated for ${queue}`)
    else if (level > bound) this.#findings.add(`${actor}: ${queue} is above its bound of ${bound}`)
  }

  verdict(): Verdict {
    return verdictOf("queues", [...this.#findings], Object.fromEntries(this.#highest))
  }
}
