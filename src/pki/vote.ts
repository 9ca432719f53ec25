/**
 * What an authority votes for, and what many votes amount to.
 *
 * Contract: equal contents are equal bytes, whatever the order of the descriptors. `tally` takes what at least `threshold` votes hold byte for byte, so
 * two authorities that saw the same votes get the same contents. Descriptors that the caller does not recognise, and identities with two descriptors
 * that have enough votes, stay out.
 *
 *   contents = plain map { params, configuredReplicas: [ { replicaId, identityKey } ], past: [ at most one map of PAST_FIELDS ], descriptors: [ bytes ] }
 *   descriptors ascend by H256(bytes), replicas by id
 *
 * Knows nothing of: signatures of authorities, when votes are due, what a descriptor holds.
 * Source: mixnet.md §13 (tally); departures: the last document's shared randomness and genesis travel in the vote, so that an authority which missed
 * that document does not stand apart.
 *
 * @module
 */
import { Either } from "effect"
import type { DecodeError } from "../bytes/decode-error.ts"
import { toHex } from "../bytes/hex.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { Epoch } from "../params/epoch.ts"
import type { MixnetParams } from "../params/mixnet-params.ts"
import { DOCUMENT_LIMITS, encodeDocument, readPriorSharedRandom, type ConfiguredReplica } from "./document.ts"
import { PARAMS_FIELDS, plainParams, readParams } from "./params-record.ts"
import { decodePlain, encodePlain, type PlainLimits, type PlainValue } from "./plain-msgpack.ts"
import { RecordReader } from "./record-reader.ts"
import { NO_SHARED_RANDOM, priorSharedRandomOf, SHARED_RANDOM_BYTES, sharedRandomOf, type Past, type Revealed } from "./shared-random.ts"

export interface VoteContents {
  readonly params: MixnetParams
  readonly configuredReplicas: ReadonlyArray<ConfiguredReplica>
  /** Of the last document before the epoch voted on; undefined when the voter knows of none. */
  readonly past: Past | undefined
  /** Signed bytes. */
  readonly descriptors: ReadonlyArray<Uint8Array>
}

const CONTENTS_FIELDS = ["params", "configuredReplicas", "past", "descriptors"]
const CONFIGURED_FIELDS = ["replicaId", "identityKey"]
const PAST_FIELDS = ["epoch", "genesisEpoch", "sharedRandomValue", "priorSharedRandom"]
const REPLICAS_LIMIT = 256
const DESCRIPTORS_LIMIT = 8192
const SIGNED_BYTES_LIMIT = 1 << 17
const EPOCH_LIMIT = 2 ** 40
/** Of contents: as much as a document. */
export const CONTENTS_LIMITS: PlainLimits = DOCUMENT_LIMITS

const plainPast = ({ epoch, genesisEpoch, priorSharedRandom, sharedRandomValue }: Past): PlainValue =>
  ({ epoch, genesisEpoch, sharedRandomValue, priorSharedRandom })

const readPast = (reader: RecordReader): Past => {
  const epoch = Epoch(reader.integer("epoch", 0, EPOCH_LIMIT))
  return {
    epoch,
    genesisEpoch: Epoch(reader.integer("genesisEpoch", 0, epoch)),
    sharedRandomValue: reader.bytes("sharedRandomValue", SHARED_RANDOM_BYTES),
    priorSharedRandom: readPriorSharedRandom(reader)
  }
}

/** A past as bytes of its own, for keeping. */
export const encodePast = (past: Past): Uint8Array => encodePlain(plainPast(past))

/** @errors DecodeError */
export const decodePast = (bytes: Uint8Array): Either.Either<Past, DecodeError> =>
  Either.flatMap(decodePlain("Past", bytes), (value) => {
    const reader = new RecordReader("Past", value, PAST_FIELDS)
    return reader.finish(readPast(reader))
  })

const plainSetting = ({ configuredReplicas, params }: Pick<VoteContents, "params" | "configuredReplicas">) => ({
  params: plainParams(params),
  configuredReplicas: [...configuredReplicas].sort((a, b) => a.replicaId - b.replicaId).map(({ identityKey, replicaId }) => ({ replicaId, identityKey }))
})

/** Equal exactly when parameters and configured replicas are. */
export const settingText = (contents: Pick<VoteContents, "params" | "configuredReplicas">): string => toHex(encodePlain(plainSetting(contents)))

