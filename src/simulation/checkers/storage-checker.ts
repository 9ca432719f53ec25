/**
 * No box is lost: what a replica once held it still has when it is asked again, and what was confirmed can be read while a holder lives.
 *
 * Contract: a replica whose read misses a box that it held before has lost it. A confirmed box that nobody can read in the end, though one of its holders is
 * up, is lost as well; the caller reads and tells.
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
  #reads = 0
  #writes = 0

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
    else if (held.has(boxId)) this.#findings.push(`${replica}: a box that it held is gone (${boxId.slice(0, 8)}…)`)
  }

  /** A confirmed box was asked for in the end. */
  readBack(label: string, found: boolean): void {
    if (!found) this.#findings.push(`${label}: a confirmed box can not be read`)
  }

  verdict(): Verdict {
    const boxes = new Set([...this.#held.values()].flatMap((ids) => [...ids]))
    return verdictOf("storage", this.#findings, { reads: this.#reads, writes: this.#writes, boxes: boxes.size })
  }
}
