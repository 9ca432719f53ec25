/**
 * The payload pattern of recorded packets, in place of thousands of written-out bytes.
 *
 * Contract: byte i is (167 i + floor(i / 256)) mod 256.
 * Knows nothing of: packets.
 * Source: sphinx.md §14; departures: none.
 *
 * @module
 */
export const patternedPayload = (byteCount: number): Uint8Array =>
  Uint8Array.from({ length: byteCount }, (_, i) => (167 * i + Math.floor(i / 256)) & 0xff)
