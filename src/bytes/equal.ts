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

/** True when every byte is zero; always reads every byte. */
export const isAllZero = (bytes: Uint8Array): boolean => {
  let sum = 0
  for (let i = 0; i < bytes.length; i++) sum |= bytes[i] as number
  return sum === 0
}
