/**
 * Goal: a network that cannot run is refused by the field to change; one that can is accepted; nothing makes the check crash.
 * Method: one change to `tiny` per case; hostile values of every kind.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { topology as echomix } from "../../../topologies/echomix.ts"
import { topology as tinyReference } from "../../../topologies/tiny-reference.ts"
import { topology as shippedTiny } from "../../../topologies/tiny.ts"
import { tinyParams, tinyService } from "../../../src/params/presets.ts"
import { network } from "../../../src/topology/builder.ts"
import { deadlinesQuantaOf, type ComputeActor, type Topology } from "../../../src/topology/topology.ts"
import { TopologyInvalid, validateTopology } from "../../../src/topology/validate.ts"

const refusalOf = (value: unknown): TopologyInvalid | undefined => Either.match(validateTopology(value), { onLeft: (error) => error, onRight: () => undefined })
/** The shape of the shipped one, at the rates for which these cases were worked out. */
const tiny = network({
  name: "tiny", params: tinyParams, authorities: 3, gateways: 1, mixLayers: [1, 1, 1], serviceNodes: [{ couriers: 2 }], replicas: 4, computes: [tinyService],
  clients: 1
})
const fieldOf = (change: Record<string, unknown>): string | undefined => refusalOf({ ...tiny, ...change })?.field
const first = tiny.computes[0]!
const withCompute = (change: Record<string, unknown>): TopologyInvalid | undefined => refusalOf({ ...tiny, computes: [{ ...first, ...change }] })
const withProfile = (change: Record<string, unknown>): TopologyInvalid | undefined =>
  withCompute({ profiles: [{ ...first.profiles[0], ...change }, first.profiles[1]] })
const withParams = (change: Record<string, unknown>): TopologyInvalid | undefined => refusalOf({ ...tiny, params: { ...tinyParams, ...change } })

describe("shipped topologies", () => {
  const shipped = [["tiny", shippedTiny], ["tiny-reference", tinyReference], ["echomix", echomix]] as const
  it.each(shipped)("%s is accepted and comes back equal", (name, topology) => {
    const valid = Either.getOrThrow(validateTopology(topology))
    expect(valid.topology).toEqual(topology)
    expect(valid.topology).not.toBe(topology)
    expect(topology.name).toBe(name)
  })
  it("none lacks cover jobs, and those with fewer than eight replicas warn of that", () => {
    const warnings = (topology: Topology) => Either.getOrThrow(validateTopology(topology)).warnings
    expect(warnings(shippedTiny).map((text) => text.split(":")[0])).toEqual(["replicas"])
    expect(warnings(echomix).map((text) => text.split(":")[0])).toEqual([])
  })
  it("nodes that send no loops are warned of", () => {
    const quiet = { ...tiny, params: { ...tinyParams, lambdaMPerMs: 0, lambdaGPerMs: 0 } }
    const fields = Either.getOrThrow(validateTopology(quiet)).warnings.map((text) => text.split(":")[0])
    expect(fields.filter((field) => field?.startsWith("params"))).toEqual(["params.lambdaMPerMs", "params.lambdaGPerMs"])
  })
  it("rates that would fill a key's record of replay tags are warned of", () => {
    const crowd = Array.from({ length: 200 }, (_, index) => ({ name: `client-${index}` }))
    const warnings = Either.getOrThrow(validateTopology({ ...tiny, clients: crowd })).warnings
    expect(warnings.filter((text) => text.startsWith("params.epochPeriodMs: a mix unwraps about "))).toHaveLength(1)
  })
  it("deadlines are whole quanta in descriptors", () => {
    expect(deadlinesQuantaOf(shippedTiny.params, shippedTiny.computes[0]!)).toEqual([2, 3, 5, 10])
    expect(deadlinesQuantaOf(tinyReference.params, tinyReference.computes[0]!)).toEqual([1, 2, 4, 8])
  })
})

