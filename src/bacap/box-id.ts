/**
 * Box ids: the names under which replicas keep boxes.
 *
 * Contract: a `BoxId` is 32 bytes, checked once. It is also the Ed25519 public key that verifies the box's signature; that the bytes decode
 * to a point is checked where it matters (storing, opening), not here.
 * Knows nothing of: streams and capabilities.
 * Source: pigeonhole.md §1, §2.1; departures: none.
 *
 * @module
 */
import { fixedBytes, type Bytes } from "../bytes/fixed-bytes.ts"

/** Length of a box id in bytes: one compressed point of edwards25519. */
export const BOX_ID_BYTES = 32

export type BoxId = Bytes<"BoxId">
export const BoxId = fixedBytes("BoxId", BOX_ID_BYTES)
