/**
 * Certificates: a document with the signatures of the directory authorities.
 *
 * Contract: `verifyCertificate` gives a document only when it has not expired and at least `threshold` *different* configured authorities signed exactly
 * its bytes. Unknown signers and wrong signatures count for nothing, and a signer counts once however often it appears. Nothing of an unsigned document
 * is parsed.
 *
 *   certificate  = plain map { version: 0, expirationEpoch, keyType: "ed25519", certified: bytes, signatures: [ { signer: 32 bytes, signature: 64 bytes } ] }
 *   signer       = H256(authority's identity key)
 *   signed bytes = LE32(version) ‖ LE64(expirationEpoch) ‖ keyType ‖ certified
 *
 * Knows nothing of: how authorities agree on a document, how certificates travel.
 * Source: mixnet.md §12 (certificate, VerifyThreshold); departures: MessagePack wrapper; signatures as a list; at most 64.
 *
 * @module
 */
import { Data, Either } from "effect"
import { concatBytes, utf8 } from "../bytes/concat.ts"
import { DecodeError } from "../bytes/decode-error.ts"
import { constantTimeEqual } from "../bytes/equal.ts"
import { toHex } from "../bytes/hex.ts"
import { ByteWriter } from "../bytes/writer.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { Epoch } from "../params/epoch.ts"
import { nodeIdOf } from "./descriptor.ts"
import { DOCUMENT_LIMITS, type Document } from "./document.ts"
import { openDocument } from "./opened-documents.ts"
import { decodePlain, encodePlain, type PlainLimits } from "./plain-msgpack.ts"
import { RecordReader } from "./record-reader.ts"

export interface CertificateSignature {
  /** H256 of the signer's identity key, 32 bytes. */
  readonly signer: Uint8Array
  readonly signature: Uint8Array
}

export interface Certificate {
  /** First epoch in which the certificate is no longer valid. */
  readonly expirationEpoch: Epoch
  /** The document's bytes. */
  readonly certified: Uint8Array
  readonly signatures: ReadonlyArray<CertificateSignature>
}

/** A document expires this many epochs after its own. */
export const DOCUMENT_LIFE_EPOCHS = 5

const VERSION = 0
const KEY_TYPE = "ed25519"
const CERTIFICATE_FIELDS = ["version", "expirationEpoch", "keyType", "certified", "signatures"]
const SIGNATURE_FIELDS = ["signer", "signature"]
const SIGNATURES_LIMIT = 64
const EPOCH_LIMIT = 2 ** 40
const CERTIFICATE_LIMITS: PlainLimits = { maxBytes: DOCUMENT_LIMITS.maxBytes + (1 << 14), maxItems: 1024, maxDepth: 4 }

/** A certificate was not accepted. Stays inside the process. */
export class CertificateRefused extends Data.TaggedError("CertificateRefused")<{
  readonly reason: "malformed" | "expired" | "below-threshold" | "document-invalid"
}> {
  override get message(): string {
    return `directory document refused: ${this.reason}`
  }
}

const signedBytes = (expirationEpoch: number, certified: Uint8Array): Uint8Array =>
  concatBytes(new ByteWriter(12).u32(VERSION).u64le(BigInt(expirationEpoch)).finish(), utf8(KEY_TYPE), certified)

/** The bytes of a certificate; signatures ascend by signer, so that equal certificates are equal bytes. */
export const encodeCertificate = ({ expirationEpoch, certified, signatures }: Certificate): Uint8Array =>
  encodePlain({
    version: VERSION,
    expirationEpoch,
    keyType: KEY_TYPE,
    certified,
    signatures: signatures
      .map(({ signer, signature }) => ({ order: toHex(signer), signer, signature }))
      .sort((a, b) => (a.order < b.order ? -1 : a.order > b.order ? 1 : 0))
      .map(({ signer, signature }) => ({ signer, signature }))
  })

/**
 * Reads the wrapper alone: neither signatures nor the document are looked at.
 * @errors DecodeError
 */
export const decodeCertificate = (bytes: Uint8Array): Either.Either<Certificate, DecodeError> =>
  Either.flatMap(decodePlain("Certificate", bytes, CERTIFICATE_LIMITS), (value) => {
    const reader = new RecordReader("Certificate", value, CERTIFICATE_FIELDS)
    reader.integer("version", VERSION, VERSION)
    reader.literal("keyType", [KEY_TYPE])
    return reader.finish({
      expirationEpoch: Epoch(reader.integer("expirationEpoch", 1, EPOCH_LIMIT)),
      certified: reader.variableBytes("certified", DOCUMENT_LIMITS.maxBytes),
      signatures: reader.parts("signatures", 0, SIGNATURES_LIMIT, SIGNATURE_FIELDS, (part) => ({
        signer: part.bytes("signer", 32),
        signature: part.bytes("signature", 64)
      }))
    })
  })