describe("refusals named in the issue", () => {
  it("fewer than four replicas", () => {
    expect(refusalOf(network({ name: "few", params: tinyParams, replicas: 3 }))).toEqual(new TopologyInvalid({
      field: "replicas", message: "there are 3 replicas, but two hold a box and two others must pass it on: use at least 4"
    }))
    expect(refusalOf(network({ name: "enough", params: tinyParams, replicas: 4 }))).toBeUndefined()
  })
  it("a deadline that is no multiple of the quantum", () => {
    expect(withCompute({ deadlinesMs: [4000, 6500, 10_000] })).toEqual(new TopologyInvalid({
      field: "computes[0].deadlinesMs[1]", message: "a deadline must be a multiple of the quantum of 2000 ms: use 6000 or 8000 ms"
    }))
    for (const deadlineMs of [0, -3000, 3000.5, 400]) expect(withCompute({ deadlinesMs: [deadlineMs] })?.field).toBe("computes[0].deadlinesMs[0]")
  })
  it("a box smaller than a manifest", () => {
    const refusal = withParams({ geometry: { ...tinyParams.geometry, userPayloadBytes: 514 } })
    expect(refusal?.field).toBe("params.geometry.userPayloadBytes")
    expect(refusal?.message).toContain("manifest")
  })
  it("a first edge before the input can have been fetched", () => {
    const refusal = withCompute({ deadlinesMs: [2000, 6000] })
    expect(refusal?.field).toBe("computes[0].deadlinesMs[0]")
    expect(refusal?.message).toContain("fetched")
  })
  it("too few sessions for a full quantum, and a window longer than the quantum", () => {
    expect(withCompute({ sessions: 5 })?.field).toBe("computes[0].sessions")
    expect(withCompute({ releaseWindowMs: 2001 })?.field).toBe("computes[0].releaseWindowMs")
  })
})

describe("refusals of parameters", () => {
  it.each<readonly [string, unknown, string]>([
    ["muPerMs", 0, "params.muPerMs"], ["lambdaPPerMs", -1, "params.lambdaPPerMs"], ["lambdaLPerMs", Number.NaN, "params.lambdaLPerMs"],
    ["lambdaRPerMs", Number.POSITIVE_INFINITY, "params.lambdaRPerMs"], ["muPerMs", "0.05", "params.muPerMs"], ["quantumMs", 0.5, "params.quantumMs"],
    ["dispatchSuite", 3, "params.dispatchSuite"], ["replicaNike", "x448", "params.replicaNike"], ["answerMs", 239, "params.answerMs"],
    ["geometry", { ...tinyParams.geometry, hopCount: 4 }, "params.geometry.hopCount"],
    ["geometry", { ...tinyParams.geometry, scheme: "rsa" }, "params.geometry.scheme"],
    ["geometry", { ...tinyParams.geometry, withSurb: false }, "params.geometry.withSurb"],
    ["geometry", { ...tinyParams.geometry, userPayloadBytes: 1985 }, "params.geometry.userPayloadBytes"],
    ["lambdaMPerMs", -1, "params.lambdaMPerMs"], ["lambdaDPerMs", 1, "params.lambdaDPerMs"]
  ])("%s = %s", (name, value, field) => {
    expect(withParams({ [name]: value })?.field).toBe(field)
  })
})

describe("refusals of actors", () => {
  const mix = (name: string, layer: number, index: number) => ({ name, layer, index })
  it.each<readonly [string, Record<string, unknown>, string]>([
    ["no authority", { authorities: [] }, "authorities"],
    ["a threshold of half", { authorities: [{ name: "a" }, { name: "b" }], authorityThreshold: 1 }, "authorityThreshold"],
    ["a threshold above all", { authorityThreshold: 4 }, "authorityThreshold"],
    ["a fractional threshold", { authorityThreshold: 2.5 }, "authorityThreshold"],
    ["no gateway", { gateways: [] }, "gateways"],
    ["a name taken twice", { clients: [{ name: "gateway-0" }] }, "clients[0].name"],
    ["a name of 33 letters", { clients: [{ name: "c".repeat(33) }] }, "clients[0].name"],
    ["an empty name", { clients: [{ name: "" }] }, "clients[0].name"],
    ["a name with a slash", { name: "../tiny" }, "name"],
    ["an empty layer", { mixes: [mix("mix-0-0", 0, 0), mix("mix-2-0", 2, 0)] }, "mixes"],
    ["a mix in a layer too many", { mixes: [...tiny.mixes, mix("mix-3-0", 3, 0)] }, "mixes[3].layer"],
    ["a mix with another's name", { mixes: [...tiny.mixes, mix("mix-0-2", 0, 1)] }, "mixes[3].name"],
    ["no service node", { serviceNodes: [] }, "serviceNodes"],
    ["no courier", { couriers: [], serviceNodes: [{ name: "service-node-0", couriers: [] }] }, "couriers"],
    ["a courier at no service node", { couriers: [...tiny.couriers, { name: "courier-2", serviceNode: "service-node-9" }] }, "couriers[2].serviceNode"],
    ["a courier that its node does not list", { couriers: [...tiny.couriers, { name: "courier-2", serviceNode: "service-node-0" }] },
      "couriers[2].serviceNode"],
    ["a listed courier that is not there", { couriers: [tiny.couriers[0]] }, "serviceNodes[0].couriers[1]"],
    ["a replica id taken twice", { replicas: tiny.replicas.map(({ name }) => ({ name, replicaId: 3 })) }, "replicas[1].replicaId"],
    ["a replica id of 256", { replicas: tiny.replicas.map(({ name }, index) => ({ name, replicaId: 253 + index })) }, "replicas[3].replicaId"],
    ["an unknown field", { gateway: 1 }, "gateway"]
  ])("%s", (_, change, field) => {
    expect(fieldOf(change)).toBe(field)
  })
  it("a field that is missing is named", () => {
    const { replicas: _, ...rest } = tiny
    expect(refusalOf(rest)).toEqual(new TopologyInvalid({ field: "replicas", message: "this field is missing: add it" }))
  })
  it("a text in place of a number, and a record in place of a list, are told in words", () => {
    expect(withCompute({ sessions: "6" })).toEqual(new TopologyInvalid({ field: "computes[0].sessions", message: "write a whole number from 1 to 1024" }))
    expect(refusalOf({ ...tiny, gateways: {} })).toEqual(new TopologyInvalid({ field: "gateways", message: "write a list of 1 to 1024 gateways" }))
    expect(refusalOf({ ...tiny, params: 5 })?.message).toBe("write a record of parameters, such as tinyParams")
  })
})

