/**
 * Boxes of plain bytes, for tables, which check nothing.
 *
 * @module
 */
import { BoxId } from "../../../../src/bacap/box-id.ts"
import type { StoredBox } from "../../../../src/pigeonhole/stored-box.ts"

/** A box with an id and content of its own; `payloadBytes` 0 is a tombstone. */
export const plainBox = (id: number, fill = id, payloadBytes = 200): StoredBox => ({
  boxId: BoxId.unsafe(new Uint8Array(32).fill(id & 255).fill(id >> 8, 0, 16)),
  payload: new Uint8Array(payloadBytes).fill(fill),
  signature: new Uint8Array(64).fill(fill ^ 1)
})
