/**
 * The reply blocks that are out: SURB id → keys and the exchange they belong to.
 *
 * Contract: an id is redeemed once; its keys are overwritten at that moment, whatever the payload was. Of one exchange the newest
 * `SURBS_PER_EXCHANGE` blocks stay redeemable, so that a reply later than the estimate is still accepted (C20); blocks of decoys expire.
 * Holds at most `capacity` blocks: the oldest decoy gives way, and the oldest block at all when there is no decoy.
 * Knows nothing of: packets, ticks, what a reply says. Reads no clock: every instant is an argument, in milliseconds since the Unix epoch.
 * Source: mixnet.md §4.3, sphinx.md §12; departures: late replies to older blocks of a pending exchange are accepted, not discarded.
 *
 * @module
 */
import { Either } from "effect"
import { toHex } from "../bytes/hex.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { zeroize } from "../crypto/zeroize.ts"
import type { SurbId } from "../sphinx/geometry.ts"
import { openSurbReply } from "../sphinx/surb.ts"

/** Reply blocks kept per exchange: the newest and those of the transmissions before it. */
export const SURBS_PER_EXCHANGE = 4
/** Blocks in all; at 0.05 packets per ms and 10 s of life decoys need 500. */
export const LEDGER_CAPACITY = 4096

const SWEEP_PERIOD_MS = 1000

interface Entry<Owner> {
  readonly keys: Uint8Array
  /** `undefined` for a decoy. */
  readonly owner: Owner | undefined
  readonly expiresAtMs: number
  /** When it should come home: sent and all delays that were drawn. */
  readonly dueMs: number
}

/** What a delivery turned out to be. */
export type Redemption<Owner> =
  | { readonly _tag: "Unknown" }
  | { readonly _tag: "Garbled"; readonly owner: Owner | undefined }
  | { readonly _tag: "DecoyReturned"; readonly dueMs: number }
  | { readonly _tag: "Reply"; readonly owner: Owner; readonly plaintext: Uint8Array }

export class SurbLedger<Owner extends object> {
  readonly #entries = new Map<string, Entry<Owner>>()
  readonly #idsOfOwner = new Map<Owner, Array<string>>()
  readonly #capacity: number
  #nextSweepMs = 0
  #decoysExpired = 0

  constructor(capacity: number = LEDGER_CAPACITY) {
    this.#capacity = capacity
  }

  /** Blocks that are out. */
  get size(): number {
    return this.#entries.size
  }

  /** Decoys so far whose time was over before they came home. */
  get decoysExpired(): number {
    return this.#decoysExpired
  }

  /** Exchanges with a block out. */
  get ownerCount(): number {
    return this.#idsOfOwner.size
  }

  /** Notes a block of an exchange that has just left; the keys belong to the ledger from here on. */
  registerExchange(surbId: SurbId, keys: Uint8Array, owner: Owner, nowMs: number): void {
    const id = this.#insert(surbId, { keys, owner, expiresAtMs: Number.POSITIVE_INFINITY, dueMs: nowMs }, nowMs)
    const ids = [...(this.#idsOfOwner.get(owner) ?? []), id]
    this.#idsOfOwner.set(owner, ids)
    const oldest = ids[0]
    if (ids.length > SURBS_PER_EXCHANGE && oldest !== undefined) this.#forget(oldest)
  }

  /** Notes a block of a decoy that has just left; the keys belong to the ledger from here on. */
  registerDecoy(surbId: SurbId, keys: Uint8Array, expiresAtMs: number, nowMs: number, dueMs: number = expiresAtMs): void {
    this.#insert(surbId, { keys, owner: undefined, expiresAtMs, dueMs }, nowMs)
  }

  /** Looks a delivery up, opens it and forgets the block. */
  redeem(crypto: CryptoBackend, surbId: SurbId, payload: Uint8Array): Redemption<Owner> {
    const id = toHex(surbId)
    const entry = this.#entries.get(id)
    if (entry === undefined) return { _tag: "Unknown" }
    const opened = openSurbReply(crypto, entry.keys, payload)
    this.#forget(id)
    if (Either.isLeft(opened)) return { _tag: "Garbled", owner: entry.owner }
    return entry.owner === undefined ? { _tag: "DecoyReturned", dueMs: entry.dueMs } : { _tag: "Reply", owner: entry.owner, plaintext: opened.right }
  }

  /** Forgets every block of an exchange that is over. */
  dropOwner(owner: Owner): void {
    for (const id of [...(this.#idsOfOwner.get(owner) ?? [])]) this.#forget(id)
  }

  /** Forgets everything. */
  clear(): void {
    for (const id of [...this.#entries.keys()]) this.#forget(id)
  }

  #insert(surbId: SurbId, entry: Entry<Owner>, nowMs: number): string {
    if (nowMs >= this.#nextSweepMs) this.#sweep(nowMs)
    if (this.#entries.size >= this.#capacity) this.#forget(this.#oldestVictim())
    const id = toHex(surbId)
    this.#forget(id)
    this.#entries.set(id, entry)
    return id
  }

  #sweep(nowMs: number): void {
    this.#nextSweepMs = nowMs + SWEEP_PERIOD_MS
    for (const [id, entry] of this.#entries) {
      if (entry.expiresAtMs > nowMs) continue
      this.#decoysExpired += 1
      this.#forget(id)
    }
  }

  #oldestVictim(): string {
    let oldest: string | undefined
    for (const [id, entry] of this.#entries) {
      if (entry.owner === undefined) return id
      oldest ??= id
    }
    return oldest ?? ""
  }

  #forget(id: string): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    this.#entries.delete(id)
    zeroize(entry.keys)
    if (entry.owner === undefined) return
    const rest = (this.#idsOfOwner.get(entry.owner) ?? []).filter((other) => other !== id)
    if (rest.length === 0) this.#idsOfOwner.delete(entry.owner)
    else this.#idsOfOwner.set(entry.owner, rest)
  }
}
