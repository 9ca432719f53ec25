/**
 * A number of places; who comes when all are taken waits for one, first come, first served.
 *
 * Contract: `entered` is called once for every `enter` that was not given up, at once or later; whoever is in releases once.
 * Knows nothing of: what a place is for.
 * Source: none needed; departures: none.
 *
 * @module
 */

export class Places {
  readonly #waiting = new Set<() => void>()
  #free: number

  constructor(count: number) {
    this.#free = count
  }

  /** True when there was a place, which is taken now. */
  enterNow(): boolean {
    if (this.#free === 0 || this.#waiting.size > 0) return false
    this.#free -= 1
    return true
  }

  /** @param entered  called when there is a place, at once or later  @returns gives up waiting; no more of use once entered */
  enter(entered: () => void): () => void {
    const enter = (): void => {
      this.#waiting.delete(enter)
      this.#free -= 1
      entered()
    }
    if (this.enterNow()) entered()
    else this.#waiting.add(enter)
    return () => { this.#waiting.delete(enter) }
  }

  release(): void {
    this.#free += 1
    const [next] = this.#waiting
    if (this.#free > 0) next?.()
  }
}
