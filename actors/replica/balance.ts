/**
 * Brings boxes to where they belong when the configured set changes, when a fellow has lost its disk, and what fellows are owed otherwise.
 *
 * Contract: looks at the document now and then; what it learns is noted in the table before anything is sent, so that a restart goes on where the last life
 * was and does nothing when nothing changed. Every fellow has a fiber of its own: one that is slow or away holds up itself alone. Boxes are read page by page,
 * a few are under way at once, each until its fellow has answered; they leave on the ticks of the ordinary links. A newer set cancels the passes of the older.
 * Boxes that no longer belong here stay until they expire: another replica may still see the old set and ask for them, a set may change back, and nothing has
 * to remember which boxes are acknowledged. They cost disk for two replica epochs at most.
 * Knows nothing of: links, why the set changed.
 * Source: pigeonhole.md §5.6 (rebalancing), §7 R18, R24, R25; departures: a background pass for each fellow with its own place in the table.
 *
 * @module
 */
import { Cause, Clock, Effect, Either, FiberMap, Option, type Scope } from "effect"
import { reportCrash } from "../../src/actor/crash-report.ts"
import { forkLoop } from "../../src/actor/loop.ts"
import type { BoxId } from "../../src/bacap/box-id.ts"
import { replicaEpochAt } from "../../src/params/epoch.ts"
import { shardKeyIndexes } from "../../src/pigeonhole/shard.ts"
import type { Document } from "../../src/pki/document.ts"
import type { NetworkSetting } from "../../src/pki/network-setting.ts"
import { PkiView } from "../../src/pki/pki-view.ts"
import { decodeBalanceRecord, encodeBalanceRecord, recordAfter, type BalanceRecord, type Debt, type Member } from "./balance-record.ts"
import type { BoxTable, BoxTableFailed } from "./box-table.ts"
import { DELIVERED_AT_ONCE, type Replication } from "./replication.ts"

export interface BalanceConfig extends Pick<NetworkSetting, "crypto" | "params"> {
  readonly name: string
  readonly replicaId: number
  readonly table: Pick<BoxTable, "scan" | "note" | "putNote">
  readonly replication: Pick<Replication, "deliver" | "settleOwed">
}

/** Boxes read at once. */
const PAGE = 64
/** Pause after a page, so that a pass over boxes that all lie right leaves the process to others. */
const PAGE_PAUSE_MS = 2
/** Pages without a box to bring after which the place is noted all the same. */
const QUIET_PAGES = 256
/** How often the document is looked at, as a share of the epoch; and until there is one. */
const LOOKS_PER_EPOCH = 64
const FIRST_LOOK_MS = 50
const RETRY_MS = 5_000

const publishedIn = (document: Document) => document.replicas.flatMap(({ envelopeKeys, replicaId }) =>
  [...envelopeKeys].map(([replicaEpoch, envelopeKey]) => ({ replicaId, replicaEpoch, envelopeKey })))

const debtTo = (record: BalanceRecord | undefined, replicaId: number): Debt | undefined => record?.debts.find((debt) => debt.replicaId === replicaId)

class Balance {
  readonly #config: BalanceConfig
  readonly #fibers: FiberMap.FiberMap<number>
  /** Undefined until the note has been read and a document seen. */
  #record: BalanceRecord | undefined
  #hasRead = false

  constructor(config: BalanceConfig, fibers: FiberMap.FiberMap<number>) {
    this.#config = config
    this.#fibers = fibers
  }

