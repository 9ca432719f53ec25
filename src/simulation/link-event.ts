/**
 * What an observer of all links writes down: one line for each byte string that crosses from one actor to another.
 *
 * Contract: a packet of a batch is an event of its own, and what its message holds beside packets is not told; any other message that has bytes is one
 * event for all of them. Messages without bytes are none: on a link everything is padded, so that nobody sees more than packets and frames. What a faulty
 * link does to a message afterwards shows in the trace, not here. Instants are virtual, with fractions of a millisecond.
 * Knows nothing of: networks, what the bytes mean. The hash of a run covers more than these events (trace.ts).
 * Source: the list (instant, from, to, size, digest of the bytes); departures: none.
 *
 * @module
 */
import { digest53 } from "../crypto/word-hash.ts"
import type { Crossing } from "./trace.ts"

export interface LinkEvent {
  readonly instantMs: number
  readonly from: string
  readonly to: string
  readonly call: string
  /** `from` and `to` are those of the call: bytes of a reply or item travel from `to` to `from`. */
  readonly direction: "request" | "reply" | "item"
  readonly sizeBytes: number
  /** A whole number below 2^53 that names the bytes: equal bytes, equal digest. */
  readonly digest: number
}

/** The byte strings of one message, and what names each. */
export interface MessageBytes {
  readonly lengths: ReadonlyArray<number>
  readonly digests: ReadonlyArray<number>
}

/** Names several byte strings at once. */
const digestOfAll = (digests: ReadonlyArray<number>): number => {
  const [only] = digests
  if (digests.length === 1 && only !== undefined) return only
  const joined = new Uint8Array(digests.length * 8)
  const view = new DataView(joined.buffer)
  for (const [index, each] of digests.entries()) view.setFloat64(8 * index, each, true)
  return digest53(joined)
}

/**
 * Tells `listen` the link events of one call, item or reply.
 * @param packetBytes  length of a packet of the network
 */
export const linkEventsOf = (
  { call, direction, from, to }: Crossing, { digests, lengths }: MessageBytes, instantMs: number, packetBytes: number, listen: (event: LinkEvent) => void
): void => {
  if (lengths.length === 0) return
  let packetCount = 0
  for (let index = 0; index < lengths.length; index++) {
    if (lengths[index] !== packetBytes) continue
    packetCount += 1
    listen({ instantMs, from, to, call, direction, sizeBytes: packetBytes, digest: digests[index] as number })
  }
  if (packetCount > 0) return
  const sizeBytes = lengths.reduce((sum, length) => sum + length, 0)
  listen({ instantMs, from, to, call, direction, sizeBytes, digest: digestOfAll(digests) })
}
