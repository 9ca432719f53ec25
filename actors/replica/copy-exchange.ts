/**
 * One copy of a box to a fellow, and what the fellow says to it.
 *
 * Contract: `ask` sends a ReplicaWrite over the paced link and gives the fellow's code, or undefined when its queue is full, it stays silent, or its link dies
 * meanwhile. A ReplicaWriteReply names no box, so a replica answers a fellow's copy with a ReplicaMessageReply without envelope under the copy's hash.
 * Copies outstanding are bounded for each fellow.
 * Knows nothing of: which boxes are due, trying again.
 * Source: pigeonhole.md §5.6 (replication), §5.7; departures: copies are answered under their hash.
 *
 * @module
 */
import { type Effect, Exit } from "effect"
import { later } from "../../src/actor/actor.ts"
import type { Timer } from "../../src/actor/timer.ts"
import { toHex } from "../../src/bytes/hex.ts"
import type { CryptoBackend } from "../../src/crypto/backend.ts"
import { EnvelopeHash } from "../../src/pigeonhole/envelope.ts"
import type { ReplicaErrorCode } from "../../src/pigeonhole/error-code.ts"
import { encodeLinkCommand } from "../../src/pigeonhole/link-command.ts"
import type { StoredBox } from "../../src/pigeonhole/stored-box.ts"

/** Copies that one fellow may be asked to take at once: fewer than its queue holds, so that questions find room beside them. */
export const COPIES_LIMIT = 40

export interface CopyExchangeConfig {
  readonly crypto: CryptoBackend
  readonly linkCommandBytes: number
  /** How long a fellow's answer is waited for. */
  readonly timeoutMs: number
  readonly timer: Timer
  readonly offer: (replicaId: number, frame: Uint8Array, once: true) => boolean
}

/** What a copy is answered under. */
export const copyHash = (crypto: CryptoBackend, { boxId, payload, signature }: StoredBox): EnvelopeHash =>
  EnvelopeHash.unsafe(crypto.blake2b256(boxId, signature, payload))

type Answer = (code: ReplicaErrorCode | undefined) => void

export class CopyExchange {
  readonly #config: CopyExchangeConfig
  /** Replica id → hash → those who wait for it. */
  readonly #waiting = new Map<number, Map<string, Set<Answer>>>()
  readonly #counts = new Map<number, number>()

  constructor(config: CopyExchangeConfig) {
    this.#config = config
  }

  /** Copies that a fellow has not answered yet. */
  outstanding(replicaId: number): number {
    return this.#counts.get(replicaId) ?? 0
  }

  ask(replicaId: number, box: StoredBox): Effect.Effect<ReplicaErrorCode | undefined> {
    const { crypto, linkCommandBytes, offer, timeoutMs, timer } = this.#config
    return later((done) => {
      if (this.outstanding(replicaId) >= COPIES_LIMIT) {
        done(Exit.succeed(undefined))
        return () => undefined
      }
      const { boxId, payload, signature } = box
      const frame = encodeLinkCommand({ _tag: "ReplicaWrite", boxId, payload, signature }, linkCommandBytes)
      const id = toHex(copyHash(crypto, box))
      let stopWaiting = (): void => undefined
      const leave = (): boolean => {
        stopWaiting()
        return this.#leave(replicaId, id, answer)
      }
      const answer: Answer = (code) => {
        if (leave()) done(Exit.succeed(code))
      }
      this.#enter(replicaId, id, answer)
      if (offer(replicaId, frame, true)) stopWaiting = timer(() => answer(undefined), timeoutMs)
      else answer(undefined)
      return () => void leave()
    })
  }

  /** Hands a fellow's code to whoever waits for it; unknown ones are dropped. */
  answered(replicaId: number, hash: Uint8Array, errorCode: ReplicaErrorCode): void {
    for (const answer of [...this.#waiting.get(replicaId)?.get(toHex(hash)) ?? []]) answer(errorCode)
  }

  /** Ends all copies to a fellow whose link has died. */
  lost(replicaId: number): void {
    for (const answer of [...this.#waiting.get(replicaId)?.values() ?? []].flatMap((answers) => [...answers])) answer(undefined)
  }

  #enter(replicaId: number, id: string, answer: Answer): void {
    const fellow = this.#waiting.get(replicaId) ?? new Map<string, Set<Answer>>()
    this.#waiting.set(replicaId, fellow)
    fellow.set(id, (fellow.get(id) ?? new Set<Answer>()).add(answer))
    this.#counts.set(replicaId, this.outstanding(replicaId) + 1)
  }

  /** False when it has left already. */
  #leave(replicaId: number, id: string, answer: Answer): boolean {
    const fellow = this.#waiting.get(replicaId)
    const answers = fellow?.get(id)
    if (answers?.delete(answer) !== true) return false
    if (answers.size === 0) fellow?.delete(id)
    this.#counts.set(replicaId, this.outstanding(replicaId) - 1)
    return true
  }
}
