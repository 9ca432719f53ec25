/**
 * The outcome of an attempt: the one document that a set of certificates of authorities gives.
 *
 * Contract: a pure function of the certificates and the contents they name, so that everybody who holds them computes the same bytes. Given only with
 * certificates of at least `threshold` authorities over the same contents, and numbers of at least as many in the shared random value.
 * Left out are
 *   - senders of a certificate with a bad entry: an unknown author, a wrong signature, a reveal that is not its commit's, one author twice;
 *   - authors whose reveal, validly signed, is not their commit's or not of this epoch;
 *   - authors of whom two different votes, reveals or certificates are there.
 * A number counts when a certificate of somebody else holds it, so that nobody brings in his own at the last moment, for some and not for others.
 * Knows nothing of: time, whether descriptors are pinned.
 * Source: mixnet.md §13 (certificates, shared random, exclusions); departures: the last rule above; certificates must agree on contents, byte for byte.
 *
 * @module
 */
import { Either } from "effect"
import { constantTimeEqual } from "../bytes/equal.ts"
import { toHex } from "../bytes/hex.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import type { Epoch } from "../params/epoch.ts"
import { revealFits, type Revealed } from "./shared-random.ts"
import { decodeContents, documentOf, type VoteContents } from "./vote.ts"
import { isSigned, messagesOf, readCert, type Message, type Share } from "./vote-message.ts"

export interface OutcomeSetting {
  readonly crypto: CryptoBackend
  readonly authorityKeys: ReadonlyArray<Uint8Array>
  readonly authorityThreshold: number
}

export interface At {
  readonly epoch: Epoch
  readonly attempt: number
}

export interface Outcome {
  readonly document: Uint8Array
  readonly contents: VoteContents
  readonly contentsBytes: Uint8Array
}

/** What certificates say together, before any document is made of them. */
export interface Collected {
  /** Certificates that count. */
  readonly certs: ReadonlyArray<Message>
  /** Contents hash, in hex, that at least the threshold of them name; undefined when there is none. */
  readonly contentsHash: string | undefined
  readonly revealed: ReadonlyArray<Revealed>
  /** Authorities that were left out, in hex of their keys, and why. */
  readonly excluded: ReadonlyMap<string, "equivocation" | "bad-entry" | "bad-reveal">
}

type Entry = { readonly share: Share; readonly sender: string }

/** Whether votes and reveals of shares are validly signed by known authorities; each share is looked at once, in however many certificates it is. */
const signatureCheck = ({ authorityKeys, crypto }: OutcomeSetting, at: At): (share: Share) => boolean => {
  const seen = new Map<string, boolean>()
  return (share) => {
    const { author, commit, contentsHash, reveal: revealed, revealSignature, voteSignature } = share
    const text = [author, commit, contentsHash, voteSignature, revealed, revealSignature].map(toHex).join(" ")
    const known = seen.get(text)
    if (known !== undefined) return known
    const { reveal, vote } = messagesOf(at, share)
    const signed = authorityKeys.some((key) => constantTimeEqual(key, author)) && isSigned(crypto, vote) && isSigned(crypto, reveal)
    seen.set(text, signed)
    return signed
  }
}

/** The entries of one certificate; undefined when one of them is bad. `accuse` is told of authors whose own signatures convict them. */
const goodEntries = (
  crypto: CryptoBackend, at: At, shares: ReadonlyArray<Share>, isValid: (share: Share) => boolean, accuse: (author: string) => void
): ReadonlyArray<Share> | undefined => {
  const seen = new Set<string>()
  let good = true
  for (const share of shares) {
    const author = toHex(share.author)
    const signed = isValid(share)
    const fits = revealFits(crypto, at.epoch, share.commit, share.reveal)
    if (signed && !fits) accuse(author)
    if (!signed || !fits || seen.has(author)) good = false
    seen.add(author)
  }
  return good ? shares : undefined
}

const textOf = ({ commit, contentsHash, reveal }: Share): string => [commit, contentsHash, reveal].map(toHex).join(" ")

/**
 * Puts certificates of one attempt together.
 * @param certs  opened messages of kind cert, of configured authorities and of this epoch and attempt; one author may occur twice
 */
export const collect = (setting: OutcomeSetting, at: At, certs: ReadonlyArray<Message>): Collected => {
  const excluded = new Map<string, "equivocation" | "bad-entry" | "bad-reveal">()
  const entries: Array<Entry> = []
  const bodies = new Map<string, string>()
  const named = new Map<string, string>()
  const isValid = signatureCheck(setting, at)
  for (const cert of certs) {
    const sender = toHex(cert.author)
    const body = readCert(cert)
    const shares = Either.isLeft(body) ? undefined : goodEntries(
      setting.crypto, at, body.right.shares, isValid, (author) => excluded.set(author, "bad-reveal"))
    if (Either.isLeft(body) || shares === undefined) {
      excluded.set(sender, "bad-entry")
      continue
    }
    const text = toHex(cert.body)
    if ((bodies.get(sender) ?? text) !== text) excluded.set(sender, "equivocation")
    bodies.set(sender, text)
    named.set(sender, toHex(body.right.contentsHash))
    entries.push(...shares.map((share) => ({ share, sender })))
  }
  const first = new Map<string, string>()
  const trusted = entries.filter(({ sender }) => excluded.get(sender) !== "bad-entry")
  for (const { share } of trusted) {
    const author = toHex(share.author)
    if ((first.get(author) ?? textOf(share)) !== textOf(share)) excluded.set(author, "equivocation")
    first.set(author, textOf(share))
  }
  const alone = setting.authorityKeys.length === 1
  const shares = new Map<string, Share>()
  for (const { sender, share } of trusted) {
    const author = toHex(share.author)
    if (!excluded.has(author) && !excluded.has(sender) && (alone || sender !== author)) shares.set(author, share)
  }
  const counted = certs.filter((cert, index) =>
    !excluded.has(toHex(cert.author)) && certs.findIndex((other) => constantTimeEqual(other.author, cert.author)) === index)
  const votes = new Map<string, number>()
  for (const cert of counted) {
    const hash = named.get(toHex(cert.author)) ?? ""
    votes.set(hash, (votes.get(hash) ?? 0) + 1)
  }
  return {
    certs: counted,
    contentsHash: [...votes].find(([, count]) => count >= setting.authorityThreshold)?.[0],
    revealed: [...shares.values()].map(({ author, reveal }) => ({ authorityKey: author, reveal })),
    excluded
  }
}

/**
 * The document of an attempt, if certificates give one.
 * @param collected  what they say together
 * @param contents   by hash in hex, as far as known
 */
export const outcomeOf = (
  setting: OutcomeSetting, at: At, { contentsHash, revealed }: Collected, contents: ReadonlyMap<string, Uint8Array>
): Outcome | undefined => {
  const contentsBytes = contentsHash === undefined ? undefined : contents.get(contentsHash)
  if (contentsBytes === undefined || revealed.length < setting.authorityThreshold) return undefined
  const decoded = Either.getOrUndefined(decodeContents(at.epoch, contentsBytes))
  const document = decoded === undefined ? undefined : Either.getOrUndefined(documentOf(setting.crypto, at.epoch, decoded, revealed))
  return decoded === undefined || document === undefined ? undefined : { document, contents: decoded, contentsBytes }
}
