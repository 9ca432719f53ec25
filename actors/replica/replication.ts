/**
 * Copies on their way to fellows: at once where that works, else until it works.
 *
 * Contract: `send` never waits. A copy that the table notes as owed reaches its fellow as soon as both live long enough, whatever crashed or filled up
 * meanwhile, unless its box expires first: the note is written with the box and erased when the fellow has answered. A copy that is not owed is tried once.
 * Memory: a bounded number of copies for each fellow, whatever is owed; the rest waits in the table. Tries that failed are repeated with growing pauses.
 * Knows nothing of: which fellow needs what.
 * Source: pigeonhole.md §5.6 (replication, retry queue), §7 R18–R21; departures: the retry queue is a note beside the box, not a list in memory that loses
 * its oldest after an hour.
 *
 * @module
 */
import { Effect, Option, Queue, Random, type Scope } from "effect"
import { REPLICA_ERROR, replicaErrorClass, type ReplicaErrorCode } from "../../src/pigeonhole/error-code.ts"
import type { StoredBox } from "../../src/pigeonhole/stored-box.ts"
import type { BoxPlace, BoxTable, BoxTableFailed } from "./box-table.ts"
import type { CopyExchange } from "./copy-exchange.ts"

/** Copies that one fellow is sent at once as they come; beyond that they wait in the table. */
export const FRESH_LIMIT = 24
/** Copies that one fellow is sent at once of those that waited. */
export const DELIVERED_AT_ONCE = 8
/** Boxes read at once. */
const PAGE = 32
/** Pauses between two tries, in mean gaps of the link; the second for a fellow that has been away for long. */
const FIRST_PAUSE_GAPS = 20
const LONGEST_PAUSE_GAPS = 640
const LONGEST_PAUSE_MS = 600_000

export interface ReplicationConfig {
  readonly exchange: Pick<CopyExchange, "ask">
  readonly table: Pick<BoxTable, "owed" | "settle">
  /** Mean gap between two commands of a link. */
  readonly gapMs: number
}

export interface Replication {
  /** @param owedSince  the replica epoch under which the table notes this copy as owed; a copy without it is tried once */
  readonly send: (replicaId: number, box: StoredBox, owedSince?: number) => Effect.Effect<void>
  /** Sends a box until the fellow has it, or has refused it for good. */
  readonly deliver: (replicaId: number, box: StoredBox) => Effect.Effect<void>
  /** Sends what a fellow is owed, now and whenever there is more, for ever. */
  readonly settleOwed: (replicaId: number) => Effect.Effect<never>
  /** Copies so far that fellows refused for good. */
  readonly refusedCount: () => number
}

interface Fellow {
  /** Whether copies wait in the table; new ones join them. */
  isBehind: boolean
  readonly wake: Queue.Queue<void>
}

type Outcome = "done" | "refused" | "unanswered"

const DONE: ReadonlySet<number> = new Set([REPLICA_ERROR.success, REPLICA_ERROR.boxAlreadyExists, REPLICA_ERROR.tombstone])

const outcomeOf = (code: ReplicaErrorCode | undefined): Outcome => {
  if (code === undefined) return "unanswered"
  if (DONE.has(code)) return "done"
  return replicaErrorClass(code) === "temporary" ? "unanswered" : "refused"
}

/** The pause before the next try. @param failures  tries so far, at least 1 */
export const pauseBeforeRetry = (gapMs: number, failures: number): Effect.Effect<number> => {
  const firstMs = FIRST_PAUSE_GAPS * gapMs
  const longestMs = Math.max(firstMs, Math.min(LONGEST_PAUSE_GAPS * gapMs, LONGEST_PAUSE_MS))
  return Effect.map(Random.next, (u) => Math.min(longestMs, firstMs * 2 ** (failures - 1)) * (0.5 + u))
}

class Copies implements Replication {
  readonly #config: ReplicationConfig
  readonly #scope: Scope.Scope
  readonly #fellows = new Map<number, Fellow>()
  readonly #fresh = new Map<number, number>()
  #refused = 0

  constructor(config: ReplicationConfig, scope: Scope.Scope) {
    this.#config = config
    this.#scope = scope
  }

