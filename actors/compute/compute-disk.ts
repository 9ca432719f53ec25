/**
 * What a compute service keeps on disk, in one folder of its own: its journal and its job keys.
 *
 * Contract: journal and job keys belong together: a journal that is missing is begun anew with fresh keys, and the keys of the one before are destroyed, so
 * that no earlier dispatch can be opened again. A damaged journal is a typed error: the operator moves the folder away, and that has the same effect. The
 * keys that seal the journal and the job keys, and the key that signs results, are derived from the storage key; that of results stays the same
 * when the folder is lost.
 * Knows nothing of: jobs.
 * Source: funion.md §8; departures: none.
 *
 * @module
 */
import { Clock, Data, Effect, Either, type Scope } from "effect"
import { utf8 } from "../../src/bytes/concat.ts"
import type { CryptoBackend } from "../../src/crypto/backend.ts"
import type { Entropy } from "../../src/crypto/entropy.ts"
import type { Folder } from "../../src/disk/folder.ts"
import { openComputeJournal } from "../../src/inference/compute-journal.ts"
import { journalTrouble, openJournalFolder, openJournalIn } from "../../src/inference/journal-disk.ts"
import { JournalFile, type JournalStorage } from "../../src/inference/journal-file.ts"
import type { MixnetParams } from "../../src/params/mixnet-params.ts"
import { openJobKeyVault } from "./job-keys-disk.ts"
import { makeJobKeys, type JobKeys } from "./job-keys.ts"

export interface ComputeDiskOptions {
  /** The service's own folder; made when it is missing. */
  readonly directory: string
  readonly crypto: CryptoBackend
  readonly params: Pick<MixnetParams, "epochPeriodMs" | "replicaEpochPeriodMs" | "dispatchSuite">
  /** 32 bytes of this actor's own. */
  readonly storageKey: Uint8Array
  readonly entropy: Entropy
}

/** What a service needs of its stock; see `ComputeConfig`. */
export interface ComputeStock {
  readonly journal: JournalStorage
  readonly journalKey: Uint8Array
  readonly resultSeed: Uint8Array
  readonly jobKeys: JobKeys
}

/** The folder cannot be used; `message` says why and what to do, in a sentence. */
export class ComputeDiskUnusable extends Data.TaggedError("ComputeDiskUnusable")<{
  readonly reason: "in-use" | "damaged" | "inaccessible"
  readonly message: string
}> {}

const KEY_BYTES = 32
const NO_SALT = new Uint8Array(0)
const WHAT_IS_LOST = "jobs that were accepted are lost, and dispatches on their way go to fresh keys"

/** As `openComputeDisk`, in a folder that is open and ours. */
export const openComputeDiskIn = (
  folder: Folder,
  { crypto, entropy, params, storageKey }: Omit<ComputeDiskOptions, "directory">
): Effect.Effect<ComputeStock, ComputeDiskUnusable, Scope.Scope> =>
  Effect.gen(function*() {
    if (storageKey.length !== KEY_BYTES) throw new RangeError("a storage key has 32 bytes")
    const { life, storage } = yield* Effect.mapError(openJournalIn(folder, crypto, entropy), (error) => new ComputeDiskUnusable(error))
    const derive = (label: string, salt: Uint8Array): Uint8Array => crypto.hkdfSha256(storageKey, salt, utf8(label), KEY_BYTES)
    const journalKey = derive("funion-compute-journal-key-v1", life)
    yield* openComputeJournal(crypto, { localKey: journalKey, entropy }).pipe(
      Effect.provideService(JournalFile, storage),
      Effect.mapError((error) => new ComputeDiskUnusable(journalTrouble(folder, error, WHAT_IS_LOST)))
    )
    const sealKey = derive("funion-job-key-seal-v1", life)
    const vault = yield* Either.mapLeft(openJobKeyVault(folder, { crypto, entropy, life, sealKey }), ({ message }) =>
      new ComputeDiskUnusable({ reason: "inaccessible", message }))
    const jobKeys = makeJobKeys(crypto, params, params.dispatchSuite, entropy, vault)
    jobKeys.candidates(yield* Clock.currentTimeMillis)
    return { journal: storage, journalKey, resultSeed: derive("funion-result-seed-v1", NO_SALT), jobKeys }
  })

/** Opens a service's folder for as long as the scope lives. @errors ComputeDiskUnusable */
export const openComputeDisk = ({ directory, ...options }: ComputeDiskOptions): Effect.Effect<ComputeStock, ComputeDiskUnusable, Scope.Scope> =>
  openJournalFolder(directory).pipe(
    Effect.mapError((error) => new ComputeDiskUnusable(error)),
    Effect.flatMap((folder) => openComputeDiskIn(folder, options))
  )
