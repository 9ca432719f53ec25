/**
 * Which packet into a node is which packet out: the truth that guesses are scored against, which no observer has.
 *
 * It is taken where every node, unmodified, takes a layer off a packet. The check of the header's MAC reads the packet as it came; the wide-block pass over the
 * payload writes the last of the next packet, or at the last hop the payload, in which the request for the endpoint behind the service node lies in the clear.
 *
 * Contract: the backend handed out gives the same bytes as the one it stands on; it only notes, by digest, what went in and what came out. A packet that is
 * unwrapped twice is noted twice. Digests are those of link events.
 * Knows nothing of: nodes, time. Which node unwrapped a packet follows from the link on which it came.
 * Source: sphinx.md §10 (steps of unwrapping), §9 (framing of the payload); departures: none.
 *
 * @module
 */
import type { CryptoBackend } from "../../src/crypto/backend.ts"
import { digest53 } from "../../src/crypto/word-hash.ts"
import { MAC_BYTES, PAYLOAD_TAG_BYTES, PLAINTEXT_HEADER_BYTES, type Geometry } from "../../src/sphinx/geometry.ts"

export interface PacketTruth {
  /** Digest of the packet, or of the request at the last hop, that came out of the packet with this digest. */
  readonly next: ReadonlyMap<number, number>
  readonly backend: CryptoBackend
}

/** The packet of which `part` is the piece from `offset` on; undefined when it is no part of a packet. */
const packetAround = ({ packetBytes }: Geometry, part: Uint8Array, offset: number): Uint8Array | undefined => {
  const start = part.byteOffset - offset
  return start >= 0 && start + packetBytes <= part.buffer.byteLength ? new Uint8Array(part.buffer, start, packetBytes) : undefined
}

/** A packet whose MAC was looked at. */
interface Looked {
  readonly packet: Uint8Array
  readonly digest: number
}

/** Listens to the unwrapping of packets of one geometry. */
export const recordPackets = (crypto: CryptoBackend, geometry: Geometry): PacketTruth => {
  const next = new Map<number, number>()
  const { headerBytes, packetBytes, surbBytes, userPayloadBytes } = geometry
  const requestAt = PAYLOAD_TAG_BYTES + PLAINTEXT_HEADER_BYTES + surbBytes
  let looked: Looked | undefined
  /** The packet that is being unwrapped, if this is its payload: the last one whose MAC was looked at. */
  const taken = (payload: Uint8Array): number | undefined => {
    const mine = looked !== undefined && looked.packet.buffer === payload.buffer && looked.packet.byteOffset + headerBytes === payload.byteOffset
      && payload.length === packetBytes - headerBytes
    const digest = mine ? looked?.digest : undefined
    if (mine) looked = undefined
    return digest
  }
  const noteRequest = (digest: number | undefined, payload: Uint8Array): void => {
    if (digest !== undefined) next.set(digest, digest53(payload.subarray(requestAt, requestAt + userPayloadBytes)))
  }
  const backend: CryptoBackend = {
    ...crypto,
    hmacSha256: (key, ...parts) => {
      const [header] = parts
      const isReceived = header !== undefined && parts.length === 1 && header.length === headerBytes - MAC_BYTES
      const packet = isReceived ? packetAround(geometry, header, 0) : undefined
      if (packet !== undefined) looked = { packet, digest: digest53(packet) }
      return crypto.hmacSha256(key, ...parts)
    },
    sprpDecipherInto: (key, iv, data, output) => {
      const digest = taken(data)
      crypto.sprpDecipherInto(key, iv, data, output)
      // the last hop hands over the payload where it is, every other one a piece of the next packet, whose header is there already
      if (data === output) return noteRequest(digest, output)
      const onward = packetAround(geometry, output, headerBytes)
      if (digest !== undefined && onward !== undefined) next.set(digest, digest53(onward))
    },
    sprpDecipher: (key, iv, data) => {
      const payload = crypto.sprpDecipher(key, iv, data)
      noteRequest(taken(data), payload)
      return payload
    }
  }
  return { next, backend }
}
