/**
 * Calls under way that nobody waits for: each ends by itself, or all are called off when their owner closes.
 *
 * Contract: a call is in work from `begin` until it has ended or was called off, whichever comes first; its end is told from being called off by what `end`
 * gives. Calling off is not waited for.
 * Knows nothing of: what calls do.
 * Source: none needed; departures: none.
 *
 * @module
 */

/** One call; whoever began it says how the step that it is at is called off. */
export interface CallInWork {
  stop: () => void
}

export class CallsInWork {
  readonly #calls = new Set<CallInWork>()

  get size(): number {
    return this.#calls.size
  }

  begin(): CallInWork {
    const call: CallInWork = { stop: () => undefined }
    this.#calls.add(call)
    return call
  }

  isInWork(call: CallInWork): boolean {
    return this.#calls.has(call)
  }

  /** A call has ended. @returns false when it had been called off, and its end is of no more interest */
  end(call: CallInWork): boolean {
    return this.#calls.delete(call)
  }

  callOffAll(): void {
    const calls = [...this.#calls]
    this.#calls.clear()
    for (const { stop } of calls) stop()
  }
}
