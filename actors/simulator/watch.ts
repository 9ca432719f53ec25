/**
 * All checkers around one world: who is told what, and what they say in the end.
 *
 * Contract: watches from outside: links, tables of replicas, what people got, meters. Checkers that need a calm network look at the time before the first
 * fault, those that follow one sender or node leave out the time in which faults hinder it. Watching changes nothing in the run.
 * Knows nothing of: workloads.
 * Source: issue 5, part 1 (checkers outside the system); departures: none.
 *
 * @module
 */
import { Effect } from "effect"
import { DELAY_CAPACITY, INBOUND_CAPACITY } from "../../src/node/node.ts"
import { GATHER_MS, OUTBOX_CAPACITY } from "../../src/node/outgoing-links.ts"
import { accountingVerdict, type PacketBalance } from "../../src/simulation/checkers/accounting-checker.ts"
import type { Verdict } from "../../src/simulation/checkers/checker.ts"
import { EmissionChecker } from "../../src/simulation/checkers/emission-checker.ts"
import { HopDelayChecker } from "../../src/simulation/checkers/hop-delay-checker.ts"
import { JobChecker } from "../../src/simulation/checkers/job-checker.ts"
import { QueueChecker } from "../../src/simulation/checkers/queue-checker.ts"
import { ReleaseChecker } from "../../src/simulation/checkers/release-checker.ts"
import { StorageChecker } from "../../src/simulation/checkers/storage-checker.ts"
import { TurnAroundChecker } from "../../src/simulation/checkers/turn-around-checker.ts"
import { FaultSchedule, type Window } from "../../src/simulation/fault-schedule.ts"
import type { LinkFaultEvent } from "../../src/simulation/link-fate.ts"
import type { LinkEvent } from "../../src/simulation/link-event.ts"
import type { Topology } from "../../src/topology/topology.ts"
import { ENTRY_LIMIT } from "../courier/dedup-cache.ts"
import { INBOX_CAPACITY, INBOX_COUNT_LIMIT } from "../gateway/inboxes.ts"
import { IN_WORK_LIMIT } from "../replica/protocol.ts"
import { REQUEST_CAPACITY } from "../service-node/protocol.ts"
import { OUTSTANDING_LIMIT } from "../service-node/queue-host.ts"
import { PacketCounts } from "./packet-counts.ts"
import { SteadyLinks } from "./steady-links.ts"
import type { StorageEvent } from "./storage-event.ts"
import type { ActorReadings, World, WorldOptions } from "./world.ts"

/** After a fault is over, an actor needs time to be as before: documents, links, retries. */
const RECOVERY_MS = 15_000
/** Instants at which levels are looked at. */
const LOOK_MS = 5_000

/** Most that may wait, by metric and word, as the code of each queue states it; what an actor has several of counts together. */
const boundsOf = (topology: Topology): ReadonlyMap<string, number> => {
  const nodes = topology.mixes.length + topology.gateways.length + topology.serviceNodes.length
  return new Map([
    ["queued/inbound", INBOUND_CAPACITY],
    ["queued/delay", DELAY_CAPACITY],
    ["queued/service", REQUEST_CAPACITY],
    ["queued/outgoing", OUTBOX_CAPACITY * nodes],
    ["queued/inboxes", INBOX_CAPACITY * INBOX_COUNT_LIMIT],
    ["queued/work", IN_WORK_LIMIT],
    ["waiting_dispatches/", OUTSTANDING_LIMIT * topology.computes.length],
    ["cached_envelopes/", ENTRY_LIMIT]
  ])
}

/** Of a mix or a service node. Gateways send loops that come back another way than what they delay, so counting tells nothing of their delays. */
interface NodeWatch {
  readonly delays: HopDelayChecker
  readonly turns?: TurnAroundChecker
}

export class Watch {
  readonly jobs = new JobChecker()
  readonly releases = new ReleaseChecker()
  readonly storage = new StorageChecker()
  readonly #topology: Topology
  readonly #senders = new Map<string, EmissionChecker>()
  readonly #nodes = new Map<string, NodeWatch>()
  readonly #queues: QueueChecker
  readonly #counts: PacketCounts
  readonly #steady: SteadyLinks
  /** By client. */
  readonly #work = new Map<string, Array<Window>>()
  readonly #jobSpans: Array<Window> = []
  /** Set when the network is up. */
  #fromMs = Number.POSITIVE_INFINITY
  #calmUntilMs = Number.POSITIVE_INFINITY

  constructor(topology: Topology) {
    this.#topology = topology
    const { answerMs, lambdaLPerMs, lambdaPPerMs, muPerMs } = topology.params
    const sessions = [...topology.clients.map(({ name }) => [name, 1] as const), ...topology.computes.map((each) => [each.name, each.sessions] as const)]
    for (const [sender, count] of sessions) this.#senders.set(sender, new EmissionChecker({ sender, ratePerMs: count * (lambdaPPerMs + lambdaLPerMs) }))
    const delays = (node: string, checker: string) => new HopDelayChecker({ checker, node, muPerMs, gatherMs: GATHER_MS })
    for (const { name } of topology.mixes) this.#nodes.set(name, { delays: delays(name, "hop delays") })
    for (const { name } of topology.serviceNodes) {
      const turns = new TurnAroundChecker({ node: name, muPerMs, answerMs })
      this.#nodes.set(name, { delays: delays(name, "service delays"), turns })
    }
    this.#queues = new QueueChecker(boundsOf(topology))
    this.#counts = new PacketCounts(topology)
    this.#steady = new SteadyLinks(topology)
  }

