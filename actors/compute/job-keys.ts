/**
 * The job keys of a compute service: one KEM key per PKI epoch, to which dispatches are sealed.
 *
 * Contract: keys are made on demand and published for an epoch and the next one; that of epoch c − 1 is destroyed when c ends. Candidates come
 * in the order c, c − 1, c + 1. An object lives as long as the journal it belongs to: who starts with an empty journal starts with fresh keys,
 * so that no earlier dispatch can be opened again.
 * Knows nothing of: dispatches, the document.
 * Source: funion.md §6.2, §6.3, §8; departures: none.
 *
 * @module
 */
import type { CryptoBackend } from "../../src/crypto/backend.ts"
import type { Entropy } from "../../src/crypto/entropy.ts"
import type { DispatchSuite } from "../../src/inference/dispatch.ts"
import { destroyJobKey, jobKeyCandidates, jobPrivateKey, type JobPrivateKey } from "../../src/inference/dispatch-seal.ts"
import { epochAt } from "../../src/params/epoch.ts"
import type { MixnetParams } from "../../src/params/mixnet-params.ts"

const SECRET_BYTES = 32

export class JobKeys {
  readonly #keys = new Map<number, JobPrivateKey>()
  readonly #make: (epoch: number) => JobPrivateKey
  readonly #epochAt: (nowMs: number) => number

  constructor(make: (epoch: number) => JobPrivateKey, currentEpoch: (nowMs: number) => number) {
    this.#make = make
    this.#epochAt = currentEpoch
  }

  /** Public keys of `epoch` and the next one, made where missing; never for an epoch that is over. */
  publicKeys(epoch: number, nowMs: number): ReadonlyMap<number, Uint8Array> {
    this.#destroyOld(nowMs)
    const published = new Map<number, Uint8Array>()
    for (const wanted of [epoch, epoch + 1]) {
      if (wanted < this.#epochAt(nowMs)) continue
      const key = this.#keys.get(wanted) ?? this.#make(wanted)
      this.#keys.set(wanted, key)
      published.set(wanted, key.publicKey)
    }
    return published
  }

  /** The keys to try on a dispatch that came at `nowMs`. */
  candidates(nowMs: number): ReadonlyArray<JobPrivateKey> {
    this.#destroyOld(nowMs)
    return jobKeyCandidates(this.#keys, this.#epochAt(nowMs))
  }

  #destroyOld(nowMs: number): void {
    const oldest = this.#epochAt(nowMs) - 1
    for (const [epoch, key] of this.#keys) {
      if (epoch >= oldest) continue
      destroyJobKey(key)
      this.#keys.delete(epoch)
    }
  }

  toJSON(): unknown {
    return { epochs: [...this.#keys.keys()], secrets: "<redacted>" }
  }
}

/** @param entropy  asked for 32 bytes per epoch */
export const makeJobKeys = (
  crypto: CryptoBackend,
  params: Pick<MixnetParams, "epochPeriodMs" | "replicaEpochPeriodMs">,
  suite: DispatchSuite,
  entropy: Entropy
): JobKeys => new JobKeys((epoch) => jobPrivateKey(crypto, suite, epoch, entropy(SECRET_BYTES)), (nowMs) => epochAt(params, nowMs))
