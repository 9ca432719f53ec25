/**
 * The documents of one epoch that authorities have signed, and the one that this authority has.
 *
 * Contract: this authority signs one document of an epoch and no other, ever: the signature is in the store before it is given to anybody. A fellow's
 * signature counts when it is valid over a document that follows from the certificates which came with it. With signatures of the threshold over one
 * document, whichever that is, the epoch has its document, and keeps it.
 * Knows nothing of: time; how certificates come about.
 * Source: mixnet.md §12 (certificate), §13 (signatures); departures: signatures travel with what they were computed from, so that an authority that missed
 * it can compute and sign the same.
 *
 * @module
 */
import { Either } from "effect"
import { toHex } from "../../src/bytes/hex.ts"
import { Epoch } from "../../src/params/epoch.ts"
import {
  decodeCertificate, DOCUMENT_LIFE_EPOCHS, encodeCertificate, signDocument, validSigners, verifyCertificate, type CertificateSignature
} from "../../src/pki/certificate.ts"
import { nodeIdOf } from "../../src/pki/descriptor.ts"
import type { Identity, NetworkSetting } from "../../src/pki/network-setting.ts"
import { collect, outcomeOf, type Outcome } from "../../src/pki/outcome.ts"
import {
  encodeMessage, openMessage, readEvidence, sigBody, signSig, type Message, type SigEvidence
} from "../../src/pki/vote-message.ts"
import type { AuthorityStore } from "./store.ts"

export interface SigningConfig extends NetworkSetting {
  readonly identity: Identity
  readonly store: AuthorityStore
}

/** A document that somebody signed, with what it follows from. */
export interface Offer {
  readonly attempt: number
  readonly outcome: Outcome
  readonly evidence: SigEvidence
  readonly signatures: Map<string, CertificateSignature>
}

export type SigHeard = "ok" | "already" | "invalid" | "forged" | "equivocation"

/** The certificates of evidence, if all are of the attempt and of authorities. */
const certsOf = (config: SigningConfig, { attempt, epoch }: Message, evidence: SigEvidence): ReadonlyArray<Message> | undefined => {
  const known = new Set(config.authorityKeys.map(toHex))
  const certs: Array<Message> = []
  for (const bytes of evidence.certs) {
    const cert = Either.getOrUndefined(openMessage(config.crypto, "cert", bytes))
    if (cert === undefined || cert.epoch !== epoch || cert.attempt !== attempt || !known.has(toHex(cert.author))) return undefined
    certs.push(cert)
  }
  return certs
}

export class Signing {
  readonly #config: SigningConfig
  readonly #epoch: Epoch
  readonly #offers = new Map<string, Offer>()
  #sig: Uint8Array | undefined
  #complete: Uint8Array | undefined

  constructor(config: SigningConfig, epoch: Epoch) {
    this.#config = config
    this.#epoch = epoch
    for (const record of config.store.records()) {
      if (record.epoch !== epoch) continue
      if (record.kind === "document") this.#complete = record.bytes
      if (record.kind === "lock") this.#sig = record.bytes
    }
    const own = this.#sig === undefined ? undefined : Either.getOrUndefined(openMessage(config.crypto, "sig", this.#sig))
    if (own !== undefined) this.hear(own)
  }

  /** Our own sig message, once we have signed. */
  get sig(): Uint8Array | undefined {
    return this.#sig
  }

  /** The certificate with enough signatures, once there are. */
  get complete(): Uint8Array | undefined {
    return this.#complete
  }

