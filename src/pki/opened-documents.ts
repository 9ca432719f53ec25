/**
 * Documents that this process has read and found well-formed, so that its actors share one and each need not verify every descriptor again.
 *
 * Contract: as `decodeDocument` for the same bytes under the same backend; the last `DOCUMENTS_KEPT` that were well-formed are kept and told apart by their
 * hash. Who signed a document, and whether it may be believed now, is no part of this.
 * Knows nothing of: certificates, epochs.
 * Source: none needed (a network of 124 actors in one process read one document 124 times); departures: none.
 *
 * @module
 */
import { Either } from "effect"
import type { DecodeError } from "../bytes/decode-error.ts"
import { toHex } from "../bytes/hex.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { decodeDocument, type Document } from "./document.ts"

/** An actor holds three, of the last, this and the next epoch. */
const DOCUMENTS_KEPT = 4

/** In the order of reading, by hash. */
const opened = new WeakMap<CryptoBackend, Map<string, Document>>()

/**
 * A document, from those read lately or by reading it.
 * @errors DecodeError
 * @cost a hash, or what `decodeDocument` costs
 */
export const openDocument = (crypto: CryptoBackend, bytes: Uint8Array): Either.Either<Document, DecodeError> => {
  let known = opened.get(crypto)
  if (known === undefined) opened.set(crypto, known = new Map())
  const name = toHex(crypto.sha256(bytes))
  const held = known.get(name)
  if (held !== undefined) return Either.right(held)
  const read = decodeDocument(crypto, bytes)
  if (Either.isLeft(read)) return read
  known.set(name, read.right)
  const [oldest] = known.keys()
  if (known.size > DOCUMENTS_KEPT && oldest !== undefined) known.delete(oldest)
  return read
}