export const encodeContents = (crypto: CryptoBackend, contents: VoteContents): Uint8Array =>
  encodePlain({
    ...plainSetting(contents),
    past: contents.past === undefined ? [] : [plainPast(contents.past)],
    descriptors: contents.descriptors
      .map((bytes) => ({ bytes, order: toHex(crypto.blake2b256(bytes)) }))
      .sort((a, b) => (a.order < b.order ? -1 : a.order > b.order ? 1 : 0))
      .map(({ bytes }) => bytes)
  })

/**
 * Reads contents; the descriptors in them are not opened.
 * @param epoch  that is voted on: the past must lie before it
 * @errors DecodeError
 */
export const decodeContents = (epoch: Epoch, bytes: Uint8Array): Either.Either<VoteContents, DecodeError> =>
  Either.flatMap(decodePlain("VoteContents", bytes, CONTENTS_LIMITS), (value) => {
    const reader = new RecordReader("VoteContents", value, CONTENTS_FIELDS)
    const params = readParams(reader.part("params", PARAMS_FIELDS))
    const configuredReplicas = reader.parts("configuredReplicas", 0, REPLICAS_LIMIT, CONFIGURED_FIELDS, (part) => ({
      replicaId: part.integer("replicaId", 0, 255),
      identityKey: part.bytes("identityKey", 32)
    }))
    const past = reader.parts("past", 0, 1, PAST_FIELDS, readPast)[0]
    const descriptors = reader.byteStrings("descriptors", 0, DESCRIPTORS_LIMIT, SIGNED_BYTES_LIMIT)
    reader.require(past === undefined || past.epoch < epoch, "inconsistent")
    return reader.finish({ params, configuredReplicas, past, descriptors })
  })

/** The one value that at least `threshold` of the votes have, by `textOf`; undefined when there is none. */
const agreed = (votes: ReadonlyArray<VoteContents>, threshold: number, textOf: (vote: VoteContents) => string): VoteContents | undefined => {
  const counts = new Map<string, number>()
  for (const vote of votes) {
    const text = textOf(vote)
    const count = (counts.get(text) ?? 0) + 1
    counts.set(text, count)
    if (count >= threshold) return vote
  }
  return undefined
}

const pastText = ({ past }: VoteContents): string => (past === undefined ? "" : toHex(encodePast(past)))

/**
 * What the votes amount to; undefined when fewer than `threshold` agree on parameters and configured replicas. Without agreement on the past there is
 * none: the network starts anew.
 * @param votes      at most one of each authority
 * @param threshold  more than half of all authorities
 * @param identify   the identity of a descriptor, in hex, if it may be in this document; undefined for all others
 */
export const tally = (
  votes: ReadonlyArray<VoteContents>, threshold: number, identify: (descriptor: Uint8Array) => string | undefined
): VoteContents | undefined => {
  const setting = agreed(votes, threshold, settingText)
  if (setting === undefined) return undefined
  const counts = new Map<string, { readonly bytes: Uint8Array; count: number }>()
  for (const vote of votes) {
    const own = new Map(vote.descriptors.map((bytes) => [toHex(bytes), bytes]))
    for (const [text, bytes] of own) {
      const counted = counts.get(text) ?? { bytes, count: 0 }
      counted.count += 1
      counts.set(text, counted)
    }
  }
  const chosen = new Map<string, Array<Uint8Array>>()
  for (const { bytes, count } of counts.values()) {
    const identity = count < threshold ? undefined : identify(bytes)
    if (identity !== undefined) chosen.set(identity, [...(chosen.get(identity) ?? []), bytes])
  }
  return {
    params: setting.params,
    configuredReplicas: setting.configuredReplicas,
    past: agreed(votes, threshold, pastText)?.past,
    descriptors: [...chosen.values()].flatMap((list) => (list.length === 1 ? list : []))
  }
}

/**
 * The document of agreed contents.
 * @errors DecodeError as encodeDocument
 */
export const documentOf = (
  crypto: CryptoBackend, epoch: Epoch, contents: VoteContents, revealed: ReadonlyArray<Revealed>
): Either.Either<Uint8Array, DecodeError> => {
  const { configuredReplicas, descriptors, params, past } = contents
  return encodeDocument(crypto, {
    epoch,
    genesisEpoch: past?.genesisEpoch ?? epoch,
    params,
    descriptors,
    configuredReplicas,
    sharedRandomValue: sharedRandomOf(crypto, epoch, revealed, past?.sharedRandomValue ?? NO_SHARED_RANDOM),
    priorSharedRandom: priorSharedRandomOf(params, epoch, past)
  })
}
