/**
 * The job keys of a compute service on disk: one file per epoch, `job-<epoch>.key`, sealed under the storage key and bound to the journal.
 *
 *     nonce 12 ‖ ChaCha20-Poly1305(storage key of job keys, nonce, aad = "funion-job-key-v1" ‖ life of the journal ‖ u64 epoch, secret 32)
 *
 * Contract: a file that does not open, being damaged, of another journal or under another storage key, is destroyed: dispatches sealed to that key are
 * answered with filler, and their clients seal anew to the next one.
 * Knows nothing of: which epochs are due.
 * Source: funion.md §6.2, §8 (after a loss start empty and with fresh job keys); departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { concatBytes, utf8 } from "../../src/bytes/concat.ts"
import { ByteWriter } from "../../src/bytes/writer.ts"
import type { CryptoBackend } from "../../src/crypto/backend.ts"
import type { Entropy } from "../../src/crypto/entropy.ts"
import type { DiskFailed } from "../../src/disk/disk-failed.ts"
import type { Folder } from "../../src/disk/folder.ts"
import type { JobKeyVault } from "./job-keys.ts"

export interface JobKeyVaultOptions {
  readonly crypto: CryptoBackend
  readonly entropy: Entropy
  /** 32 bytes, for job keys only. */
  readonly sealKey: Uint8Array
  /** Which journal the keys belong to. */
  readonly life: Uint8Array
}

const NONCE_BYTES = 12
const SECRET_BYTES = 32
const FILE_BYTES = NONCE_BYTES + SECRET_BYTES + 16
const KEY_FILE = /^job-(\d{1,12})\.key$/
const LABEL = utf8("funion-job-key-v1")

const nameOf = (epoch: number): string => `job-${epoch}.key`

/** Opens what the folder holds, and destroys what does not belong to the journal. @errors DiskFailed */
export const openJobKeyVault = (folder: Folder, { crypto, entropy, life, sealKey }: JobKeyVaultOptions): Either.Either<JobKeyVault, DiskFailed> => {
  const aadOf = (epoch: number): Uint8Array => concatBytes(LABEL, life, new ByteWriter(8).u64(BigInt(epoch)).finish())
  const epochsIn = (): Either.Either<ReadonlyArray<number>, DiskFailed> => Either.map(folder.names(), (names) => names.flatMap((name) => {
    const digits = KEY_FILE.exec(name)?.[1]
    return digits === undefined ? [] : [Number(digits)]
  }))
  const secretOf = (epoch: number): Uint8Array | undefined => {
    const sealed = Either.getOrUndefined(folder.read(nameOf(epoch), FILE_BYTES))
    if (sealed === undefined || sealed.length !== FILE_BYTES) return undefined
    return crypto.chacha20Poly1305Open(sealKey, sealed.slice(0, NONCE_BYTES), aadOf(epoch), sealed.slice(NONCE_BYTES))
  }
  return Either.gen(function*() {
    const held = new Map<number, Uint8Array>()
    for (const epoch of yield* epochsIn()) {
      const secret = secretOf(epoch)
      if (secret === undefined) yield* folder.destroy(nameOf(epoch))
      else held.set(epoch, secret)
    }
    return {
      held,
      keep: (epoch, secret) => {
        const nonce = entropy(NONCE_BYTES)
        return Either.isRight(folder.write(nameOf(epoch), concatBytes(nonce, crypto.chacha20Poly1305Seal(sealKey, nonce, aadOf(epoch), secret))))
      },
      destroyBefore: (epoch) => {
        const old = Either.map(epochsIn(), (epochs) => epochs.filter((each) => each < epoch))
        return Either.isRight(old) && old.right.map((each) => folder.destroy(nameOf(each))).every(Either.isRight)
      }
    }
  })
}
