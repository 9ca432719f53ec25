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
import { Data, Deferred, Effect, Exit, Fiber, FiberId, Option, type Scope } from "effect"
import { copied } from "../bytes/allocate.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { Crypto } from "../crypto/crypto-service.ts"
import { type HeartbeatWatch, makeHeartbeatWatch } from "../mixnet/heartbeat-watch.ts"
import type { PkiView } from "../pki/pki-view.ts"
import { type Composer, makeComposer } from "./composer.ts"
import { PacketPort, type SurbDelivery } from "./packet-port.ts"
import { type ExchangeRequest, transmitUntilInterrupted } from "./retransmit.ts"
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

/** One exchange in progress. */
interface Exchange {
  /** Ends it; what comes after the first time changes nothing. */
  readonly end: (exit: Exit.Exit<Uint8Array, SessionClosed>) => void
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
const makeReceiver = (crypto: CryptoBackend, ledger: SurbLedger<Exchange>, counts: ReplyCounts, watch: HeartbeatWatch) =>
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
const makeLimits = ({ params }: Composer) => {
  let slackMs = 0
  const userPayloadBytes = Effect.option(Effect.map(params, ({ geometry }) => geometry.userPayloadBytes))
  return {
    userPayloadBytes,
    retransmitSlackMs: Effect.orElseSucceed(Effect.map(params, ({ retransmitSlackMs }) => (slackMs = retransmitSlackMs)), () => slackMs),
    /** The payload, unless it is longer than a packet has room for, which is a mistake of the caller's. */
    checked: <E>(payload: ExchangeRequest<E>["payload"]): ExchangeRequest<E>["payload"] =>
      Effect.zipWith(payload, userPayloadBytes, (bytes, limitBytes) => {
        if (Option.isSome(limitBytes) && bytes.length > limitBytes.value) throw new RangeError(`request of ${bytes.length} bytes in ${limitBytes.value}`)
        return bytes
      })
  }
}

/**
 * Begins an exchange and waits for its reply; a request that fails is its end. What is out for it is forgotten in any case.
 * @param repeat  sends its request until it is interrupted
 */
const exchangeOnce = <E>(
  open: Set<Exchange>, repeat: (exchange: Exchange) => Effect.Effect<never, E>, ledger: SurbLedger<Exchange>
): Effect.Effect<Uint8Array, E | SessionClosed> =>
  Effect.uninterruptibleMask((restore) => Effect.suspend(() => {
    const reply = Deferred.unsafeMake<Uint8Array, E | SessionClosed>(FiberId.none)
    const exchange: Exchange = { end: (exit) => Deferred.unsafeDone(reply, exit) }
    open.add(exchange)
    const repeating = Effect.catchAllCause(repeat(exchange), (cause) => Deferred.failCause(reply, cause))
    const forget = Effect.sync(() => {
      open.delete(exchange)
      ledger.dropOwner(exchange)
    })
    return Effect.flatMap(Effect.fork(Effect.interruptible(repeating)), (fiber) =>
      Effect.onExit(restore(Deferred.await(reply)), () => Effect.zipRight(Fiber.interrupt(fiber), forget)))
  }))

/**
 * Starts a session on the port of the environment; it lives as long as the scope.
 * @param watch  over its loops and those of whatever else one party sends
 */
export const makeSessionUnder = (watch: HeartbeatWatch): Effect.Effect<Session, never, Scope.Scope | PacketPort | PkiView | Crypto> => Effect.gen(function* () {
  const crypto = yield* Crypto
  const port = yield* PacketPort
  const composer = yield* makeComposer(port)
  const ledger = new SurbLedger<Exchange>()
  const sender = yield* makeSender<Exchange>({ composer, ledger, watch, send: port.send })
  const places = yield* Effect.makeSemaphore(EXCHANGE_COUNT_LIMIT)
  const open = new Set<Exchange>()
  const counts: ReplyCounts = { received: 0, decoysReturned: 0, decoyLateMs: 0, retransmissions: 0, unknownSurbs: 0, garbledReplies: 0 }
  const limits = makeLimits(composer)
  let closed = false

  const close = Effect.sync(() => {
    closed = true
    ledger.clear()
    sender.discard()
    for (const exchange of open) exchange.end(Exit.fail(new SessionClosed()))
  })

  const repeat = <E>(owner: Exchange, request: ExchangeRequest<E>) =>
    transmitUntilInterrupted<Exchange, E>({
      sender,
      owner,
      request: { ...request, payload: limits.checked(request.payload) },
      slackMs: limits.retransmitSlackMs,
      onRetransmit: () => void counts.retransmissions++
    })

  const clock = yield* Effect.clock
  const receive = makeReceiver(crypto, ledger, counts, watch)
  const receiving = port.receive((delivery) => receive(delivery, clock.unsafeCurrentTimeMillis()))
  yield* Effect.raceFirst(sender.run, receiving).pipe(
    Effect.tapDefect((cause) => Effect.zipRight(Effect.logError("session stopped by a defect"), Effect.logDebug("session defect", cause))),
    Effect.ensuring(close),
    Effect.interruptible,
    Effect.forkScoped
  )

  return {
    exchange: (request) =>
      Effect.suspend(() => closed ? new SessionClosed() : exchangeOnce(open, (exchange) => repeat(exchange, request), ledger)).pipe(
        Effect.zipWith(limits.userPayloadBytes, (reply, limitBytes) => copied(reply, 0, Option.getOrElse(limitBytes, () => reply.length))),
        places.withPermits(1)
      ),
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
