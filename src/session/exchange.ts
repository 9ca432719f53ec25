/**
 * Stop-and-wait repetition of one exchange: send, wait for the estimate and the slack, send again, until a reply is there.
 *
 * Contract: everything happens in the caller's fiber, which waits and does not poll. The request, and its destination where the caller wants that, are made
 * anew for every transmission (a maker that gives the same bytes gets them repeated), and every transmission leaves through the sender, on a tick. An
 * end that comes while a request is being made counts when it is made, whatever became of it. Interrupting the exchange takes back what has not left.
 * Knows nothing of: reply blocks, packets, who ends an exchange.
 * Source: mixnet.md §4.4, funion.md §6.1 (a function that makes the request); departures: the slack is a parameter, 20 s in the reference.
 *
 * @module
 */
import { Effect, Exit } from "effect"
import type { Timer } from "../actor/timer.ts"
import type { NodeId, RecipientId } from "../sphinx/geometry.ts"
import { COMPOSE_RETRY_MS } from "./outlet.ts"
import type { Sender } from "./sender.ts"
import type { PacketRequest, TransmissionOutcome } from "./transmission-queue.ts"

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

/** One exchange in progress: ended once, by whoever comes first. */
export class Exchange<E> {
  #outcome: Exit.Exit<Uint8Array, E> | undefined
  #wake: (() => void) | undefined

  /** How it ended. */
  get outcome(): Exit.Exit<Uint8Array, E> | undefined {
    return this.#outcome
  }

  /** Ends it; what comes after the first time changes nothing. */
  end(outcome: Exit.Exit<Uint8Array, E>): void {
    if (this.#outcome !== undefined) return
    this.#outcome = outcome
    this.#wake?.()
  }

  /** Calls `wake` at the end, instead of what it called before. */
  onEnd(wake: () => void): void {
    this.#wake = wake
  }
}

export interface RepeatOptions<E, E2> {
  readonly sender: Pick<Sender<Exchange<E2>>, "transmit">
  readonly exchange: Exchange<E2>
  readonly request: ExchangeRequest<E>
  readonly timer: Timer
  readonly nowMs: () => number
  /** Overdue time after which the next transmission is queued; read anew each time. */
  readonly slackMs: () => number
  /** Called at every transmission after the first one. */
  readonly onRetransmit: () => void
}

/** What goes out next. */
const requested = <E>(request: ExchangeRequest<E>): Effect.Effect<PacketRequest, E> =>
  "destination" in request
    ? Effect.zipWith(request.destination, request.payload, ({ recipient, serviceNode }, payload) => ({ recipient, serviceNode, payload }))
    : Effect.map(request.payload, (payload) => ({ serviceNode: request.serviceNode, recipient: request.recipient, payload }))

/** Sends until somebody ends the exchange. @errors whatever `request.payload` fails with, and what the exchange is ended with */
export const repeatUntilEnded = <E, E2>(options: RepeatOptions<E, E2>): Effect.Effect<Uint8Array, E | E2> => {
  const { exchange, request, sender } = options
  let sentBefore = false
  /** Until the next transmission is due. */
  const waitMs = (outcome: TransmissionOutcome): number =>
    outcome._tag === "NotComposed"
      ? COMPOSE_RETRY_MS
      : Math.max(0, outcome.sentAtMs + outcome.etaMs + (request.answerDelayMs ?? 0) + options.slackMs() - options.nowMs())
  /** Sends one packet; over when the next one is due, or the exchange has ended. */
  const sent = (packet: PacketRequest): Effect.Effect<void> => Effect.async((resume) => {
    let takeBack: Effect.Effect<void> | undefined
    let callOff: (() => void) | undefined
    const settled = (outcome: TransmissionOutcome): void => {
      if (outcome._tag === "Sent") {
        if (sentBefore) options.onRetransmit()
        sentBefore = true
      }
      takeBack = undefined
      callOff = options.timer(() => resume(Exit.void), waitMs(outcome))
    }
    takeBack = sender.transmit(packet, exchange, sentBefore ? "resend" : "fresh", settled)
    const giveUp = Effect.suspend(() => {
      callOff?.()
      return takeBack ?? Effect.void
    })
    exchange.onEnd(() => resume(Effect.uninterruptible(giveUp)))
    return giveUp
  })
  const next = (): Effect.Effect<Uint8Array, E | E2> => Effect.flatMap(Effect.exit(requested(request)), (made) => {
    if (exchange.outcome !== undefined) return exchange.outcome
    return Exit.isFailure(made) ? Exit.failCause(made.cause) : Effect.flatMap(sent(made.value), () => exchange.outcome ?? next())
  })
  return Effect.suspend(next)
}