/**
 * One authority's certificate over a document.
 * @param seed              Ed25519 private key of the authority, 32 bytes
 * @param document          bytes of `encodeDocument`
 * @param expirationEpoch   document epoch + DOCUMENT_LIFE_EPOCHS
 */
export const signDocument = (crypto: CryptoBackend, seed: Uint8Array, document: Uint8Array, expirationEpoch: Epoch): Uint8Array =>
  encodeCertificate({
    expirationEpoch,
    certified: document,
    signatures: [{
      signer: nodeIdOf(crypto, crypto.ed25519PublicKey(seed)),
      signature: crypto.ed25519Sign(seed, signedBytes(expirationEpoch, document))
    }]
  })

/** The authorities among `authorityKeys` whose signature on this certificate is valid, each once: hex of H256(key). */
export const validSigners = (crypto: CryptoBackend, certificate: Certificate, authorityKeys: ReadonlyArray<Uint8Array>): ReadonlySet<string> => {
  const known = new Map(authorityKeys.map((key) => [toHex(nodeIdOf(crypto, key)), key]))
  const message = signedBytes(certificate.expirationEpoch, certificate.certified)
  const valid = new Set<string>()
  for (const { signer, signature } of certificate.signatures) {
    const name = toHex(signer)
    const key = known.get(name)
    if (key !== undefined && !valid.has(name) && crypto.ed25519Verify(key, message, signature)) valid.add(name)
  }
  return valid
}

/**
 * One certificate with the valid signatures of several over the same document, each authority once. Certificates that do not parse, are over
 * other bytes than the first, or expire at another epoch, and signatures that are not valid, are left out.
 * @errors CertificateRefused `malformed` when the first certificate does not parse or there is none
 */
export const mergeSignatures = (
  crypto: CryptoBackend, certificates: ReadonlyArray<Uint8Array>, authorityKeys: ReadonlyArray<Uint8Array>
): Either.Either<Uint8Array, CertificateRefused> => {
  const [first, ...others] = certificates.map(decodeCertificate)
  if (first === undefined || Either.isLeft(first)) return Either.left(new CertificateRefused({ reason: "malformed" }))
  const base = first.right
  const same = [base, ...others.flatMap((other) => (Either.isRight(other) ? [other.right] : []))].filter((other) =>
    other.expirationEpoch === base.expirationEpoch && constantTimeEqual(other.certified, base.certified))
  const merged = new Map<string, CertificateSignature>()
  for (const certificate of same) {
    for (const signature of certificate.signatures) {
      const name = toHex(signature.signer)
      if (!merged.has(name) && validSigners(crypto, { ...certificate, signatures: [signature] }, authorityKeys).has(name)) merged.set(name, signature)
    }
  }
  return Either.right(encodeCertificate({ ...base, signatures: [...merged.values()] }))
}

/**
 * Gives the document of a certificate if it may be believed now.
 * @param authorityKeys  identity keys of all configured authorities; a key listed twice is one authority
 * @param threshold      T, at least 1; the reference uses floor(n/2) + 1
 * @param nowEpoch       the epoch of the reader's clock. Whether the document is of the wanted epoch is the caller's check
 * @errors CertificateRefused `malformed` | `expired` | `below-threshold` | `document-invalid`
 * @source mixnet.md §12    @cost one Ed25519 verification per authority, and at the first reading in a process one per descriptor
 */
export const verifyCertificate = (
  crypto: CryptoBackend, bytes: Uint8Array, authorityKeys: ReadonlyArray<Uint8Array>, threshold: number, nowEpoch: Epoch
): Either.Either<Document, CertificateRefused> => {
  const refused = (reason: CertificateRefused["reason"]) => Either.left(new CertificateRefused({ reason }))
  const decoded = decodeCertificate(bytes)
  if (Either.isLeft(decoded)) return refused("malformed")
  const certificate = decoded.right
  if (nowEpoch >= certificate.expirationEpoch) return refused("expired")
  if (!(threshold >= 1) || validSigners(crypto, certificate, authorityKeys).size < threshold) return refused("below-threshold")
  const document = openDocument(crypto, certificate.certified)
  if (Either.isLeft(document)) return refused("document-invalid")
  return certificate.expirationEpoch === document.right.epoch + DOCUMENT_LIFE_EPOCHS ? Either.right(document.right) : refused("document-invalid")
}
