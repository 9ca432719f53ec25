/**
 * No box is lost: what a replica once held it still has when it is asked again, and what was confirmed can be read while a holder lives.
 *
 * Contract: a replica whose read misses a box that it held before has lost it. In the end the caller asks every replica that is up for every box that it
 * ever held (`held`, `readBack`). A confirmed box that no replica ever had, or that none of its holders who are up has in the end, is lost as well.
 * Knows nothing of: contents. Deletion and expiry are not part of the runs that are checked.
 * Source: pigeonhole.md §7 (R2, R8, R13, R18); issue 5, part 1 ("nothing accepted is lost while a holder lives"); departures: none.
 *
 * @module
 */
import { type Verdict, verdictOf } from "./checker.ts"

/** A read or write that a replica carried out. */
export interface CheckedStorage {
  readonly replica: string
  readonly operation: "read" | "write"
  /** In hex. */
  readonly boxId: string
  /** Of a read: whether the box was there. */
  readonly found: boolean
}

export class StorageChecker {
  readonly #held = new Map<string, Set<string>>()
  readonly #findings: Array<string> = []
  /** By box: whose it is. */
  readonly #confirmed = new Map<string, string>()
  /** Boxes that were asked for in the end, and those that somebody had. */
  readonly #asked = new Set<string>()
  readonly #found = new Set<string>()
  #reads = 0
  #writes = 0
  #readsBack = 0

  observe({ boxId, found, operation, replica }: CheckedStorage): void {
    const held = this.#held.get(replica) ?? new Set<string>()
    this.#held.set(replica, held)
    if (operation === "write") {
      this.#writes += 1
      held.add(boxId)
      return
    }
    this.#reads += 1
    if (found) held.add(boxId)
    else if (held.has(boxId)) this.#gone(replica, boxId)
  }

  /** Somebody was told that these boxes are in storage, or has read them. @param label  whose they are */
  confirmed(label: string, boxIds: ReadonlyArray<string>): void {
    for (const boxId of boxIds) this.#confirmed.set(boxId, label)
  }

  /** What a replica held so far. */
  held(replica: string): ReadonlyArray<string> {
    return [...this.#held.get(replica) ?? []]
  }

  /** A replica that is up was asked in the end for a box that it held. */
  readBack(replica: string, boxId: string, found: boolean): void {
    this.#readsBack += 1
    this.#asked.add(boxId)
    if (found) this.#found.add(boxId)
    else this.#gone(replica, boxId)
  }

  verdict(): Verdict {
    const boxes = new Set([...this.#held.values()].flatMap((ids) => [...ids]))
    const lost = [...this.#confirmed].flatMap(([boxId, label]) => {
      if (!boxes.has(boxId)) return [`${label}: a box was confirmed that no replica was given (${boxId.slice(0, 8)}…)`]
      return this.#asked.has(boxId) && !this.#found.has(boxId)
        ? [`${label}: a confirmed box can not be read, though a replica that held it lives (${boxId.slice(0, 8)}…)`]
        : []
    })
    return verdictOf("storage", [...lost, ...this.#findings], {
      reads: this.#reads, writes: this.#writes, boxes: boxes.size, confirmed: this.#confirmed.size, readsBack: this.#readsBack
    })
  }

  #gone(replica: string, boxId: string): void {
    this.#findings.push(`${replica}: a box that it held is gone (${boxId.slice(0, 8)}…)`)
  }
}
