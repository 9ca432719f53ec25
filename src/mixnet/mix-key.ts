/**
 * A node's mix keys, one per epoch, each with the replay tags seen under it.
 *
 * Contract: `ensure(e)` makes the keys of e, e+1 and e+2 exist; `prune(now)` destroys those older than now-1 together with their replay filters.
 * A key is never made twice for one epoch, not even after it was destroyed, so a replay of an old packet cannot meet a fresh filter.
 * Keys live in this object only and are lost with it, unless a vault keeps them together with their tags: then those it held are there again at the start,
 * no key is used before it is kept, and a packet may be acted upon only after a `commit` that began when its tag was recorded.
 * Knows nothing of: time (epochs are arguments), documents, packets.
 * Source: mixnet.md §5, §6, §7; departures: none.
 *
 * @module
 */
import type { Effect } from "effect"
import type { CryptoBackend } from "../crypto/backend.ts"
import type { Entropy } from "../crypto/entropy.ts"
import { zeroize } from "../crypto/zeroize.ts"
import type { Geometry } from "../sphinx/geometry.ts"
import { mixPrivateKey, type MixPrivateKey } from "../sphinx/unwrap.ts"
import { ReplayFilter } from "./replay-filter.ts"

/** Epochs for which keys exist ahead, the asked one included: what a descriptor carries. */
export const KEYS_AHEAD = 3
const SECRET_BYTES = 32

/** One epoch's key. */
export interface MixKey {
  readonly epoch: number
  readonly privateKey: MixPrivateKey
  readonly replayFilter: ReplayFilter
}

/** What a vault held of one key. */
export interface HeldMixKey {
  readonly epoch: number
  /** 32 bytes; becomes the ring's and is overwritten. */
  readonly secret: Uint8Array
  /** The kept bytes of every tag recorded under it, one behind the other. */
  readonly tags: Uint8Array
}

/** Where keys and their tags outlive the process, together. */
export interface MixKeyVault {
  readonly held: ReadonlyArray<HeldMixKey>
  /** Epochs before this one were pruned in an earlier life. */
  readonly prunedBefore: number
  /** True when the key will be there after a crash. */
  readonly keep: (epoch: number, secret: Uint8Array) => boolean
  /** Takes a tag for the next commit. */
  readonly record: (epoch: number, tag: Uint8Array) => void
  /** Makes every tag recorded before it starts durable; false when it cannot, and then the next one tries again. */
  readonly commit: Effect.Effect<boolean>
  /** Remembers the border for good, and destroys all keys and tags before it; what fails is tried again with the next call. */
  readonly destroyBefore: (epoch: number) => void
}

export interface MixKeyRingOptions {
  readonly crypto: CryptoBackend
  readonly geometry: Geometry
  readonly entropy: Entropy
  /** Most packets that one key may unwrap; beyond it they are refused. */
  readonly replayCapacity: number
  /** Default: none; keys end with the ring. */
  readonly vault?: MixKeyVault
}

export class MixKeyRing {
  readonly #options: MixKeyRingOptions
  readonly #keys = new Map<number, MixKey>()
  #prunedBefore = Number.NEGATIVE_INFINITY
  /** What `candidates` said last, while it holds. */
  #tried: { readonly epoch: number; readonly keys: ReadonlyArray<MixKey> } | undefined

  constructor(options: MixKeyRingOptions) {
    this.#options = options
    const { vault } = options
    if (vault === undefined) return
    this.#prunedBefore = vault.prunedBefore
    for (const { epoch, secret, tags } of vault.held) this.#keys.set(epoch, this.#keyOf(epoch, secret, tags))
  }

  /** Makes every tag recorded before it starts durable; false: act upon none of their packets. Undefined: nothing here outlives the process. */
  get commit(): Effect.Effect<boolean> | undefined {
    return this.#options.vault?.commit
  }

  /**
   * Makes the keys of `epoch`, `epoch`+1 and `epoch`+2 that do not exist, but none of an epoch already pruned, nor one that could not be kept: the next call
   * makes another. Gives the epochs of the new ones.
   */
  ensure(epoch: number): ReadonlyArray<number> {
    const wanted = Array.from({ length: KEYS_AHEAD }, (_, ahead) => epoch + ahead)
    return wanted.filter((each) => each >= this.#prunedBefore && !this.#keys.has(each) && this.#generate(each))
  }

  /** Destroys the keys of epochs before `nowEpoch`-1, and their replay filters. Gives their epochs. */
  prune(nowEpoch: number): ReadonlyArray<number> {
    this.#prunedBefore = Math.max(this.#prunedBefore, nowEpoch - 1)
    const old = [...this.#keys.keys()].filter((epoch) => epoch < this.#prunedBefore)
    for (const epoch of old) this.#destroy(epoch)
    if (Number.isFinite(this.#prunedBefore)) this.#options.vault?.destroyBefore(this.#prunedBefore)
    return old
  }

  /** Public keys of `epoch`, `epoch`+1 and `epoch`+2, as far as they exist: what a descriptor for `epoch` carries. */
  publicKeys(epoch: number): ReadonlyMap<number, Uint8Array> {
    return new Map(
      [...this.#keys.values()]
        .filter((key) => key.epoch >= epoch && key.epoch < epoch + KEYS_AHEAD)
        .sort((a, b) => a.epoch - b.epoch)
        .map((key) => [key.epoch, key.privateKey.publicKey])
    )
  }

  /** The keys to try on a packet, in this order: now, now-1, now+1. The same list as long as they are the same. */
  candidates(nowEpoch: number): ReadonlyArray<MixKey> {
    if (this.#tried?.epoch === nowEpoch) return this.#tried.keys
    const keys = [nowEpoch, nowEpoch - 1, nowEpoch + 1].flatMap((epoch) => this.#keys.get(epoch) ?? [])
    this.#tried = { epoch: nowEpoch, keys }
    return keys
  }

  /** Destroys every key here, but nothing in the vault; for the end of the node's life. */
  wipe(): void {
    for (const epoch of [...this.#keys.keys()]) this.#destroy(epoch)
    this.#prunedBefore = Number.POSITIVE_INFINITY
  }

  /** True when the key is there now. */
  #generate(epoch: number): boolean {
    const { entropy, vault } = this.#options
    const secret = entropy(SECRET_BYTES)
    if (vault?.keep(epoch, secret) === false) {
      zeroize(secret)
      return false
    }
    this.#keys.set(epoch, this.#keyOf(epoch, secret))
    this.#tried = undefined
    return true
  }

  #keyOf(epoch: number, secret: Uint8Array, known?: Uint8Array): MixKey {
    const { crypto, entropy, geometry, replayCapacity, vault } = this.#options
    const privateKey = mixPrivateKey(crypto, geometry, secret)
    zeroize(secret)
    const saltBytes = entropy(4)
    const salt = new DataView(saltBytes.buffer, saltBytes.byteOffset, 4).getUint32(0)
    return {
      epoch,
      privateKey,
      replayFilter: new ReplayFilter({
        capacity: replayCapacity,
        salt,
        ...(known === undefined ? {} : { known }),
        ...(vault === undefined ? {} : { onRecorded: (tag: Uint8Array) => vault.record(epoch, tag) })
      })
    }
  }

  #destroy(epoch: number): void {
    const key = this.#keys.get(epoch)
    key?.privateKey.wipe()
    key?.replayFilter.wipe()
    this.#keys.delete(epoch)
    this.#tried = undefined
  }
}
