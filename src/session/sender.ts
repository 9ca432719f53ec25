/**
 * The emission schedule of one session: two Poisson streams that never stop, whatever there is to say.
 *
 * Contract: every packet leaves on a tick. A λP tick sends the transmission that was prepared for it, else a loop decoy; a λL tick sends a loop
 * decoy. The packet of a tick is composed right after the tick before it, one per tick, so that composing neither stretches a gap nor tells a
 * request from a decoy; a request that arrives later waits for the tick after. A tick later than `sendSlackMs` sends nothing and is counted, and
 * what was prepared for it goes out on the next one. Without a document the ticks go on and composing is tried again every second. While the watch over
 * the loops says pause, λP ticks send decoys too and transmissions wait: the same ticks, the same packets, made by the same steps, so that nobody outside
 * sees the pause.
 * Knows nothing of: replies, retransmission, what a request asks for.
 * Source: mixnet.md §4.2, §4.4, §16; departures: composed one tick ahead, where the reference composes on the tick.
 *
 * @module
 */
import { Effect, type Scope } from "effect"
import type { HeartbeatWatch } from "../mixnet/heartbeat-watch.ts"
import { followRate } from "../mixnet/rate-follower.ts"
import { loopSlackMs, type MixnetParams } from "../params/mixnet-params.ts"
import type { Composer } from "./composer.ts"
import { makeOutlet, type Outlet, type Prepared } from "./outlet.ts"
import { Places } from "./places.ts"
import type { SurbLedger } from "./surb-ledger.ts"
import { BACKLOG_COUNT, type PacketRequest, type Transmission, type TransmissionOutcome, TransmissionQueue } from "./transmission-queue.ts"

const NO_KEYS = new Uint8Array(0)
/** Scheduling and network allowance per hop before a decoy counts as lost (mixnet.md §4.3). */
const DECOY_SLACK_PER_HOP_MS = 500

/** Counts since the session began. */
export interface SenderCounts {
  /** Packets that left, decoys included. */
  sent: number
  decoys: number
  /** Ticks that passed without a packet because none could be composed. */
  emptyTicks: number
  /** Ticks later than `sendSlackMs`. */
  lateTicks: number
  /** Packets that the port did not take. */
  portDrops: number
}

export interface Sender<Owner extends object> {
  /**
   * Queues one transmission, or lets it wait for a place while the backlog is full.
   * @param settled  told once how it ended, in the turn of the tick on which it left; not told once it was taken back
   * @returns takes it back from wherever it is, and does nothing after it has settled
   */
  readonly transmit: (
    request: PacketRequest, owner: Owner, lane: "fresh" | "resend", settled: (outcome: TransmissionOutcome) => void
  ) => Effect.Effect<void>
  /** Fresh transmissions that wait for a tick. */
  readonly waitingCount: () => number
  readonly counts: Readonly<SenderCounts>
  /** Both streams; never ends. Rates are those of the newest document at each tick. */
  readonly run: Effect.Effect<never>
  /** Overwrites what was prepared; nothing leaves any more. */
  readonly discard: () => void
}

export interface SenderOptions<Owner extends object> {
  readonly composer: Composer
  readonly ledger: SurbLedger<Owner>
  /** Told of every decoy that leaves. */
  readonly watch: Pick<HeartbeatWatch, "sent" | "isPaused" | "onPause">
  readonly send: (packet: Uint8Array) => boolean
}

/** Queues a transmission when there is a place for it. */
const transmitting = <Owner extends object>(
  queue: TransmissionQueue<Owner>, backlog: Places, withdraw: (transmission: Transmission<Owner>) => Effect.Effect<void>
): Sender<Owner>["transmit"] => (request, owner, lane, settled) => {
  const transmission: Transmission<Owner> = { request, owner, lane, settled, withdrawn: false }
  let isQueued = false
  const offer = (): void => {
    isQueued = true
    queue.offer(transmission)
  }
  const stopWaiting = lane === "fresh" ? backlog.enter(offer) : offer()
  return Effect.suspend(() => (isQueued ? withdraw(transmission) : Effect.sync(() => stopWaiting?.())))
}

/** Makes the sender of one session; its `run` starts the schedule. */
export const makeSender = <Owner extends object>(options: SenderOptions<Owner>): Effect.Effect<Sender<Owner>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { composer, ledger, watch } = options
    const counts: SenderCounts = { sent: 0, decoys: 0, emptyTicks: 0, lateTicks: 0, portDrops: 0 }
    const clock = yield* Effect.clock
    const queue = new TransmissionQueue<Owner>()
    const backlog = new Places(BACKLOG_COUNT)
    const onLeftQueue = ({ lane }: Transmission<Owner>): void => { if (lane === "fresh") backlog.release() }
    const requests = yield* makeOutlet<Owner>({ composer, queue, onLeftQueue, isHeld: watch.isPaused })
    const loops = yield* makeOutlet<Owner>({ composer, onLeftQueue })
    watch.onPause(requests.hold)

    const emit = ({ composed, transmission }: Prepared<Owner>, sentAtMs: number, params: MixnetParams): void => {
      const { etaMs, packet, surbId, surbKeys } = composed
      counts.sent++
      // handed over before anybody learns of it: what the owner of a transmission does next would delay real packets, and no decoys
      if (!options.send(packet)) counts.portDrops++
      if (transmission === undefined) {
        counts.decoys++
        const dueMs = sentAtMs + etaMs
        const slackMs = Math.max(DECOY_SLACK_PER_HOP_MS * (2 * params.mixLayers + 3), loopSlackMs(params))
        watch.sent({ ...composed, keys: NO_KEYS }, params, sentAtMs)
        ledger.registerDecoy(surbId, surbKeys, dueMs + slackMs, sentAtMs, dueMs)
      } else {
        ledger.registerExchange(surbId, surbKeys, transmission.owner, sentAtMs)
        transmission.settled({ _tag: "Sent", sentAtMs, etaMs })
      }
    }

    const onTick = (outlet: Outlet<Owner>) => (params: MixnetParams) => {
      const prepared = outlet.take()
      if (prepared === undefined) counts.emptyTicks++
      else emit(prepared, clock.unsafeCurrentTimeMillis(), params)
      return outlet.prepare()
    }
    const stream = (outlet: Outlet<Owner>, rateOf: (params: MixnetParams) => number) =>
      Effect.zipRight(
        Effect.suspend(() => outlet.prepare() ?? Effect.void),
        followRate({ params: composer.paramsNow, rateOf, onTick: onTick(outlet), onLate: () => void counts.lateTicks++ })
      )

    const withdraw = (transmission: Transmission<Owner>) =>
      Effect.suspend(() => {
        transmission.withdrawn = true
        if (!queue.remove(transmission)) return requests.withdraw(transmission)
        onLeftQueue(transmission)
        return Effect.void
      })

    return {
      counts,
      waitingCount: () => queue.freshCount,
      transmit: transmitting(queue, backlog, withdraw),
      run: Effect.zipRight(
        Effect.all([stream(requests, ({ lambdaPPerMs }) => lambdaPPerMs), stream(loops, ({ lambdaLPerMs }) => lambdaLPerMs)], { concurrency: 2 }),
        Effect.never
      ),
      discard: () => {
        requests.discard()
        loops.discard()
      }
    }
  })
