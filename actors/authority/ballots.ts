/**
 * The ballots of an authority, one per epoch near now.
 *
 * Contract: outlives a crash of the authority, which would otherwise forget what was posted to it and sign a second, smaller document for one epoch.
 * Their number is bounded: the previous, the current and the next epoch, and those of the last two that were there.
 * Knows nothing of: clocks (instants are arguments, Unix milliseconds).
 * Source: mixnet.md §12 (epoch within now ± 1), §13 (what is kept); departures: kept in memory.
 *
 * @module
 */
import { epochAt, Epoch } from "../../src/params/epoch.ts"
import { Ballot, type BallotConfig } from "./ballot.ts"

/** Documents are kept for this many past epochs. */
const KEPT_EPOCHS = 2

export class Ballots {
  readonly #config: BallotConfig
  readonly #ballots = new Map<number, Ballot>()

  constructor(config: BallotConfig) {
    this.#config = config
  }

  /** The ballot of an epoch within one of now, else one that is still kept. */
  at(epoch: number, nowMs: number): Ballot | undefined {
    const known = this.#ballots.get(epoch)
    if (known !== undefined || !Number.isSafeInteger(epoch) || Math.abs(epoch - epochAt(this.#config.params, nowMs)) > 1) return known
    const ballot = new Ballot(this.#config, Epoch(epoch))
    this.#ballots.set(epoch, ballot)
    return ballot
  }

  prune(nowMs: number): void {
    const oldest = epochAt(this.#config.params, nowMs) - KEPT_EPOCHS
    for (const epoch of [...this.#ballots.keys()]) if (epoch < oldest) this.#ballots.delete(epoch)
  }
}
