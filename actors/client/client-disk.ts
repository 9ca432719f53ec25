/**
 * What a client keeps on disk, in one folder of its own: its journal.
 *
 * Contract: a job that is in the journal goes on after a crash with the same bytes; a damaged journal is a typed error. The key that seals it is derived from
 * the storage key and the journal's life.
 * Knows nothing of: jobs.
 * Source: funion.md §8; departures: none.
 *
 * @module
 */
import { Data, Effect, type Scope } from "effect"
import { utf8 } from "../../src/bytes/concat.ts"
import type { CryptoBackend } from "../../src/crypto/backend.ts"
import type { Entropy } from "../../src/crypto/entropy.ts"
import type { Folder } from "../../src/disk/folder.ts"
import { openClientJournal } from "../../src/inference/client-journal.ts"
import { journalTrouble, openJournalFolder, openJournalIn } from "../../src/inference/journal-disk.ts"
import { JournalFile, type JournalStorage } from "../../src/inference/journal-file.ts"

export interface ClientDiskOptions {
  /** The client's own folder; made when it is missing. */
  readonly directory: string
  readonly crypto: CryptoBackend
  /** 32 bytes of this actor's own. */
  readonly storageKey: Uint8Array
  readonly entropy: Entropy
}

export interface ClientStock {
  readonly journal: JournalStorage
  readonly journalKey: Uint8Array
}

/** The folder cannot be used; `message` says why and what to do, in a sentence. */
export class ClientDiskUnusable extends Data.TaggedError("ClientDiskUnusable")<{
  readonly reason: "in-use" | "damaged" | "inaccessible"
  readonly message: string
}> {}

const KEY_BYTES = 32

/** As `openClientDisk`, in a folder that is open and ours. */
export const openClientDiskIn = (
  folder: Folder,
  { crypto, entropy, storageKey }: Omit<ClientDiskOptions, "directory">
): Effect.Effect<ClientStock, ClientDiskUnusable, Scope.Scope> =>
  Effect.gen(function*() {
    if (storageKey.length !== KEY_BYTES) throw new RangeError("a storage key has 32 bytes")
    const { life, storage } = yield* Effect.mapError(openJournalIn(folder, crypto, entropy), (error) => new ClientDiskUnusable(error))
    const journalKey = crypto.hkdfSha256(storageKey, life, utf8("funion-client-journal-key-v1"), KEY_BYTES)
    yield* openClientJournal(crypto, { localKey: journalKey, entropy }).pipe(
      Effect.provideService(JournalFile, storage),
      Effect.mapError((error) => new ClientDiskUnusable(journalTrouble(folder, error, "jobs that were not finished are lost")))
    )
    return { journal: storage, journalKey }
  })

/** Opens a client's folder for as long as the scope lives. @errors ClientDiskUnusable */
export const openClientDisk = ({ directory, ...options }: ClientDiskOptions): Effect.Effect<ClientStock, ClientDiskUnusable, Scope.Scope> =>
  openJournalFolder(directory).pipe(
    Effect.mapError((error) => new ClientDiskUnusable(error)),
    Effect.flatMap((folder) => openClientDiskIn(folder, options))
  )
