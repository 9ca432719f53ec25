/**
 * Messages as a link sees them: values with byte strings inside, of which one may be damaged, and batches of packets.
 *
 * Contract: what comes in is never written to; what is changed or doubled is a copy. A message without byte strings cannot be damaged.
 * Knows nothing of: protocols.
 * Source: none needed; departures: none.
 *
 * @module
 */
import { bytesIn } from "../actor/call-tap.ts"

const isBatch = (value: unknown): value is ReadonlyArray<Uint8Array> =>
  Array.isArray(value) && value.length > 0 && value.every((each) => each instanceof Uint8Array)

const batchField = (message: unknown): string | undefined =>
  typeof message !== "object" || message === null ? undefined : Object.entries(message).find(([, value]) => isBatch(value))?.[0]

/** The packets of a message that is a batch; undefined for any other. */
export const packetsOf = (message: unknown): ReadonlyArray<Uint8Array> | undefined => {
  const field = batchField(message)
  return field === undefined ? undefined : (message as Readonly<Record<string, ReadonlyArray<Uint8Array>>>)[field]
}

/** The same batch with other packets. */
export const withPackets = (message: unknown, packets: ReadonlyArray<Uint8Array>): unknown => {
  const field = batchField(message)
  return field === undefined ? message : { ...(message as object), [field]: packets }
}

/** A copy with other byte strings; plain objects and lists are copied, anything else is shared. */
const mapped = (value: unknown, change: (bytes: Uint8Array) => Uint8Array): unknown => {
  if (value instanceof Uint8Array) return change(value)
  if (typeof value !== "object" || value === null) return value
  if (Array.isArray(value)) return value.map((each) => mapped(each, change))
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, mapped(each, change)]))
}

/** A message of the same contents: its receiver may write to packets, which are its own. */
export const copyOf = <A>(message: A): A => mapped(message, (bytes) => bytes.slice()) as A

/** A copy of a message in which one bit of one byte string is flipped. @param uniform  numbers in [0, 1) */
export const damaged = <A>(message: A, uniform: () => number): A => {
  const strings = bytesIn(message).filter(({ length }) => length > 0)
  const hit = strings[Math.floor(uniform() * strings.length)]
  if (hit === undefined) return message
  const fresh = hit.slice()
  const place = Math.floor(uniform() * fresh.length)
  fresh[place] = (fresh[place] ?? 0) ^ (1 << Math.floor(uniform() * 8))
  return mapped(message, (bytes) => (bytes === hit ? fresh : bytes)) as A
}
