/**
 * The faults of the matrix: what is done to which process, and what undoes it.
 *
 * Contract: `strike` returns when the fault is there; `relieve` when everything runs again or is starting. One list, of which shorter runs take a part.
 * Knows nothing of: jobs, reports.
 * Source: issue "the same topology file on many machines" (process tests); departures: delay on a link is made by a proxy, because network namespaces with
 * netem are not to be had everywhere.
 *
 * @module
 */
import type { Role, Topology } from "../../src/topology/topology.ts"
import type { Fleet } from "./fleet.ts"
import type { LinkProxy } from "./link-proxy.ts"

export interface Arena {
  readonly fleet: Fleet
  readonly topology: Topology
  /** In front of `PROXIED`. */
  readonly proxy: LinkProxy
}

export interface Fault {
  readonly name: string
  /** How long it lasts before it is relieved, in milliseconds; 0: a blow without duration. */
  readonly lastsMs: number
  readonly strike: (arena: Arena) => Promise<void>
  readonly relieve: (arena: Arena) => Promise<void>
  /** Name of the client process through which the jobs of this fault go; otherwise a client of the moment. */
  readonly through?: string
}

/** The actor whose only caller reaches it through the proxy. */
export const PROXIED = "mix-1-0"

const nothing = (): Promise<void> => Promise.resolve()

/** SIGKILL, and a start after half a second. */
const kill = (name: string, fleet: Fleet): Fault => ({
  name: `kill ${name}`, lastsMs: 0, strike: () => fleet.kill(name), relieve: nothing, ...(fleet.names("client").includes(name) ? { through: name } : {})
})

/** As many authorities as the threshold allows are away. */
const authoritiesDown: Fault = {
  name: "authorities down to the threshold",
  lastsMs: 6_000,
  strike: async ({ fleet, topology }) => {
    for (const { name } of topology.authorities.slice(topology.authorityThreshold)) await fleet.takeDown(name)
  },
  relieve: async ({ fleet, topology }) => {
    for (const { name } of topology.authorities.slice(topology.authorityThreshold)) fleet.bringUp(name)
  }
}

const diskEmptied = (name: string): Fault => ({
  name: `disk of ${name} emptied`,
  lastsMs: 0,
  strike: async ({ fleet }) => {
    await fleet.takeDown(name)
    fleet.emptyDisk(name)
    fleet.bringUp(name)
  },
  relieve: nothing
})

const linkCut: Fault = {
  name: `link to ${PROXIED} cut`,
  lastsMs: 4_000,
  strike: ({ proxy }) => Promise.resolve(proxy.cut()),
  relieve: ({ proxy }) => Promise.resolve(proxy.mend())
}

const linkSlow: Fault = {
  name: `link to ${PROXIED} slow`,
  lastsMs: 4_000,
  strike: ({ proxy }) => Promise.resolve(proxy.slow(150)),
  relieve: ({ proxy }) => Promise.resolve(proxy.mend())
}

/** An actor comes back with a wrong clock; afterwards with the right one. */
const clockSkew = (name: string, offsetMs: number): Fault => ({
  name: `clock of ${name} ${offsetMs > 0 ? "ahead" : "behind"} by ${Math.abs(offsetMs) / 1000} s`,
  lastsMs: 6_000,
  strike: async ({ fleet }) => {
    await fleet.takeDown(name)
    fleet.bringUp(name, [`--clock-offset-ms=${offsetMs}`])
  },
  relieve: async ({ fleet }) => {
    await fleet.takeDown(name)
    fleet.bringUp(name)
  }
})

const SKEW_MS = 30_000

const firstOf = (fleet: Fleet, role: Role): ReadonlyArray<string> => fleet.names(role).slice(0, 1)
const ROLES_STRUCK: ReadonlyArray<Role> = ["authority", "gateway", "mix", "service-node", "courier", "replica", "compute", "client"]

/** Every process in turn, then what else may happen. */
export const allFaults = (fleet: Fleet): ReadonlyArray<Fault> => [
  ...fleet.names().map((name) => kill(name, fleet)),
  authoritiesDown,
  ...firstOf(fleet, "replica").map(diskEmptied),
  linkCut,
  linkSlow,
  ...(["authority", "mix", "replica", "compute"] as const).flatMap((role) => firstOf(fleet, role)).map((name, index) =>
    clockSkew(name, index % 2 === 0 ? SKEW_MS : -SKEW_MS))
]

/** One process of every role, and one of each other kind. */
export const quickFaults = (fleet: Fleet): ReadonlyArray<Fault> => [
  ...ROLES_STRUCK.flatMap((role) => firstOf(fleet, role)).map((name) => kill(name, fleet)),
  authoritiesDown,
  ...firstOf(fleet, "replica").map(diskEmptied),
  linkCut,
  ...firstOf(fleet, "compute").map((name) => clockSkew(name, SKEW_MS)),
  ...firstOf(fleet, "mix").map((name) => clockSkew(name, -SKEW_MS))
]

/** A minute's worth. */
export const shortFaults = (fleet: Fleet): ReadonlyArray<Fault> => [
  ...(["mix", "compute"] as const).flatMap((role) => firstOf(fleet, role)).map((name) => kill(name, fleet))
]
