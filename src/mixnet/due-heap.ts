/**
 * A binary heap of entries ordered by due time.
 *
 * Contract: `pop` gives the earliest entry, and of entries due at the same instant the one pushed first. Push, pop and removal cost O(log n).
 * Knows nothing of: clocks.
 * Source: none needed; departures: none.
 *
 * @module
 */

export interface DueEntry<A> {
  readonly item: A
  /** Milliseconds since the Unix epoch. */
  readonly dueMs: number
}

interface Slot<A> extends DueEntry<A> {
  readonly order: number
}

const before = <A>(a: Slot<A>, b: Slot<A>): boolean => a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order)

export class DueHeap<A> {
  readonly #slots: Array<Slot<A>> = []
  #pushed = 0

  get size(): number {
    return this.#slots.length
  }

  /** The earliest entry; undefined when empty. */
  get head(): DueEntry<A> | undefined {
    return this.#slots[0]
  }

  push(item: A, dueMs: number): void {
    this.#slots.push({ item, dueMs, order: this.#pushed++ })
    this.#rise(this.#slots.length - 1)
  }

  pop(): DueEntry<A> | undefined {
    return this.removeAt(0)
  }

  /** Removes the entry at an index into the heap's own order, for picking one at random; undefined outside of it. */
  removeAt(index: number): DueEntry<A> | undefined {
    const removed = this.#slots[index]
    if (removed === undefined) return undefined
    const last = this.#slots.pop()
    if (last === undefined || removed === last) return removed
    this.#slots[index] = last
    this.#rise(index)
    this.#sink(index)
    return removed
  }

  clear(): void {
    this.#slots.length = 0
  }

  #rise(from: number): void {
    const slots = this.#slots
    const slot = slots[from] as Slot<A>
    let index = from
    while (index > 0) {
      const parentIndex = (index - 1) >> 1
      const parent = slots[parentIndex] as Slot<A>
      if (!before(slot, parent)) break
      slots[index] = parent
      index = parentIndex
    }
    slots[index] = slot
  }

  #sink(from: number): void {
    const slots = this.#slots
    const slot = slots[from] as Slot<A>
    let index = from
    for (let left = 2 * index + 1; left < slots.length; left = 2 * index + 1) {
      const right = left + 1
      const childIndex = right < slots.length && before(slots[right] as Slot<A>, slots[left] as Slot<A>) ? right : left
      const child = slots[childIndex] as Slot<A>
      if (!before(child, slot)) break
      slots[index] = child
      index = childIndex
    }
    slots[index] = slot
  }
}
