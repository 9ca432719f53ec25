/**
 * A sender's watch over its own loops: counts them, names the nodes that lose or hold them back, and says when to stop exposing packets.
 *
 *   policy   when nodes are under suspicion
 *   off      nothing is judged; loops are still sent and counted
 *   warn     one log line when the suspicion begins and one when it is over; figures for the operator
 *   pause    the same, and `isPaused` while it lasts: an endpoint sends decoys only, a node passes nothing on but its own loops
 *
 * Contract: an endpoint is paused by a suspicion against any node, since its packets would take that way. A node's pause begins when it is itself among the
 * named and no other explains the loss better, and lasts while it is among them. All its loops pass itself, so whoever fails some of them brings it close to
 * suspicion: if nodes paused for that, those who need them would follow, until nobody's loops came home. A node pauses for a quarter of an epoch at most, after
 * which it judges anew from loops to come: nodes that wait for each other's loops would else wait for ever. What leaves on the schedule of loops is the same
 * under every policy.
 * Knows nothing of: packets, how a party stops.
 * Source: mixnet.md §8; Danezis and Sassaman (WPES 2003); departures: the paper's mix sends decoys in the place of what is missing; ours stops, because its
 * neighbours would have to be asked for the decoys' traffic.
 *
 * @module
 */
import { Context, Effect, type Scope } from "effect"
import { toHex } from "../bytes/hex.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { nodeIdOf } from "../pki/descriptor.ts"
import type { Document } from "../pki/document.ts"
import { PkiView } from "../pki/pki-view.ts"
import type { MixnetParams } from "../params/mixnet-params.ts"
import type { SurbId } from "../sphinx/geometry.ts"
import { epochAt } from "../params/epoch.ts"
import { beyondChance, Heartbeat } from "./heartbeat.ts"
import { LoopLedger, type OpenLoop, type SegmentLoss, type SentLoop } from "./loop-ledger.ts"

export const HEARTBEAT_POLICIES = ["off", "warn", "pause"] as const
export type HeartbeatPolicyName = typeof HEARTBEAT_POLICIES[number]

/** What a party does about loops that do not come home. */
export class HeartbeatPolicy extends Context.Reference<HeartbeatPolicy>()<"funion/mixnet/HeartbeatPolicy", HeartbeatPolicyName>(
  "funion/mixnet/HeartbeatPolicy", { defaultValue: () => "warn" }
) {}

/** Time between two looks at what is overdue. */
const LOOK_MS = 1000
/** A node stays paused no longer than this part of an epoch. */
const PAUSES_PER_EPOCH = 4

export interface LoopCounts {
  sent: number
  timely: number
  late: number
  lost: number
}

export interface HeartbeatWatch {
  readonly sent: (loop: SentLoop, params: MixnetParams, nowMs: number) => void
  /** The loop whose reply block came back, to be decided by `decide`. */
  readonly take: (surbId: SurbId) => OpenLoop | undefined
  readonly decide: (loop: OpenLoop, isIntact: boolean, nowMs: number) => void
  /** True while no real packet may leave. */
  readonly isPaused: () => boolean
  /** Adds something to do whenever a pause begins. */
  readonly onPause: (act: Effect.Effect<void>) => void
  /** Loops since the watch began. */
  readonly counts: Readonly<LoopCounts>
  /** Nodes under suspicion now. */
  readonly suspectCount: () => number
  /** Segments that lost more loops in this epoch and the one before than chance explains. */
  readonly lossySegmentCount: () => number
  readonly ledger: LoopLedger
}

export interface HeartbeatWatchOptions {
  readonly crypto: CryptoBackend
  /** Of the node whose loops these are; absent for an endpoint. */
  readonly ownIdentityKey?: Uint8Array
}

const namesOf = (crypto: CryptoBackend, { gateways, mixLayers, serviceNodes }: Document): ReadonlyMap<string, string> =>
  new Map([...gateways, ...mixLayers.flat(), ...serviceNodes].map(({ identityKey, name }) => [toHex(nodeIdOf(crypto, identityKey)), name]))

/** Segments in one log line. */
const SEGMENTS_SHOWN = 6

const lossySegments = (ledger: LoopLedger, epoch: number): ReadonlyArray<SegmentLoss> =>
  beyondChance(ledger.lossesIn(epoch).map((loss) => ({ ...loss, count: loss.decided, failures: loss.lost })))

/** In per cent, rounded to tens: how many loops there were would say how busy a client was, whose decoys give way to requests. */
const tenths = (share: number): number => 10 * Math.round(10 * share)

