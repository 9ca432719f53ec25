/**
 * A world of the simulator with somebody who writes everything down: all traffic on links, all operations of storage, and the truth about packets.
 *
 * Contract: the actors are those of the simulator; writing down disturbs nothing. Recording begins with the body and ends with it. Traffic is what travels
 * whether or not anybody has a job: packets, link commands, queue frames; the directory's calls and people's own are left out.
 * Knows nothing of: attacks.
 * Source: funion.md §5; departures: none.
 *
 * @module
 */
import type { Effect, Scope } from "effect"
import type { HopMatch, LinkEvent, RecordedRun, StorageEvent } from "../../src/anonymity/trace.ts"
import type { Topology } from "../../src/topology/topology.ts"
import { runWorld, type Variant, type World, type WorldOptions } from "../simulator/world.ts"
import { recordPackets, type PacketTruth } from "./packet-truth.ts"

/** The calls that carry traffic. */
const TRAFFIC: ReadonlySet<string> = new Set([
  "Forward", "Submit", "Receive", "Query", "CourierCommand", "ReplicaCommand", "QueueDeliveries", "QueueAnswer"
])

export interface RecordingChoice {
  readonly topology: Topology
  readonly seed: number
  /** Lives in the place of the topology's own, by actor name. */
  readonly variants?: ReadonlyMap<string, Variant>
  /** What the actors do about loops that do not come home, and what lies between the actors: as of a world. */
  readonly heartbeat?: WorldOptions["heartbeat"]
  readonly wrapMount?: WorldOptions["wrapMount"]
  /** Which link events are kept; default: all traffic. */
  readonly keeps?: (event: LinkEvent) => boolean
}

export interface Recording<A> extends RecordedRun {
  readonly value: A
  readonly traceHash: string
  readonly virtualMs: number
  /** Virtual instant at which recording began. */
  readonly startMs: number
}

/** What happened inside of nodes, from what unwrapping told and on which link each packet came. */
const matchesOf = (links: ReadonlyArray<LinkEvent>, { next }: PacketTruth): ReadonlyArray<HopMatch> => {
  const seen = new Set(links.map(({ digest }) => digest))
  return links.flatMap(({ call, digest, direction, to }): ReadonlyArray<HopMatch> => {
    if (direction !== "request" || (call !== "Forward" && call !== "Submit") || typeof digest !== "number") return []
    const outDigest = next.get(digest)
    if (outDigest === undefined) return []
    return [seen.has(outDigest) ? { node: to, inDigest: digest, outDigest } : { node: to, inDigest: digest }]
  })
}

/** Runs a world and writes it down. */
export const recordWorld = async <A, E>(choice: RecordingChoice, body: (world: World) => Effect.Effect<A, E, Scope.Scope>): Promise<Recording<A>> => {
  const links: Array<LinkEvent> = []
  const storage: Array<StorageEvent> = []
  const { keeps = () => true } = choice
  let truth: PacketTruth | undefined
  let startMs = Number.POSITIVE_INFINITY
  const { traceHash, value, virtualMs } = await runWorld({
    topology: choice.topology,
    seed: choice.seed,
    backend: "elided",
    ...(choice.variants === undefined ? {} : { variants: choice.variants }),
    ...(choice.heartbeat === undefined ? {} : { heartbeat: choice.heartbeat }),
    ...(choice.wrapMount === undefined ? {} : { wrapMount: choice.wrapMount }),
    wrapCrypto: (crypto, geometry) => {
      truth = recordPackets(crypto, geometry)
      return truth.backend
    },
    onLink: (event) => {
      if (event.instantMs >= startMs && TRAFFIC.has(event.call) && keeps(event)) links.push(event)
    },
    onStorage: (event) => {
      if (event.instantMs >= startMs) storage.push(event)
    }
  }, (world) => {
    startMs = world.nowMs()
    return body(world)
  })
  return { value, traceHash, virtualMs, startMs, links, storage, matches: truth === undefined ? [] : matchesOf(links, truth) }
}
