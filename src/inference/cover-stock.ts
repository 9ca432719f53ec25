/**
 * The uploads of a service's own jobs under one profile: how many to begin in a quantum, when, and which of them the next quantum takes.
 *
 * A client dispatches in the quantum after the one in which its upload was confirmed, so replicas know when the boxes were written that a batch reads.
 * F uploads begin per quantum, each at a uniform instant of a window as long as a quantum, shifted by the mean time that an upload takes, so that nearly
 * all end in one quantum; F more lie in stock for a quantum in which fewer end. Those confirmed last are taken first.
 *
 * Contract: outstanding uploads are bounded, and so are those begun in one quantum, whatever becomes of them. An upload that ended in the quantum
 * that is running is not taken. What is not taken for too long is given back to be wiped, as a client discards an upload that it no longer wants.
 * Knows nothing of: time but what it is told, boxes, models.
 * Source: funion.md §7 (O1, O5, O17); departures: a quantum in which too few uploads ended takes some that ended earlier.
 *
 * @module
 */
import type { PlannedJob } from "./client-job.ts"

/** An input that storage has confirmed. */
export interface StoredInput {
  readonly planned: PlannedJob
  readonly confirmedAtMs: number
}

/** An upload that no quantum has taken after so many of them is discarded. */
const KEEP_QUANTA = 16
/** Weight of the newest upload in the mean. */
const MEAN_WEIGHT = 1 / 8
/** At most this many times F uploads begin in one quantum, so that a service that starts or recovers sends no burst. */
const BEGIN_FACTOR = 2

export class CoverStock {
  /** F */
  readonly #coverJobs: number
  readonly #quantumMs: number
  #uploadMs: number
  #underWay = 0
  #stored: Array<StoredInput> = []
  #storedCount = 0

  /** @param estimateMs  how long an upload takes, until one has been seen */
  constructor(coverJobs: number, quantumMs: number, estimateMs: number) {
    this.#coverJobs = coverJobs
    this.#quantumMs = quantumMs
    this.#uploadMs = estimateMs
  }

  /** True from when F uploads have succeeded. */
  get hasFirst(): boolean {
    return this.#storedCount >= this.#coverJobs
  }

  /** Quanta from the one in which an upload begins to the one in which it ends. */
  get #leadQuanta(): number {
    return Math.ceil(this.#uploadMs / this.#quantumMs)
  }

  /** Uploads to begin in the quantum that has just begun, and has taken its own. */
  wanted(): number {
    const target = this.#coverJobs * (this.#leadQuanta + 2)
    return Math.max(0, Math.min(target - this.#underWay - this.#stored.length, BEGIN_FACTOR * this.#coverJobs))
  }

  /** When an upload of the quantum begins, after the quantum's beginning. @param uniform  in [0, 1) */
  startAfterMs(uniform: number): number {
    return (this.#leadQuanta + uniform) * this.#quantumMs - this.#uploadMs
  }

  begin(): void {
    this.#underWay += 1
  }

  /** An upload that began has ended; nothing: without success. @param tookMs  from its first box to its last confirmation */
  end(stored?: StoredInput, tookMs?: number): void {
    this.#underWay -= 1
    if (stored !== undefined) {
      this.#stored.push(stored)
      this.#storedCount += 1
    }
    if (tookMs !== undefined) this.#uploadMs += (tookMs - this.#uploadMs) * MEAN_WEIGHT
  }

  /** The input confirmed last before the instant, the beginning of the quantum that takes it; nothing when there is none. */
  take(quantumStartMs: number): StoredInput | undefined {
    const candidates = this.#stored.filter(({ confirmedAtMs }) => confirmedAtMs < quantumStartMs)
    const newest = candidates.reduce<StoredInput | undefined>(
      (best, each) => (best === undefined || each.confirmedAtMs > best.confirmedAtMs ? each : best), undefined)
    this.#stored = this.#stored.filter((each) => each !== newest)
    return newest
  }

  /** Takes out what is too old to be used at the instant. */
  discard(nowMs: number): ReadonlyArray<StoredInput> {
    const isOld = ({ confirmedAtMs }: StoredInput): boolean => nowMs - confirmedAtMs > KEEP_QUANTA * this.#quantumMs
    const old = this.#stored.filter(isOld)
    this.#stored = this.#stored.filter((each) => !isOld(each))
    return old
  }
}