describe("refusals of a compute", () => {
  it.each<readonly [string, Partial<Record<keyof ComputeActor, unknown>>, string]>([
    ["a queue host that is not there", { queues: ["service-node-1"] }, "queues[0]"],
    ["a queue host twice", { queues: ["service-node-0", "service-node-0"] }, "queues[1]"],
    ["no queue", { queues: [] }, "queues"],
    ["no deadline", { deadlinesMs: [] }, "deadlinesMs"],
    ["nine deadlines", { deadlinesMs: [3, 4, 5, 6, 7, 8, 9, 10, 11].map((quanta) => quanta * 2000) }, "deadlinesMs"],
    ["deadlines that do not grow", { deadlinesMs: [6000, 4000] }, "deadlinesMs[1]"],
    ["a deadline of 65536 quanta", { deadlinesMs: [4000, 131_072_000] }, "deadlinesMs[1]"],
    ["five profiles", { profiles: [0, 1, 2, 3, 4].map((id) => ({ ...first.profiles[0], id })) }, "profiles"],
    ["no profile", { profiles: [] }, "profiles"],
    ["a profile id twice", { profiles: [first.profiles[0], first.profiles[0]] }, "profiles[1].id"],
    ["no session", { sessions: 0 }, "sessions"],
    ["jobs that pile up", { workers: 2, deadlinesMs: [6000, 8000], maxComputeMs: 701 }, "workers"],
    ["an unknown profile of a model", { models: [{ id: "affine", profiles: [0, 3] }] }, "models[0].profiles[1]"],
    ["a profile of a model twice", { models: [{ id: "affine", profiles: [0, 0] }] }, "models[0].profiles[1]"],
    ["a model without profile", { models: [{ id: "affine", profiles: [] }] }, "models[0].profiles"],
    ["a model twice", { models: [{ id: "affine", profiles: [0] }, { id: "affine", profiles: [1] }] }, "models[1].id"],
    ["a runner of another name", { runners: ["compute-0-runner-1"] }, "runners[0]"],
    ["a runner twice", { runners: ["compute-0-runner-0", "compute-0-runner-0"] }, "runners[1]"],
    ["more runners than workers", { runners: [0, 1, 2, 3].map((index) => `compute-0-runner-${index}`) }, "workers"],
    ["seventeen models", { models: Array.from({ length: 17 }, (_, index) => ({ id: `m${index}`, profiles: [0] })) }, "models"]
  ])("%s", (_, change, field) => {
    expect(withCompute(change)?.field).toBe(`computes[0].${field}`)
  })
  it.each<readonly [string, Record<string, unknown>, string]>([
    ["a bucket above the deadlines", { bucket: 5 }, "bucket"], ["bucket 0", { bucket: 0 }, "bucket"],
    ["a staged profile in bucket 2", { bucket: 2, staged: true }, "bucket"], ["a class that does not exist", { inputClass: 24 }, "inputClass"],
    ["staged cover jobs", { staged: true, coverJobs: 1 }, "coverJobs"], ["no job but cover", { jobsPerQuantum: 1, coverJobs: 1 }, "coverJobs"],
    ["no jobs", { jobsPerQuantum: 0 }, "jobsPerQuantum"],
    ["a text for staged", { staged: "no" }, "staged"]
  ])("a profile with %s", (_, change, field) => {
    expect(withProfile(change)?.field).toBe(`computes[0].profiles[0].${field}`)
  })
  it("a compute whose models run on runners is accepted, and a runner may be placed", () => {
    const runners = ["compute-0-runner-0", "compute-0-runner-1"]
    expect(withCompute({ runners })).toBeUndefined()
    const placed = network({
      name: "placed", params: tinyParams,
      machines: [
        { name: "here", host: "127.0.0.1", firstPort: 4000, actors: ["authorities", "gateways", "mixes", "serviceNodes", "replicas", "computes", "clients"] },
        { name: "there", host: "127.0.0.2", firstPort: 4000, actors: runners.slice(0, 1) }
      ]
    })
    const withRunners = (names: ReadonlyArray<string>) => ({ ...placed, computes: placed.computes.map((compute) => ({ ...compute, runners: names })) })
    expect(refusalOf(withRunners(runners.slice(0, 1)))).toBeUndefined()
    expect(refusalOf(withRunners(runners))).toMatchObject({ field: "placement", message: expect.stringContaining("compute-0-runner-1 has no place") })
    expect(refusalOf(withRunners([]))?.field).toBe('placement."compute-0-runner-0"')
  })
  it("a network without computes or clients is one: storage alone", () => {
    expect(refusalOf({ ...tiny, computes: [], clients: [] })).toBeUndefined()
  })
})

