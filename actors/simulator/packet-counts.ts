/**
 * Packets in and out of every node, as links carried them, beside what the node says of itself.
 *
 * Contract: an addition per link event. What the node dropped, and what is still inside, are its own figures at the end.
 * Knows nothing of: what is right (accounting-checker).
 * Source: issue 5, part 1 ("every packet accounted for"); departures: none.
 *
 * @module
 */
import type { PacketBalance } from "../../src/simulation/checkers/accounting-checker.ts"
import type { LinkFaultEvent } from "../../src/simulation/link-fate.ts"
import type { LinkEvent } from "../../src/simulation/link-event.ts"
import type { Topology } from "../../src/topology/topology.ts"
import type { ActorReadings } from "./world.ts"

interface Counts {
  came: number
  left: number
  strayed: number
}

type Message = Pick<LinkEvent, "from" | "to" | "call" | "direction">

/** What a service node drops beside packets: frames of a dispatch queue, whose packets are answered all the same. */
const FRAME_DROPS = ["reply-unreadable", "reader-lost"]

/** The queues of a node in which packets wait. */
const PACKET_QUEUES = ["inbound", "outgoing", "delay", "service", "inboxes"]

export class PacketCounts {
  readonly #nodes = new Map<string, Counts>()
  readonly #hosts: ReadonlySet<string>

  constructor({ gateways, mixes, serviceNodes }: Topology) {
    this.#hosts = new Set(serviceNodes.map(({ name }) => name))
    for (const { name } of [...gateways, ...mixes, ...serviceNodes]) this.#nodes.set(name, { came: 0, left: 0, strayed: 0 })
  }

  /** A packet, or a message of a gateway for its client, crossed. */
  crossed(event: Message): void {
    const receiver = this.#receiverOf(event)
    if (receiver !== undefined) receiver.came += 1
    const sender = this.#senderOf(event)
    if (sender !== undefined) sender.left += 1
  }

  /** A faulty link lost a packet, or carried it twice. Items of a stream have crossed, once each, before the link does anything to them. */
  strayed(event: LinkFaultEvent): void {
    if (event.direction === "item") return
    const sender = this.#senderOf(event)
    if (sender === undefined) return
    if (event.what === "lost") sender.strayed += 1
    if (event.what === "doubled") sender.strayed -= 1
  }

  balanceOf(node: string, readings: ActorReadings | undefined, crashed: boolean): PacketBalance {
    const { came, left, strayed } = this.#nodes.get(node) ?? { came: 0, left: 0, strayed: 0 }
    const sum = (metric: "dropped_packets_total" | "queued" | "loops_total", words?: ReadonlyArray<string>): number =>
      [...readings?.get(metric) ?? []].reduce((total, [word, value]) => (words === undefined || words.includes(word) ? total + value : total), 0)
    const frames = this.#hosts.has(node) ? sum("dropped_packets_total", FRAME_DROPS) : 0
    return {
      node, came, left, strayed, crashed,
      dropped: sum("dropped_packets_total") - frames,
      uncertain: sum("dropped_packets_total", ["outgoing-failed"]),
      inside: sum("queued", PACKET_QUEUES),
      born: sum("loops_total", ["sent"]),
      ended: sum("loops_total", ["timely", "late"]),
      givenUp: sum("loops_total", ["lost"])
    }
  }

  #receiverOf({ call, direction, to }: Message): Counts | undefined {
    return direction === "request" && (call === "Forward" || call === "Submit") ? this.#nodes.get(to) : undefined
  }

  /** Packets leave by calls of the node, messages as items of the stream that a client reads. */
  #senderOf({ call, direction, from, to }: Message): Counts | undefined {
    if (call === "Forward" && direction === "request") return this.#nodes.get(from)
    return call === "Receive" && direction === "item" ? this.#nodes.get(to) : undefined
  }
}
