/**
 * Every figure that an actor shows to its operator, and how coarsely.
 *
 * Contract: closed. A figure that is not here is not shown. A label holds one of a few fixed words, never a name of a client, job, box, packet or peer.
 * What users do (packets, dispatches, boxes) shows once an epoch and in steps of many; the state of the machine shows on the grid of `GRID_MS`. So no
 * figure dates or counts a single packet or job, however often it is read.
 * Knows nothing of: where values come from (meter), how they are shown.
 * Source: style.md §2.7 (counters and epoch-grained gauges only), mixnet.md §5, §14 (count drops, never in/out pairs); departures: none.
 *
 * @module
 */

/** Figures change at multiples of this many milliseconds since 1970 only. */
export const GRID_MS = 15_000

export interface MetricSpec {
  /** `total` only grows while the process lives; `level` goes up and down. */
  readonly kind: "total" | "level"
  /** One sentence for the reader of the metrics page. */
  readonly help: string
  /** Name of the label that tells the words of a reading apart. */
  readonly label?: "reason" | "event" | "queue" | "outcome" | "operation"
  /** How often the shown value may change. */
  readonly grain: "grid" | "epoch"
  /** The shown value is a multiple of it; 1 for figures that say nothing of traffic. */
  readonly step: number
  /** `up`: zero means none at all; `down`: a few never show. */
  readonly round: "up" | "down"
}

const EXACT = { grain: "grid", step: 1, round: "up" } as const

export const METRICS = {
  up: { kind: "level", help: "1 while the actor serves.", ...EXACT },
  restarts_total: { kind: "total", help: "Restarts of the actor after a crash, since the process began.", ...EXACT },
  epoch: { kind: "level", help: "Number of the directory epoch by this machine's clock.", ...EXACT },
  document_epoch: { kind: "level", help: "Epoch of the directory document in force; 0 while there is none.", ...EXACT },
  event_loop_lag_seconds: {
    kind: "level", help: "Longest delay of a timer since the figures were refreshed.", grain: "grid", step: 0.01, round: "up"
  },
  dropped_packets_total: { kind: "total", help: "Packets and commands dropped, by reason.", label: "reason", grain: "grid", step: 10, round: "up" },
  link_events_total: { kind: "total", help: "What happened to links and their messages.", label: "event", grain: "grid", step: 10, round: "up" },
  queued: { kind: "level", help: "What waits in a bounded queue.", label: "queue", grain: "grid", step: 10, round: "down" },
  waiting_dispatches: { kind: "level", help: "Dispatches that a compute service has not heard of yet.", grain: "epoch", step: 10, round: "down" },
  unwrapped_packets_total: { kind: "total", help: "Packets that opened, decoys included.", grain: "epoch", step: 100, round: "up" },
  cached_envelopes: { kind: "level", help: "Envelopes that a courier remembers.", grain: "epoch", step: 100, round: "down" },
  replica_operations_total: {
    kind: "total", help: "Reads and writes of a replica's table.", label: "operation", grain: "epoch", step: 100, round: "up"
  },
  dispatches_total: { kind: "total", help: "Dispatches that a compute service decided on.", label: "outcome", grain: "epoch", step: 10, round: "up" },
  cover_jobs_total: { kind: "total", help: "Jobs of a compute service's own.", label: "outcome", grain: "epoch", step: 10, round: "up" },
  releases_total: { kind: "total", help: "Releases whose every slot is confirmed.", grain: "epoch", step: 10, round: "up" },
  alarms_total: { kind: "total", help: "Slots that somebody else had written, and releases given up.", ...EXACT },
  loops_total: {
    kind: "total", help: "Loops of this node, or decoys of these sessions: sent, and home in time, late or lost.", label: "outcome", grain: "epoch",
    step: 10, round: "up"
  },
  suspects: { kind: "level", help: "Nodes that lose or hold back loops beyond chance.", ...EXACT },
  lossy_segments: { kind: "level", help: "Links between two nodes that lost more loops than chance explains, in this epoch and the one before.", ...EXACT },
  paused: { kind: "level", help: "1 while no real packet leaves, because loops do not come home.", ...EXACT },
  session_events_total: {
    kind: "total", help: "What sessions with the mix network noticed.", label: "event", grain: "epoch", step: 10, round: "up"
  }
} as const satisfies Readonly<Record<string, MetricSpec>>

export type MetricName = keyof typeof METRICS

export const METRIC_NAMES: ReadonlyArray<MetricName> = Object.keys(METRICS) as Array<MetricName>

/** The specification of a metric, all optional parts included. */
export const specOf = (name: MetricName): MetricSpec => METRICS[name]

/** What is shown for a value: the next multiple of the step. */
export const coarse = ({ round, step }: Pick<MetricSpec, "round" | "step">, value: number): number => {
  if (!Number.isFinite(value)) return 0
  // a hair less than the quotient, so that 0.07 / 0.01 is seven steps and not eight
  const steps = round === "up" ? Math.ceil(value / step - 1e-9) : Math.floor(value / step + 1e-9)
  return Number((steps * step).toPrecision(12)) + 0
}
