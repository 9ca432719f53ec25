/**
 * Which packet into a node is which packet out: the truth that guesses are scored against, which no observer has.
 *
 * It is taken where every node, unmodified, takes a layer off a packet: in the wide-block pass over the payload. The pass reads one packet and writes the
 * next; at the last hop it gives the payload, in which the request for the endpoint behind the service node lies in the clear.
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
import { PAYLOAD_TAG_BYTES, PLAINTEXT_HEADER_BYTES, type Geometry } from "../../src/sphinx/geometry.ts"

export interface PacketTruth {
  /** Digest of the packet, or of the request at the last hop, that came out of the packet with this digest. */
  readonly next: ReadonlyMap<number, number>
  readonly backend: CryptoBackend
}

/** The whole packet of which `payload` is the part behind the header; undefined when it is no part of a packet. */
const packetAround = ({ headerBytes, packetBytes }: Geometry, payload: Uint8Array): Uint8Array | undefined =>
  payload.length === packetBytes - headerBytes && payload.byteOffset >= headerBytes
    ? new Uint8Array(payload.buffer, payload.byteOffset - headerBytes, packetBytes)
    : undefined

/** Listens to the unwrapping of packets of one geometry. */
export const recordPackets = (crypto: CryptoBackend, geometry: Geometry): PacketTruth => {
  const next = new Map<number, number>()
  const requestAt = PAYLOAD_TAG_BYTES + PLAINTEXT_HEADER_BYTES + geometry.surbBytes
  const backend: CryptoBackend = {
    ...crypto,
    sprpDecipherInto: (key, iv, data, output) => {
      crypto.sprpDecipherInto(key, iv, data, output)
      // in place: a reply that its asker reads, no packet on its way
      if (data === output) return
      const packet = packetAround(geometry, data)
      const onward = packetAround(geometry, output)
      if (packet !== undefined && onward !== undefined) next.set(digest53(packet), digest53(onward))
    },
    sprpDecipher: (key, iv, data) => {
      const payload = crypto.sprpDecipher(key, iv, data)
      const packet = packetAround(geometry, data)
      if (packet !== undefined) next.set(digest53(packet), digest53(payload.subarray(requestAt, requestAt + geometry.userPayloadBytes)))
      return payload
    }
  }
  return { next, backend }
}
