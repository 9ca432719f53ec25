/**
 * One attempt at one epoch's document: what was heard of it.
 *
 * Contract: holds at most one message of each kind and author; a second one with another body convicts its author. Bounded by the number of authorities.
 * Knows nothing of: time, who may speak.
 * Source: mixnet.md §13; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { constantTimeEqual } from "../../src/bytes/equal.ts"
import { toHex } from "../../src/bytes/hex.ts"
import type { CryptoBackend } from "../../src/crypto/backend.ts"
import { revealFits } from "../../src/pki/shared-random.ts"
import { readCert, shareOf, voteBody, type Message, type Share } from "../../src/pki/vote-message.ts"

export type Phase = "vote" | "reveal" | "cert"

export type Heard = "new" | "already" | "equivocation"

export class Round {
  readonly attempt: number
  phase: Phase = "vote"
  sinceMs: number
  readonly votes = new Map<string, Message>()
  readonly reveals = new Map<string, Message>()
  readonly certs = new Map<string, Message>()
  /** Contents by hash in hex, of certificates. */
  readonly contents = new Map<string, Uint8Array>()

  constructor(attempt: number, nowMs: number) {
    this.attempt = attempt
    this.sinceMs = nowMs
  }

  enter(phase: Phase, nowMs: number): void {
    this.phase = phase
    this.sinceMs = nowMs
  }

  /** Takes an opened vote, reveal or cert of this attempt. */
  hear(message: Message): Heard {
    const heard = this.#heardOf(message)
    const author = toHex(message.author)
    const known = heard.get(author)
    if (known !== undefined) return constantTimeEqual(known.body, message.body) ? "already" : "equivocation"
    heard.set(author, message)
    if (message.kind === "cert" && message.attachment.length > 0) {
      this.contents.set(Either.match(readCert(message), { onLeft: () => "", onRight: ({ contentsHash }) => toHex(contentsHash) }), message.attachment)
    }
    return "new"
  }

  /** What is known of the author's message of a kind, without taking it. */
  compare(message: Message): Heard {
    const known = this.#heardOf(message).get(toHex(message.author))
    return known === undefined ? "new" : constantTimeEqual(known.body, message.body) ? "already" : "equivocation"
  }

  /** Whether a reveal belongs to its author's vote. */
  fits(crypto: CryptoBackend, reveal: Message): boolean {
    const vote = this.votes.get(toHex(reveal.author))
    return vote !== undefined && revealFits(crypto, reveal.epoch, voteBody(vote).commit, reveal.body)
  }

  /** Votes with their reveals, without those of `excluded`. */
  shares(excluded: ReadonlyMap<string, unknown>): ReadonlyArray<Share> {
    return [...this.votes].flatMap(([author, vote]) => {
      const reveal = this.reveals.get(author)
      return reveal === undefined || excluded.has(author) ? [] : [shareOf(vote, reveal)]
    })
  }

  #heardOf({ kind }: Message): Map<string, Message> {
    return kind === "vote" ? this.votes : kind === "reveal" ? this.reveals : this.certs
  }
}
