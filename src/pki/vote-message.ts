/**
 * The four messages by which authorities agree: vote, reveal, certificate of what was seen, signature of the outcome.
 *
 *   message   = plain map { kind, epoch, attempt, author: 32 bytes, body, signature: 64 bytes, attachment: [ at most one ] }
 *   signature = Ed25519 of the author over "funion-authority-" ‖ kind ‖ "-v1" ‖ BE64(epoch) ‖ BE64(attempt) ‖ body
 *   vote      : body = COMMIT (40) ‖ H256(attachment) (32);    attachment = contents (see vote)
 *   reveal    : body = REVEAL (40);                            no attachment
 *   cert      : body = plain map { contentsHash, shares };     attachment = contents, empty where they travel beside
 *   sig       : body = H256(document) (32) ‖ signature (64);   attachment = plain map { certs: [ cert messages without attachment ], contents }
 *   share     = { author, commit, contentsHash, voteSignature, reveal, revealSignature }: a vote without its contents, and its reveal
 *
 * Contract: `openMessage` gives a message only when its form is right, its attachment is the one its body names, and its author signed it for this kind,
 * epoch and attempt. Whether the author is an authority is the caller's check. The signature in a `sig` is over the document's certificate.
 * Knows nothing of: when messages are due, what follows of them.
 * Source: mixnet.md §13 (messages), §12 (SharedRandomCommit, SharedRandomReveal); departures: attempts are numbered; a sig carries what it was computed from.
 *
 * @module
 */
import { Data, Either } from "effect"
import { concatBytes, utf8 } from "../bytes/concat.ts"
import { constantTimeEqual } from "../bytes/equal.ts"
import { ByteWriter } from "../bytes/writer.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { Epoch } from "../params/epoch.ts"
import { decodePlain, encodePlain, type PlainLimits } from "./plain-msgpack.ts"
import { RecordReader } from "./record-reader.ts"
import { SHARE_BYTES } from "./shared-random.ts"
import { CONTENTS_LIMITS } from "./vote.ts"

export type MessageKind = "vote" | "reveal" | "cert" | "sig"
const MESSAGE_KINDS: ReadonlyArray<MessageKind> = ["vote", "reveal", "cert", "sig"]

export interface Message {
  readonly kind: MessageKind
  readonly epoch: Epoch
  /** 0 for the vote of the schedule, from 1 for what was tried beside it. */
  readonly attempt: number
  /** Identity key of the authority, 32 bytes. */
  readonly author: Uint8Array
  readonly body: Uint8Array
  readonly signature: Uint8Array
  /** May be empty. */
  readonly attachment: Uint8Array
}

/** One authority's part in the shared random value, with the proof that it took part. */
export interface Share {
  readonly author: Uint8Array
  readonly commit: Uint8Array
  readonly contentsHash: Uint8Array
  readonly voteSignature: Uint8Array
  readonly reveal: Uint8Array
  readonly revealSignature: Uint8Array
}

export interface CertBody {
  readonly contentsHash: Uint8Array
  readonly shares: ReadonlyArray<Share>
}

export interface SigEvidence {
  /** Encoded cert messages without attachment. */
  readonly certs: ReadonlyArray<Uint8Array>
  readonly contents: Uint8Array
}

/** Bytes are no acceptable message: not of its form, or not signed by the author it names. */
export class MessageRefused extends Data.TaggedError("MessageRefused")<{ readonly reason: "malformed" | "forged" }> {}

/** Attempts of one epoch. */
export const ATTEMPT_LIMIT = 1 << 20
const AUTHORITIES_LIMIT = 64
const HASH_BYTES = 32
const SIGNATURE_BYTES = 64
const EPOCH_LIMIT = 2 ** 40
const BODY_BYTES_LIMIT = 1 << 15
const CERT_BYTES_LIMIT = BODY_BYTES_LIMIT + 1024
const EVIDENCE_BYTES_LIMIT = CONTENTS_LIMITS.maxBytes + AUTHORITIES_LIMIT * CERT_BYTES_LIMIT
const MESSAGE_LIMITS: PlainLimits = { maxBytes: EVIDENCE_BYTES_LIMIT + CERT_BYTES_LIMIT, maxItems: 32, maxDepth: 3 }
const EVIDENCE_LIMITS: PlainLimits = { maxBytes: EVIDENCE_BYTES_LIMIT, maxItems: 128, maxDepth: 3 }
const MESSAGE_FIELDS = ["kind", "epoch", "attempt", "author", "body", "signature", "attachment"]
const CERT_FIELDS = ["contentsHash", "shares"]
const SHARE_FIELDS = ["author", "commit", "contentsHash", "voteSignature", "reveal", "revealSignature"]
const EVIDENCE_FIELDS = ["certs", "contents"]
const NOTHING = new Uint8Array(0)

