/**
 * The links that carry one frame per λR tick whatever there is to say: who sends on them to whom, and a checker for each.
 *
 * Contract: couriers to replicas, replicas to each other, and both directions of every compute service's queue. An addition per link event. Links open
 * when a document names the peer, so the first seconds of a run are not looked at; neither is the time in which faults hinder one of the two ends.
 * Knows nothing of: which frames are decoys.
 * Source: pigeonhole.md §5.7, funion.md §6.1, §7 (O13); issue 5, part 1 ("rates equal with and without load"); departures: none.
 *
 * @module
 */
import type { Verdict } from "../../src/simulation/checkers/checker.ts"
import { EmissionChecker } from "../../src/simulation/checkers/emission-checker.ts"
import type { Window } from "../../src/simulation/fault-schedule.ts"
import type { LinkEvent } from "../../src/simulation/link-event.ts"
import type { Topology } from "../../src/topology/topology.ts"

/** After the network is up: until every link is open. */
const OPENING_MS = 5_000

interface SteadyLink {
  readonly from: string
  readonly to: string
  readonly checker: EmissionChecker
}

/** Who sends frames of a steady rate to whom. */
const pairsOf = ({ computes, couriers, replicas }: Topology): ReadonlyArray<readonly [from: string, to: string]> => [
  ...couriers.flatMap((courier) => replicas.map((replica) => [courier.name, replica.name] as const)),
  ...replicas.flatMap((replica) => replicas.flatMap((fellow) => (fellow === replica ? [] : [[replica.name, fellow.name] as const]))),
  ...computes.flatMap(({ name, queues }) => queues.flatMap((queue) => [[name, queue] as const, [queue, name] as const]))
]

/** The two ends of a frame of such a link; undefined for anything else. */
const endsOf = ({ call, direction, from, to }: LinkEvent): readonly [from: string, to: string] | undefined => {
  if (call === "QueueDeliveries") return direction === "item" ? [to, from] : undefined
  return direction === "request" && (call === "CourierCommand" || call === "ReplicaCommand" || call === "QueueAnswer") ? [from, to] : undefined
}

const keyOf = (from: string, to: string): string => `${from}>${to}`

export class SteadyLinks {
  readonly #links: ReadonlyMap<string, SteadyLink>

  constructor(topology: Topology) {
    const ratePerMs = topology.params.lambdaRPerMs
    this.#links = new Map(pairsOf(topology).map(([from, to]) =>
      [keyOf(from, to), { from, to, checker: new EmissionChecker({ sender: `${from} to ${to}`, ratePerMs }) }]))
  }

  /** Something crossed a link. */
  crossed(event: LinkEvent): void {
    const ends = endsOf(event)
    if (ends !== undefined) this.#links.get(keyOf(...ends))?.checker.observe(event.instantMs)
  }

  /** @param troublesOf  when faults hinder one of these or what travels between them */
  verdicts(
    { fromMs, untilMs }: Window, work: ReadonlyArray<Window>, troublesOf: (ends: ReadonlyArray<string>) => ReadonlyArray<Window>
  ): ReadonlyArray<Verdict> {
    const watched = { fromMs: Math.min(fromMs + OPENING_MS, untilMs), untilMs }
    return [...this.#links.values()].map(({ checker, from, to }) => checker.verdict(watched, work, troublesOf([from, to])))
  }
}
