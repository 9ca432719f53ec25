/**
 * Sphinx geometry: every length of one network's packets, fixed by four choices (scheme, hops, user payload, SURB or not).
 *
 * Contract: a `Geometry` comes only from `makeGeometry`, so its derived lengths agree with each other; two equal choices give equal geometries.
 * Knows nothing of: keys, paths, packets in flight.
 *
 *   offset                       length            field of a packet
 *   0                            2                 associated data: version 0
 *   2                            elementBytes      group element, or KEM ciphertext
 *   2 + elementBytes             routingInfoBytes  routing information: hopCount blocks of perHopBytes
 *   headerBytes - 32             32                MAC
 *   headerBytes                  32                payload tag: zeros before encryption
 *   headerBytes + 32             forwardPayloadBytes
 *
 * Source: Katzenpost core/sphinx/geo as in sphinx.md §1–§3; departures: only the schemes `x25519` (NIKE) and `XWING` (KEM) are built.
 *
 * @module
 */
import { Data, Either } from "effect"
import { fixedBytes, type Bytes } from "../bytes/fixed-bytes.ts"

/** Associated data in front of every packet: a version of two zero bytes. */
export const VERSION_BYTES = 2
export const NODE_ID_BYTES = 32
export const RECIPIENT_BYTES = 32
export const SURB_ID_BYTES = 16
export const MAC_BYTES = 32
/** Zeros in front of the payload; what proves to the last hop that nothing was changed on the way. */
export const PAYLOAD_TAG_BYTES = 32
/** Flags and a reserved byte in front of the SURB inside a forward payload. */
export const PLAINTEXT_HEADER_BYTES = 2
/** SPRP key (48) and IV (16), stored together. */
export const SPRP_KEY_MATERIAL_BYTES = 64
/** A whole next_node command: tag, node id, MAC of the next hop. */
export const NEXT_NODE_BYTES = 1 + NODE_ID_BYTES + MAC_BYTES
/** A whole surb_reply command: tag, SURB id. */
export const SURB_REPLY_BYTES = 1 + SURB_ID_BYTES

/** H256 of a node's identity key. */
export type NodeId = Bytes<"NodeId">
export const NodeId = fixedBytes("NodeId", NODE_ID_BYTES)
/** Name of an endpoint at a service node, or of a reply queue at a gateway; zero-padded. */
export type RecipientId = Bytes<"RecipientId">
export const RecipientId = fixedBytes("RecipientId", RECIPIENT_BYTES)
/** Random name under which a client finds the keys of a SURB again. */
export type SurbId = Bytes<"SurbId">
export const SurbId = fixedBytes("SurbId", SURB_ID_BYTES)

/** The recipient id of an endpoint name such as `echo`: its UTF-8 bytes, zeros behind them. Dies for a name above 32 bytes. */
export const recipientId = (name: string): RecipientId => {
  const bytes = new TextEncoder().encode(name)
  if (bytes.length > RECIPIENT_BYTES) throw new RangeError(`recipient name above ${RECIPIENT_BYTES} bytes`)
  const padded = new Uint8Array(RECIPIENT_BYTES)
  padded.set(bytes)
  return RecipientId.unsafe(padded)
}

export type SchemeName = "x25519" | "XWING"

export interface Scheme {
  readonly kind: "nike" | "kem"
  /** As the geometry hash spells it. */
  readonly name: SchemeName
}

interface SchemeSizes extends Scheme {
  readonly elementBytes: number
  readonly kemCiphertextBytes: number
}

const SCHEMES: ReadonlyArray<SchemeSizes> = [
  { kind: "nike", name: "x25519", elementBytes: 32, kemCiphertextBytes: 0 },
  { kind: "kem", name: "XWING", elementBytes: 1120, kemCiphertextBytes: 1120 }
]

/** All lengths in bytes. */
export interface Geometry {
  readonly scheme: Scheme
  /** Most hops a path may have (N, NrHops). */
  readonly hopCount: number
  readonly packetBytes: number
  readonly headerBytes: number
  readonly routingInfoBytes: number
  readonly perHopBytes: number
  /** Group element, or KEM ciphertext in KEM mode (E). */
  readonly elementBytes: number
  /** 0 in NIKE mode (C). */
  readonly kemCiphertextBytes: number
  readonly surbBytes: number
  readonly userPayloadBytes: number
  readonly forwardPayloadBytes: number
  /** True when forward payloads carry a two-byte header and room for a SURB. */
  readonly withSurb: boolean
}

/** The four choices that fix a geometry. */
export interface GeometryChoice {
  /** `x25519` or `XWING`, in any case. */
  readonly scheme: string
  readonly hopCount: number
  readonly userPayloadBytes: number
  readonly withSurb: boolean
}

/** A geometry that no network can have. */
export class GeometryInvalid extends Data.TaggedError("GeometryInvalid")<{
  readonly reason: "unknown-scheme" | "hop-count" | "payload-length" | "inconsistent"
}> {}

/** Bounds that keep every length a small integer; far above any network in use. */
const HOP_COUNT_LIMIT = 64
const PAYLOAD_BYTES_LIMIT = 1 << 24

/**
 * Derives all lengths.
 * @errors GeometryInvalid `unknown-scheme`; `hop-count` outside 1..64; `payload-length` outside 0..2^24
 * @source sphinx.md §2
 */
export const makeGeometry = (choice: GeometryChoice): Either.Either<Geometry, GeometryInvalid> => {
  const scheme = SCHEMES.find(({ name }) => name.toLowerCase() === choice.scheme.toLowerCase())
  if (scheme === undefined) return Either.left(new GeometryInvalid({ reason: "unknown-scheme" }))
  const { hopCount, userPayloadBytes, withSurb } = choice
  if (!Number.isInteger(hopCount) || hopCount < 1 || hopCount > HOP_COUNT_LIMIT) return Either.left(new GeometryInvalid({ reason: "hop-count" }))
  if (!Number.isInteger(userPayloadBytes) || userPayloadBytes < 0 || userPayloadBytes > PAYLOAD_BYTES_LIMIT) {
    return Either.left(new GeometryInvalid({ reason: "payload-length" }))
  }
  const { elementBytes, kemCiphertextBytes } = scheme
  const perHopBytes = NEXT_NODE_BYTES + SURB_REPLY_BYTES + kemCiphertextBytes
  const routingInfoBytes = perHopBytes * hopCount
  const headerBytes = VERSION_BYTES + elementBytes + routingInfoBytes + MAC_BYTES
  const surbBytes = headerBytes + NODE_ID_BYTES + SPRP_KEY_MATERIAL_BYTES
  const forwardPayloadBytes = userPayloadBytes + (withSurb ? PLAINTEXT_HEADER_BYTES + surbBytes : 0)
  return Either.right({
    scheme: { kind: scheme.kind, name: scheme.name },
    hopCount,
    packetBytes: headerBytes + PAYLOAD_TAG_BYTES + forwardPayloadBytes,
    headerBytes,
    routingInfoBytes,
    perHopBytes,
    elementBytes,
    kemCiphertextBytes,
    surbBytes,
    userPayloadBytes,
    forwardPayloadBytes,
    withSurb
  })
}
