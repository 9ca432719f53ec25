/**
 * Asking a fellow replica on behalf of a client: one hop, one fresh envelope per question.
 *
 * Contract: `ask` gives the fellow's inner reply, or undefined when its queue is full, it stays silent for the proxy timeout, its link dies meanwhile, or its
 * answer does not open. Questions outstanding are bounded. An answer is matched by envelope hash.
 * Source: pigeonhole.md §5.6 (proxy); departures: none.
 *
 * @module
 */
import { Either, Exit } from "effect"
import { type Later, later } from "../../src/actor/actor.ts"
import type { Timer } from "../../src/actor/timer.ts"
import { toHex } from "../../src/bytes/hex.ts"
import type { CryptoBackend } from "../../src/crypto/backend.ts"
import type { Entropy } from "../../src/crypto/entropy.ts"
import { encapsulate, openReply, type Encapsulation, type Nike } from "../../src/crypto/mkem.ts"
import { zeroize } from "../../src/crypto/zeroize.ts"
import { envelopeHash } from "../../src/pigeonhole/envelope.ts"
import type { PigeonholeGeometry } from "../../src/pigeonhole/geometry.ts"
import { encodeLinkCommand } from "../../src/pigeonhole/link-command.ts"
import { unpad } from "../../src/pigeonhole/padding.ts"
import { decodeReplicaReplyInnerMessage, type ReplicaReplyInnerMessage } from "../../src/pigeonhole/replica-reply.ts"

export const OUTSTANDING_LIMIT = 1_024

export interface ProxyConfig {
  readonly crypto: CryptoBackend
  readonly nike: Nike
  readonly entropy: Entropy
  readonly pigeonhole: PigeonholeGeometry
  readonly timeoutMs: number
  readonly timer: Timer
  readonly offer: (replicaId: number, frame: Uint8Array, once: true) => boolean
}

interface Waiting {
  readonly replicaId: number
  readonly answer: (reply: Uint8Array | undefined) => void
}

export class Proxy {
  readonly #config: ProxyConfig
  readonly #outstanding = new Map<string, Waiting>()

  constructor(config: ProxyConfig) {
    this.#config = config
  }

  /** Questions that wait for an answer. */
  get outstanding(): number {
    return this.#outstanding.size
  }

  /** @param paddedInner  the padded inner message, as it came  @param publicKey  the fellow's envelope key */
  ask(replicaId: number, publicKey: Uint8Array, paddedInner: Uint8Array): Later<ReplicaReplyInnerMessage | undefined> {
    const { crypto, entropy, nike } = this.#config
    return later((done) => {
      const sealed = this.#outstanding.size < OUTSTANDING_LIMIT ? encapsulate(crypto, nike, [publicKey], paddedInner, entropy) : undefined
      if (sealed === undefined || Either.isLeft(sealed)) {
        done(Exit.succeed(undefined))
        return () => undefined
      }
      const { senderPrivateKey } = sealed.right
      const opened = (reply: Uint8Array) => Either.getOrUndefined(
        openReply(crypto, nike, senderPrivateKey, publicKey, reply).pipe(Either.flatMap(unpad), Either.flatMap(decodeReplicaReplyInnerMessage))
      )
      return this.#exchange(replicaId, sealed.right, (reply) => {
        let answer: ReplicaReplyInnerMessage | undefined
        try {
          answer = reply === undefined ? undefined : opened(reply)
        } finally {
          zeroize(senderPrivateKey)
        }
        done(Exit.succeed(answer))
      }, () => zeroize(senderPrivateKey))
    })
  }

  /**
   * Sends a sealed question.
   * @param done  told the sealed answer, or undefined when none comes in time
   * @returns calls it off; `calledOff` is told
   */
  #exchange(
    replicaId: number, { ciphertext, deks, senderPublicKey }: Encapsulation, done: (reply: Uint8Array | undefined) => void, calledOff: () => void
  ): () => void {
    const { crypto, offer, pigeonhole, timeoutMs, timer } = this.#config
    const id = toHex(envelopeHash(crypto, senderPublicKey, ciphertext))
    let stopWaiting = (): void => undefined
    const leave = (): boolean => {
      stopWaiting()
      return this.#outstanding.delete(id)
    }
    const answer = (reply: Uint8Array | undefined): void => {
      if (leave()) done(reply)
    }
    const dek = deks[0] ?? new Uint8Array(0)
    const frame = encodeLinkCommand({ _tag: "ReplicaMessage", senderPublicKey, dek, ciphertext }, pigeonhole.linkCommandBytes)
    this.#outstanding.set(id, { replicaId, answer })
    if (offer(replicaId, frame, true)) stopWaiting = timer(() => answer(undefined), timeoutMs)
    else answer(undefined)
    return () => {
      if (leave()) calledOff()
    }
  }

  /** Hands an answer to whoever waits for it; unknown ones are dropped. */
  answered(hash: Uint8Array, reply: Uint8Array): void {
    this.#outstanding.get(toHex(hash))?.answer(reply)
  }

  /** Ends all questions to a fellow whose link has died. */
  lost(replicaId: number): void {
    for (const waiting of [...this.#outstanding.values()]) {
      if (waiting.replicaId === replicaId) waiting.answer(undefined)
    }
  }
}
