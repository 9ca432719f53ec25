/**
 * The broken variants that checkers and lab are tried on, by name: whom each replaces, and what is expected to catch it.
 *
 * Contract: every one runs in a world like the sound actor whose name it takes; nothing in production code knows of them.
 * Source: issue 5 ("broken variants planted by us are each caught by a gate or a checker"); departures: none.
 *
 * @module
 */
import { actorsOf, type Role, type Topology } from "../../../src/topology/topology.ts"
import type { Variant } from "../world.ts"
import { clientWithoutCover } from "./client-without-cover.ts"
import { earlyRelease } from "./early-release.ts"
import { hastyService } from "./hasty-service.ts"
import { mixWithoutDelay } from "./mix-without-delay.ts"
import { packetBursts } from "./packet-bursts.ts"

export interface PlantedFault {
  readonly name: string
  /** One sentence for a report. */
  readonly about: string
  /** The first actor of this role is replaced. */
  readonly role: Role
  /** Checkers that catch it. */
  readonly caughtBy: ReadonlyArray<string>
  readonly variant: Variant
}

export const PLANTED_FAULTS: ReadonlyArray<PlantedFault> = [
  {
    name: "mix-without-delay", about: "A mix passes every packet on as it comes.", role: "mix", caughtBy: ["hop delays"], variant: mixWithoutDelay
  },
  {
    name: "client-without-cover", about: "A client sends no decoys while it has a job.", role: "client", caughtBy: ["emissions"], variant: clientWithoutCover
  },
  {
    name: "early-release", about: "A compute service releases small outputs before their edge.", role: "compute", caughtBy: ["releases"], variant: earlyRelease
  },
  {
    name: "hasty-service", about: "A service node acts, and lets its couriers act, before the delay is over.", role: "service-node",
    caughtBy: ["turn-around", "service delays"], variant: hastyService
  },
  {
    name: "packet-bursts", about: "A client writes two boxes of a stream by one burst of packets.", role: "client", caughtBy: ["emissions"],
    variant: packetBursts
  }
]

/** The variants of a world in which one planted fault replaces the first actor of its role. */
export const plantedIn = ({ role, variant }: PlantedFault, topology: Topology): ReadonlyMap<string, Variant> => {
  const victim = actorsOf(topology).find((actor) => actor.role === role)
  return new Map(victim === undefined ? [] : [[victim.name, variant]])
}
