/**
 * What one authority knows and answers: its register, and the elections of the epochs around now.
 *
 * Contract: everything that must outlive a crash is in the store, and a council built anew on it goes on without contradicting itself. Elections exist
 * for the previous, the current and the next epoch, documents for three. Every rejection has a reason for the log.
 * Knows nothing of: the network, clocks (instants are arguments, Unix milliseconds).
 * Source: mixnet.md §12, §13; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { constantTimeEqual } from "../../src/bytes/equal.ts"
import { toHex } from "../../src/bytes/hex.ts"
import { epochAt, Epoch } from "../../src/params/epoch.ts"
import { decodeCertificate } from "../../src/pki/certificate.ts"
import { decodeDocument } from "../../src/pki/document.ts"
import type { Past } from "../../src/pki/shared-random.ts"
import { decodePast, encodePast } from "../../src/pki/vote.ts"
import { openMessage, type MessageKind } from "../../src/pki/vote-message.ts"
import { Election, type ElectionConfig, type Outgoing, type Verdict } from "./election.ts"
import { Register, type Posted } from "./register.ts"

/** Another authority. */
export interface Fellow {
  readonly name: string
  readonly publicKey: Uint8Array
}

export interface CouncilConfig extends Omit<ElectionConfig, "register" | "pastOf"> {
  readonly fellows: ReadonlyArray<Fellow>
}

/** Something refused, for the log. */
export interface Rejection {
  /** Configured name of whoever it is about, or a word for strangers. */
  readonly peer: string
  readonly kind: MessageKind | "descriptor" | "withdrawal"
  readonly epoch: number
  readonly reason: string
}

export interface Heard {
  readonly verdict: Verdict
  readonly rejection?: Rejection
}

/** Of past epochs: the document of this many is kept. */
const KEPT_EPOCHS = 2
const STRANGER = "a stranger"

export class Council {
  readonly register: Register
  readonly #config: CouncilConfig
  readonly #startedMs: number
  readonly #elections = new Map<number, Election>()
  readonly #pasts = new Map<number, Past>()
  readonly #told = new Set<string>()

  constructor(config: CouncilConfig, startedMs: number) {
    this.#config = config
    this.#startedMs = startedMs
    this.register = new Register(config)
    for (const { bytes, epoch, kind } of config.store.records()) {
      const past = kind === "past" ? Either.getOrUndefined(decodePast(bytes)) : undefined
      if (past !== undefined) this.#pasts.set(epoch, past)
    }
    const now = epochAt(config.params, startedMs)
    for (const epoch of [now - 2, now - 1, now, now + 1]) if (epoch >= 0) this.#notePast(this.#make(Epoch(epoch)))
  }

