/**
 * The store of an authority on disk: one file per record, `<kind>-<epoch>-<part>`.
 *
 *   file = H256("funion-authority-record-v1" ‖ name ‖ record) (32) ‖ record
 *
 * Contract: that of store.ts; a record appears whole or not at all, and one that is damaged is named at the start, with what to do. Secrets are overwritten
 * when they are dropped. Calls block for a few file operations, some dozens of times in an epoch.
 * Knows nothing of: what is in a record.
 * Source: mixnet.md §12, §13; departures: none.
 *
 * @module
 */
import { Data, Effect, Either } from "effect"
import { concatBytes, utf8 } from "../../src/bytes/concat.ts"
import { constantTimeEqual } from "../../src/bytes/equal.ts"
import type { CryptoBackend } from "../../src/crypto/backend.ts"
import { openFolder } from "../../src/disk/folder.ts"
import { RECORD_KINDS, recordText, type AuthorityRecord, type AuthorityStore, type RecordKind } from "./store.ts"

export interface AuthorityDiskOptions {
  /** A folder of its own; made when it is missing. One process at a time. */
  readonly directory: string
  readonly crypto: CryptoBackend
}

/** The store cannot be used; `message` says why and what to do, in a sentence. */
export class AuthorityDiskUnusable extends Data.TaggedError("AuthorityDiskUnusable")<{ readonly message: string }> {}

const RECORD_FILE = /^([a-z]{1,16})-(\d{1,13})-([a-z0-9]{1,64})$/
const CHECK_BYTES = 32
const RECORD_BYTES_LIMIT = 1 << 26
const LABEL = utf8("funion-authority-record-v1")

const CONSEQUENCES: Readonly<Record<RecordKind, string>> = {
  lock: "wait until its epoch is over, then remove it: without it this authority could sign a second document",
  own: "wait until its epoch is over, then remove it: without it this authority could contradict its own vote",
  document: "remove it: the other authorities have the document",
  past: "remove it: the other authorities know the values",
  descriptor: "remove it: the node uploads again",
  withdrawal: "remove it: the actor counts as present until it withdraws again"
}

/**
 * Opens the store.
 * @errors AuthorityDiskUnusable: out of reach, or a record that is damaged
 */
export const openAuthorityDisk = ({ crypto, directory }: AuthorityDiskOptions): Effect.Effect<AuthorityStore, AuthorityDiskUnusable> =>
  Effect.suspend(() => Either.gen(function* () {
    const check = (name: string, bytes: Uint8Array): Uint8Array => crypto.blake2b256(LABEL, utf8(name), bytes)
    const folder = yield* openFolder(directory)
    const held = new Map<string, AuthorityRecord>()
    for (const name of yield* folder.names()) {
      const [, kindText, epoch, part] = RECORD_FILE.exec(name) ?? []
      const kind = RECORD_KINDS.find((each) => each === kindText)
      if (kind === undefined || epoch === undefined || part === undefined) continue
      const content = (yield* folder.read(name, RECORD_BYTES_LIMIT)) ?? new Uint8Array(0)
      const bytes = content.subarray(CHECK_BYTES)
      if (!constantTimeEqual(content.subarray(0, CHECK_BYTES), check(name, bytes))) {
        return yield* Either.left(new AuthorityDiskUnusable({ message: `${directory}/${name}: is damaged; ${CONSEQUENCES[kind]}` }))
      }
      held.set(name, { kind, epoch: Number(epoch), part, bytes })
    }
    return {
      records: () => [...held.values()],
      keep: (record: AuthorityRecord) => {
        const name = recordText(record)
        const isKept = Either.isRight(folder.write(name, concatBytes(check(name, record.bytes), record.bytes)))
        if (isKept) held.set(name, { ...record, bytes: record.bytes.slice() })
        return isKept
      },
      drop: (record) => {
        const name = recordText(record)
        if (!held.delete(name)) return
        // What cannot be removed is found again at the next start, and dropped then.
        if (record.kind === "own") folder.destroy(name)
        else folder.remove(name)
      }
    } satisfies AuthorityStore
  }).pipe(Either.mapLeft((error) => new AuthorityDiskUnusable({ message: error.message }))))
