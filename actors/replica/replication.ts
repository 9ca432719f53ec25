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
import { Effect, Exit, Option, Random, type Runtime, type Scope } from "effect"
import { followCall } from "../../src/actor/actor.ts"
import { CallsInWork } from "../../src/actor/calls-in-work.ts"
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
  readonly send: (replicaId: number, box: StoredBox, owedSince?: number) => void
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
  /** Open when copies have come to wait. */
  readonly wake: Effect.Latch
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
  readonly #runtime: Runtime.Runtime<never>
  /** Tries that are not over. */
  readonly #tries = new CallsInWork()
  readonly #fellows = new Map<number, Fellow>()
  readonly #fresh = new Map<number, number>()
  #refused = 0

  constructor(config: ReplicationConfig, runtime: Runtime.Runtime<never>) {
    this.#config = config
    this.#runtime = runtime
  }

  /** Calls off what is under way. */
  readonly close = Effect.sync(() => this.#tries.callOffAll())

  refusedCount = (): number => this.#refused

  send = (replicaId: number, box: StoredBox, owedSince?: number): void => {
    const fellow = this.#fellow(replicaId)
    const fresh = this.#fresh.get(replicaId) ?? 0
    if (fresh < FRESH_LIMIT && !(fellow.isBehind && owedSince !== undefined)) this.#tryOnce(replicaId, fellow, box, owedSince)
    else if (owedSince !== undefined) this.#wait(fellow)
  }

  deliver = (replicaId: number, box: StoredBox): Effect.Effect<void> =>
    Effect.gen(this, function*() {
      for (let failures = 1; (yield* this.#ask(replicaId, box)) === "unanswered"; failures++) {
        yield* Effect.sleep(yield* pauseBeforeRetry(this.#config.gapMs, failures))
      }
    })

  settleOwed = (replicaId: number): Effect.Effect<never> =>
    Effect.gen(this, function*() {
      const fellow = this.#fellow(replicaId)
      for (;;) {
        fellow.isBehind = true
        yield* this.#untilItWorks(this.#pass(replicaId))
        fellow.isBehind = false
        yield* fellow.wake.await
        fellow.wake.unsafeClose()
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

  #tryOnce(replicaId: number, fellow: Fellow, box: StoredBox, owedSince: number | undefined): void {
    this.#fresh.set(replicaId, (this.#fresh.get(replicaId) ?? 0) + 1)
    const call = this.#tries.begin()
    /** One step of the try: its end begins the next, or ends the try. */
    const step = <A, E>(effect: Effect.Effect<A, E>, next: (exit: Exit.Exit<A, E>) => void): void => {
      let isOver = false
      const callOffStep = followCall(this.#runtime, effect, (exit) => {
        isOver = true
        if (this.#tries.isInWork(call)) next(exit)
      })
      if (!isOver) call.stop = callOffStep
    }
    const end = (isSettled: boolean): void => {
      this.#tries.end(call)
      this.#fresh.set(replicaId, (this.#fresh.get(replicaId) ?? 1) - 1)
      if (!isSettled && owedSince !== undefined) this.#wait(fellow)
    }
    step(this.#config.exchange.ask(replicaId, box), (exit) => {
      const outcome = Exit.isSuccess(exit) ? this.#outcomeOf(exit.value) : "unanswered"
      if (outcome === "unanswered" || owedSince === undefined) return end(false)
      step(this.#config.table.settle(replicaId, [{ replicaEpoch: owedSince, box }]), (settled) => end(Exit.isSuccess(settled)))
    })
  }

  #ask(replicaId: number, box: StoredBox): Effect.Effect<Outcome> {
    return Effect.map(this.#config.exchange.ask(replicaId, box), (code) => this.#outcomeOf(code))
  }

  #outcomeOf(code: ReplicaErrorCode | undefined): Outcome {
    const outcome = outcomeOf(code)
    if (outcome === "refused") this.#refused += 1
    return outcome
  }

  #fellow(replicaId: number): Fellow {
    const fellow = this.#fellows.get(replicaId) ?? { isBehind: false, wake: Effect.unsafeMakeLatch(false) }
    this.#fellows.set(replicaId, fellow)
    return fellow
  }

  #wait(fellow: Fellow): void {
    fellow.isBehind = true
    fellow.wake.unsafeOpen()
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
  Effect.gen(function*() {
    const copies = new Copies(config, yield* Effect.runtime<never>())
    yield* Effect.addFinalizer(() => copies.close)
    return copies
  })