  /** The election of an epoch within one of now, else one whose document is still kept. */
  at(epoch: number, nowMs: number): Election | undefined {
    const known = this.#elections.get(epoch)
    const now = epochAt(this.#config.params, nowMs)
    if (known !== undefined || !Number.isSafeInteger(epoch) || epoch < 0 || Math.abs(epoch - now) > 1) return known
    return this.#make(Epoch(epoch))
  }

  /** Takes the bytes of a message from a fellow. */
  receive(kind: MessageKind, bytes: Uint8Array, caller: string, nowMs: number): Heard {
    const now = epochAt(this.#config.params, nowMs)
    const reject = (verdict: Verdict, peer: string, epoch: number = now): Heard => ({ verdict, rejection: { peer, kind, epoch, reason: verdict } })
    if (!this.#config.fellows.some(({ name }) => name === caller)) return reject("not authorised", STRANGER)
    const opened = openMessage(this.#config.crypto, kind, bytes)
    if (Either.isLeft(opened)) return reject(opened.left.reason === "forged" ? "forged signature" : "malformed", caller)
    const message = opened.right
    const author = this.#config.fellows.find(({ publicKey }) => constantTimeEqual(publicKey, message.author))
    if (author === undefined) return reject("not authorised", caller)
    const election = Math.abs(message.epoch - now) > 1 ? undefined : this.at(message.epoch, nowMs)
    if (election === undefined) return reject(message.epoch < now ? "late" : "early", author.name)
    const verdict = election.receive(message, nowMs)
    this.#notePast(election)
    return verdict === "ok" || verdict === "already" ? { verdict } : reject(verdict, author.name, message.epoch)
  }

  post(epoch: number, bytes: Uint8Array, caller: string, nowMs: number): Posted {
    const now = epochAt(this.#config.params, nowMs)
    if (!Number.isSafeInteger(epoch) || epoch < 0 || Math.abs(epoch - now) > 1) return { status: 1, reason: "epoch out of range" }
    return this.register.post(Epoch(epoch), bytes, caller, this.at(epoch, nowMs)?.isClosed === true)
  }

  withdraw(bytes: Uint8Array, caller: string, nowMs: number): Posted {
    return this.register.withdraw(bytes, caller, epochAt(this.#config.params, nowMs))
  }

  /** The pinned name of a caller, or a word for strangers. */
  peerName(caller: string): string {
    return this.#config.pinned.some(({ name }) => name === caller) ? caller : STRANGER
  }

  /** 0 document, 1 not yet, 2 gone. */
  consensus(epoch: number, nowMs: number): { readonly status: 0 | 1 | 2; readonly certificate: Uint8Array } {
    const complete = this.#elections.get(epoch)?.signing.complete
    if (complete !== undefined) return { status: 0, certificate: complete }
    const now = epochAt(this.#config.params, nowMs)
    return { status: epoch === now || epoch === now + 1 ? 1 : 2, certificate: new Uint8Array(0) }
  }

  /** Does what is due. @param asked  true once fellows were asked for documents that exist already */
  step(nowMs: number, asked: boolean): { readonly outgoing: ReadonlyArray<Outgoing>; readonly rejections: ReadonlyArray<Rejection> } {
    this.#prune(nowMs)
    const elections = this.#current(nowMs)
    const outgoing = elections.flatMap((election) => election.step(nowMs, asked))
    for (const election of elections) this.#notePast(election)
    return { outgoing, rejections: elections.flatMap((election) => this.#exclusions(election)) }
  }

  wakeMs(nowMs: number): number {
    return Math.min(...this.#current(nowMs).map((election) => election.wakeMs(nowMs)))
  }

  /** Epochs whose document fellows may have and this authority has not. @param withPast  the previous one, too */
  missing(nowMs: number, withPast: boolean): ReadonlyArray<Epoch> {
    const now = epochAt(this.#config.params, nowMs)
    return [...(withPast && now > 0 ? [Epoch(now - 1)] : []), now, Epoch(now + 1)].filter((epoch) => {
      const election = this.at(epoch, nowMs)
      return election !== undefined && election.signing.complete === undefined && (epoch <= now || nowMs >= election.schedule.signMs)
    })
  }

  /** Takes a document of `epoch` from a fellow, if it has enough signatures. */
  complement(epoch: Epoch, certificate: Uint8Array, nowMs: number): void {
    const election = this.at(epoch, nowMs)
    if (election?.complement(certificate) === true) this.#notePast(election)
  }

  #current(nowMs: number): ReadonlyArray<Election> {
    const now = epochAt(this.#config.params, nowMs)
    return [now, now + 1].flatMap((epoch) => this.at(epoch, nowMs) ?? [])
  }

  #make(epoch: Epoch): Election {
    const election = new Election({
      ...this.#config,
      register: this.register,
      pastOf: (voted) => [...this.#pasts.values()].filter((past) => past.epoch < voted).sort((a, b) => b.epoch - a.epoch)[0]
    }, epoch, this.#startedMs)
    this.#elections.set(epoch, election)
    return election
  }

  /** Remembers what later documents inherit of this one. */
  #notePast({ epoch, signing: { complete } }: Election): void {
    if (complete === undefined || this.#pasts.has(epoch)) return
    const document = Either.flatMap(decodeCertificate(complete), ({ certified }) => decodeDocument(this.#config.crypto, certified))
    if (Either.isLeft(document)) return
    const { genesisEpoch, priorSharedRandom, sharedRandomValue } = document.right
    const past: Past = { epoch, genesisEpoch, sharedRandomValue, priorSharedRandom }
    this.#pasts.set(epoch, past)
    this.#config.store.keep({ kind: "past", epoch, part: "values", bytes: encodePast(past) })
  }

  /** Authorities that were left out since the last call. */
  #exclusions({ epoch, excluded }: Election): ReadonlyArray<Rejection> {
    return [...excluded].flatMap(([author, reason]): ReadonlyArray<Rejection> => {
      const key = `${epoch} ${author}`
      if (this.#told.has(key)) return []
      this.#told.add(key)
      const peer = this.#config.fellows.find(({ publicKey }) => toHex(publicKey) === author)?.name ?? this.#config.identity.name
      return [{ peer, kind: "vote", epoch, reason: `excluded for ${reason}` }]
    })
  }

  /** Forgets epochs that have passed: documents of all but the last two, everything else of all but the last; of pasts the newest three stay. */
  #prune(nowMs: number): void {
    const now = epochAt(this.#config.params, nowMs)
    if ([...this.#elections.keys()].every((epoch) => epoch >= now - KEPT_EPOCHS)) return
    for (const epoch of [...this.#elections.keys()]) if (epoch < now - KEPT_EPOCHS) this.#elections.delete(epoch)
    for (const key of this.#told) if (Number(key.split(" ")[0]) < now - KEPT_EPOCHS) this.#told.delete(key)
    this.register.prune(now - 1)
    const pasts = [...this.#pasts.keys()].sort((a, b) => b - a)
    for (const old of pasts.slice(KEPT_EPOCHS + 1)) this.#pasts.delete(old)
    for (const { epoch, kind, part } of this.#config.store.records()) {
      const old = kind === "past" ? !this.#pasts.has(epoch) : kind === "withdrawal" ? false : epoch < now - (kind === "document" ? KEPT_EPOCHS : 1)
      if (old) this.#config.store.drop({ kind, epoch, part })
    }
  }
}
