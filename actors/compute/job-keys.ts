/**
 * The job keys of a compute service: one KEM key per PKI epoch, to which dispatches are sealed.
 *
 * Contract: keys are made on demand and published for an epoch and the next one; that of epoch c − 1 is destroyed when c ends. Candidates come
 * in the order c, c − 1, c + 1. An object lives as long as the journal it belongs to: who starts with an empty journal starts with fresh keys,
 * so that no earlier dispatch can be opened again. A vault may keep keys beyond the process: those it held are there again at the start, no key is used
 * before it is kept, and destroyed ones are destroyed there too.
 * Knows nothing of: dispatches, the document.
 * Source: funion.md §6.2, §6.3, §8; departures: none.
 *
 * @module
 */
import type { CryptoBackend } from "../../src/crypto/backend.ts"
import type { Entropy } from "../../src/crypto/entropy.ts"
import { zeroize } from "../../src/crypto/zeroize.ts"
import type { DispatchSuite } from "../../src/inference/dispatch.ts"
import { destroyJobKey, jobKeyCandidates, jobPrivateKey, type JobPrivateKey } from "../../src/inference/dispatch-seal.ts"
import { epochAt } from "../../src/params/epoch.ts"
import type { MixnetParams } from "../../src/params/mixnet-params.ts"

const SECRET_BYTES = 32

/** Where keys outlive the process, bound to their journal. */
export interface JobKeyVault {
  /** Secrets that were kept, by epoch; the arrays become the owner's. */
  readonly held: ReadonlyMap<number, Uint8Array>
  /** True when the key will be there after a crash. */
  readonly keep: (epoch: number, secret: Uint8Array) => boolean
  /** Destroys the keys of all epochs before `epoch`. @returns false when one could not be; then it is asked again */
  readonly destroyBefore: (epoch: number) => boolean
}

/** Keys end with the object that holds them. */
const NO_VAULT: JobKeyVault = { held: new Map(), keep: () => true, destroyBefore: () => true }

export class JobKeys {
  readonly #keys = new Map<number, JobPrivateKey>()
  readonly #make: (epoch: number) => JobPrivateKey | undefined
  readonly #epochAt: (nowMs: number) => number
  readonly #vault: JobKeyVault
  #destroyedBefore = Number.NEGATIVE_INFINITY

  /** @param expand  a key from its 32 secret bytes, which become its own @param draw  fresh secret bytes */
  constructor(
    expand: (epoch: number, secret: Uint8Array) => JobPrivateKey,
    draw: () => Uint8Array,
    currentEpoch: (nowMs: number) => number,
    vault = NO_VAULT
  ) {
    this.#epochAt = currentEpoch
    this.#vault = vault
    this.#make = (epoch) => {
      const secret = draw()
      if (vault.keep(epoch, secret)) return expand(epoch, secret)
      zeroize(secret)
      return undefined
    }
    for (const [epoch, secret] of vault.held) this.#keys.set(epoch, expand(epoch, secret))
  }

  /** Public keys of `epoch` and the next one, made where missing; never for an epoch that is over, nor one that could not be kept. */
  publicKeys(epoch: number, nowMs: number): ReadonlyMap<number, Uint8Array> {
    this.#destroyOld(nowMs)
    const published = new Map<number, Uint8Array>()
    for (const wanted of [epoch, epoch + 1]) {
      if (wanted < this.#epochAt(nowMs)) continue
      const key = this.#keys.get(wanted) ?? this.#make(wanted)
      if (key === undefined) continue
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
    if (oldest > this.#destroyedBefore && this.#vault.destroyBefore(oldest)) this.#destroyedBefore = oldest
  }

  toJSON(): unknown {
    return { epochs: [...this.#keys.keys()], secrets: "<redacted>" }
  }
}

/** @param entropy  asked for 32 bytes per epoch @param vault  default: none */
export const makeJobKeys = (
  crypto: CryptoBackend,
  params: Pick<MixnetParams, "epochPeriodMs" | "replicaEpochPeriodMs">,
  suite: DispatchSuite,
  entropy: Entropy,
  vault?: JobKeyVault
): JobKeys =>
  new JobKeys((epoch, secret) => jobPrivateKey(crypto, suite, epoch, secret), () => entropy(SECRET_BYTES), (nowMs) => epochAt(params, nowMs), vault)
