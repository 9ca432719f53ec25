/**
 * Comparisons whose time does not depend on the bytes compared.
 *
 * Contract: only the lengths, which are public everywhere in this project, influence the running time.
 * Source: style.md §1.1; departures: none.
 *
 * @module
 */

/** True when `a` and `b` have the same length and the same bytes; always reads every byte. */
export const constantTimeEqual = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number)
  return difference === 0
}

/** From here on a view of whole words pays. */
const LONG_BYTES = 128

/** True when every byte is zero; always reads every byte. */
export const isAllZero = (bytes: Uint8Array): boolean => {
  const { length } = bytes
  let sum = 0
  let at = 0
  if (length >= LONG_BYTES) {
    const first = -bytes.byteOffset & 3
    const words = new Int32Array(bytes.buffer, bytes.byteOffset + first, (length - first) >> 2)
    for (; at < first; at++) sum |= bytes[at] as number
    for (let i = 0; i < words.length; i++) sum |= words[i] as number
    at += 4 * words.length
  }
  for (; at < length; at++) sum |= bytes[at] as number
  return sum === 0
}
