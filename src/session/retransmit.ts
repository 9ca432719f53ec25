/**
 * Stop-and-wait repetition of one exchange: send, wait for the estimate and the slack, send again, until somebody interrupts.
 *
 * Contract: never ends by itself; the reply, the deadline and the cancellation are the caller's and interrupt it. The request, and its destination
 * where the caller wants that, are made anew for every transmission (a maker that gives the same bytes gets them repeated), and every transmission
 * leaves through the sender, on a tick.
 * Knows nothing of: replies, reply blocks, packets.
 * Source: mixnet.md §4.4, funion.md §6.1 (a function that makes the request); departures: the slack is a parameter, 20 s in the reference.
 *
 * @module
 */
import { Clock, Effect } from "effect"
import type { NodeId, RecipientId } from "../sphinx/geometry.ts"
import { COMPOSE_RETRY_MS } from "./outlet.ts"
import type { Sender } from "./sender.ts"

/** An endpoint at a service node. */
export interface Destination {
  readonly serviceNode: NodeId
  readonly recipient: RecipientId
}

/** Whom an exchange asks: always the same endpoint, or one that is chosen anew for every transmission. */
export type ExchangeAddress = Destination | { readonly destination: Effect.Effect<Destination> }

/** What one exchange asks, of whom. */
export type ExchangeRequest<E> = ExchangeAddress & {
  /** The request bytes, at most userPayloadBytes; run once for every transmission, so a failure here ends the exchange. */
  readonly payload: Effect.Effect<Uint8Array, E>
  /** Time that the service takes on purpose before it answers; added to the estimate. */
  readonly answerDelayMs?: number
}

export interface RetransmitOptions<Owner extends object, E> {
  readonly sender: Sender<Owner>
  readonly owner: Owner
  readonly request: ExchangeRequest<E>
  /** Overdue time after which the next transmission is queued; read anew each time. */
  readonly slackMs: Effect.Effect<number>
  /** Called at every transmission after the first one. */
  readonly onRetransmit: () => void
}

/** @errors whatever `request.payload` fails with */
export const transmitUntilInterrupted = <Owner extends object, E>(options: RetransmitOptions<Owner, E>): Effect.Effect<never, E> =>
  Effect.gen(function* () {
    const { owner, request, sender } = options
    let sentBefore = false
    while (true) {
      const { recipient, serviceNode } = "destination" in request ? yield* request.destination : request
      const payload = yield* request.payload
      const packet = { serviceNode, recipient, payload }
      const outcome = yield* sender.transmit(packet, owner, sentBefore ? "resend" : "fresh")
      if (outcome._tag === "NotComposed") {
        yield* Effect.sleep(COMPOSE_RETRY_MS)
        continue
      }
      if (sentBefore) options.onRetransmit()
      sentBefore = true
      const overdueAtMs = outcome.sentAtMs + outcome.etaMs + (request.answerDelayMs ?? 0) + (yield* options.slackMs)
      const nowMs = yield* Clock.currentTimeMillis
      yield* Effect.sleep(Math.max(0, overdueAtMs - nowMs))
    }
  })
