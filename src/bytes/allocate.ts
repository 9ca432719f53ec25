/**
 * Memory for byte strings that live for a moment: cut from slabs, because a fresh `Uint8Array` of more than 64 bytes costs some ten times as much.
 *
 * Contract: `zeroed` and `copied` give byte strings that nobody else writes to, zero-filled where they are not a copy. Their `buffer` is shared with others:
 * whoever makes a view of it minds the offset, and whoever sends one to a thread copies it first. A string keeps its slab of 64 KiB alive: what is to be
 * kept for long, in numbers, is copied with `slice`. No part of a slab is given out twice.
 * Knows nothing of: what the bytes are.
 * Source: V8 keeps typed arrays of at most 64 bytes on its heap; others cost an allocation, a finalizer and the collector's attention; departures: none.
 *
 * @module
 */

/** Longest byte string that V8 keeps on its own heap. */
const ON_HEAP_BYTES = 64
const SLAB_BYTES = 65_536
/** Of strings that wait. Those longer than a quarter of a slab get memory of their own. */
const WAITING_SLAB_BYTES = 8_192

/** Cuts byte strings from slabs of one size. */
const cutter = (slabBytes: number): (byteLength: number) => Uint8Array => {
  let slab = new ArrayBuffer(0)
  let at = 0
  return (byteLength) => {
    if (!(byteLength <= slabBytes / 4)) return new Uint8Array(byteLength)
    if (at + byteLength > slab.byteLength) {
      slab = new ArrayBuffer(slabBytes)
      at = 0
    }
    const cut = new Uint8Array(slab, at, byteLength)
    // the next one begins at a multiple of eight, for who reads words
    at = (at + byteLength + 7) & ~7
    return cut
  }
}

/**
 * `byteLength` zeros outside of V8's heap: for what native code is to write, since a byte string that lies on the heap is moved out of it then. Not for
 * what is kept: it keeps its slab.
 */
export const zeroedOffHeap = cutter(SLAB_BYTES)

/** `byteLength` zeros. */
export const zeroed = (byteLength: number): Uint8Array => (byteLength > ON_HEAP_BYTES ? zeroedOffHeap(byteLength) : new Uint8Array(byteLength))

/**
 * `byteLength` zeros for what waits for an answer, such as keys of a reply, among others of its kind: those of one small slab are done with at about the same
 * time, and no larger one waits with them.
 */
export const waitingZeros = cutter(WAITING_SLAB_BYTES)

/** A copy of a byte string, or of a part of it as `subarray` would give it. */
export const copied = (bytes: Uint8Array, start = 0, end = bytes.length): Uint8Array => {
  const part = start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end)
  const copy = zeroed(part.length)
  copy.set(part)
  return copy
}
