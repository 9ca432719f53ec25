/**
 * Several sessions as one.
 *
 * Goal: load spreads uniformly over sessions with room, and an exchange outlives its session.
 * Method: stand-in sessions that note what they are asked.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { describe, expect, it } from "vitest"
import { randomFromEntropy, seededEntropy } from "../../../src/crypto/entropy.ts"
import type { ExchangeRequest } from "../../../src/session/exchange.ts"
import { poolOf } from "../../../src/session/session-pool.ts"
import { type Session, SessionClosed } from "../../../src/session/session.ts"
import { NodeId, recipientId } from "../../../src/sphinx/geometry.ts"
import { runVirtual } from "./virtual-time.ts"

const REQUEST = { serviceNode: NodeId.unsafe(new Uint8Array(32)), recipient: recipientId("x"), payload: Effect.succeed(new Uint8Array(1)) }

interface StandIn extends Session {
  asked: number
  room: boolean
  closed: boolean
}

const standIn = (name: number): StandIn => {
  const session: StandIn = {
    asked: 0,
    room: true,
    closed: false,
    exchange: <E>(_: ExchangeRequest<E>) =>
      Effect.suspend(() => {
        session.asked++
        return session.closed ? Effect.fail(new SessionClosed()) : Effect.succeed(new Uint8Array([name]))
      }),
    counters: Effect.succeed({ sent: 10 * name, received: name, decoys: 2 * name }),
    statistics: Effect.die("not asked"),
    hasRoom: () => session.room,
    isClosed: () => session.closed
  }
  return session
}

const run = <A, E>(effect: Effect.Effect<A, E>): A => runVirtual(Effect.withRandom(effect, randomFromEntropy(seededEntropy(1, "pool test"))))

describe("a pool", () => {
  it("spreads exchanges uniformly over the sessions with room", () => {
    const sessions = [1, 2, 3, 4].map(standIn)
    sessions[2]!.room = false
    run(Effect.forEach(Array.from({ length: 900 }), () => poolOf(sessions).exchange(REQUEST)))
    const [first, second, full, last] = sessions.map(({ asked }) => asked)
    expect(full).toBe(0)
    for (const asked of [first!, second!, last!]) expect(Math.abs(asked - 300)).toBeLessThan(60)
  })

  it("uses any open session when none has room", () => {
    const sessions = [1, 2].map(standIn)
    for (const session of sessions) session.room = false
    run(Effect.forEach(Array.from({ length: 40 }), () => poolOf(sessions).exchange(REQUEST)))
    expect(sessions.every(({ asked }) => asked > 5)).toBe(true)
  })

  it("goes on in another session when one ends, and fails when all have ended", () => {
    const sessions = [1, 2].map(standIn)
    const dying = { ...sessions[0]!, exchange: () => Effect.suspend(() => {
      sessions[0]!.closed = true
      return Effect.fail(new SessionClosed())
    }), isClosed: () => sessions[0]!.closed }
    const replies = run(Effect.forEach(Array.from({ length: 10 }), () => poolOf([dying, sessions[1]!]).exchange(REQUEST)))
    expect(replies.every((reply) => reply[0] === 2)).toBe(true)
    expect(sessions[0]!.closed).toBe(true)
    sessions[1]!.closed = true
    expect(run(Effect.either(poolOf([dying, sessions[1]!]).exchange(REQUEST)))).toEqual(Either.left(new SessionClosed()))
  })

  it("sums the counters of its sessions", () => {
    expect(run(poolOf([1, 2, 3].map(standIn)).counters)).toEqual({ sent: 60, received: 6, decoys: 12 })
  })
})
