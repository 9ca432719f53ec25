/**
 * A map whose entries can be paged in the order of their keys.
 *
 * Contract: `after` gives the values of keys greater than a given one, smallest first. Keys are sorted when a page is asked for after new keys came, so a pass
 * over a map that rests costs one sort.
 * Knows nothing of: what it holds.
 * Source: none; departures: none.
 *
 * @module
 */

export class OrderedMap<A> {
  readonly #values = new Map<string, A>()
  /** All keys in order and perhaps deleted ones; undefined when keys have come since. */
  #order: Array<string> | undefined = []

  get size(): number {
    return this.#values.size
  }

  get(key: string): A | undefined {
    return this.#values.get(key)
  }

  set(key: string, value: A): void {
    if (!this.#values.has(key)) this.#order = undefined
    this.#values.set(key, value)
  }

  delete(key: string): void {
    this.#values.delete(key)
  }

  deleteBefore(end: string): void {
    for (const key of this.#values.keys()) if (key < end) this.#values.delete(key)
  }

  /** At most `limit` values of keys after `key`; from the first one on when it is undefined. */
  after(key: string | undefined, limit: number): ReadonlyArray<A> {
    const order = this.#order ?? [...this.#values.keys()].sort()
    this.#order = order
    const page: Array<A> = []
    for (let at = this.#firstAfter(order, key); at < order.length && page.length < limit; at++) {
      const value = this.#values.get(order[at] ?? "")
      if (value !== undefined) page.push(value)
    }
    return page
  }

  #firstAfter(order: ReadonlyArray<string>, key: string | undefined): number {
    let low = 0
    let high = key === undefined ? 0 : order.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((order[middle] ?? "") <= (key ?? "")) low = middle + 1
      else high = middle
    }
    return low
  }
}
