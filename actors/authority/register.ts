/**
 * The descriptors and withdrawals that an authority holds.
 *
 * Contract: one descriptor per pinned identity and epoch; identical bytes are accepted again and again, others are a conflict. A withdrawal removes an
 * identity from its epoch on, until the identity itself uploads again. What was accepted is kept in the store first. Descriptors learned from a vote fill
 * gaps, and bring nobody back.
 * Knows nothing of: time, votes.
 * Source: mixnet.md §12 (upload); departures: withdrawals; a restarted authority compares like with like.
 *
 * @module
 */
import { Either } from "effect"
import { constantTimeEqual } from "../../src/bytes/equal.ts"
import { toHex } from "../../src/bytes/hex.ts"
import type { CryptoBackend } from "../../src/crypto/backend.ts"
import type { Epoch } from "../../src/params/epoch.ts"
import type { MixnetParams } from "../../src/params/mixnet-params.ts"
import { openDescriptor, type Descriptor } from "../../src/pki/descriptor.ts"
import { descriptorMisfit } from "../../src/pki/document.ts"
import { openWithdrawal } from "../../src/pki/withdrawal.ts"
import { isPinned, type PinnedIdentity } from "./pinned.ts"
import type { AuthorityStore } from "./store.ts"

export interface RegisterConfig {
  readonly crypto: CryptoBackend
  readonly params: MixnetParams
  readonly pinned: ReadonlyArray<PinnedIdentity>
  readonly store: AuthorityStore
}

/** 0 accepted, 1 invalid, 2 conflict, 3 forbidden; the reason is for the log. */
export type Posted = { readonly status: 0 } | { readonly status: 1 | 2 | 3; readonly reason: string }

interface Held {
  readonly bytes: Uint8Array
  readonly descriptor: Descriptor
}

const ACCEPTED: Posted = { status: 0 }
const refused = (status: 1 | 2 | 3, reason: string): Posted => ({ status, reason })

export class Register {
  readonly #config: RegisterConfig
  readonly #epochs = new Map<number, Map<string, Held>>()
  /** Descriptors that were opened, by the hash of their bytes: those held need no second look at their signature. */
  readonly #known = new Map<string, Descriptor>()
  /** Identity → first epoch without it. */
  readonly #withdrawn = new Map<string, number>()

  constructor(config: RegisterConfig) {
    this.#config = config
    const records = config.store.records()
    for (const { bytes, kind } of records) {
      const withdrawal = kind === "withdrawal" ? Either.getOrUndefined(openWithdrawal(config.crypto, bytes)) : undefined
      if (withdrawal !== undefined) this.#withdrawn.set(toHex(withdrawal.identityKey), withdrawal.epoch)
    }
    for (const { bytes, epoch, kind } of records) {
      const descriptor = kind === "descriptor" ? this.#open(epoch as Epoch, bytes) : undefined
      if (descriptor !== undefined) this.#at(epoch).set(toHex(descriptor.identityKey), { bytes, descriptor })
    }
  }