/** Says what changed; names of nodes are public, and of the loops' paths and number nothing is told. */
const report = (
  before: ReadonlyArray<string>, now: ReadonlyArray<string>, names: ReadonlyMap<string, string>, losses: () => ReadonlyArray<SegmentLoss>
): Effect.Effect<void> => {
  const nameOf = (id: string): string => names.get(id) ?? "one that is no longer listed"
  if (now.every((id) => before.includes(id)) && (now.length > 0 || before.length === 0)) return Effect.void
  if (now.length === 0) return Effect.logInfo("loops come home again")
  return Effect.annotateLogs(Effect.logWarning("loops are lost or late beyond chance: these nodes are down, or somebody holds packets back"), {
    nodes: now.map(nameOf).sort().join(", "),
    segments: losses().slice(0, SEGMENTS_SHOWN)
      .map(({ decided, from, lost, to }) => `${nameOf(from)} to ${nameOf(to)}: some ${tenths(lost / decided)} % lost`).join(", ")
  })
}

/** Starts the watch in the caller's scope. */
export const makeHeartbeatWatch = (
  { crypto, ownIdentityKey }: HeartbeatWatchOptions
): Effect.Effect<HeartbeatWatch, never, PkiView | Scope.Scope> =>
  Effect.gen(function*() {
    const pki = yield* PkiView
    const clock = yield* Effect.clock
    const policy = yield* HeartbeatPolicy
    const ownId = ownIdentityKey === undefined ? undefined : toHex(nodeIdOf(crypto, ownIdentityKey))
    const counts: LoopCounts = { sent: 0, timely: 0, late: 0, lost: 0 }
    const heartbeat = new Heartbeat()
    const ledger = new LoopLedger(({ nodes }, outcome) => {
      counts[outcome] += 1
      if (policy !== "off") heartbeat.note(nodes, outcome !== "timely")
    })
    const listeners: Array<Effect.Effect<void>> = []
    let names: { readonly document: Document; readonly byId: ReadonlyMap<string, string> } | undefined
    let suspects: ReadonlyArray<string> = []
    /** As of the last look. */
    let epoch = 0
    let pausedSinceMs: number | undefined

    const follow = (document: Document): void => {
      if (names?.document === document) return
      names = { document, byId: namesOf(crypto, document) }
      heartbeat.retain(names.byId)
    }
    /** A pause begins when nobody else explains the loss better, and goes on as long as there is suspicion. */
    const isBlamed = (id: string): boolean => suspects.includes(id) && (pausedSinceMs !== undefined || heartbeat.isForemost(id))
    const pauseOrNot = (nowMs: number, limitMs: number): Effect.Effect<void> => {
      const isDue = policy === "pause" && (ownId === undefined ? suspects.length > 0 : isBlamed(ownId))
      if (!isDue) pausedSinceMs = undefined
      if (!isDue || pausedSinceMs === undefined) {
        if (!isDue) return Effect.void
        pausedSinceMs = nowMs
        return Effect.zipRight(Effect.logWarning("paused until loops come home again"), Effect.forEach(listeners, (act) => act, { discard: true }))
      }
      if (ownId !== undefined && nowMs - pausedSinceMs >= limitMs) heartbeat.reset()
      return Effect.void
    }
    const look = Effect.suspend(() => {
      const nowMs = clock.unsafeCurrentTimeMillis()
      ledger.settle(nowMs)
      const document = pki.held()
      if (document === undefined) return Effect.void
      follow(document)
      epoch = epochAt(document.params, nowMs)
      const before = suspects
      suspects = heartbeat.suspects()
      const reported = report(before, suspects, names?.byId ?? new Map(), () => lossySegments(ledger, epoch))
      return Effect.zipRight(reported, pauseOrNot(nowMs, document.params.epochPeriodMs / PAUSES_PER_EPOCH))
    })
    yield* Effect.addFinalizer(() => Effect.sync(() => ledger.clear()))
    yield* Effect.forkScoped(Effect.whileLoop({ while: () => true, body: () => Effect.zipRight(Effect.sleep(LOOK_MS), look), step: () => undefined }))
    return {
      sent: (loop, params, nowMs) => {
        counts.sent += 1
        ledger.sent(loop, params, nowMs)
      },
      take: (surbId) => ledger.take(surbId),
      decide: (loop, isIntact, nowMs) => void ledger.decide(loop, isIntact, nowMs),
      isPaused: () => pausedSinceMs !== undefined,
      onPause: (act) => void listeners.push(act),
      counts,
      suspectCount: () => suspects.length,
      lossySegmentCount: () => lossySegments(ledger, epoch).length,
      ledger
    }
  })
