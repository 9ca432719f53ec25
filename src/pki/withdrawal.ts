/**
 * Withdrawals: an actor says that it will not be there from an epoch on.
 *
 *   withdrawal = plain map { identityKey: 32 bytes, epoch, signature: 64 bytes }
 *   signature  = Ed25519 over "funion-withdrawal-v1" ‖ BE64(epoch)
 *
 * Contract: `openWithdrawal` gives one only when the identity that it names signed it.
 * Knows nothing of: whether the identity is known to anybody, what brings it back.
 * Source: mixnet.md §12 (what an authority takes); departures: the reference has none: a node that stops is missed only in the next document.
 *
 * @module
 */
import { Either } from "effect"
import { concatBytes, utf8 } from "../bytes/concat.ts"
import { DecodeError } from "../bytes/decode-error.ts"
import { ByteWriter } from "../bytes/writer.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { Epoch } from "../params/epoch.ts"
import { decodePlain, encodePlain } from "./plain-msgpack.ts"
import { RecordReader } from "./record-reader.ts"

export interface Withdrawal {
  readonly identityKey: Uint8Array
  /** The first epoch whose document shall do without. */
  readonly epoch: Epoch
}

const FIELDS = ["identityKey", "epoch", "signature"]
const LABEL = utf8("funion-withdrawal-v1")
const EPOCH_LIMIT = 2 ** 40

const signedBytes = (epoch: Epoch): Uint8Array => concatBytes(LABEL, new ByteWriter(8).u64(epoch).finish())

/** @param seed  Ed25519 private key of the identity that withdraws, 32 bytes */
export const signWithdrawal = (crypto: CryptoBackend, seed: Uint8Array, epoch: Epoch): Uint8Array =>
  encodePlain({ identityKey: crypto.ed25519PublicKey(seed), epoch, signature: crypto.ed25519Sign(seed, signedBytes(epoch)) })

/** @errors DecodeError, `bad-signature` for a good form with a wrong signature */
export const openWithdrawal = (crypto: CryptoBackend, bytes: Uint8Array): Either.Either<Withdrawal, DecodeError> =>
  Either.gen(function* () {
    const reader = new RecordReader("Withdrawal", yield* decodePlain("Withdrawal", bytes), FIELDS)
    const read = yield* reader.finish({
      identityKey: reader.bytes("identityKey", 32),
      epoch: Epoch(reader.integer("epoch", 0, EPOCH_LIMIT)),
      signature: reader.bytes("signature", 64)
    })
    if (!crypto.ed25519Verify(read.identityKey, signedBytes(read.epoch), read.signature)) {
      return yield* Either.left(new DecodeError({ what: "Withdrawal", reason: "bad-signature" }))
    }
    return { identityKey: read.identityKey, epoch: read.epoch }
  })
