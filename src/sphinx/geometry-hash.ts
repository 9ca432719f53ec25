/**
 * The geometry as the 14 fields that deployed nodes compare, and the hash they compare it by.
 *
 * Contract: equal geometries have equal hashes, on every implementation; the hash covers no more than the 14 fields.
 * Knows nothing of: packets.
 * Source: Katzenpost core/sphinx/geo as in sphinx.md §2; canonical CBOR of RFC 7049 §3.9 (shorter key first, then bytewise), only maps,
 * text and unsigned integers; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { concatBytes, utf8 } from "../bytes/concat.ts"
import { ByteWriter } from "../bytes/writer.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import {
  GeometryInvalid, makeGeometry, NEXT_NODE_BYTES, PAYLOAD_TAG_BYTES, PLAINTEXT_HEADER_BYTES, SPRP_KEY_MATERIAL_BYTES, type Geometry
} from "./geometry.ts"

const FIELD_NAMES = [
  "PacketLength", "NrHops", "HeaderLength", "RoutingInfoLength", "PerHopRoutingInfoLength", "SURBLength", "SphinxPlaintextHeaderLength",
  "PayloadTagLength", "ForwardPayloadLength", "UserForwardPayloadLength", "NextNodeHopLength", "SPRPKeyMaterialLength", "NIKEName", "KEMName"
] as const

/** The 14 fields under Katzenpost's names; exactly one of `NIKEName` and `KEMName` is not empty. */
export type GeometryFields = { readonly [Name in (typeof FIELD_NAMES)[number]]: Name extends "NIKEName" | "KEMName" ? string : number }

/** The fields of a geometry, as other implementations print and hash them. */
export const geometryFields = (geometry: Geometry): GeometryFields => ({
  PacketLength: geometry.packetBytes,
  NrHops: geometry.hopCount,
  HeaderLength: geometry.headerBytes,
  RoutingInfoLength: geometry.routingInfoBytes,
  PerHopRoutingInfoLength: geometry.perHopBytes,
  SURBLength: geometry.surbBytes,
  SphinxPlaintextHeaderLength: PLAINTEXT_HEADER_BYTES,
  PayloadTagLength: PAYLOAD_TAG_BYTES,
  ForwardPayloadLength: geometry.forwardPayloadBytes,
  UserForwardPayloadLength: geometry.userPayloadBytes,
  NextNodeHopLength: NEXT_NODE_BYTES,
  SPRPKeyMaterialLength: SPRP_KEY_MATERIAL_BYTES,
  NIKEName: geometry.scheme.kind === "nike" ? geometry.scheme.name : "",
  KEMName: geometry.scheme.kind === "kem" ? geometry.scheme.name : ""
})

/**
 * The geometry that has these fields.
 * @errors GeometryInvalid as `makeGeometry`; `unknown-scheme` when both or neither scheme is named; `inconsistent` when any field differs from
 * what the scheme, the hops and the two payload lengths imply
 */
export const geometryFromFields = (fields: GeometryFields): Either.Either<Geometry, GeometryInvalid> => {
  if ((fields.NIKEName === "") === (fields.KEMName === "")) return Either.left(new GeometryInvalid({ reason: "unknown-scheme" }))
  return makeGeometry({
    scheme: fields.NIKEName === "" ? fields.KEMName : fields.NIKEName,
    hopCount: fields.NrHops,
    userPayloadBytes: fields.UserForwardPayloadLength,
    withSurb: fields.ForwardPayloadLength !== fields.UserForwardPayloadLength
  }).pipe(Either.filterOrLeft(
    (geometry) => {
      const derived = geometryFields(geometry)
      return FIELD_NAMES.every((name) => derived[name] === fields[name])
    },
    () => new GeometryInvalid({ reason: "inconsistent" })
  ))
}

const CBOR_UNSIGNED = 0
const CBOR_TEXT = 3
const CBOR_MAP = 5

/** Major type and argument in the shortest form; arguments here are below 2^32. */
const cborHead = (majorType: number, argument: number): Uint8Array => {
  const type = majorType << 5
  if (argument < 24) return new ByteWriter(1).u8(type | argument).finish()
  if (argument < 0x100) return new ByteWriter(2).u8(type | 24).u8(argument).finish()
  if (argument < 0x10000) return new ByteWriter(3).u8(type | 25).u16(argument).finish()
  return new ByteWriter(5).u8(type | 26).u32(argument).finish()
}

const cborText = (text: string): Uint8Array => concatBytes(cborHead(CBOR_TEXT, utf8(text).length), utf8(text))

/** Canonical order of keys that are all ASCII: length first, then bytes. */
const byCanonicalOrder = (a: string, b: string): number => a.length - b.length || (a < b ? -1 : 1)

/** Canonical CBOR of the 14 fields. */
export const encodeGeometry = (geometry: Geometry): Uint8Array => {
  const fields = geometryFields(geometry)
  const names = [...FIELD_NAMES].sort(byCanonicalOrder)
  const entries = names.map((name) => {
    const value = fields[name]
    return concatBytes(cborText(name), typeof value === "number" ? cborHead(CBOR_UNSIGNED, value) : cborText(value))
  })
  return concatBytes(cborHead(CBOR_MAP, names.length), ...entries)
}

/** 32 bytes: BLAKE2b-256 of the canonical CBOR. Nodes with different hashes do not talk to each other. */
export const geometryHash = (crypto: CryptoBackend, geometry: Geometry): Uint8Array => crypto.blake2b256(encodeGeometry(geometry))