  /** What a world must be given to be watched. */
  get observers(): Pick<WorldOptions, "onLink" | "onStorage" | "onFault"> {
    return {
      onLink: (event) => this.#onLink(event),
      onStorage: (event) => this.#onStorage(event),
      onFault: (event: LinkFaultEvent) => this.#counts.strayed(event)
    }
  }

  /** The network is up: watching of rates and delays begins. */
  begin(world: World): void {
    const { afflictions, settled } = world.schedule
    this.#fromMs = world.nowMs()
    const beginnings = [...settled.faults, ...afflictions].map(({ fromMs }) => fromMs)
    this.#calmUntilMs = this.#fromMs + Math.min(Number.POSITIVE_INFINITY, ...beginnings)
  }

  /** A job went on for some time, from its upload to its answer. */
  served(window: Window): void {
    this.#jobSpans.push(window)
  }

  /** A client was at work for some time: it sent what a job asks for, or read its answer. */
  worked(client: string, window: Window): void {
    const windows = this.#work.get(client) ?? []
    this.#work.set(client, windows)
    windows.push(window)
  }

  /** A commission was answered that long after it was made. */
  commissioned(roundTripMs: number): void {
    for (const { turns } of this.#nodes.values()) turns?.answered(roundTripMs)
  }

  /** Looks at levels again and again; never ends. */
  look(world: World): Effect.Effect<never> {
    const once = Effect.map(world.readings, (readings) => {
      for (const [actor, figures] of readings) {
        for (const metric of ["queued", "waiting_dispatches", "cached_envelopes"] as const) {
          for (const [word, level] of figures.get(metric) ?? []) this.#queues.observe(actor, `${metric}/${word}`, level)
        }
      }
    })
    return Effect.forever(Effect.zipRight(Effect.sleep(LOOK_MS), once))
  }

  /** Asks every replica that is up for every box that it ever held. */
  readBack({ holds, network }: World): Effect.Effect<void> {
    const { replicas } = this.#topology
    return Effect.flatMap(network.health, (health) =>
      Effect.forEach(replicas.filter(({ name }) => health.get(name)?.state === "up"), ({ name }) =>
        Effect.forEach(this.storage.held(name), (boxId) =>
          Effect.map(holds(name, boxId), (found) => this.storage.readBack(name, boxId, found)), { discard: true }), { discard: true }))
  }

  /** What all checkers say at the end. */
  verdicts(world: World, readings: ReadonlyMap<string, ActorReadings>): ReadonlyArray<Verdict> {
    const nowMs = world.nowMs()
    const watched = { fromMs: this.#fromMs, untilMs: nowMs }
    const gateways = this.#topology.gateways.map(({ name }) => name)
    const troublesOf = (group: ReadonlyArray<string>): ReadonlyArray<Window> => this.#troublesOf(world.schedule, group)
    return [
      this.jobs.verdict(nowMs),
      this.storage.verdict(),
      this.releases.verdict(world.schedule.settled.faults.length === 0),
      ...[...this.#senders].map(([sender, checker]) => checker.verdict(watched, this.#workOf(sender), troublesOf([sender, ...gateways]))),
      ...this.#steady.verdicts(watched, this.#jobSpans, troublesOf),
      ...[...this.#nodes.values()].flatMap(({ delays, turns }) => [delays.verdict(), ...(turns === undefined ? [] : [turns.verdict()])]),
      this.#queues.verdict(),
      accountingVerdict(this.#balances(world.schedule, readings))
    ]
  }

  #onLink(event: LinkEvent): void {
    this.#counts.crossed(event)
    this.#steady.crossed(event)
    const { call, direction, from, instantMs, to } = event
    if (direction !== "request") return
    if (call === "Submit") this.#senders.get(from)?.observe(instantMs)
    if (instantMs >= this.#calmUntilMs) return
    if (call === "Query") this.#nodes.get(from)?.turns?.acted(instantMs)
    if (call !== "Forward") return
    const receiver = this.#nodes.get(to)
    receiver?.delays.cameIn(instantMs)
    receiver?.turns?.cameIn(instantMs)
    this.#nodes.get(from)?.delays.wentOut(instantMs)
  }

  #onStorage(event: StorageEvent): void {
    this.storage.observe(event)
    if (event.operation === "write") this.releases.written(event.boxId, event.instantMs)
  }

  /** A service works for whoever asks, as long as the job goes on. */
  #workOf(sender: string): ReadonlyArray<Window> {
    return this.#topology.computes.some(({ name }) => name === sender) ? this.#jobSpans : this.#work.get(sender) ?? []
  }

  #troublesOf(schedule: FaultSchedule, group: ReadonlyArray<string>): ReadonlyArray<Window> {
    return schedule.troublesOf(group).map(({ fromMs, untilMs }) => ({ fromMs: this.#fromMs + fromMs, untilMs: this.#fromMs + untilMs + RECOVERY_MS }))
  }

  #balances(schedule: FaultSchedule, readings: ReadonlyMap<string, ActorReadings>): ReadonlyArray<PacketBalance> {
    const disturbed = new Set(schedule.afflictions.filter(({ kind }) => kind === "crash" || kind === "restart").map(({ actor }) => actor))
    const { gateways, mixes, serviceNodes } = this.#topology
    return [...gateways, ...mixes, ...serviceNodes]
      .map(({ name }) => this.#counts.balanceOf(name, readings.get(name), disturbed.has(name)))
  }
}
