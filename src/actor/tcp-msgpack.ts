/**
 * MessagePack for messages of calls: the plain values that schemas encode to, with byte strings as they are.
 *
 * Contract: `unpackPlain` never throws: the bytes are walked once before the library sees them (no extension but `undefined`, bounded depth and item
 * count, every length inside the input), so that no peer reaches the library's records and extensions and no false length allocates anything.
 * Byte strings in the result are plain `Uint8Array` views of the input.
 * Knows nothing of: calls.
 * Source: the MessagePack specification; departures: a subset, as above. Unlike pki/plain-msgpack, values need not be encoded in the one shortest way.
 *
 * @module
 */
import { Packr } from "msgpackr"
import { zeroed } from "../bytes/allocate.ts"

/** Lists and maps inside each other. */
const DEPTH_LIMIT = 16
/** Values of any kind in one message, map keys included. */
const ITEM_LIMIT = 1 << 16

const packr = new Packr({ useRecords: false, mapsAsObjects: true, moreTypes: false, int64AsType: "bigint" })

/** The bytes of a plain value, in fresh memory behind `headBytes` zero bytes. Throws for values that are not plain. */
export const packPlain = (value: unknown, headBytes = 0): Uint8Array => {
  const packed = packr.pack(value)
  const bytes = zeroed(headBytes + packed.length)
  bytes.set(packed, headBytes)
  return bytes
}

type Sized = readonly ["bytes" | "list" | "map", 1 | 2 | 4]
const SIZED: ReadonlyMap<number, Sized> = new Map<number, Sized>([
  [0xc4, ["bytes", 1]], [0xc5, ["bytes", 2]], [0xc6, ["bytes", 4]], [0xd9, ["bytes", 1]], [0xda, ["bytes", 2]], [0xdb, ["bytes", 4]],
  [0xdc, ["list", 2]], [0xdd, ["list", 4]], [0xde, ["map", 2]], [0xdf, ["map", 4]]
])
/** Bytes behind the token of a scalar; 0xd4 (an extension of one byte) is looked at apart. */
const FIXED: ReadonlyMap<number, number> = new Map([
  [0xc0, 0], [0xc2, 0], [0xc3, 0], [0xca, 4], [0xcb, 8], [0xcc, 1], [0xcd, 2], [0xce, 4], [0xcf, 8],
  [0xd0, 1], [0xd1, 2], [0xd2, 4], [0xd3, 8], [0xd4, 2]
])

interface Token {
  /** Bytes of the token and its own content. */
  readonly bytes: number
  /** Values inside it. */
  readonly items: number
}

const readToken = (view: DataView, at: number): Token | undefined => {
  const first = view.getUint8(at)
  if (first < 0x80 || first >= 0xe0) return { bytes: 1, items: 0 }
  if (first < 0x90) return { bytes: 1, items: 2 * (first & 0x0f) }
  if (first < 0xa0) return { bytes: 1, items: first & 0x0f }
  if (first < 0xc0) return { bytes: 1 + (first & 0x1f), items: 0 }
  const fixed = FIXED.get(first)
  if (fixed !== undefined) {
    const isExtension = first === 0xd4 && (at + 1 >= view.byteLength || view.getUint8(at + 1) !== 0)
    return isExtension ? undefined : { bytes: 1 + fixed, items: 0 }
  }
  const sized = SIZED.get(first)
  if (sized === undefined) return undefined
  const [kind, fieldBytes] = sized
  if (at + 1 + fieldBytes > view.byteLength) return undefined
  const size = fieldBytes === 1 ? view.getUint8(at + 1) : fieldBytes === 2 ? view.getUint16(at + 1) : view.getUint32(at + 1)
  if (kind === "bytes") return { bytes: 1 + fieldBytes + size, items: 0 }
  return { bytes: 1 + fieldBytes, items: kind === "list" ? size : 2 * size }
}

/** True when the bytes are one value of the subset, within the limits. */
const isPlain = (bytes: Uint8Array): boolean => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const open: Array<number> = []
  let itemCount = 1
  let offset = 0
  do {
    if (offset >= bytes.length) return false
    const token = readToken(view, offset)
    if (token === undefined) return false
    offset += token.bytes
    itemCount += token.items
    if (offset > bytes.length || itemCount > ITEM_LIMIT) return false
    if (open.length > 0) open[open.length - 1] = (open.at(-1) as number) - 1
    if (token.items > 0) open.push(token.items)
    if (open.length > DEPTH_LIMIT) return false
    while (open.at(-1) === 0) open.pop()
  } while (open.length > 0)
  return offset === bytes.length
}

/** The value, or `undefined` inside an object that says so: `{ value }`; nothing for bytes that are not one plain value. */
export const unpackPlain = (bytes: Uint8Array): { readonly value: unknown } | undefined => {
  if (!isPlain(bytes)) return undefined
  try {
    return { value: packr.unpack(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)) }
  } catch {
    return undefined
  }
}
