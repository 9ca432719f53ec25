/**
 * Overwriting secrets that are no longer needed.
 *
 * Contract: best effort. The engine may have copied the bytes while moving memory, and numbers and bigints cannot be wiped.
 * Source: sphinx.md §17; departures: none.
 *
 * @module
 */

/** Fills the arrays with zeros; `undefined` entries are skipped. */
export const zeroize = (...arrays: ReadonlyArray<Uint8Array | undefined>): void => {
  for (const array of arrays) array?.fill(0)
}