  /** Learns from a document, notes what is new, and sees to it that every fellow is tended. */
  look(document: Document): Effect.Effect<void, BoxTableFailed> {
    return Effect.gen(this, function*() {
      if (!this.#hasRead) this.#record = yield* this.#read
      this.#hasRead = true
      const last = this.#record
      const next = recordAfter(last, this.#config.replicaId, document.configuredReplicas, publishedIn(document))
      if (next !== last) yield* this.#config.table.putNote(encodeBalanceRecord(next))
      this.#record = next
      for (const [replicaId] of [...this.#fibers]) {
        if (!next.members.some((member) => member.replicaId === replicaId)) yield* FiberMap.remove(this.#fibers, replicaId)
      }
      for (const { replicaId } of next.members) {
        if (replicaId === this.#config.replicaId) continue
        const isNew = debtTo(next, replicaId) !== debtTo(last, replicaId)
        if (isNew || !FiberMap.unsafeHas(this.#fibers, replicaId)) yield* FiberMap.run(this.#fibers, replicaId, this.#tend(replicaId))
      }
    })
  }

  /** A note that does not parse is as good as none: everything is brought anew. */
  get #read(): Effect.Effect<BalanceRecord | undefined, BoxTableFailed> {
    return Effect.flatMap(this.#config.table.note, (note) => {
      if (note === undefined) return Effect.succeed(undefined)
      return Either.match(decodeBalanceRecord(note), {
        onLeft: () => Effect.as(Effect.annotateLogs(Effect.logWarning("what the replica remembers of the others is damaged; boxes are sent anew"),
          { actor: this.#config.name }), undefined),
        onRight: (record) => Effect.succeed<BalanceRecord | undefined>(record)
      })
    })
  }

  #tend(replicaId: number): Effect.Effect<void> {
    const { name, replication } = this.#config
    const lasting = (what: string, work: Effect.Effect<unknown, BoxTableFailed>) =>
      Effect.catchAllCause(work, (cause) => Cause.isInterruptedOnly(cause)
        ? Effect.interrupt
        : Effect.zipRight(reportCrash(`${what} stopped`, cause, { actor: name }), Effect.as(Effect.sleep(RETRY_MS), true)))
    const paid = Effect.iterate(true, {
      while: (isOwing) => isOwing,
      body: () => lasting("balancing", this.#payPage(replicaId)).pipe(Effect.map((more) => more === true))
    })
    return Effect.all([Effect.forever(lasting("replication", replication.settleOwed(replicaId))), paid], { concurrency: "unbounded", discard: true })
  }

  /** Brings the next pages of a debt, up to the first with boxes to bring. @returns whether there is more */
  #payPage(replicaId: number): Effect.Effect<boolean, BoxTableFailed> {
    const { params, replication, table } = this.#config
    return Effect.gen(this, function*() {
      const debt = debtTo(this.#record, replicaId)
      if (debt === undefined) return false
      let after = debt.after
      for (let pageCount = 0; pageCount < QUIET_PAGES; pageCount++) {
        const page = yield* table.scan(after, PAGE)
        const oldest = replicaEpochAt(params, yield* Clock.currentTimeMillis) - 1
        const due = page.boxes.filter(({ box, replicaEpoch }) => replicaEpoch >= oldest && this.#isDue(debt, box.boxId))
        yield* Effect.forEach(due, ({ box }) => replication.deliver(replicaId, box), { concurrency: DELIVERED_AT_ONCE, discard: true })
        yield* Effect.sleep(PAGE_PAUSE_MS)
        after = page.next
        if (after === undefined || due.length > 0) break
      }
      yield* this.#advance(debt, after)
      return after !== undefined
    })
  }

  #isDue({ replicaId, scope }: Debt, boxId: BoxId): boolean {
    const { before, members } = this.#record ?? { before: [], members: [] }
    const holds = (set: ReadonlyArray<Member>): boolean =>
      Either.match(shardKeyIndexes(this.#config.crypto, set.map(({ identityKey }) => identityKey), boxId), {
        onLeft: () => false,
        onRight: (indexes) => indexes.some((index) => set[index]?.replicaId === replicaId)
      })
    return holds(members) && (scope === "all" || !holds(before))
  }

  /** Notes how far a debt is paid; nothing when another one has taken its place. */
  #advance(debt: Debt, after: Debt["after"]): Effect.Effect<void, BoxTableFailed> {
    return Effect.suspend(() => {
      const record = this.#record
      if (record === undefined || !record.debts.includes(debt)) return Effect.void
      const debts = record.debts.flatMap((each) => (each !== debt ? [each] : after === undefined ? [] : [{ ...debt, after }]))
      this.#record = { ...record, debts }
      return this.#config.table.putNote(encodeBalanceRecord(this.#record))
    })
  }
}

/** Starts balancing in the caller's scope. */
export const makeBalance = (config: BalanceConfig): Effect.Effect<void, never, PkiView | Scope.Scope> =>
  Effect.gen(function*() {
    const pki = yield* PkiView
    const balance = new Balance(config, yield* FiberMap.make<number>())
    const look = Effect.gen(function*() {
      const document = yield* Effect.option(pki.current)
      if (Option.isNone(document)) return yield* Effect.sleep(FIRST_LOOK_MS)
      yield* Effect.catchAll(balance.look(document.value), () =>
        Effect.annotateLogs(Effect.logError("what the replica remembers of the others cannot be read or kept"), { actor: config.name }))
      yield* Effect.sleep(config.params.epochPeriodMs / LOOKS_PER_EPOCH)
    })
    yield* forkLoop("balancing", config.name, look)
  })
