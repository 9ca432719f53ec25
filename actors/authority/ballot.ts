/**
 * One epoch at one authority: the descriptors it holds, the document it built of them, the signatures it has seen.
 *
 * Contract: a descriptor is accepted once per identity and epoch, identical bytes again and again; after the document is built nothing more is. Of
 * fellows only valid signatures over our own document are kept, one per authority; before it is built none are, and they offer them again. The
 * certificate is complete when signatures of at least the threshold of authorities over the very same bytes are there.
 * Knows nothing of: time, the network.
 * Source: mixnet.md §12 (upload), §13; departures: no votes: authorities that hold the same descriptors sign the same bytes.
 *
 * @module
 */
import { Either } from "effect"
import { constantTimeEqual } from "../../src/bytes/equal.ts"
import { toHex } from "../../src/bytes/hex.ts"
import { Epoch } from "../../src/params/epoch.ts"
import {
  decodeCertificate, DOCUMENT_LIFE_EPOCHS, mergeSignatures, signDocument, validSigners
} from "../../src/pki/certificate.ts"
import { openDescriptor, type Descriptor } from "../../src/pki/descriptor.ts"
import { descriptorMisfit, encodeDocument, type ConfiguredReplica } from "../../src/pki/document.ts"
import type { NetworkSetting } from "../../src/pki/network-setting.ts"

/** Who may be in a document: pinned by configuration, under one name and place. */
export interface PinnedIdentity {
  readonly name: string
  readonly identityKey: Uint8Array
  readonly place: "gateway" | "mix" | "service-node" | "replica" | "compute"
  /** Layer of a mix, id of a replica, else -1. */
  readonly number: number
}

export interface BallotConfig extends NetworkSetting {
  readonly identitySeed: Uint8Array
  readonly pinned: ReadonlyArray<PinnedIdentity>
  readonly genesisEpoch: Epoch
}

export type PostStatus = 0 | 1 | 2 | 3

const placeOf = (descriptor: Descriptor): Pick<PinnedIdentity, "place" | "number"> => {
  if (descriptor.kind === "replica") return { place: "replica", number: descriptor.replicaId }
  if (descriptor.kind === "compute") return { place: "compute", number: -1 }
  return { place: descriptor.role, number: descriptor.mixLayer }
}

const isPinned = (config: BallotConfig, descriptor: Descriptor): boolean => {
  const { number, place } = placeOf(descriptor)
  return config.pinned.some((pinned) =>
    pinned.name === descriptor.name && pinned.place === place && pinned.number === number && constantTimeEqual(pinned.identityKey, descriptor.identityKey))
}

export class Ballot {
  readonly epoch: Epoch
  readonly #config: BallotConfig
  readonly #descriptors = new Map<string, Uint8Array>()
  #own: Uint8Array | undefined
  #merged: Uint8Array | undefined
  #complete: Uint8Array | undefined

  constructor(config: BallotConfig, epoch: Epoch) {
    this.#config = config
    this.epoch = epoch
  }

  /** True when every pinned identity has a descriptor here. */
  get isFull(): boolean {
    return this.#descriptors.size === this.#config.pinned.length
  }

  /** Our own signed certificate, once built. */
  get own(): Uint8Array | undefined {
    return this.#own
  }

  /** The certificate with enough signatures, once there are. */
  get complete(): Uint8Array | undefined {
    return this.#complete
  }

  /** Takes a descriptor: 0 accepted, 1 invalid, 2 conflict, 3 forbidden. */
  post(bytes: Uint8Array): PostStatus {
    const opened = openDescriptor(this.#config.crypto, bytes)
    if (Either.isLeft(opened) || descriptorMisfit(this.#config.params, this.epoch, opened.right) !== undefined) return 1
    if (!isPinned(this.#config, opened.right)) return 3
    const id = toHex(opened.right.identityKey)
    const held = this.#descriptors.get(id)
    if (held !== undefined) return constantTimeEqual(held, bytes) ? 0 : 2
    if (this.#own !== undefined) return 2
    this.#descriptors.set(id, bytes.slice())
    return 0
  }

  /** Builds and signs the document of what is held; undefined when that is not a well-formed document yet. */
  build(): Uint8Array | undefined {
    if (this.#own !== undefined) return this.#own
    const { crypto, genesisEpoch, identitySeed, params, pinned } = this.#config
    const configuredReplicas: ReadonlyArray<ConfiguredReplica> = pinned
      .filter((identity) => identity.place === "replica")
      .map(({ identityKey, number }) => ({ identityKey, replicaId: number }))
    const document = encodeDocument(crypto, {
      epoch: this.epoch,
      genesisEpoch: Epoch(Math.min(genesisEpoch, this.epoch)),
      params,
      descriptors: [...this.#descriptors.values()],
      configuredReplicas
    })
    if (Either.isLeft(document)) return undefined
    this.#own = signDocument(crypto, identitySeed, document.right, Epoch(this.epoch + DOCUMENT_LIFE_EPOCHS))
    this.#merge(this.#own)
    return this.#own
  }

  /** Takes a fellow's certificate: 0 its signatures are kept, 1 not one is valid or ours is not built yet, 2 it is over another document. */
  countersign(bytes: Uint8Array): PostStatus {
    const certificate = Either.getOrUndefined(decodeCertificate(bytes))
    const own = this.#own === undefined ? undefined : Either.getOrUndefined(decodeCertificate(this.#own))
    if (certificate === undefined || own === undefined) return 1
    const { authorityKeys, crypto } = this.#config
    if (validSigners(crypto, certificate, authorityKeys).size === 0) return 1
    if (certificate.expirationEpoch !== own.expirationEpoch || !constantTimeEqual(certificate.certified, own.certified)) return 2
    this.#merge(bytes)
    return 0
  }

  #merge(added: Uint8Array): void {
    const { authorityKeys, authorityThreshold, crypto } = this.#config
    const merged = Either.getOrUndefined(mergeSignatures(crypto, [this.#merged ?? added, added], authorityKeys))
    const certificate = merged === undefined ? undefined : Either.getOrUndefined(decodeCertificate(merged))
    if (merged === undefined || certificate === undefined) return
    this.#merged = merged
    if (validSigners(crypto, certificate, authorityKeys).size >= authorityThreshold) this.#complete ??= merged
  }
}