  /** Signed bytes of all that are held for an epoch. */
  descriptors(epoch: Epoch): ReadonlyArray<Uint8Array> {
    return [...this.#at(epoch).values()].map(({ bytes }) => bytes)
  }

  /** Whether every pinned identity that has not withdrawn has a descriptor here. */
  isFull(epoch: Epoch): boolean {
    const held = this.#at(epoch)
    return this.#config.pinned.every(({ identityKey }) => held.has(toHex(identityKey)) || this.#isWithdrawn(toHex(identityKey), epoch))
  }

  /** Whether a document could be made of what is held: a gateway, a service node, no empty layer. */
  canForm(epoch: Epoch): boolean {
    const places = new Set([...this.#at(epoch).values()].map(({ descriptor }) =>
      (descriptor.kind === "node" ? `${descriptor.role} ${descriptor.mixLayer}` : descriptor.kind)))
    const layers = Array.from({ length: this.#config.params.mixLayers }, (_, layer) => `mix ${layer}`)
    return ["gateway -1", "service-node -1", ...layers].every((place) => places.has(place))
  }

  /** The identity of a descriptor, in hex, if it may stand in the document of `epoch`. */
  identify(epoch: Epoch, bytes: Uint8Array): string | undefined {
    const descriptor = this.#open(epoch, bytes)
    return descriptor === undefined ? undefined : toHex(descriptor.identityKey)
  }

  /**
   * Takes an upload.
   * @param caller    who uploads, as the mount knows it
   * @param isClosed  true once a document of the epoch is signed
   */
  post(epoch: Epoch, bytes: Uint8Array, caller: string, isClosed: boolean): Posted {
    if (!this.#config.pinned.some(({ name }) => name === caller)) return refused(3, "not pinned")
    const opened = openDescriptor(this.#config.crypto, bytes)
    if (Either.isLeft(opened)) return refused(1, opened.left.reason === "bad-signature" ? "forged signature" : "malformed")
    const descriptor = opened.right
    if (descriptorMisfit(this.#config.params, epoch, descriptor) !== undefined) return refused(1, "does not fit epoch or parameters")
    if (descriptor.name !== caller || !isPinned(this.#config.pinned, descriptor)) return refused(3, "not pinned under this name and role")
    const identity = toHex(descriptor.identityKey)
    const held = this.#at(epoch).get(identity)
    if (held !== undefined) return constantTimeEqual(held.bytes, bytes) ? ACCEPTED : refused(2, "other bytes of this epoch are held")
    if (isClosed) return refused(2, "the document is signed")
    if (this.#isWithdrawn(identity, epoch)) {
      this.#withdrawn.delete(identity)
      this.#config.store.drop({ kind: "withdrawal", epoch: 0, part: identity })
    }
    return this.#hold(epoch, identity, bytes, descriptor) ? ACCEPTED : refused(1, "store failed")
  }

  /** Takes what a fellow's vote holds and we do not. */
  adopt(epoch: Epoch, descriptors: ReadonlyArray<Uint8Array>): void {
    const held = this.#at(epoch)
    const known = new Set([...held.values()].map(({ bytes }) => toHex(bytes)))
    for (const bytes of descriptors) {
      const descriptor = known.has(toHex(bytes)) ? undefined : this.#open(epoch, bytes)
      const identity = descriptor === undefined ? "" : toHex(descriptor.identityKey)
      if (descriptor !== undefined && !held.has(identity) && !this.#isWithdrawn(identity, epoch)) this.#hold(epoch, identity, bytes, descriptor)
    }
  }

  /** Takes a withdrawal. @param now  the current epoch */
  withdraw(bytes: Uint8Array, caller: string, now: Epoch): Posted {
    const opened = openWithdrawal(this.#config.crypto, bytes)
    if (Either.isLeft(opened)) return refused(1, opened.left.reason === "bad-signature" ? "forged signature" : "malformed")
    const { epoch, identityKey } = opened.right
    const pinned = this.#config.pinned.find((each) => constantTimeEqual(each.identityKey, identityKey))
    if (pinned === undefined || pinned.name !== caller) return refused(3, "another's key")
    if (epoch < now || epoch > now + 2) return refused(1, "epoch out of range")
    const identity = toHex(identityKey)
    if (!this.#config.store.keep({ kind: "withdrawal", epoch: 0, part: identity, bytes })) return refused(1, "store failed")
    this.#withdrawn.set(identity, epoch)
    for (const [each, held] of this.#epochs) {
      if (each >= epoch && held.delete(identity)) this.#config.store.drop({ kind: "descriptor", epoch: each, part: identity })
    }
    return ACCEPTED
  }

  /** Forgets the epochs before `oldest`. */
  prune(oldest: number): void {
    for (const [epoch, held] of this.#epochs) {
      if (epoch >= oldest) continue
      for (const identity of held.keys()) this.#config.store.drop({ kind: "descriptor", epoch, part: identity })
      this.#epochs.delete(epoch)
    }
    for (const [hash, descriptor] of this.#known) if (descriptor.epoch < oldest) this.#known.delete(hash)
  }

  #at(epoch: number): Map<string, Held> {
    const held = this.#epochs.get(epoch) ?? new Map<string, Held>()
    this.#epochs.set(epoch, held)
    return held
  }

  #isWithdrawn(identity: string, epoch: number): boolean {
    return epoch >= (this.#withdrawn.get(identity) ?? Number.POSITIVE_INFINITY)
  }

  #hold(epoch: Epoch, identity: string, bytes: Uint8Array, descriptor: Descriptor): boolean {
    const own = bytes.slice()
    if (!this.#config.store.keep({ kind: "descriptor", epoch, part: identity, bytes: own })) return false
    this.#at(epoch).set(identity, { bytes: own, descriptor })
    this.#known.set(toHex(this.#config.crypto.blake2b256(own)), descriptor)
    return true
  }

  /** A descriptor that is good for `epoch`, pinned and signed. */
  #open(epoch: Epoch, bytes: Uint8Array): Descriptor | undefined {
    const known = this.#known.get(toHex(this.#config.crypto.blake2b256(bytes)))
    const opened = known ?? Either.getOrUndefined(openDescriptor(this.#config.crypto, bytes))
    if (opened === undefined || descriptorMisfit(this.#config.params, epoch, opened) !== undefined) return undefined
    return isPinned(this.#config.pinned, opened) ? opened : undefined
  }
}