describe("hostile values", () => {
  const cyclic: Record<string, unknown> = { ...tiny }
  cyclic["params"] = cyclic
  const trap = new Proxy({}, { ownKeys: () => { throw new Error("trap") } })
  it.each<readonly [string, unknown]>([
    ["nothing", undefined], ["null", null], ["a text", "tiny"], ["a number", Number.NaN], ["a function", () => tiny], ["a symbol", Symbol("tiny")],
    ["a list", [tiny]], ["a big integer", 1n], ["a cycle", cyclic], ["a proxy that throws", trap],
    ["inherited parameters", { ...tiny, params: Object.create(tinyParams) }], ["a date", { ...tiny, params: new Date(0) }],
    ["a promise", Promise.resolve(tiny)], ["a huge list", { ...tiny, clients: Array.from({ length: 1_000_000 }, () => ({ name: "c" })) }],
    ["a sparse list", { ...tiny, clients: new Array(1000) }], ["a list of four billion gaps", { ...tiny, clients: new Array(2 ** 32 - 1) }],
    ["a huge text", { ...tiny, name: "n".repeat(10_000_000) }],
    ["many lists", { ...tiny, clients: Array.from({ length: 1000 }, () => new Array(1000).fill(0)) }],
    ["deep nesting", Array.from({ length: 10_000 }).reduce<unknown>((inner) => ({ inner }), 1)],
    ["an own __proto__", JSON.parse(`{"__proto__":${JSON.stringify(tiny)}}`)], ["inherited fields", Object.create(tiny)],
    ["a polluted list", { ...tiny, gateways: Object.assign(Object.create(Array.prototype), { 0: { name: "g" }, length: 1 }) }]
  ])("%s gives a typed refusal", (_, value) => {
    const refusal = refusalOf(value)
    expect(refusal).toBeInstanceOf(TopologyInvalid)
    expect(refusal?.message.length).toBeLessThan(200)
    expect(refusal?.field.length).toBeLessThan(100)
  })
  it("a getter is named and not called", () => {
    let calls = 0
    const value = Object.defineProperty({ ...tiny }, "gateways", { enumerable: true, get: () => (calls += 1, tiny.gateways) })
    expect(refusalOf(value)?.field).toBe("gateways")
    expect(calls).toBe(0)
  })
  it("a list whose entries change later has been copied", () => {
    const clients = [{ name: "client-0" }]
    const valid = Either.getOrThrow(validateTopology({ ...tiny, clients }))
    clients[0]!.name = "gateway-0"
    expect(valid.topology.clients).toEqual([{ name: "client-0" }])
  })
})
