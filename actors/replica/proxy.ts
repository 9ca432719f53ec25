/**
 * Asking a fellow replica on behalf of a client: one hop, one fresh envelope per question.
 *
 * Contract: `ask` gives the fellow's inner reply, or undefined when its queue is full, it stays silent for the proxy timeout, its link dies meanwhile, or its
 * answer does not open. Questions outstanding are bounded. An answer is matched by envelope hash.
 * Source: pigeonhole.md §5.6 (proxy); departures: none.
 *
 * @module
 */
import { Deferred, Effect, Either, Exit } from "effect"
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
  readonly offer: (replicaId: number, frame: Uint8Array, once: true) => boolean
}

interface Waiting {
  readonly replicaId: number
  readonly answer: Deferred.Deferred<Uint8Array | undefined>
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
  ask(replicaId: number, publicKey: Uint8Array, paddedInner: Uint8Array): Effect.Effect<ReplicaReplyInnerMessage | undefined> {
    const { crypto, entropy, nike } = this.#config
    return Effect.suspend(() => {
      if (this.#outstanding.size >= OUTSTANDING_LIMIT) return Effect.succeed(undefined)
      const sealed = encapsulate(crypto, nike, [publicKey], paddedInner, entropy)
      if (Either.isLeft(sealed)) return Effect.succeed(undefined)
      const { senderPrivateKey } = sealed.right
      const opened = (reply: Uint8Array | undefined) => reply === undefined ? undefined : Either.getOrUndefined(
        openReply(crypto, nike, senderPrivateKey, publicKey, reply).pipe(Either.flatMap(unpad), Either.flatMap(decodeReplicaReplyInnerMessage))
      )
      return Effect.ensuring(Effect.map(this.#exchange(replicaId, sealed.right), opened), Effect.sync(() => zeroize(senderPrivateKey)))
    })
  }

  /** The sealed answer to a sealed question, if it comes in time. */
  #exchange(replicaId: number, { ciphertext, deks, senderPublicKey }: Encapsulation): Effect.Effect<Uint8Array | undefined> {
    const { crypto, offer, pigeonhole, timeoutMs } = this.#config
    const id = toHex(envelopeHash(crypto, senderPublicKey, ciphertext))
    return Effect.gen(this, function*() {
      const answer = yield* Deferred.make<Uint8Array | undefined>()
      this.#outstanding.set(id, { replicaId, answer })
      const dek = deks[0] ?? new Uint8Array(0)
      const frame = encodeLinkCommand({ _tag: "ReplicaMessage", senderPublicKey, dek, ciphertext }, pigeonhole.linkCommandBytes)
      if (!offer(replicaId, frame, true)) return undefined
      return yield* Deferred.await(answer).pipe(Effect.timeoutTo({ duration: timeoutMs, onSuccess: (bytes) => bytes, onTimeout: () => undefined }))
    }).pipe(Effect.ensuring(Effect.sync(() => this.#outstanding.delete(id))))
  }

  /** Hands an answer to whoever waits for it; unknown ones are dropped. */
  answered(hash: Uint8Array, reply: Uint8Array): void {
    const waiting = this.#outstanding.get(toHex(hash))
    if (waiting !== undefined) Deferred.unsafeDone(waiting.answer, Exit.succeed(reply))
  }

  /** Ends all questions to a fellow whose link has died. */
  lost(replicaId: number): void {
    for (const waiting of [...this.#outstanding.values()]) {
      if (waiting.replicaId === replicaId) Deferred.unsafeDone(waiting.answer, Exit.succeed(undefined))
    }
  }
}