const signedBytes = ({ attempt, body, epoch, kind }: Pick<Message, "kind" | "epoch" | "attempt" | "body">): Uint8Array =>
  concatBytes(utf8(`funion-authority-${kind}-v1`), new ByteWriter(16).u64(epoch).u64(attempt).finish(), body)

export const isSigned = (crypto: CryptoBackend, message: Omit<Message, "attachment">): boolean =>
  crypto.ed25519Verify(message.author, signedBytes(message), message.signature)

const signMessage = (
  crypto: CryptoBackend, seed: Uint8Array, message: Pick<Message, "kind" | "epoch" | "attempt" | "body" | "attachment">
): Message => ({ ...message, author: crypto.ed25519PublicKey(seed), signature: crypto.ed25519Sign(seed, signedBytes(message)) })

export const encodeMessage = ({ attachment, attempt, author, body, epoch, kind, signature }: Message): Uint8Array =>
  encodePlain({ kind, epoch, attempt, author, body, signature, attachment: attachment.length === 0 ? [] : [attachment] })

/** A cert as evidence holds it. */
export const withoutAttachment = (message: Message): Message => ({ ...message, attachment: NOTHING })

interface At {
  readonly epoch: Epoch
  readonly attempt: number
}

export const signVote = (crypto: CryptoBackend, seed: Uint8Array, at: At, commit: Uint8Array, contents: Uint8Array): Message =>
  signMessage(crypto, seed, { ...at, kind: "vote", body: concatBytes(commit, crypto.blake2b256(contents)), attachment: contents })

export const signReveal = (crypto: CryptoBackend, seed: Uint8Array, at: At, reveal: Uint8Array): Message =>
  signMessage(crypto, seed, { ...at, kind: "reveal", body: reveal, attachment: NOTHING })

export const signCert = (crypto: CryptoBackend, seed: Uint8Array, at: At, shares: ReadonlyArray<Share>, contents: Uint8Array): Message =>
  signMessage(crypto, seed, {
    ...at,
    kind: "cert",
    body: encodePlain({
      contentsHash: crypto.blake2b256(contents),
      shares: shares.map(({ author, commit, contentsHash, reveal, revealSignature, voteSignature }) =>
        ({ author, commit, contentsHash, voteSignature, reveal, revealSignature }))
    }),
    attachment: contents
  })

/** @param documentSignature  64 bytes, of the document's certificate */
export const signSig = (
  crypto: CryptoBackend, seed: Uint8Array, at: At, document: Uint8Array, documentSignature: Uint8Array, { certs, contents }: SigEvidence
): Message =>
  signMessage(crypto, seed, {
    ...at, kind: "sig", body: concatBytes(crypto.blake2b256(document), documentSignature), attachment: encodePlain({ certs, contents })
  })

/** Commit and hash of the contents of a vote that was opened. */
export const voteBody = ({ body }: Message): Pick<Share, "commit" | "contentsHash"> =>
  ({ commit: body.subarray(0, SHARE_BYTES), contentsHash: body.subarray(SHARE_BYTES) })

/** Hash and signature of the document of a sig that was opened. */
export const sigBody = ({ body }: Message): { readonly documentHash: Uint8Array; readonly documentSignature: Uint8Array } =>
  ({ documentHash: body.subarray(0, HASH_BYTES), documentSignature: body.subarray(HASH_BYTES) })

/** The share that a vote and a reveal of one author make. */
export const shareOf = (vote: Message, reveal: Message): Share =>
  ({ author: vote.author, ...voteBody(vote), voteSignature: vote.signature, reveal: reveal.body, revealSignature: reveal.signature })

