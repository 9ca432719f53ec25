/**
 * MessagePack of plain data: null, booleans, numbers, texts, byte strings, lists, and maps with text keys. One encoding per value.
 *
 * Contract: `decodePlain` never throws and accepts exactly what `encodePlain` gives: the bytes are walked once by us (no extension types, no
 * reserved token, bounded depth and item count, every length inside the input) before the library sees them, and the value must encode to the
 * same bytes again. So no attacker reaches the library's records and extensions, nothing is allocated by a false length, and two readers of one
 * signed record cannot differ. Integers up to 2^32 are integers, larger ones doubles (exact to 2^53); there are no 64-bit integers.
 * Knows nothing of: what a record means, signatures.
 * Source: the MessagePack specification, style.md §1.2 rule 4; departures: a strict subset, as above.
 *
 * @module
 */
import { Either } from "effect"
import { Packr } from "msgpackr"
import { DecodeError, type DecodeReason } from "../bytes/decode-error.ts"
import { constantTimeEqual } from "../bytes/equal.ts"

export type PlainValue = null | boolean | number | string | Uint8Array | ReadonlyArray<PlainValue> | { readonly [key: string]: PlainValue }

export interface PlainLimits {
  readonly maxBytes: number
  /** Values of any kind, map keys included. */
  readonly maxItems: number
  /** Lists and maps inside each other. */
  readonly maxDepth: number
}

/** Records of this project are far below these. */
export const RECORD_LIMITS: PlainLimits = { maxBytes: 1 << 17, maxItems: 10_000, maxDepth: 8 }

const packr = new Packr({ useRecords: false, mapsAsObjects: true, variableMapSize: true, copyBuffers: true, moreTypes: false, int64AsType: "bigint" })

/** The bytes of a plain value. Keys keep the order in which the value lists them. */
export const encodePlain = (value: PlainValue): Uint8Array => new Uint8Array(packr.pack(value))

/** What one token announces: bytes of its own that follow, and values inside it; `undefined` for a token outside the subset. */
interface Token {
  readonly headBytes: number
  readonly bodyBytes: number
  readonly items: number
  readonly isMap: boolean
  readonly isText: boolean
}

const token = (headBytes: number, bodyBytes: number, items = 0, isMap = false, isText = false): Token => ({ headBytes, bodyBytes, items, isMap, isText })

/** Bytes of the length or count field behind each token that has one: token → [kind, field bytes]. */
const SIZED: ReadonlyMap<number, readonly ["bin" | "text" | "list" | "map", 1 | 2 | 4]> = new Map([
  [0xc4, ["bin", 1]], [0xc5, ["bin", 2]], [0xc6, ["bin", 4]],
  [0xd9, ["text", 1]], [0xda, ["text", 2]], [0xdb, ["text", 4]],
  [0xdc, ["list", 2]], [0xdd, ["list", 4]], [0xde, ["map", 2]], [0xdf, ["map", 4]]
])
/** Scalars of fixed length: token → bytes behind it. Floats of four bytes and 64-bit integers are not of the subset. */
const FIXED: ReadonlyMap<number, number> = new Map([
  [0xc0, 0], [0xc2, 0], [0xc3, 0], [0xcb, 8], [0xcc, 1], [0xcd, 2], [0xce, 4], [0xd0, 1], [0xd1, 2], [0xd2, 4]
])

const readToken = (view: DataView, at: number): Token | DecodeReason => {
  const first = view.getUint8(at)
  if (first < 0x80 || first >= 0xe0) return token(1, 0)
  if (first < 0x90) return token(1, 0, 2 * (first & 0x0f), true)
  if (first < 0xa0) return token(1, 0, first & 0x0f)
  if (first < 0xc0) return token(1, first & 0x1f, 0, false, true)
  const fixed = FIXED.get(first)
  if (fixed !== undefined) return token(1, fixed)
  const sized = SIZED.get(first)
  if (sized === undefined) return "unknown-type"
  const [kind, fieldBytes] = sized
  if (at + 1 + fieldBytes > view.byteLength) return "truncated"
  const size = fieldBytes === 1 ? view.getUint8(at + 1) : fieldBytes === 2 ? view.getUint16(at + 1) : view.getUint32(at + 1)
  if (kind === "list") return token(1 + fieldBytes, 0, size)
  if (kind === "map") return token(1 + fieldBytes, 0, 2 * size, true)
  return token(1 + fieldBytes, size, 0, false, kind === "text")
}

/** Walks the tokens without building anything; gives the first reason why the bytes are not one value of the subset. */
const scan = (bytes: Uint8Array, limits: PlainLimits): DecodeReason | undefined => {
  if (bytes.length > limits.maxBytes) return "out-of-range"
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const open: Array<{ left: number; readonly isMap: boolean }> = []
  let offset = 0
  let items = 0
  for (;;) {
    if (offset >= bytes.length) return "truncated"
    const next = readToken(view, offset)
    if (typeof next === "string") return next
    const around = open.at(-1)
    if (around !== undefined) {
      if (around.isMap && around.left % 2 === 0 && !next.isText) return "unknown-type"
      around.left -= 1
    }
    offset += next.headBytes + next.bodyBytes
    if (offset > bytes.length) return "truncated"
    if ((items += 1) > limits.maxItems || items + next.items > limits.maxItems) return "out-of-range"
    if (next.items > 0) open.push({ left: next.items, isMap: next.isMap })
    if (open.length > limits.maxDepth) return "out-of-range"
    while (open.length > 0 && open.at(-1)?.left === 0) open.pop()
    if (open.length === 0) return offset === bytes.length ? undefined : "trailing-bytes"
  }
}

/**
 * Reads one plain value; byte strings in it are copies.
 * @errors DecodeError `truncated` | `trailing-bytes` | `unknown-type` (a token outside the subset) | `out-of-range` (a limit)
 *   | `inconsistent` (not the one encoding of its value: a repeated key, a long form of a short number, text that is no UTF-8, …)
 * @cost one walk over the bytes, one decoding, one encoding
 */
export const decodePlain = (what: string, bytes: Uint8Array, limits: PlainLimits = RECORD_LIMITS): Either.Either<PlainValue, DecodeError> => {
  const reason = scan(bytes, limits)
  if (reason !== undefined) return Either.left(new DecodeError({ what, reason }))
  return Either.try({
    try: () => {
      const value = packr.unpack(new Uint8Array(bytes)) as PlainValue
      return constantTimeEqual(encodePlain(value), bytes) ? value : undefined
    },
    catch: () => new DecodeError({ what, reason: "inconsistent" })
  }).pipe(Either.flatMap((value) => value === undefined ? Either.left(new DecodeError({ what, reason: "inconsistent" })) : Either.right(value)))
}
