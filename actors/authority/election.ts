/**
 * The vote on one epoch's document at one authority: attempts, one after the other, until there is a document.
 *
 * Contract: attempt 0 follows the schedule; later ones begin when something is missing, and each of their phases ends when everybody was heard or after a
 * short time. Messages are accepted in their phase, from authorities only, one of each kind and author; who contradicts itself is left out for the
 * epoch. Of each attempt this authority sends one vote, one reveal and one certificate, also across crashes: what it says in attempt 0 is stored before
 * it is sent, and of later ones their number, which is not used again. Once it has signed it takes part in no other attempt.
 * Knows nothing of: the network, clocks (instants are arguments, Unix milliseconds).
 * Source: mixnet.md §13; departures: attempts beside the schedule; reveals may come before our own vote phase has ended there, because our vote is out.
 *
 * @module
 */
import { Either } from "effect"
import { toHex } from "../../src/bytes/hex.ts"
import type { Entropy } from "../../src/crypto/entropy.ts"
import type { Epoch } from "../../src/params/epoch.ts"
import { collect, outcomeOf } from "../../src/pki/outcome.ts"
import { makeCommit, makeReveal, type Past } from "../../src/pki/shared-random.ts"
import { decodeContents, encodeContents, settingText, tally, type VoteContents } from "../../src/pki/vote.ts"
import {
  ATTEMPT_LIMIT, encodeMessage, openMessage, signCert, signReveal, signVote, withoutAttachment, type Message, type MessageKind
} from "../../src/pki/vote-message.ts"
import { configuredReplicasOf, type PinnedIdentity } from "./pinned.ts"
import type { Register } from "./register.ts"
import { Round } from "./round.ts"
import { pauseMs, phaseLimitMs, scheduleOf, type Schedule } from "./schedule.ts"
import { Signing, type Offer, type SigningConfig } from "./signing.ts"

export interface ElectionConfig extends SigningConfig {
  readonly pinned: ReadonlyArray<PinnedIdentity>
  readonly register: Register
  readonly entropy: Entropy
  /** The last document before an epoch. */
  readonly pastOf: (epoch: Epoch) => Past | undefined
}

/** What came of a message; everything but the first two is a rejection. */
export type Verdict =
  | "ok" | "already" | "late" | "early" | "not authorised" | "forged signature" | "malformed" | "equivocation" | "excluded" | "invalid"

/** A message for every fellow. */
export interface Outgoing {
  readonly kind: MessageKind
  readonly bytes: Uint8Array
  /** Whether it is still of use. */
  readonly wanted: (nowMs: number) => boolean
}

/** How long a document beside the schedule waits for pinned identities that are late, when the epoch before had a document: they are likely gone. */
const SETTLE_MS = 5_000
/** The same when there was none: the network is starting, and slow machines need a while to load their models. */
const STARTING_SETTLE_MS = 60_000
/** How long a document signed by others waits for a better one. */
const ADOPT_MS = 500
const SECRET_BYTES = 32
const OWN = "own"

export class Election {
  readonly epoch: Epoch
  readonly signing: Signing
  readonly schedule: Schedule
  readonly #config: ElectionConfig
  readonly #self: string
  readonly #excluded = new Map<string, string>()
  readonly #outbox: Array<Outgoing> = []
  readonly #startedMs: number
  #round: Round | undefined
  #reveal: Uint8Array | undefined
  /** Highest attempt of ours; -1 before the first. */
  #attempt = -1
  #nextMs = 0
  /** Attempt 0 has failed. */
  #missed = false
  #offeredMs: number | undefined

  constructor(config: ElectionConfig, epoch: Epoch, startedMs: number) {
    this.#config = config
    this.epoch = epoch
    this.schedule = scheduleOf(config.params, epoch)
    this.signing = new Signing(config, epoch)
    this.#self = toHex(config.identity.publicKey)
    this.#startedMs = startedMs
    const said = this.#own("attempt")
    if (said !== undefined) this.#attempt = new DataView(said.buffer, said.byteOffset, said.byteLength).getUint32(0)
    if (this.signing.sig !== undefined) this.#offerSig()
  }

  /** Whether a document of this epoch is signed here, or complete. */
  get isClosed(): boolean {
    return this.signing.sig !== undefined || this.signing.complete !== undefined
  }

  /** Authorities found to contradict themselves or to send bad entries, in hex of their keys, and why. */
  get excluded(): ReadonlyMap<string, string> {
    return this.#excluded
  }

