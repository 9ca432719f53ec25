/**
 * One epoch at one authority: the descriptors it holds, the document it built of them, the signatures it has seen.
 *
 * Contract: a descriptor is accepted once per identity and epoch, identical bytes again and again; after the document is built nothing more is. The
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

/** The most certificates of fellows that are kept before there is one of our own. */
const FELLOW_LIMIT = 64

export class Ballot {
  readonly epoch: Epoch
  readonly #config: BallotConfig
  readonly #descriptors = new Map<string, Uint8Array>()
  readonly #fellows: Array<Uint8Array> = []
  #own: Uint8Array | undefined
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

  /** Builds and signs the document of what is held; false when that is not a well-formed document yet. */
  build(): boolean {
    if (this.#own !== undefined) return true
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
    if (Either.isLeft(document)) return false
    this.#own = signDocument(crypto, identitySeed, document.right, Epoch(this.epoch + DOCUMENT_LIFE_EPOCHS))
    this.#merge()
    return true
  }

  /** Takes a fellow's certificate: 0 kept, 1 without any valid signature of a configured authority. */
  countersign(bytes: Uint8Array): PostStatus {
    const certificate = decodeCertificate(bytes)
    const { authorityKeys, crypto } = this.#config
    if (Either.isLeft(certificate) || validSigners(crypto, certificate.right, authorityKeys).size === 0) return 1
    if (this.#fellows.length < FELLOW_LIMIT && !this.#fellows.some((held) => constantTimeEqual(held, bytes))) this.#fellows.push(bytes.slice())
    this.#merge()
    return 0
  }

  #merge(): void {
    if (this.#own === undefined || this.#complete !== undefined) return
    const { authorityKeys, authorityThreshold, crypto } = this.#config
    const merged = mergeSignatures(crypto, [this.#own, ...this.#fellows], authorityKeys)
    if (Either.isLeft(merged)) return
    const certificate = decodeCertificate(merged.right)
    if (Either.isRight(certificate) && validSigners(crypto, certificate.right, authorityKeys).size >= authorityThreshold) this.#complete = merged.right
  }
}
