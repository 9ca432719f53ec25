/**
 * One session with the mix network: exchanges of one request and one reply, under a schedule that never stops.
 *
 * Contract: everything leaves on a tick of the sender. An exchange ends with the first reply that comes back through any of its reply blocks;
 * it is repeated until then, without limit, and interrupting it removes it everywhere: queue, outlet, ledger. Unknown, garbled and decoy
 * replies are counted and change nothing else. Exchanges in progress are bounded; further callers wait. When the scope closes or the port
 * ends, all exchanges fail with `SessionClosed` and all keys are overwritten.
 * Knows nothing of: what requests mean, couriers, boxes, dispatches.
 * Source: mixnet.md §4; departures: a late reply to an earlier transmission of a pending exchange is accepted (C20).
 *
 * @module
 */
import { Data, Effect, Exit, type Scope } from "effect"
import { makeTimer } from "../actor/timer.ts"
import { copied } from "../bytes/allocate.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { Crypto } from "../crypto/crypto-service.ts"
import { type HeartbeatWatch, makeHeartbeatWatch } from "../mixnet/heartbeat-watch.ts"
import type { PkiView } from "../pki/pki-view.ts"
import { type Composer, makeComposer } from "./composer.ts"
import { Exchange, type ExchangeRequest, repeatUntilEnded } from "./exchange.ts"
import { PacketPort, type SurbDelivery } from "./packet-port.ts"
import { Places } from "./places.ts"
import { makeSender } from "./sender.ts"
import { SurbLedger } from "./surb-ledger.ts"
import { BACKLOG_COUNT } from "./transmission-queue.ts"

/** Exchanges of one session that may be in progress; the next caller waits. */
export const EXCHANGE_COUNT_LIMIT = 256

/** The session has ended: its scope was closed, or its gateway is gone. */
export class SessionClosed extends Data.TaggedError("SessionClosed")<Record<never, never>> {}

/** Packets of one session since it began. */
export interface PacketCounters {
  /** All packets that left, decoys included. */
  readonly sent: number
  /** All deliveries that came back, whatever they were. */
  readonly received: number
  /** Loop decoys among `sent`. */
  readonly decoys: number
}

/** What a session noticed since it began: the heartbeat of its part of the network. */
export interface SessionStatistics extends PacketCounters {
  /** Decoys that came back, of `decoys`. */
  readonly decoysReturned: number
  /** Decoys whose time was over before they came back. */
  readonly decoysLost: number
  /** Time by which decoys came back later than their delays say, over all `decoysReturned`. */
  readonly decoyLateMs: number
  readonly retransmissions: number
  /** Deliveries for no reply block that is out. */
  readonly unknownSurbs: number
  /** Deliveries that did not open. */
  readonly garbledReplies: number
  readonly lateTicks: number
  readonly emptyTicks: number
  readonly portDrops: number
  /** Now: reply blocks that are out, exchanges in progress, transmissions waiting for a tick. */
  readonly surbsOut: number
  readonly exchangesOpen: number
  readonly waiting: number
}

export interface Session {
  /**
   * Sends a request until its reply is there.
   * @returns the user payload of the reply, userPayloadBytes long, zeros at the end included
   * @errors what `request.payload` fails with; SessionClosed. A request above userPayloadBytes dies.
   */
  readonly exchange: <E>(request: ExchangeRequest<E>) => Effect.Effect<Uint8Array, E | SessionClosed>
  readonly counters: Effect.Effect<PacketCounters>
  readonly statistics: Effect.Effect<SessionStatistics>
  /** True when a request would get a place in the queue at once. */
  readonly hasRoom: () => boolean
  readonly isClosed: () => boolean
}

interface ReplyCounts {
  received: number
  decoysReturned: number
  decoyLateMs: number
  retransmissions: number
  unknownSurbs: number
  garbledReplies: number
}

/** Redeems deliveries and counts what they turn out to be; decoys are heartbeats. */
const makeReceiver = (crypto: CryptoBackend, ledger: SurbLedger<Exchange<SessionClosed>>, counts: ReplyCounts, watch: HeartbeatWatch) =>
  ({ payload, surbId }: SurbDelivery, nowMs: number): void => {
    counts.received++
    const redeemed = ledger.redeem(crypto, surbId, payload)
    if (redeemed._tag === "Unknown") counts.unknownSurbs++
    else if (redeemed._tag === "Garbled") counts.garbledReplies++
    else if (redeemed._tag === "DecoyReturned") {
      counts.decoysReturned++
      counts.decoyLateMs += Math.max(0, nowMs - redeemed.dueMs)
    }
    const loop = watch.take(surbId)
    if (loop !== undefined) watch.decide(loop, redeemed._tag === "DecoyReturned", nowMs)
    if (redeemed._tag === "Reply") redeemed.owner.end(Exit.succeed(redeemed.plaintext))
  }