  refusedCount = (): number => this.#refused

  send = (replicaId: number, box: StoredBox, owedSince?: number): Effect.Effect<void> =>
    Effect.flatMap(this.#fellow(replicaId), (fellow) => {
      const fresh = this.#fresh.get(replicaId) ?? 0
      if (fresh >= FRESH_LIMIT || (fellow.isBehind && owedSince !== undefined)) return owedSince === undefined ? Effect.void : this.#wait(fellow)
      this.#fresh.set(replicaId, fresh + 1)
      return this.#tryOnce(replicaId, fellow, box, owedSince).pipe(
        Effect.ensuring(Effect.sync(() => this.#fresh.set(replicaId, (this.#fresh.get(replicaId) ?? 1) - 1))),
        Effect.forkIn(this.#scope)
      )
    })

  deliver = (replicaId: number, box: StoredBox): Effect.Effect<void> =>
    Effect.gen(this, function*() {
      for (let failures = 1; (yield* this.#ask(replicaId, box)) === "unanswered"; failures++) {
        yield* Effect.sleep(yield* pauseBeforeRetry(this.#config.gapMs, failures))
      }
    })

  settleOwed = (replicaId: number): Effect.Effect<never> =>
    Effect.gen(this, function*() {
      const fellow = yield* this.#fellow(replicaId)
      for (;;) {
        fellow.isBehind = true
        yield* this.#untilItWorks(this.#pass(replicaId))
        fellow.isBehind = false
        yield* Queue.take(fellow.wake)
      }
    })

  #pass(replicaId: number): Effect.Effect<void, BoxTableFailed> {
    const { table } = this.#config
    return Effect.gen(this, function*() {
      let after: BoxPlace | undefined
      do {
        const page = yield* table.owed(replicaId, after, PAGE)
        yield* Effect.forEach(page.boxes, ({ box }) => this.deliver(replicaId, box), { concurrency: DELIVERED_AT_ONCE, discard: true })
        yield* table.settle(replicaId, page.boxes)
        after = page.next
      } while (after !== undefined)
    })
  }

  #tryOnce(replicaId: number, fellow: Fellow, box: StoredBox, owedSince: number | undefined): Effect.Effect<void> {
    return Effect.flatMap(this.#ask(replicaId, box), (outcome) => {
      if (owedSince === undefined) return Effect.void
      if (outcome === "unanswered") return this.#wait(fellow)
      return Effect.catchAll(this.#config.table.settle(replicaId, [{ replicaEpoch: owedSince, box }]), () => this.#wait(fellow))
    })
  }

  #ask(replicaId: number, box: StoredBox): Effect.Effect<Outcome> {
    return Effect.tap(Effect.map(this.#config.exchange.ask(replicaId, box), outcomeOf), (outcome) => Effect.sync(() => {
      if (outcome === "refused") this.#refused += 1
    }))
  }

  #fellow(replicaId: number): Effect.Effect<Fellow> {
    const known = this.#fellows.get(replicaId)
    if (known !== undefined) return Effect.succeed(known)
    return Effect.map(Queue.dropping<void>(1), (wake) => {
      const fellow = this.#fellows.get(replicaId) ?? { isBehind: false, wake }
      this.#fellows.set(replicaId, fellow)
      return fellow
    })
  }

  #wait(fellow: Fellow): Effect.Effect<void> {
    return Effect.suspend(() => {
      fellow.isBehind = true
      return Effect.asVoid(Queue.offer(fellow.wake, undefined))
    })
  }

  /** A table that fails is asked again, with the pauses of a fellow that does not answer. */
  #untilItWorks(work: Effect.Effect<void, BoxTableFailed>): Effect.Effect<void> {
    return Effect.gen(this, function*() {
      for (let failures = 1; Option.isNone(yield* Effect.option(work)); failures++) {
        yield* Effect.sleep(yield* pauseBeforeRetry(this.#config.gapMs, failures))
      }
    })
  }
}

/** Copies end with the caller's scope. */
export const makeReplication = (config: ReplicationConfig): Effect.Effect<Replication, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope) => new Copies(config, scope))
