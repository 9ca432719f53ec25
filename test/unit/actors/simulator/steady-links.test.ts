/**
 * Goal: links of one frame per tick pass, and the one that falls silent while jobs go on is named.
 * Method: traces of Poisson frames for every link of the smallest network.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { SteadyLinks } from "../../../../actors/simulator/steady-links.ts"
import type { LinkEvent } from "../../../../src/simulation/link-event.ts"
import { briskTopology } from "../../../network/brisk-network.ts"
import { poissonInstants, uniformsOf } from "../../simulation/checkers/sample-traces.ts"

const topology = briskTopology(["affine"])
const watched = { fromMs: 0, untilMs: 120_000 }
const work = [{ fromMs: 30_000, untilMs: 60_000 }]
const { couriers, params: { lambdaRPerMs }, replicas } = topology

type Link = Pick<LinkEvent, "from" | "to" | "call" | "direction">

const LINKS: ReadonlyArray<Link> = [
  ...couriers.flatMap(({ name }) => replicas.map((replica): Link => ({ from: name, to: replica.name, call: "CourierCommand", direction: "request" }))),
  ...replicas.flatMap(({ name }) => replicas.filter((fellow) => fellow.name !== name).map((fellow): Link =>
    ({ from: name, to: fellow.name, call: "ReplicaCommand", direction: "request" }))),
  { from: "compute-0", to: "service-node-0", call: "QueueAnswer", direction: "request" },
  { from: "compute-0", to: "service-node-0", call: "QueueDeliveries", direction: "item" }
]

const findingsWith = (isSilent: (link: Link, atMs: number) => boolean): ReadonlyArray<string> => {
  const links = new SteadyLinks(topology)
  for (const link of LINKS) {
    for (const instantMs of poissonInstants(uniformsOf(`${link.from} ${link.to} ${link.call}`), watched.untilMs, () => lambdaRPerMs)) {
      if (!isSilent(link, instantMs)) links.crossed({ ...link, instantMs, sizeBytes: 1, digest: 1 })
      links.crossed({ ...link, direction: "reply", instantMs, sizeBytes: 1, digest: 1 })
    }
  }
  return links.verdicts(watched, work, () => []).flatMap(({ findings }) => findings)
}

describe("links of a steady rate", () => {
  it("pass when a frame leaves on every tick", () => {
    expect(findingsWith(() => false)).toEqual([])
  })
  it("are named when they say less while jobs go on, or nothing at all", () => {
    const isWork = (atMs: number): boolean => atMs >= 30_000 && atMs < 60_000
    expect(findingsWith(({ call, from, to }, atMs) => call === "CourierCommand" && from === couriers[0]?.name && to === "replica-1" && isWork(atMs)))
      .toEqual([expect.stringMatching(/^\S+ to replica-1: 0 packets in 30000 ms of work, where 360 are due$/)])
    const silent = findingsWith(({ call }) => call === "QueueDeliveries")
    expect(silent.length).toBeGreaterThan(0)
    for (const finding of silent) expect(finding).toMatch(/^service-node-0 to compute-0: 0 packets/)
  })
})
