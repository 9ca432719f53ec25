/**
 * CourierQuery, what a client sends a courier: u8 type (0 envelope, 1 copy command) ‖ content.
 *
 * Contract: at the courier the query heads a zero-filled Sphinx payload (`decodeCourierQueryTop`); elsewhere it stands alone.
 * Knows nothing of: SURBs, Sphinx.
 * Source: pigeonhole.md §3.1; departures: none.
 *
 * @module
 */
import { ByteWriter } from "../bytes/writer.ts"
import { copyCommandCodec, type CopyCommand } from "./copy-command.ts"
import { courierEnvelopeCodec, type CourierEnvelope } from "./envelope.ts"
import { decodeExact, decodeTop, readSwitch, type MessageCodec } from "./message.ts"

export type CourierQuery =
  | { readonly _tag: "Envelope"; readonly envelope: CourierEnvelope }
  | { readonly _tag: "CopyCommand"; readonly copyCommand: CopyCommand }

/** A discriminator in front of a message. */
export const withType = (type: 0 | 1, content: Uint8Array): Uint8Array => new ByteWriter(1 + content.length).u8(type).bytes(content).finish()

export const courierQueryCodec: MessageCodec<CourierQuery> = {
  name: "CourierQuery",
  encode: (query) =>
    query._tag === "Envelope"
      ? withType(0, courierEnvelopeCodec.encode(query.envelope))
      : withType(1, copyCommandCodec.encode(query.copyCommand)),
  read: (reader) =>
    readSwitch(reader) === 0
      ? { _tag: "Envelope", envelope: courierEnvelopeCodec.read(reader) }
      : { _tag: "CopyCommand", copyCommand: copyCommandCodec.read(reader) }
}

export const encodeCourierQuery = courierQueryCodec.encode
/** Nothing but one query. @errors DecodeError */
export const decodeCourierQuery = (bytes: Uint8Array) => decodeExact(courierQueryCodec, bytes)
/** The query at the head of a Sphinx payload. @errors DecodeError */
export const decodeCourierQueryTop = (payload: Uint8Array) => decodeTop(courierQueryCodec, payload)
