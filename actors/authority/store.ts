/**
 * What an authority keeps beyond its crashes, as records of bytes.
 *
 * Contract: when `keep` says true the record is durable and stands in place of any other of its kind, epoch and part; when it says false nothing may be
 * done that relies on it. `records` gives all that is held. Their number is bounded by the caller, who drops what is old.
 * Knows nothing of: what is in a record.
 * Source: mixnet.md §12, §13 (descriptors and documents on disk, three documents kept); departures: none.
 *
 * @module
 */

/**
 * descriptor: signed bytes of an identity for an epoch; withdrawal: signed bytes, epoch 0, part the identity; own: what this authority said in an epoch;
 * lock: the one document of an epoch that it signed; document: complete certificate of an epoch; past: what the next document inherits.
 */
export type RecordKind = "descriptor" | "withdrawal" | "own" | "lock" | "document" | "past"
export const RECORD_KINDS: ReadonlyArray<RecordKind> = ["descriptor", "withdrawal", "own", "lock", "document", "past"]

export interface RecordName {
  readonly kind: RecordKind
  readonly epoch: number
  /** 1 to 64 of a–z, 0–9: an identity in hex, or a word. */
  readonly part: string
}

export interface AuthorityRecord extends RecordName {
  readonly bytes: Uint8Array
}

export interface AuthorityStore {
  readonly records: () => ReadonlyArray<AuthorityRecord>
  readonly keep: (record: AuthorityRecord) => boolean
  readonly drop: (name: RecordName) => void
}

export const recordText = ({ epoch, kind, part }: RecordName): string => `${kind}-${epoch}-${part}`

/** Keeps records as long as the process lives. */
export const memoryAuthorityStore = (): AuthorityStore => {
  const held = new Map<string, AuthorityRecord>()
  return {
    records: () => [...held.values()],
    keep: (record) => {
      held.set(recordText(record), { ...record, bytes: record.bytes.slice() })
      return true
    },
    drop: (name) => void held.delete(recordText(name))
  }
}
