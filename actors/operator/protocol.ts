/**
 * What an actor tells its operator on the operator port.
 *
 * Contract: no secrets, and no figure finer than metric-catalogue allows: queues, drops and link events are those of the last grid instant.
 * Knows nothing of: HTTP.
 * Source: effect-notes.md §6; departures: none.
 *
 * @module
 */
import { Schema } from "effect"

export const HealthState = Schema.Literal("starting", "up", "draining", "down")
export type HealthState = typeof HealthState.Type

const Figures = Schema.Record({ key: Schema.String, value: Schema.Number })

/** The body of `GET /health`. */
export const HealthReport = Schema.Struct({
  name: Schema.String,
  role: Schema.String,
  state: HealthState,
  /** By this machine's clock. */
  epoch: Schema.Number,
  /** Of the directory document in force. */
  documentEpoch: Schema.NullOr(Schema.Number),
  /** After crashes, since the process began. */
  restarts: Schema.Number,
  /** Link events by kind, of links that go out and come in. */
  links: Figures,
  /** What waits, by queue. */
  queued: Figures,
  /** Packets dropped, by reason. */
  dropped: Figures
})
export type HealthReport = typeof HealthReport.Type
