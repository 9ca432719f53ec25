/**
 * Several sessions used as one: more throughput without a faster schedule.
 *
 * Contract: each session keeps its own port and its own schedule; an exchange stays with one session, chosen uniformly among those with room in
 * their queue, or among all that are open when none has room. An exchange whose session ends goes on in another one. All sessions share one watch over
 * their loops, since they send one party's packets.
 * Knows nothing of: what requests mean.
 * Source: funion.md §1 (m sessions, constant for at least an epoch); departures: none.
 *
 * @module
 */
import { Context, Effect, Layer, Random, type Scope } from "effect"
import { Crypto } from "../crypto/crypto-service.ts"
import { type HeartbeatWatch, makeHeartbeatWatch } from "../mixnet/heartbeat-watch.ts"
import type { PkiView } from "../pki/pki-view.ts"
import { PacketPort, type PacketPortService } from "./packet-port.ts"
import type { ExchangeRequest } from "./exchange.ts"
import { makeSessionUnder, type PacketCounters, type Session, SessionClosed, type SessionStatistics } from "./session.ts"

export interface SessionPoolService {
  /** As `Session.exchange`. @errors SessionClosed when no session is open any more */
  readonly exchange: Session["exchange"]
  /** Sums over all sessions. */
  readonly counters: Effect.Effect<PacketCounters>
  readonly sessions: ReadonlyArray<Session>
  /** Over the loops of all sessions; absent where they came without one. */
  readonly watch?: HeartbeatWatch
}

/** The sessions of one client or one compute service. */
export class SessionPool extends Context.Tag("funion/session/SessionPool")<SessionPool, SessionPoolService>() {
  /** A pool with one session per port. */
  static readonly layer = (ports: ReadonlyArray<PacketPortService>): Layer.Layer<SessionPool, never, PkiView | Crypto> =>
    Layer.scoped(SessionPool, makeSessionPool(ports))
}

/** Chooses one of the sessions that are open; nothing when there is none. */
export type ChooseSession = (open: ReadonlyArray<Session>) => Effect.Effect<Session | undefined>

const roomyAtRandom: ChooseSession = (open) => {
  const roomy = open.filter((session) => session.hasRoom())
  const among = roomy.length > 0 ? roomy : open
  return Effect.map(Random.nextIntBetween(0, among.length), (sessionIndex) => among[sessionIndex])
}

/** How pools that are made from here on choose; by default as their contract says. */
export class SessionChoice extends Context.Reference<SessionChoice>()("funion/session/SessionChoice", { defaultValue: (): ChooseSession => roomyAtRandom }) {}

/** Uses sessions that exist already. */
export const poolOf = (sessions: ReadonlyArray<Session>, choose: ChooseSession = roomyAtRandom): SessionPoolService => {
  const pick = Effect.suspend(() => choose(sessions.filter((session) => !session.isClosed())))
  const exchange = <E>(request: ExchangeRequest<E>): Effect.Effect<Uint8Array, E | SessionClosed> =>
    Effect.flatMap(pick, (session) => {
      if (session === undefined) return Effect.fail(new SessionClosed())
      return Effect.catchIf(
        session.exchange(request),
        (error): error is SessionClosed => error instanceof SessionClosed,
        () => exchange(request)
      )
    })
  return {
    exchange,
    sessions,
    counters: Effect.map(Effect.forEach(sessions, ({ counters }) => counters), (all) =>
      all.reduce(
        (sum, one) => ({ sent: sum.sent + one.sent, received: sum.received + one.received, decoys: sum.decoys + one.decoys }),
        { sent: 0, received: 0, decoys: 0 }
      )
    )
  }
}

/** Starts one session per port; all live as long as the scope. */
export const makeSessionPool = (
  ports: ReadonlyArray<PacketPortService>
): Effect.Effect<SessionPoolService, never, Scope.Scope | PkiView | Crypto> =>
  Effect.gen(function*() {
    const watch = yield* makeHeartbeatWatch({ crypto: yield* Crypto })
    const sessions = yield* Effect.forEach(ports, (port) => Effect.provideService(makeSessionUnder(watch), PacketPort, port))
    return { ...poolOf(sessions, yield* SessionChoice), watch }
  })

/** What all sessions of a pool noticed, by word: their network's health, nothing of what is asked. */
export const noticedBy = ({ sessions }: Pick<SessionPoolService, "sessions">): Effect.Effect<Readonly<Record<string, number>>> =>
  Effect.map(Effect.forEach(sessions, ({ statistics }) => statistics), (all) => {
    const sum = (of: (one: SessionStatistics) => number): number => all.reduce((total, one) => total + of(one), 0)
    return {
      "late-tick": sum(({ lateTicks }) => lateTicks),
      "empty-tick": sum(({ emptyTicks }) => emptyTicks),
      "dropped-by-port": sum(({ portDrops }) => portDrops),
      retransmission: sum(({ retransmissions }) => retransmissions),
      "unknown-reply": sum(({ unknownSurbs }) => unknownSurbs),
      "garbled-reply": sum(({ garbledReplies }) => garbledReplies)
    }
  })
