/**
 * Who runs where.
 *
 * Goal: machines give every actor a place, and the check names what is missing or taken twice.
 * Method: small networks with one thing wrong each.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { tinyParams, tinyService } from "../../../src/params/presets.ts"
import { network, type NetworkChoice } from "../../../src/topology/builder.ts"
import { actorsOf, type Place, type Topology } from "../../../src/topology/topology.ts"
import { validateTopology } from "../../../src/topology/validate.ts"
import { topology as twoMachines } from "../../../topologies/two-machines.ts"

type Machines = NonNullable<NetworkChoice["machines"]>
const everything = ["authorities", "gateways", "mixes", "serviceNodes", "replicas", "computes", "clients"]
const on = (machines: Machines): Topology => network({ name: "placed", params: tinyParams, computes: [tinyService], machines })
const placeOf = (topology: Topology, name: string): Place => topology.placement![name]!
const problemOf = (topology: Topology): string =>
  Either.match(validateTopology(topology), { onLeft: ({ field, message }) => `${field}: ${message}`, onRight: () => "none" })
const changed = (topology: Topology, name: string, place: Partial<Place>): Topology =>
  ({ ...topology, placement: { ...topology.placement, [name]: { ...placeOf(topology, name), ...place } } })

describe("machines", () => {
  const one = on([{ name: "here", host: "10.0.0.1", firstPort: 4000, actors: everything }])
  it("give every actor a place with ports of its own", () => {
    const places = actorsOf(one).map(({ name }) => placeOf(one, name))
    expect(new Set(places.map(({ port }) => port)).size).toBe(places.length)
    expect(new Set(places.map(({ operatorPort }) => operatorPort)).size).toBe(places.length)
    expect(places[0]).toEqual({ machine: "here", host: "10.0.0.1", port: 4000, operatorPort: 5000 })
    expect(problemOf(one)).toBe("none")
  })
  it("put couriers where their service node is", () => {
    expect(placeOf(twoMachines, "courier-1").machine).toBe(placeOf(twoMachines, "service-node-0").machine)
  })
  it("take a name before a list that it is in", () => {
    const split = on([
      { name: "a", host: "a.example", firstPort: 4000, actors: everything },
      { name: "b", host: "b.example", firstPort: 4000, actors: ["replica-3"] }
    ])
    expect(placeOf(split, "replica-3").host).toBe("b.example")
    expect(placeOf(split, "replica-2").host).toBe("a.example")
    expect(problemOf(split)).toBe("none")
  })
})

describe("the check of places", () => {
  const one = on([{ name: "here", host: "10.0.0.1", firstPort: 4000, actors: everything }])
  it("names an actor without a place, but lets clients do without", () => {
    expect(problemOf(on([{ name: "here", host: "h", firstPort: 4000, actors: everything.filter((list) => list !== "mixes") }])))
      .toBe("placement: mix-0-0 has no place: add it to the actors of a machine")
    expect(problemOf(on([{ name: "here", host: "h", firstPort: 4000, actors: everything.filter((list) => list !== "clients") }]))).toBe("none")
  })
  it("names a place without an actor", () => {
    expect(problemOf(on([{ name: "here", host: "h", firstPort: 4000, actors: [...everything, "mix-9-9"] }])))
      .toContain('placement."mix-9-9": there is no actor')
  })
  it("names a port that is taken twice on one machine, whatever it is for", () => {
    expect(problemOf(changed(one, "mix-0-0", { port: placeOf(one, "gateway-0").port })))
      .toContain('placement."mix-0-0".port: port 4001 of machine here is already taken')
    expect(problemOf(changed(one, "mix-0-0", { port: placeOf(one, "gateway-0").operatorPort }))).toContain("is already taken")
  })
  it("keeps a courier on the machine of its service node", () => {
    expect(problemOf(changed(one, "courier-0", { machine: "there" }))).toContain("a courier must be on the machine of its service node")
  })
  it("refuses ports out of range, hosts that are none, and unknown fields", () => {
    expect(problemOf(changed(one, "mix-0-0", { port: 0 }))).toContain("a whole number from 1 to 65535")
    expect(problemOf(changed(one, "mix-0-0", { host: "two words" }))).toContain("a host name or an IP address")
    expect(problemOf(changed(one, "mix-0-0", { colour: "red" } as Partial<Place>))).toContain("there is no such field")
  })
  it("accepts the shipped topology", () => {
    expect(problemOf(twoMachines)).toBe("none")
  })
})
