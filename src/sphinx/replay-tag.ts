/**
 * Replay tags: what a node remembers of a packet to recognise it again.
 *
 * Contract: depends on the group element (or KEM ciphertext) alone, needs no secret and costs one hash. Record a tag only after the packet's MAC
 * was found good, else anyone can poison the record.
 * Knows nothing of: where tags are kept.
 * Source: sphinx.md §11 (the code, not the published text); departures: none.
 *
 * @module
 */
import type { CryptoBackend } from "../crypto/backend.ts"
import { VERSION_BYTES, type Geometry } from "./geometry.ts"

/** The tag of a packet as received, 32 bytes, or undefined when it has not the length of a packet. */
export const replayTagOf = (crypto: CryptoBackend, geometry: Geometry, packet: Uint8Array): Uint8Array | undefined =>
  packet.length === geometry.packetBytes ? crypto.sha512_256(packet.subarray(VERSION_BYTES, VERSION_BYTES + geometry.elementBytes)) : undefined
