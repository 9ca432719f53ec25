/**
 * The life of one envelope: the same query bytes to the same courier until there is an answer of a replica, or reason to make another envelope.
 *
 * Contract: an ACK is followed by another poll, after the pause that poll-timing gives, and on a tick like everything else.
 * `POLLS_PER_ENVELOPE` ACKs, `TRANSMISSIONS_PER_POLL` transmissions without any answer, or a courier that left the document end it as `Stale`.
 * Knows nothing of: boxes, what codes mean.
 * Source: pigeonhole.md §5.3 (state machine), §6.3 (jitter); departures: an envelope whose courier stays silent is given up, so that a dead
 * courier costs one envelope and not the operation; strict mode only.
 *
 * @module
 */
import { Data, Effect, Option, Random } from "effect"
import type { CryptoBackend } from "../crypto/backend.ts"
import type { PkiViewService } from "../pki/pki-view.ts"
import type { SessionPoolService } from "../session/session-pool.ts"
import type { SessionClosed } from "../session/session.ts"
import { pauseAfterAckMs, type PollTiming } from "./poll-timing.ts"
import { listsCourier, openAnswer, type QueryAnswer, type SealedQuery } from "./sealed-query.ts"

/** ACKs in a row after which the courier's cache is of no more use. */
export const POLLS_PER_ENVELOPE = 5
/** Transmissions of one poll, retransmissions included, before the courier counts as silent. */
export const TRANSMISSIONS_PER_POLL = 3

/** What an envelope ended with: an answer that is no ACK, or nothing. */
export type EnvelopeOutcome = Exclude<QueryAnswer, { readonly _tag: "Ack" }> | { readonly _tag: "Stale" }

/** Ends an exchange from inside its payload; never leaves this file. */
class EnvelopeAbandoned extends Data.TaggedError("EnvelopeAbandoned")<Record<never, never>> {}

export interface EnvelopeExchangeOptions {
  readonly crypto: CryptoBackend
  readonly pki: PkiViewService
  readonly pool: SessionPoolService
  readonly query: SealedQuery
  readonly timing: PollTiming
}

const poll = ({ crypto, pki, pool, query }: EnvelopeExchangeOptions): Effect.Effect<Uint8Array, SessionClosed | EnvelopeAbandoned> => {
  let transmissions = 0
  const payload = Effect.gen(function* () {
    const document = yield* Effect.option(pki.current)
    const isListed = Option.isNone(document) || listsCourier(crypto, document.value, query.courier)
    if (transmissions++ >= TRANSMISSIONS_PER_POLL || !isListed) return yield* new EnvelopeAbandoned()
    return query.queryBytes
  })
  return pool.exchange({ ...query.courier, payload })
}

/** @errors SessionClosed */
export const exchangeEnvelope = (options: EnvelopeExchangeOptions): Effect.Effect<EnvelopeOutcome, SessionClosed> =>
  Effect.gen(function* () {
    for (let ackCount = 0; ackCount < POLLS_PER_ENVELOPE; ackCount++) {
      if (ackCount > 0) yield* Effect.sleep(pauseAfterAckMs(options.timing, ackCount, yield* Random.next))
      const answer = openAnswer(options.crypto, options.query, yield* poll(options))
      if (answer._tag !== "Ack") return answer
    }
    return { _tag: "Stale" } as const
  }).pipe(Effect.catchTag("EnvelopeAbandoned", () => Effect.succeed({ _tag: "Stale" } as const)))