  /** Documents that were signed by somebody, the one with most signatures first. */
  get offers(): ReadonlyArray<Offer> {
    return [...this.#offers.values()].sort((a, b) => b.signatures.size - a.signatures.size)
  }

  /** Signs a document, unless one of this epoch is signed; false when nothing was signed. */
  sign(attempt: number, outcome: Outcome, evidence: SigEvidence): boolean {
    const { crypto, identity, store } = this.#config
    if (this.#sig !== undefined || this.#complete !== undefined) return false
    const certificate = Either.getOrThrow(decodeCertificate(
      signDocument(crypto, identity.seed, outcome.document, Epoch(this.#epoch + DOCUMENT_LIFE_EPOCHS))))
    const [own] = certificate.signatures
    if (own === undefined) return false
    const message = signSig(crypto, identity.seed, { epoch: this.#epoch, attempt }, outcome.document, own.signature, evidence)
    const bytes = encodeMessage(message)
    if (!store.keep({ kind: "lock", epoch: this.#epoch, part: "sig", bytes })) return false
    this.#sig = bytes
    this.#count(message, outcome, evidence)
    return true
  }

  /** Takes an opened sig of an authority. */
  hear(message: Message): SigHeard {
    if (this.#complete !== undefined) return "already"
    const { documentHash, documentSignature } = sigBody(message)
    const hash = toHex(documentHash)
    const author = toHex(message.author)
    const offer = this.#offers.get(hash)
    if (offer !== undefined) {
      if (!this.#isValid(offer.outcome.document, message.author, documentSignature)) return "forged"
      this.#add(offer, author, message.author, documentSignature)
      return "ok"
    }
    if (this.#offers.size >= 2 * this.#config.authorityKeys.length) return "invalid"
    const evidence = Either.getOrUndefined(readEvidence(message))
    const certs = evidence === undefined ? undefined : certsOf(this.#config, message, evidence)
    if (evidence === undefined || certs === undefined) return "invalid"
    const contents = new Map([[toHex(this.#config.crypto.blake2b256(evidence.contents)), evidence.contents]])
    const outcome = outcomeOf(this.#config, message, collect(this.#config, message, certs), contents)
    if (outcome === undefined || toHex(this.#config.crypto.blake2b256(outcome.document)) !== hash) return "invalid"
    if (!this.#isValid(outcome.document, message.author, documentSignature)) return "forged"
    const twice = [...this.#offers.values()].some(({ signatures }) => signatures.has(author))
    this.#count(message, outcome, evidence)
    return twice ? "equivocation" : "ok"
  }

  /** Takes a certificate that has, or may have, enough signatures; false when it has not. */
  complement(bytes: Uint8Array): boolean {
    if (this.#complete !== undefined) return true
    const { authorityKeys, authorityThreshold, crypto } = this.#config
    const document = Either.getOrUndefined(verifyCertificate(crypto, bytes, authorityKeys, authorityThreshold, this.#epoch))
    if (document?.epoch !== this.#epoch) return false
    this.#finish(bytes)
    return true
  }

  #count(message: Message, outcome: Outcome, evidence: SigEvidence): void {
    const { documentHash, documentSignature } = sigBody(message)
    const offer = { attempt: message.attempt, outcome, evidence, signatures: new Map<string, CertificateSignature>() }
    this.#offers.set(toHex(documentHash), offer)
    this.#add(offer, toHex(message.author), message.author, documentSignature)
  }

  #add(offer: Offer, author: string, key: Uint8Array, signature: Uint8Array): void {
    const { authorityThreshold, crypto } = this.#config
    offer.signatures.set(author, { signer: nodeIdOf(crypto, key), signature })
    if (offer.signatures.size < authorityThreshold || this.#complete !== undefined) return
    this.#finish(encodeCertificate({
      expirationEpoch: Epoch(this.#epoch + DOCUMENT_LIFE_EPOCHS), certified: offer.outcome.document, signatures: [...offer.signatures.values()]
    }))
  }

  #finish(certificate: Uint8Array): void {
    this.#complete = certificate
    this.#config.store.keep({ kind: "document", epoch: this.#epoch, part: "certificate", bytes: certificate })
  }

  #isValid(document: Uint8Array, key: Uint8Array, signature: Uint8Array): boolean {
    const { crypto } = this.#config
    const certificate = {
      expirationEpoch: Epoch(this.#epoch + DOCUMENT_LIFE_EPOCHS), certified: document, signatures: [{ signer: nodeIdOf(crypto, key), signature }]
    }
    return validSigners(crypto, certificate, [key]).size === 1
  }
}
