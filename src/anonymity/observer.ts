/**
 * The adversaries, each as the list of places where it stands, and what a recorded run looks like from there.
 *
 *   adversary   | frames of all links | inside of its nodes                                        | storage
 *   network     | yes                 | –                                                          | –
 *   + storage   | yes                 | –                                                          | each operation by box id
 *   + k mixes   | yes                 | which packet in is which packet out; what each frame holds | –
 *   + couriers  | yes                 | the same for its couriers: which commands are real         | –
 *   + gateways  | yes                 | the same for its gateways                                  | –
 *
 * Contract: a view holds nothing that its adversary does not see. An outsider sees of a frame when, from where, to where and how long: links encrypt, so
 * neither the call nor the bytes nor their digest means anything to it. Whoever runs a node sees all of what enters and leaves that node.
 * Knows nothing of: attacks, ground truth of other nodes.
 * Source: funion.md §1 (what each party sees), §5; departures: none.
 *
 * @module
 */
import type { HopMatch, LinkEvent, RecordedRun, StorageEvent } from "./trace.ts"

export interface Adversary {
  readonly name: string
  /** Replicas whose operations it sees. */
  readonly replicas: ReadonlyArray<string>
  /** Nodes, couriers and the like whose inside it sees. */
  readonly insideOf: ReadonlyArray<string>
}

/** A frame as an outsider sees it. */
export interface ObservedFrame {
  readonly instantMs: number
  readonly from: string
  readonly to: string
  readonly sizeBytes: number
}

export interface View {
  readonly adversary: Adversary
  readonly frames: ReadonlyArray<ObservedFrame>
  /** What enters and leaves its own nodes, opened as far as these nodes open it. */
  readonly inside: ReadonlyArray<LinkEvent>
  readonly matches: ReadonlyArray<HopMatch>
  readonly storage: ReadonlyArray<StorageEvent>
}

export const networkObserver: Adversary = { name: "network", replicas: [], insideOf: [] }

/** The network observer who also runs these replicas. */
export const withStorage = (replicas: ReadonlyArray<string>, base: Adversary = networkObserver): Adversary =>
  ({ name: `${base.name} + ${replicas.length} replicas`, replicas: [...base.replicas, ...replicas], insideOf: base.insideOf })

/** The network observer who also runs these nodes. @param role  a word for the name: mixes, couriers, gateways */
export const withNodes = (role: string, nodes: ReadonlyArray<string>, base: Adversary = networkObserver): Adversary =>
  ({ name: `${base.name} + ${nodes.length} ${role}`, replicas: base.replicas, insideOf: [...base.insideOf, ...nodes] })

/** Bytes of replies and items travel against the direction of their call. */
const frameOf = ({ direction, from, instantMs, sizeBytes, to }: LinkEvent): ObservedFrame =>
  direction === "request" ? { instantMs, from, to, sizeBytes } : { instantMs, from: to, to: from, sizeBytes }

/** What an adversary sees of a run. @cost one pass over each list */
export const viewOf = (run: RecordedRun, adversary: Adversary): View => {
  const inside = new Set(adversary.insideOf)
  const replicas = new Set(adversary.replicas)
  return {
    adversary,
    frames: run.links.map(frameOf),
    inside: inside.size === 0 ? [] : run.links.filter(({ from, to }) => inside.has(from) || inside.has(to)),
    matches: inside.size === 0 ? [] : run.matches.filter(({ node }) => inside.has(node)),
    storage: replicas.size === 0 ? [] : run.storage.filter(({ replica }) => replicas.has(replica))
  }
}

/** Instants of the frames on one link, ascending; either end may be left open. */
export const frameInstants = (frames: ReadonlyArray<ObservedFrame>, link: { readonly from?: string; readonly to?: string }): Float64Array =>
  Float64Array.from(frames.flatMap(({ from, instantMs, to }) =>
    (link.from === undefined || link.from === from) && (link.to === undefined || link.to === to) ? [instantMs] : [])).sort()
