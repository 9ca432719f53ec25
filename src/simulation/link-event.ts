/**
 * What an observer of all links writes down: one line for each byte string that crosses from one actor to another.
 *
 * Contract: a packet of a batch is an event of its own, and what its message holds beside packets is not told; any other message that has bytes is one
 * event for all of them. Messages without bytes are none. Instants are virtual, with fractions of a millisecond.
 * Knows nothing of: networks, what the bytes mean.
 * Source: the list (instant, from, to, size, digest of the bytes); departures: none.
 *
 * @module
 */
import type { TapEvent } from "../actor/call-tap.ts"
import { digest53 } from "../crypto/word-hash.ts"

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

/** Names several byte strings at once. */
const digestOfAll = (bytes: ReadonlyArray<Uint8Array>): number => {
  const [only] = bytes
  if (bytes.length === 1 && only !== undefined) return digest53(only)
  const joined = new Uint8Array(bytes.length * 8)
  const view = new DataView(joined.buffer)
  for (const [index, each] of bytes.entries()) view.setFloat64(8 * index, digest53(each), true)
  return digest53(joined)
}

/**
 * Tells `listen` the link events of one call, item or reply.
 * @param packetBytes  length of a packet of the network
 */
export const linkEventsOf = (event: TapEvent, nowMs: number, packetBytes: number, listen: (event: LinkEvent) => void): void => {
  const { bytes, call, direction, from, to } = event
  if (bytes.length === 0) return
  let packetCount = 0
  for (const each of bytes) {
    if (each.length !== packetBytes) continue
    packetCount += 1
    listen({ instantMs: nowMs, from, to, call, direction, sizeBytes: packetBytes, digest: digest53(each) })
  }
  if (packetCount > 0) return
  let sizeBytes = 0
  for (const each of bytes) sizeBytes += each.length
  listen({ instantMs: nowMs, from, to, call, direction, sizeBytes, digest: digestOfAll(bytes) })
}
