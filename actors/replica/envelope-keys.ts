/**
 * A replica's envelope keys, one per replica epoch.
 *
 * Contract: keys are made for the current and the next replica epoch only, never for a past one, not even when the clock is set back. Those older than
 * current−1 are destroyed three hours after the border. Candidates come in the order current, previous, next.
 * A vault may keep private keys beyond the process: those it held are there again at the start, and no key is used before it is kept.
 * Source: pigeonhole.md §5.1; departures: none.
 *
 * @module
 */
import type { Entropy } from "../../src/crypto/entropy.ts"
import type { Nike } from "../../src/crypto/mkem.ts"
import { zeroize } from "../../src/crypto/zeroize.ts"
import { replicaEpochAt } from "../../src/params/epoch.ts"
import type { MixnetParams } from "../../src/params/mixnet-params.ts"

const GRACE_MS = 3 * 3_600_000

export interface EnvelopeKey {
  readonly privateKey: Uint8Array
  readonly publicKey: Uint8Array
}

/** Where private keys outlive the process. */
export interface EnvelopeKeyVault {
  /** What was kept, by replica epoch; the arrays become the owner's. */
  readonly held: ReadonlyMap<number, Uint8Array>
  /** True when the key will be there after a crash. */
  readonly keep: (replicaEpoch: number, privateKey: Uint8Array) => boolean
  /** Destroys the keys of all epochs before `replicaEpoch`; what fails is tried again with the next call. */
  readonly destroyBefore: (replicaEpoch: number) => void
}

/** Keys end with the object that holds them. */
const NO_VAULT: EnvelopeKeyVault = { held: new Map(), keep: () => true, destroyBefore: () => {} }

export class EnvelopeKeys {
  readonly #keys = new Map<number, EnvelopeKey>()
  readonly #params: Pick<MixnetParams, "epochPeriodMs" | "replicaEpochPeriodMs">
  readonly #nike: Nike
  readonly #entropy: Entropy
  readonly #vault: EnvelopeKeyVault
  #latestEpoch = Number.NEGATIVE_INFINITY

  constructor(params: Pick<MixnetParams, "epochPeriodMs" | "replicaEpochPeriodMs">, nike: Nike, entropy: Entropy, vault = NO_VAULT) {
    this.#params = params
    this.#nike = nike
    this.#entropy = entropy
    this.#vault = vault
    for (const [epoch, privateKey] of vault.held) {
      this.#keys.set(epoch, { privateKey, publicKey: nike.publicKey(privateKey) })
      // The key of an epoch is made in the epoch before it at the earliest.
      this.#latestEpoch = Math.max(this.#latestEpoch, epoch - 1)
    }
  }

  /**
   * Makes the keys of the replica epoch at `nowMs` and of the next; destroys those past their grace.
   * @returns false when a new key could not be kept; it is not used then, and the next rotation makes another
   */
  rotate(nowMs: number): boolean {
    let allKept = true
    const epoch = replicaEpochAt(this.#params, nowMs)
    this.#latestEpoch = Math.max(this.#latestEpoch, epoch)
    for (const wanted of [epoch, epoch + 1]) {
      if (this.#keys.has(wanted) || wanted < this.#latestEpoch) continue
      const privateKey = this.#entropy(this.#nike.privateKeyBytes)
      if (!this.#vault.keep(wanted, privateKey)) {
        zeroize(privateKey)
        allKept = false
        continue
      }
      this.#keys.set(wanted, { privateKey, publicKey: this.#nike.publicKey(privateKey) })
    }
    const graceMs = Math.min(GRACE_MS, this.#params.replicaEpochPeriodMs / 8)
    const oldest = replicaEpochAt(this.#params, nowMs - graceMs) - 1
    for (const [held, key] of this.#keys) {
      if (held >= oldest) continue
      zeroize(key.privateKey)
      this.#keys.delete(held)
    }
    this.#vault.destroyBefore(oldest)
    return allKept
  }

  /** Public keys of a replica epoch, of the previous one (while held) and of the next, as far as it exists: what a descriptor in that epoch carries. */
  publicKeys(replicaEpoch: number): ReadonlyMap<number, Uint8Array> {
    return new Map([...this.#keys].filter(([held]) => Math.abs(held - replicaEpoch) <= 1).map(([held, key]) => [held, key.publicKey]))
  }

  /** The keys to try on an envelope. */
  candidates(nowMs: number): ReadonlyArray<EnvelopeKey> {
    const epoch = replicaEpochAt(this.#params, nowMs)
    return [epoch, epoch - 1, epoch + 1].flatMap((wanted) => this.#keys.get(wanted) ?? [])
  }
}