  /**
   * Does what is due and gives what is to be sent.
   * @param asked  true once fellows were asked for a document that exists already
   */
  step(nowMs: number, asked: boolean): ReadonlyArray<Outgoing> {
    if (!this.isClosed) this.#adopt(nowMs)
    if (!this.isClosed && nowMs < this.schedule.endMs) {
      if (this.#round === undefined || this.#round.attempt === 0) this.#voteOnSchedule(nowMs)
      if (asked) this.#beginBeside(nowMs)
      while (this.#advance(nowMs));
    }
    return this.#outbox.splice(0)
  }

  /** The next instant at which `step` may have something to do without a message. */
  wakeMs(nowMs: number): number {
    if (this.isClosed) return Number.POSITIVE_INFINITY
    const { certMs, openMs, revealMs, signMs, slackMs, voteMs } = this.schedule
    const round = this.#round
    const candidates = [
      ...[voteMs, revealMs, certMs, signMs].map((edgeMs) => edgeMs + slackMs), openMs, this.#settledMs(), this.#nextMs,
      ...(this.#offeredMs === undefined ? [] : [this.#offeredMs + ADOPT_MS]),
      ...(round === undefined || round.attempt === 0 ? [] : [round.sinceMs + phaseLimitMs(round.attempt)])
    ]
    return Math.min(...candidates.filter((candidateMs) => candidateMs > nowMs))
  }

  /** Takes an opened message of an authority other than this one. */
  receive(message: Message, nowMs: number): Verdict {
    if (message.kind === "sig") return this.#receiveSig(message, nowMs)
    const author = toHex(message.author)
    const round = this.#round
    if (round?.attempt === message.attempt && round.compare(message) === "equivocation") {
      this.#excluded.set(author, "equivocation")
      return "equivocation"
    }
    if (this.isClosed || nowMs >= this.schedule.endMs) return "late"
    if (this.#excluded.has(author)) return "excluded"
    const contents = message.kind === "vote" ? Either.getOrUndefined(decodeContents(this.epoch, message.attachment)) : undefined
    if (message.kind === "vote" && contents === undefined) return "malformed"
    const gate = message.attempt === 0 ? this.#gateOnSchedule(message, nowMs) : this.#gateBeside(message, nowMs)
    if (gate !== "ok") return gate
    if (contents !== undefined) this.#config.register.adopt(this.epoch, contents.descriptors)
    if (message.kind === "vote" && message.attempt > 0 && this.#round?.attempt !== message.attempt) this.#begin(message.attempt, nowMs)
    const into = this.#round
    if (into?.attempt !== message.attempt) return "late"
    if (message.kind !== "vote" && !into.votes.has(author)) return "early"
    if (message.kind === "reveal" && !into.fits(this.#config.crypto, message)) {
      this.#excluded.set(author, "a reveal that is not its commit's")
      return "invalid"
    }
    const heard = into.hear(message)
    return heard === "new" ? "ok" : heard
  }

  /** Takes a complete document from a fellow. */
  complement(certificate: Uint8Array): boolean {
    return this.signing.complement(certificate)
  }

  #gateOnSchedule({ kind }: Message, nowMs: number): Verdict {
    const { certMs, revealMs, signMs, voteMs } = this.schedule
    const [opensMs, closesMs] = kind === "vote" ? [voteMs, revealMs] : kind === "reveal" ? [revealMs, certMs] : [certMs, signMs]
    if (nowMs < opensMs) return "early"
    if (nowMs >= closesMs || this.#missed) return "late"
    this.#round ??= new Round(0, nowMs)
    return this.#round.attempt === 0 ? "ok" : "late"
  }

  #gateBeside({ attempt, kind }: Message, nowMs: number): Verdict {
    if (nowMs < this.schedule.joinMs) return "early"
    const round = this.#round
    if (attempt > this.#attempt) return kind === "vote" ? "ok" : "early"
    if (round === undefined || round.attempt === 0) this.#nextMs = Math.min(this.#nextMs, nowMs)
    if (round?.attempt !== attempt) return "late"
    return (kind === "vote" && round.phase !== "vote") || (kind === "reveal" && round.phase === "cert") ? "late" : "ok"
  }

  #receiveSig(message: Message, nowMs: number): Verdict {
    if (nowMs >= this.schedule.endMs) return "late"
    if (nowMs < this.schedule.certMs) return "early"
    const heard = this.signing.hear(message)
    if (heard === "ok") this.#offeredMs ??= nowMs
    return heard === "forged" ? "forged signature" : heard
  }

  /** Signs what others have signed, when that completes it or nothing better has come. */
  #adopt(nowMs: number): void {
    const [best] = this.signing.offers
    if (best === undefined || (best.attempt === 0 && nowMs < this.schedule.signMs)) return
    const waited = nowMs - (this.#offeredMs ?? nowMs) >= ADOPT_MS
    if (!waited && best.signatures.size + 1 < this.#config.authorityThreshold) return
    if (this.#isAcceptable(best)) this.#sign(best.attempt, best)
  }

  /** Whether this authority would have all that in a document: its own parameters, and none but pinned identities. */
  #isAcceptable({ outcome: { contents } }: Pick<Offer, "outcome">): boolean {
    return settingText(contents) === settingText({ params: this.#config.params, configuredReplicas: configuredReplicasOf(this.#config.pinned) }) &&
      contents.descriptors.every((bytes) => this.#config.register.identify(this.epoch, bytes) !== undefined)
  }

  #sign(attempt: number, { evidence, outcome }: Pick<Offer, "evidence" | "outcome">): void {
    if (this.signing.sign(attempt, outcome, evidence)) this.#offerSig()
    this.#round = undefined
  }

  #offerSig(): void {
    const { sig } = this.signing
    if (sig !== undefined) this.#outbox.push({ kind: "sig", bytes: sig, wanted: (nowMs) => nowMs < this.schedule.endMs })
  }

  /** Casts, or after a crash repeats, our vote of attempt 0. */
  #voteOnSchedule(nowMs: number): void {
    const { register } = this.#config
    const { revealMs, signMs, slackMs, voteMs } = this.schedule
    if (this.#missed || this.#round?.votes.has(this.#self) === true || nowMs < voteMs + slackMs || nowMs >= signMs) return
    const [vote, secret, cert] = ["vote", "secret", "cert"].map((part) => this.#own(part))
    if (vote !== undefined && secret !== undefined) {
      const opened = Either.getOrUndefined(openMessage(this.#config.crypto, "vote", vote))
      if (opened === undefined || this.#attempt > 0) return
      const round = this.#round ??= new Round(0, nowMs)
      this.#reveal = makeReveal(this.#config.crypto, this.epoch, secret)
      this.#say(round, opened)
      const said = cert === undefined ? undefined : Either.getOrUndefined(openMessage(this.#config.crypto, "cert", cert))
      if (said !== undefined) this.#say(round, said)
      return
    }
    if (this.#attempt < 0 && nowMs < revealMs - slackMs && register.canForm(this.epoch)) this.#begin(0, nowMs)
  }

  #settledMs(): number {
    const isRunning = this.#config.pastOf(this.epoch)?.epoch === this.epoch - 1
    return Math.max(this.#startedMs, this.schedule.openMs) + (isRunning ? SETTLE_MS : STARTING_SETTLE_MS)
  }

  #beginBeside(nowMs: number): void {
    const { register } = this.#config
    if (this.#round !== undefined && (this.#round.attempt > 0 || nowMs < this.schedule.openMs)) return
    if (nowMs < this.schedule.openMs || nowMs < this.#nextMs || !register.canForm(this.epoch)) return
    if (register.isFull(this.epoch) || nowMs >= this.#settledMs()) this.#begin(Math.max(0, this.#attempt) + 1, nowMs)
  }

  #begin(attempt: number, nowMs: number): void {
    const { crypto, entropy, identity, params, pinned, register, store } = this.#config
    if (attempt > ATTEMPT_LIMIT) return
    const round = attempt === 0 && this.#round?.attempt === 0 ? this.#round : new Round(attempt, nowMs)
    const contents = encodeContents(crypto, {
      params, configuredReplicas: configuredReplicasOf(pinned), past: this.#config.pastOf(this.epoch), descriptors: register.descriptors(this.epoch)
    })
    const secret = entropy(SECRET_BYTES)
    const reveal = makeReveal(crypto, this.epoch, secret)
    const vote = signVote(crypto, identity.seed, { epoch: this.epoch, attempt }, makeCommit(crypto, this.epoch, reveal), contents)
    const number = new Uint8Array(4)
    new DataView(number.buffer).setUint32(0, attempt)
    const kept = attempt > 0 || (this.#keep("secret", secret) && this.#keep("vote", encodeMessage(vote)))
    if (!kept || !store.keep({ kind: OWN, epoch: this.epoch, part: "attempt", bytes: number })) return
    this.#attempt = attempt
    this.#round = round
    this.#reveal = reveal
    this.#say(round, vote)
  }

  /** Goes on to the next phase when this one is over; true when it did. */
  #advance(nowMs: number): boolean {
    const round = this.#round
    if (round === undefined || !this.#isOver(round, nowMs)) return false
    switch (round.phase) {
      case "vote": return this.#endVotes(round, nowMs)
      case "reveal": return this.#endReveals(round, nowMs)
      case "cert": return this.#endCerts(round, nowMs)
    }
  }

  #isOver(round: Round, nowMs: number): boolean {
    const { certMs, revealMs, signMs, slackMs } = this.schedule
    if (round.attempt === 0) return nowMs >= slackMs + { vote: revealMs, reveal: certMs, cert: signMs }[round.phase]
    const voters = [...round.votes.keys()].filter((author) => !this.#excluded.has(author))
    const everybody = this.#config.authorityKeys.map(toHex).filter((author) => !this.#excluded.has(author))
    const wanted = round.phase === "vote" ? everybody : voters
    const heard = { vote: round.votes, reveal: round.reveals, cert: round.certs }[round.phase]
    return wanted.every((author) => heard.has(author)) || nowMs - round.sinceMs >= phaseLimitMs(round.attempt)
  }

  #endVotes(round: Round, nowMs: number): boolean {
    const { authorityThreshold, crypto, identity } = this.#config
    const enough = [...round.votes.keys()].filter((author) => !this.#excluded.has(author)).length >= authorityThreshold
    // On schedule we reveal in any case: after a crash the others may have heard more than we remember.
    if ((enough || round.attempt === 0) && round.votes.has(this.#self) && this.#reveal !== undefined) {
      this.#say(round, signReveal(crypto, identity.seed, { epoch: this.epoch, attempt: round.attempt }, this.#reveal))
    }
    if (!enough) return this.#fail(round, nowMs)
    round.enter("reveal", nowMs)
    return true
  }

  #endReveals(round: Round, nowMs: number): boolean {
    const { authorityThreshold, crypto, identity, register } = this.#config
    if (round.certs.has(this.#self)) {
      round.enter("cert", nowMs)
      return true
    }
    const shares = round.shares(this.#excluded)
    const votes = [...round.votes].flatMap(([author, { attachment }]): ReadonlyArray<VoteContents> =>
      this.#excluded.has(author) ? [] : [Either.getOrThrow(decodeContents(this.epoch, attachment))])
    const counted = tally(votes, authorityThreshold, (bytes) => register.identify(this.epoch, bytes))
    if (counted === undefined || shares.length < authorityThreshold) return this.#fail(round, nowMs)
    const cert = signCert(crypto, identity.seed, { epoch: this.epoch, attempt: round.attempt }, shares, encodeContents(crypto, counted))
    if (round.attempt === 0 && !this.#keep("cert", encodeMessage(cert))) return this.#fail(round, nowMs)
    round.enter("cert", nowMs)
    this.#say(round, cert)
    return true
  }

  #endCerts(round: Round, nowMs: number): boolean {
    const at = { epoch: this.epoch, attempt: round.attempt }
    const certs = [...round.certs].flatMap(([author, cert]) => (this.#excluded.has(author) ? [] : [cert]))
    const collected = collect(this.#config, at, certs)
    for (const [author, reason] of collected.excluded) this.#excluded.set(author, reason)
    const outcome = outcomeOf(this.#config, at, collected, round.contents)
    if (outcome === undefined || !this.#isAcceptable({ outcome })) return this.#fail(round, nowMs)
    const evidence = { certs: certs.map((cert) => encodeMessage(withoutAttachment(cert))), contents: outcome.contentsBytes }
    this.#sign(round.attempt, { outcome, evidence })
    return false
  }

  #fail(round: Round, nowMs: number): false {
    this.#round = undefined
    if (round.attempt === 0) this.#missed = true
    const [byte = 0] = this.#config.entropy(1)
    this.#nextMs = nowMs + pauseMs(round.attempt, byte / 256)
    return false
  }

  /** Notes and sends a message of our own. */
  #say(round: Round, message: Message): void {
    round.hear(message)
    const { certMs, endMs, revealMs, signMs, slackMs } = this.schedule
    const { attempt, kind } = message
    const closesMs = kind === "vote" ? revealMs : kind === "reveal" ? certMs : signMs
    const wanted = attempt === 0
      ? (nowMs: number) => nowMs < closesMs - slackMs
      : (nowMs: number) => this.#attempt === attempt && this.signing.complete === undefined && nowMs < endMs
    this.#outbox.push({ kind, bytes: encodeMessage(message), wanted })
  }

  #own(part: string): Uint8Array | undefined {
    return this.#config.store.records().find(({ epoch, kind, part: name }) => kind === OWN && epoch === this.epoch && name === part)?.bytes
  }

  #keep(part: string, bytes: Uint8Array): boolean {
    return this.#config.store.keep({ kind: OWN, epoch: this.epoch, part, bytes })
  }
}