/** The votes and reveals behind a share, as their authors signed them; contents apart. */
export const messagesOf = (at: At, share: Share): { readonly vote: Message; readonly reveal: Message } => ({
  vote: {
    ...at, kind: "vote", author: share.author, body: concatBytes(share.commit, share.contentsHash), signature: share.voteSignature, attachment: NOTHING
  },
  reveal: { ...at, kind: "reveal", author: share.author, body: share.reveal, signature: share.revealSignature, attachment: NOTHING }
})

const malformed = Either.left(new MessageRefused({ reason: "malformed" }))

/** @errors MessageRefused `malformed` */
export const readCert = ({ body }: Message): Either.Either<CertBody, MessageRefused> =>
  Either.flatMap(decodePlain("Cert", body), (value) => {
    const reader = new RecordReader("Cert", value, CERT_FIELDS)
    return reader.finish({
      contentsHash: reader.bytes("contentsHash", HASH_BYTES),
      shares: reader.parts("shares", 0, AUTHORITIES_LIMIT, SHARE_FIELDS, (part) => ({
        author: part.bytes("author", HASH_BYTES),
        commit: part.bytes("commit", SHARE_BYTES),
        contentsHash: part.bytes("contentsHash", HASH_BYTES),
        voteSignature: part.bytes("voteSignature", SIGNATURE_BYTES),
        reveal: part.bytes("reveal", SHARE_BYTES),
        revealSignature: part.bytes("revealSignature", SIGNATURE_BYTES)
      }))
    })
  }).pipe(Either.orElse(() => malformed))

/** @errors MessageRefused `malformed` */
export const readEvidence = ({ attachment }: Message): Either.Either<SigEvidence, MessageRefused> =>
  Either.flatMap(decodePlain("Evidence", attachment, EVIDENCE_LIMITS), (value) => {
    const reader = new RecordReader("Evidence", value, EVIDENCE_FIELDS)
    return reader.finish({
      certs: reader.byteStrings("certs", 1, AUTHORITIES_LIMIT, CERT_BYTES_LIMIT),
      contents: reader.variableBytes("contents", CONTENTS_LIMITS.maxBytes)
    })
  }).pipe(Either.orElse(() => malformed))

/** Whether body and attachment are of the form that the kind has. */
const isWellFormed = (crypto: CryptoBackend, message: Message): boolean => {
  const { attachment, body, kind } = message
  switch (kind) {
    case "vote":
      return body.length === SHARE_BYTES + HASH_BYTES && constantTimeEqual(voteBody(message).contentsHash, crypto.blake2b256(attachment))
    case "reveal":
      return body.length === SHARE_BYTES && attachment.length === 0
    case "cert": {
      const cert = readCert(message)
      return Either.isRight(cert) && (attachment.length === 0 || constantTimeEqual(cert.right.contentsHash, crypto.blake2b256(attachment)))
    }
    case "sig":
      return body.length === HASH_BYTES + SIGNATURE_BYTES && Either.isRight(readEvidence(message))
  }
}

/**
 * Reads a message and verifies its author's signature.
 * @errors MessageRefused
 * @cost one Ed25519 verification, one hash of the attachment
 */
export const openMessage = (crypto: CryptoBackend, kind: MessageKind, bytes: Uint8Array): Either.Either<Message, MessageRefused> => {
  const decoded = Either.flatMap(decodePlain("Message", bytes, MESSAGE_LIMITS), (value) => {
    const reader = new RecordReader("Message", value, MESSAGE_FIELDS)
    return reader.finish<Message>({
      kind: reader.literal("kind", MESSAGE_KINDS),
      epoch: Epoch(reader.integer("epoch", 0, EPOCH_LIMIT)),
      attempt: reader.integer("attempt", 0, ATTEMPT_LIMIT),
      author: reader.bytes("author", HASH_BYTES),
      body: reader.variableBytes("body", BODY_BYTES_LIMIT),
      signature: reader.bytes("signature", SIGNATURE_BYTES),
      attachment: reader.byteStrings("attachment", 0, 1, EVIDENCE_BYTES_LIMIT)[0] ?? NOTHING
    })
  })
  if (Either.isLeft(decoded) || decoded.right.kind !== kind || !isWellFormed(crypto, decoded.right)) return malformed
  return isSigned(crypto, decoded.right) ? Either.right(decoded.right) : Either.left(new MessageRefused({ reason: "forged" }))
}
