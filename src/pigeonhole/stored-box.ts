/**
 * A box as a replica's database keeps it: box id 32 ‖ u32 length ‖ payload ‖ signature 64. The signature comes last, unlike on the wire.
 *
 * Contract: an empty payload is a tombstone.
 * Knows nothing of: database keys, epochs.
 * Source: pigeonhole.md §3.3; departures: none.
 *
 * @module
 */
import { BOX_ID_BYTES, type BoxId } from "../bacap/box-id.ts"
import { SIGNATURE_BYTES } from "../bacap/box.ts"
import { ByteWriter } from "../bytes/writer.ts"
import { decodeExact, readSized, type MessageCodec } from "./message.ts"
import { readBoxId } from "./replica-message.ts"

export interface StoredBox {
  readonly boxId: BoxId
  readonly payload: Uint8Array
  readonly signature: Uint8Array
}

export const storedBoxCodec: MessageCodec<StoredBox> = {
  name: "Box",
  encode: (box) => {
    if (box.signature.length !== SIGNATURE_BYTES) throw new RangeError("a signature is 64 bytes")
    return new ByteWriter(BOX_ID_BYTES + 4 + box.payload.length + SIGNATURE_BYTES)
      .bytes(box.boxId).u32(box.payload.length).bytes(box.payload).bytes(box.signature).finish()
  },
  read: (reader) => ({ boxId: readBoxId(reader), payload: readSized(reader), signature: reader.bytes(SIGNATURE_BYTES) })
}

export const encodeStoredBox = storedBoxCodec.encode
/** Nothing but one record. @errors DecodeError */
export const decodeStoredBox = (bytes: Uint8Array) => decodeExact(storedBoxCodec, bytes)
