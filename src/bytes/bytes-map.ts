/**
 * A map whose keys are byte strings, told apart by content, without a text made of each.
 *
 * Contract: as `Map`; a key is copied. Keys have at least four bytes and begin with bytes that nobody chose to be alike (hashes, draws): those that begin
 * alike are looked through one by one. Not for secrets: look-ups depend on the data.
 * Knows nothing of: what keys name.
 * Source: none needed; departures: none.
 *
 * @module
 */

interface Entry<A> {
  readonly key: Uint8Array
  readonly value: A
}

/** 30 bits, which V8 keeps as they are. */
const headOf = (key: Uint8Array): number =>
  (key[0] as number) | ((key[1] as number) << 8) | ((key[2] as number) << 16) | (((key[3] as number) & 0x3f) << 24)

const isSame = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false
  return true
}

/** Keys with their values. */
export type BytesEntries<A> = Iterable<readonly [Uint8Array, A]>

export class BytesMap<A> {
  readonly #entries = new Map<number, ReadonlyArray<Entry<A>>>()

  constructor(entries: BytesEntries<A> = []) {
    for (const [key, value] of entries) this.set(key, value)
  }

  get(key: Uint8Array): A | undefined {
    const alike = this.#entries.get(headOf(key))
    if (alike === undefined) return undefined
    for (const entry of alike) if (isSame(entry.key, key)) return entry.value
    return undefined
  }

  set(key: Uint8Array, value: A): void {
    if (key.length < 4) throw new RangeError("a key has at least four bytes")
    const head = headOf(key)
    const others = (this.#entries.get(head) ?? []).filter((entry) => !isSame(entry.key, key))
    this.#entries.set(head, [...others, { key: key.slice(), value }])
  }
}
