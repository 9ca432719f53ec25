/**
 * Who runs where: machines of a topology file expanded to one place per actor, and the rules that places must keep.
 *
 * Contract: pure. `placeOnMachines` gives every actor that some machine names a place with ports of its own; actors that nobody names stay without one,
 * and `checkPlacement` names them. Couriers go where their service node goes unless they are named.
 * Knows nothing of: sockets, keys.
 * Source: style.md §1.1 (placement), mixnet.md §1; departures: a courier must share its service node's machine, because the calls between the two are made for
 * real requests alone and must not cross a wire that others see.
 *
 * @module
 */
import type { CheckProblem } from "../params/service-check.ts"
import { memberPath } from "./plain-copy.ts"
import { actorsOf, type Place, runnersOf, type Topology } from "./topology.ts"

/** A machine as a topology file states it. */
export interface MachineChoice {
  readonly name: string
  /** Host name or address that the other machines dial. */
  readonly host: string
  /** Where its actors listen; default: `host`. */
  readonly listenHost?: string
  /** Its actors get this port and the following ones, in the order of the topology. */
  readonly firstPort: number
  /** The same for the operator's pages, on loopback. Default: 1000 above `firstPort`. */
  readonly firstOperatorPort?: number
  /** Actor names, or lists of the topology: `"mixes"` is every mix. A name stands above a list. */
  readonly actors: ReadonlyArray<string>
}

const OPERATOR_PORT_DISTANCE = 1000
const LISTS = ["authorities", "gateways", "mixes", "serviceNodes", "couriers", "replicas", "computes", "clients"] as const
type List = typeof LISTS[number]
const isList = (word: string): word is List => (LISTS as ReadonlyArray<string>).includes(word)

type Unplaced = Omit<Topology, "placement">

/** The machine of each actor that is on one. */
const machinesByActor = (topology: Unplaced, machines: ReadonlyArray<MachineChoice>): ReadonlyMap<string, MachineChoice> => {
  const byActor = new Map<string, MachineChoice>()
  for (const machine of machines) {
    for (const list of machine.actors.filter(isList)) for (const { name } of topology[list]) byActor.set(name, machine)
  }
  for (const machine of machines) for (const name of machine.actors) if (!isList(name)) byActor.set(name, machine)
  for (const { name, serviceNode } of topology.couriers) {
    const host = byActor.get(serviceNode)
    if (!byActor.has(name) && host !== undefined) byActor.set(name, host)
  }
  return byActor
}

/** A place for every actor that a machine names. Names that no actor has get a place too, so that the check can say so. */
export const placeOnMachines = (topology: Unplaced, machines: ReadonlyArray<MachineChoice>): Readonly<Record<string, Place>> => {
  const byActor = machinesByActor(topology, machines)
  const used = new Map<MachineChoice, number>()
  const known = [...actorsOf(topology), ...runnersOf(topology)].map(({ name }) => name)
  const order = [...known.filter((name) => byActor.has(name)), ...[...byActor.keys()].filter((name) => !known.includes(name))]
  return Object.fromEntries(order.flatMap((name) => {
    const machine = byActor.get(name)
    if (machine === undefined) return []
    const index = used.get(machine) ?? 0
    used.set(machine, index + 1)
    const { firstPort, host, listenHost, name: machineName } = machine
    const operatorPort = (machine.firstOperatorPort ?? firstPort + OPERATOR_PORT_DISTANCE) + index
    return [[name, { machine: machineName, host, port: firstPort + index, ...(listenHost === undefined ? {} : { listenHost }), operatorPort }]]
  }))
}

const problem = (holds: boolean, field: string, message: string): ReadonlyArray<CheckProblem> => (holds ? [] : [{ field, message }])

/** Ports that one machine uses twice: every second use, with the first. */
const portClashes = (entries: ReadonlyArray<readonly [string, Place]>): ReadonlyArray<CheckProblem> => {
  const taken = new Map<string, string>()
  return entries.flatMap(([name, place]) => (["port", "operatorPort"] as const).flatMap((kind) => {
    const field = `${memberPath("placement", name)}.${kind}`
    const key = `${place.machine} ${place[kind]}`
    const other = taken.get(key)
    taken.set(key, other ?? field)
    return problem(other === undefined, field, `port ${place[kind]} of machine ${place.machine} is already taken by ${other}: choose another`)
  }))
}

/** What is wrong with the places of a topology; nothing when it has none. */
export const checkPlacement = (topology: Topology): ReadonlyArray<CheckProblem> => {
  const { placement } = topology
  if (placement === undefined) return []
  const entries = Object.entries(placement)
  const actors = [...actorsOf(topology), ...runnersOf(topology).map(({ name }) => ({ name, role: "runner" }))]
  const machineOf = (name: string): string | undefined => placement[name]?.machine
  return [
    ...entries.flatMap(([name]) =>
      problem(actors.some((actor) => actor.name === name), memberPath("placement", name), "there is no actor of this name: remove it or correct the name")),
    ...actors.flatMap(({ name, role }) =>
      problem(role === "client" || machineOf(name) !== undefined, "placement", `${name} has no place: add it to the actors of a machine`)),
    ...topology.couriers.flatMap(({ name, serviceNode }) =>
      problem(machineOf(name) === machineOf(serviceNode), memberPath("placement", name),
        `a courier must be on the machine of its service node, because calls between the two are not covered: put it where ${serviceNode} is`)),
    ...portClashes(entries)
  ]
}
