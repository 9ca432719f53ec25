/**
 * What one actor process shows to its operator: health, metrics, and the meter into which the actor's parts report.
 *
 * Contract: the port is open from the start, long before the actor serves, and stays open through its crashes; it ends with the scope. The meter is
 * handed to the actor's life with `Effect.provideService(Meter, operator.meter)`.
 * Knows nothing of: which role the actor has, how it is supervised.
 * Source: effect-notes.md §5, §6; departures: none.
 *
 * @module
 */
import { Clock, Effect, Option, type Scope } from "effect"
import { MeterBook, type MeterService, Meter } from "../../src/actor/meter.ts"
import type { ActorHealth } from "../../src/actor/supervise.ts"
import { epochAt } from "../../src/params/epoch.ts"
import type { MixnetParams } from "../../src/params/mixnet-params.ts"
import type { PkiViewService } from "../../src/pki/pki-view.ts"
import { makeCollector } from "./collector.ts"
import { type OperatorPortFailed, serveOperatorPort } from "./operator-port.ts"
import type { HealthReport, HealthState } from "./protocol.ts"

export interface OperatorConfig {
  /** Of the actor. */
  readonly name: string
  readonly role: string
  readonly params: Pick<MixnetParams, "epochPeriodMs" | "replicaEpochPeriodMs">
  /** Where to listen; loopback unless the operator says otherwise. */
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  /** Names host and port in errors; default `placement.NAME`. */
  readonly field?: string
  /** What the supervisor says of the actor; undefined before its start and after its stop. */
  readonly health: Effect.Effect<ActorHealth | undefined>
}

export interface Operator {
  readonly port: number
  readonly meter: MeterService
  /** From now on health says `draining`. */
  readonly drain: Effect.Effect<void>
  readonly report: Effect.Effect<HealthReport>
}

/** How often the loop is asked whether it is late. */
const LAG_PROBE_MS = 500

/** Longest delay of a probe since it was last read, in seconds. The clock's nanoseconds do not jump when somebody sets the time. */
const makeLag: Effect.Effect<() => number, never, Scope.Scope> = Effect.gen(function*() {
  let worstS = 0
  const probe = Effect.gen(function*() {
    const before = yield* Clock.currentTimeNanos
    yield* Effect.sleep(LAG_PROBE_MS)
    worstS = Math.max(worstS, Number((yield* Clock.currentTimeNanos) - before) / 1e9 - LAG_PROBE_MS / 1e3)
  })
  yield* Effect.forkScoped(Effect.forever(probe))
  return () => {
    const worst = worstS
    worstS = 0
    return worst
  }
})

const stateOf = (health: ActorHealth | undefined, isDraining: boolean): HealthState => {
  if (health === undefined) return isDraining ? "down" : "starting"
  return isDraining && health.state === "up" ? "draining" : health.state
}

/**
 * Opens an actor's operator port in the caller's scope.
 * @errors OperatorPortFailed names the field
 */
export const openOperator = (config: OperatorConfig): Effect.Effect<Operator, OperatorPortFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const { host, name, params, port, role } = config
    const book = new MeterBook()
    let isDraining = false
    const epoch = Effect.map(Clock.currentTimeMillis, (nowMs) => epochAt(params, nowMs))
    const lag = yield* makeLag
    yield* book.show("event_loop_lag_seconds", Effect.sync(() => ({ "": lag() })))
    yield* book.show("epoch", Effect.map(epoch, (now) => ({ "": now })))
    yield* book.show("up", Effect.map(config.health, (health) => ({ "": health?.state === "up" ? 1 : 0 })))
    yield* book.show("restarts_total", Effect.map(config.health, (health) => ({ "": health?.restartCount ?? 0 })))
    const collector = yield* makeCollector({ name, role, params, book })
    const report = Effect.gen(function*() {
      const health = yield* config.health
      const documentEpoch = yield* book.value("document_epoch")
      return {
        name, role,
        state: stateOf(health, isDraining),
        epoch: yield* epoch,
        documentEpoch: documentEpoch === 0 ? null : documentEpoch,
        restarts: health?.restartCount ?? 0,
        links: collector.shown("link_events_total"),
        queued: collector.shown("queued"),
        dropped: collector.shown("dropped_packets_total")
      } satisfies HealthReport
    })
    const opened = yield* serveOperatorPort({ host, port, field: config.field ?? `placement.${name}`, health: report, metrics: collector.text })
    return { port: opened.port, meter: book, report, drain: Effect.sync(() => { isDraining = true }) }
  })

/** Shows which document is in force; for the life that has the view. */
export const showDocument = (view: Pick<PkiViewService, "current">): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(Meter, (meter) => meter.show("document_epoch",
    Effect.map(Effect.option(view.current), (document) => ({ "": Option.match(document, { onNone: () => 0, onSome: ({ epoch }) => epoch }) }))))