/** What the newest document says about an exchange; the last word holds while there is none. */
const makeLimits = ({ paramsNow }: Composer) => {
  let slackMs = 0
  let limitBytes: number | undefined
  const follow = (): void => {
    const params = paramsNow()
    if (params === undefined) return
    slackMs = params.retransmitSlackMs
    limitBytes = params.geometry.userPayloadBytes
  }
  return {
    retransmitSlackMs: (): number => {
      follow()
      return slackMs
    },
    /** The payload, unless it is longer than a packet has room for, which is a mistake of the caller's. */
    checked: (payload: Uint8Array): Uint8Array => {
      follow()
      if (limitBytes !== undefined && payload.length > limitBytes) throw new RangeError(`request of ${payload.length} bytes in ${limitBytes}`)
      return payload
    },
    /** The user payload of a reply, in memory of its own. */
    cut: (reply: Uint8Array): Uint8Array => {
      follow()
      return copied(reply, 0, limitBytes ?? reply.length)
    }
  }
}

/** One exchange from its place to its end, with which what is out for it is forgotten and the place is free again. */
const makeExchanges = (ledger: SurbLedger<Exchange<SessionClosed>>, open: Set<Exchange<SessionClosed>>) => {
  const places = new Places(EXCHANGE_COUNT_LIMIT)
  return <E>(converse: (exchange: Exchange<SessionClosed>) => Effect.Effect<Uint8Array, E>): Effect.Effect<Uint8Array, E> =>
    Effect.uninterruptibleMask((restore) => {
      const exchange = new Exchange<SessionClosed>()
      let isIn = places.enterNow()
      const entered = isIn ? Effect.void : Effect.async<void>((resume) => {
        const giveUp = places.enter(() => {
          isIn = true
          resume(Exit.void)
        })
        return Effect.sync(giveUp)
      })
      const conversing = Effect.suspend(() => {
        open.add(exchange)
        return converse(exchange)
      })
      const forget = (): void => {
        open.delete(exchange)
        ledger.dropOwner(exchange)
        if (isIn) places.release()
      }
      return Effect.matchCauseEffect(restore(isIn ? conversing : Effect.zipRight(entered, conversing)), {
        onFailure: (cause) => {
          forget()
          return Exit.failCause(cause)
        },
        onSuccess: (reply) => {
          forget()
          return Exit.succeed(reply)
        }
      })
    })
}

/**
 * Starts a session on the port of the environment; it lives as long as the scope.
 * @param watch  over its loops and those of whatever else one party sends
 */
export const makeSessionUnder = (watch: HeartbeatWatch): Effect.Effect<Session, never, Scope.Scope | PacketPort | PkiView | Crypto> => Effect.gen(function* () {
  const crypto = yield* Crypto
  const port = yield* PacketPort
  const composer = yield* makeComposer(port)
  const ledger = new SurbLedger<Exchange<SessionClosed>>()
  const sender = yield* makeSender<Exchange<SessionClosed>>({ composer, ledger, watch, send: port.send })
  const open = new Set<Exchange<SessionClosed>>()
  const counts: ReplyCounts = { received: 0, decoysReturned: 0, decoyLateMs: 0, retransmissions: 0, unknownSurbs: 0, garbledReplies: 0 }
  const limits = makeLimits(composer)
  let closed = false

  const close = Effect.sync(() => {
    closed = true
    ledger.clear()
    sender.discard()
    for (const exchange of open) exchange.end(Exit.fail(new SessionClosed()))
  })

  const clock = yield* Effect.clock
  const timer = yield* makeTimer
  const exchanging = makeExchanges(ledger, open)
  const receive = makeReceiver(crypto, ledger, counts, watch)
  const receiving = port.receive((delivery) => receive(delivery, clock.unsafeCurrentTimeMillis()))
  yield* Effect.raceFirst(sender.run, receiving).pipe(
    Effect.tapDefect((cause) => Effect.zipRight(Effect.logError("session stopped by a defect"), Effect.logDebug("session defect", cause))),
    Effect.ensuring(close),
    Effect.interruptible,
    Effect.forkScoped
  )

  return {
    exchange: <E>(request: ExchangeRequest<E>) => Effect.map(exchanging((exchange): Effect.Effect<Uint8Array, E | SessionClosed> => {
      if (closed) return new SessionClosed()
      return repeatUntilEnded<E, SessionClosed>({
        sender, exchange, timer,
        request: { ...request, payload: Effect.map(request.payload, limits.checked) },
        nowMs: () => clock.unsafeCurrentTimeMillis(),
        slackMs: limits.retransmitSlackMs,
        onRetransmit: () => void counts.retransmissions++
      })
    }), limits.cut),
    counters: Effect.sync(() => ({ sent: sender.counts.sent, received: counts.received, decoys: sender.counts.decoys })),
    statistics: Effect.sync(() => ({
      ...sender.counts, ...counts, decoysLost: ledger.decoysExpired, surbsOut: ledger.size, exchangesOpen: open.size, waiting: sender.waitingCount()
    })),
    hasRoom: () => !closed && sender.waitingCount() < BACKLOG_COUNT,
    isClosed: () => closed
  }
})

/** A session with a watch of its own. */
export const makeSession: Effect.Effect<Session, never, Scope.Scope | PacketPort | PkiView | Crypto> =
  Effect.flatMap(Crypto, (crypto) => Effect.flatMap(makeHeartbeatWatch({ crypto }), makeSessionUnder))
