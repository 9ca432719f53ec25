/**
 * The identities that a network is made of, as its authorities know them from configuration.
 *
 * Contract: a descriptor is authorised when its identity is pinned under its very name, role, and layer or replica id.
 * Knows nothing of: epochs.
 * Source: mixnet.md §12 (the network is closed), §13 (layers: fixed list from configuration); departures: none.
 *
 * @module
 */
import { constantTimeEqual } from "../../src/bytes/equal.ts"
import type { Descriptor } from "../../src/pki/descriptor.ts"
import type { ConfiguredReplica } from "../../src/pki/document.ts"

/** Who may be in a document: pinned by configuration, under one name and place. */
export interface PinnedIdentity {
  readonly name: string
  readonly identityKey: Uint8Array
  readonly place: "gateway" | "mix" | "service-node" | "replica" | "compute"
  /** Layer of a mix, id of a replica, else -1. */
  readonly number: number
}

const placeOf = (descriptor: Descriptor): Pick<PinnedIdentity, "place" | "number"> => {
  if (descriptor.kind === "replica") return { place: "replica", number: descriptor.replicaId }
  if (descriptor.kind === "compute") return { place: "compute", number: -1 }
  return { place: descriptor.role, number: descriptor.mixLayer }
}

/** Whether a descriptor says what is pinned of its identity. */
export const isPinned = (pinned: ReadonlyArray<PinnedIdentity>, descriptor: Descriptor): boolean => {
  const { number, place } = placeOf(descriptor)
  return pinned.some((each) =>
    each.name === descriptor.name && each.place === place && each.number === number && constantTimeEqual(each.identityKey, descriptor.identityKey))
}

export const configuredReplicasOf = (pinned: ReadonlyArray<PinnedIdentity>): ReadonlyArray<ConfiguredReplica> =>
  pinned.filter(({ place }) => place === "replica").map(({ identityKey, number }) => ({ identityKey, replicaId: number }))
