/**
 * What a client asks a replica, inside the MKEM envelope: u8 type (0 read, 1 write) ‖ content.
 *
 * ReplicaRead: box id 32. ReplicaWrite: box id 32 ‖ signature 64 ‖ u32 length ‖ payload; an empty payload is a tombstone.
 *
 * Contract: parsing checks lengths only. Signature, payload size and box id are judged by the store.
 * Knows nothing of: envelopes, padding (see padding.ts), stores.
 * Source: pigeonhole.md §3.2; departures: none.
 *
 * @module
 */
import { BOX_ID_BYTES, BoxId } from "../bacap/box-id.ts"
import { SIGNATURE_BYTES } from "../bacap/box.ts"
import { concatBytes } from "../bytes/concat.ts"
import type { ByteReader } from "../bytes/reader.ts"
import { ByteWriter } from "../bytes/writer.ts"
import { withType } from "./courier-query.ts"
import { decodeExact, readSwitch, viewSized, type MessageCodec } from "./message.ts"

export interface ReplicaRead {
  readonly boxId: BoxId
}

export interface ReplicaWrite {
  readonly boxId: BoxId
  /** 64 bytes over the payload. */
  readonly signature: Uint8Array
  /** Box ciphertext; empty for a tombstone. */
  readonly payload: Uint8Array
}

export type ReplicaInnerMessage = ({ readonly _tag: "Read" } & ReplicaRead) | ({ readonly _tag: "Write" } & ReplicaWrite)

/** Reads a box id in place. */
export const readBoxId = (reader: ByteReader): BoxId => BoxId.unsafe(reader.bytes(BOX_ID_BYTES))

export const replicaReadCodec: MessageCodec<ReplicaRead> = {
  name: "ReplicaRead",
  encode: (message) => concatBytes(message.boxId),
  read: (reader) => ({ boxId: readBoxId(reader) })
}

export const replicaWriteCodec: MessageCodec<ReplicaWrite> = {
  name: "ReplicaWrite",
  encode: (message) => {
    if (message.signature.length !== SIGNATURE_BYTES) throw new RangeError("a signature is 64 bytes")
    return new ByteWriter(BOX_ID_BYTES + SIGNATURE_BYTES + 4 + message.payload.length)
      .bytes(message.boxId).bytes(message.signature).u32(message.payload.length).bytes(message.payload).finish()
  },
  read: (reader) => ({ boxId: readBoxId(reader), signature: reader.bytes(SIGNATURE_BYTES), payload: viewSized(reader) })
}

export const replicaInnerMessageCodec: MessageCodec<ReplicaInnerMessage> = {
  name: "ReplicaInnerMessage",
  encode: (message) =>
    message._tag === "Read" ? withType(0, replicaReadCodec.encode(message)) : withType(1, replicaWriteCodec.encode(message)),
  read: (reader) =>
    readSwitch(reader) === 0
      ? { _tag: "Read", ...replicaReadCodec.read(reader) }
      : { _tag: "Write", ...replicaWriteCodec.read(reader) }
}

export const encodeReplicaInnerMessage = replicaInnerMessageCodec.encode
/** Nothing but one message (after `unpad`). @errors DecodeError */
export const decodeReplicaInnerMessage = (bytes: Uint8Array) => decodeExact(replicaInnerMessageCodec, bytes)
