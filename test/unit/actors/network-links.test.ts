/**
 * Who may link to whom.
 *
 * Goal: at every callee exactly the callers of the table in actors/network-links.ts are let in, by documents of the epochs in force, and no others; and
 * what crosses a link most is one frame.
 * Method: a topology with two of everything; documents are plain values, keys are patterns, since they are compared alone. Expected callers are written
 * down by name. Sizes are those of the real codec for real messages.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { Courier } from "../../../actors/courier/protocol.ts"
import { Gateway } from "../../../actors/gateway/protocol.ts"
import type { PublicHalf } from "../../../actors/key-file.ts"
import { knowledgeOf } from "../../../actors/knowledge.ts"
import { Mix } from "../../../actors/mix/protocol.ts"
import { addressesOf, anonymousCredentials, formatAddress, type LinkConfig, linkSizesOf, peersOf } from "../../../actors/network-links.ts"
import { freshQueueName } from "../../../actors/packet-port.ts"
import { publicsNeeded } from "../../../actors/process.ts"
import { Replica } from "../../../actors/replica/protocol.ts"
import { ServiceNode } from "../../../actors/service-node/protocol.ts"
import { codecsOf } from "../../../src/actor/tcp-call-codec.ts"
import { encodeEnvelope } from "../../../src/actor/tcp-envelope.ts"
import { utf8 } from "../../../src/bytes/concat.ts"
import { systemEntropy } from "../../../src/crypto/entropy.ts"
import { queueFrameBytes } from "../../../src/inference/queue-frame.ts"
import { COMMAND_HEADER_BYTES } from "../../../src/link/padding.ts"
import type { PeerClaim } from "../../../src/link/peer-check.ts"
import { Epoch, epochStartMs } from "../../../src/params/epoch.ts"
import { tinyParams } from "../../../src/params/presets.ts"
import { nodeIdOf, type NodeDescriptor } from "../../../src/pki/descriptor.ts"
import type { Document } from "../../../src/pki/document.ts"
import { network as topologyOf } from "../../../src/topology/builder.ts"
import { actorsOf } from "../../../src/topology/topology.ts"
import { compute, crypto, identityOf, node, replica } from "../pki/sample-network.ts"

const topology = topologyOf({
  name: "links", params: tinyParams, authorities: 2, gateways: 2, mixLayers: [2, 2, 2], serviceNodes: [{ couriers: 1 }, { couriers: 1 }],
  computes: [{ queues: ["service-node-0"] }, { name: "compute-1", queues: ["service-node-0", "service-node-1"] }],
  machines: [{
    name: "all", host: "10.0.0.9", firstPort: 5_000, actors: ["authorities", "gateways", "mixes", "serviceNodes", "couriers", "replicas", "computes"]
  }]
})
const actors = actorsOf(topology)
const names = actors.map(({ name }) => name)
const numberOf = (name: string): number => names.indexOf(name) + 1
const identityKeys = new Map(names.map((name) => [name, identityOf(numberOf(name))]))
const identityKeyOf = (name: string): Uint8Array => identityKeys.get(name)!
const linkKeyOf = (name: string): Uint8Array => new Uint8Array(1216).fill(numberOf(name))
const claims = new Map(names.map((name): [string, PeerClaim] => [name, { additionalData: nodeIdOf(crypto, identityKeyOf(name)), linkKey: linkKeyOf(name) }]))
const claimOf = (name: string): PeerClaim => claims.get(name)!
const knowledge = Either.getOrThrow(knowledgeOf(topology, crypto, identityKeyOf))

const epoch = Epoch(231_000)
const midEpochMs = epochStartMs(tinyParams, epoch) + tinyParams.epochPeriodMs / 2
const reachOf = (name: string) =>
  ({ identityKey: identityKeyOf(name), name, reach: { linkKey: linkKeyOf(name), addresses: [`tcp://10.0.0.${numberOf(name)}:4000`] } })

/** Everybody whom a document can list. */
const documentOf = (at: number = epoch, change: (name: string) => object = () => ({})): Document => {
  const nodes = (role: NodeDescriptor["role"]) =>
    actors.filter((actor) => actor.role === role).map(({ name }) => {
      const mixLayer = topology.mixes.find((mix) => mix.name === name)?.layer ?? -1
      return node(numberOf(name), role, { ...reachOf(name), mixLayer, ...change(name) })
    })
  return {
    epoch: Epoch(at), genesisEpoch: Epoch(0), params: tinyParams, geometryHash: new Uint8Array(32), configuredReplicas: [],
    sharedRandomValue: new Uint8Array(32), priorSharedRandom: [new Uint8Array(32), new Uint8Array(32)],
    gateways: nodes("gateway"), serviceNodes: nodes("service-node"), mixLayers: [0, 1, 2].map((layer) => nodes("mix").filter((mix) => mix.mixLayer === layer)),
    replicas: topology.replicas.map(({ name }) => replica(numberOf(name), { ...reachOf(name), ...change(name) })),
    computeServices: topology.computes.map(({ name }) => compute(numberOf(name), { ...reachOf(name), ...change(name) }))
  }
}
const document = documentOf()

const publicOf = (name: string): readonly [string, PublicHalf] => [name, { name, identityKey: identityKeyOf(name), linkKey: linkKeyOf(name) }]
const everyPublic = new Map(names.map(publicOf))
const roleOf = (name: string) => actors.find((actor) => actor.name === name)!.role

const configOf = (callee: string, change: Partial<LinkConfig> = {}): LinkConfig => ({
  knowledge, self: { name: callee, role: roleOf(callee) }, publics: new Map(publicsNeeded(topology, callee, roleOf(callee)).map(publicOf)),
  documents: () => [document], nowMs: () => midEpochMs, ...change
})
const peersAt = (callee: string, change: Partial<LinkConfig> = {}) => peersOf(configOf(callee, change))
/** Whom a callee lets in under their own name, of all actors of the topology. */
const letIn = (callee: string, change: Partial<LinkConfig> = {}): ReadonlyArray<string> => {
  const { accept } = peersAt(callee, change)
  return names.filter((name) => {
    const given = accept(claimOf(name))
    expect([name, undefined]).toContain(given)
    return given === name
  })
}

const MIXES = (layer: number): ReadonlyArray<string> => [`mix-${layer}-0`, `mix-${layer}-1`]
const GATEWAYS = ["gateway-0", "gateway-1"]
const HOSTS = ["service-node-0", "service-node-1"]
const COURIERS = ["courier-0", "courier-1"]
const REPLICAS = ["replica-0", "replica-1", "replica-2", "replica-3"]
const COMPUTES = ["compute-0", "compute-1"]
const NODES = [...GATEWAYS, ...MIXES(0), ...MIXES(1), ...MIXES(2), ...HOSTS, ...COURIERS, ...REPLICAS, ...COMPUTES]

/** Callee, and all its callers. */
const CALLERS: ReadonlyArray<readonly [callee: string, callers: ReadonlyArray<string>]> = [
  ["authority-0", ["authority-1", ...NODES]],
  ["gateway-0", MIXES(2)],
  ["mix-0-0", [...GATEWAYS, ...HOSTS]],
  ["mix-1-0", MIXES(0)],
  ["mix-2-1", MIXES(1)],
  ["service-node-0", [...MIXES(2), "compute-0", "compute-1"]],
  ["service-node-1", [...MIXES(2), "compute-1"]],
  ["courier-0", ["service-node-0"]],
  ["courier-1", ["service-node-1"]],
  ["replica-1", [...COURIERS, "replica-0", "replica-2", "replica-3"]],
  ["compute-0", []],
  ["client-0", []]
]
const sorted = (list: ReadonlyArray<string>): ReadonlyArray<string> => [...list].sort()
const CALLEES = CALLERS.map(([callee]) => callee)

describe("with the document of the epoch", () => {
  it.each(CALLERS)("%s lets in exactly its callers", (callee, callers) => {
    expect(sorted(letIn(callee))).toEqual(sorted(callers))
  })
  it.each(CALLERS)("%s lets in nobody else either when it holds the key files of all", (callee, callers) => {
    expect(sorted(letIn(callee, { publics: everyPublic }))).toEqual(sorted(callers))
  })
  it.each(CALLERS)("%s refuses every identity with another link key, and every link key with another identity", (callee) => {
    const { accept } = peersAt(callee, { publics: everyPublic })
    for (const name of names) {
      const { additionalData, linkKey } = claimOf(name)
      const others = names.filter((other) => other !== name)
      for (const other of others) expect(accept({ additionalData, linkKey: linkKeyOf(other) })).toBeUndefined()
      const flipped = linkKey.slice()
      flipped[1_215]! ^= 1
      expect(accept({ additionalData, linkKey: flipped })).toBeUndefined()
      for (const short of [linkKey.slice(0, 1_215), new Uint8Array(0)]) expect(accept({ additionalData, linkKey: short })).toBeUndefined()
      const stranger = additionalData.slice()
      stranger[0]! ^= 1
      expect(accept({ additionalData: stranger, linkKey })).toBeUndefined()
      expect(accept({ additionalData: additionalData.slice(0, 31), linkKey })).toBeUndefined()
    }
  })
  it("a mix stands where the document puts it, not where its name says", () => {
    const moved = documentOf(epoch, (name) => (name === "mix-0-1" ? { mixLayer: 1 } : {}))
    expect(letIn("mix-1-0", { documents: () => [moved] })).toEqual(["mix-0-0"])
    expect(sorted(letIn("mix-2-0", { documents: () => [moved] }))).toEqual(["mix-0-1", ...MIXES(1)])
  })
  it("an actor that the document lists without a way to reach it is not let in", () => {
    const { reach: _, ...unreachable } = node(numberOf("mix-2-0"), "mix", { ...reachOf("mix-2-0"), mixLayer: 2 })
    const gone = { ...document, mixLayers: [document.mixLayers[0]!, document.mixLayers[1]!, [unreachable, document.mixLayers[2]![1]!]] }
    expect(letIn("gateway-0", { documents: () => [gone] })).toEqual(["mix-2-1"])
  })
})

describe("without a document", () => {
  it.each(CALLERS)("%s knows by key file authorities and couriers, and an authority everybody", (callee, callers) => {
    const role = roleOf(callee)
    const expected = role === "authority" ? callers : role === "replica" ? COURIERS : []
    expect(sorted(letIn(callee, { documents: () => [] }))).toEqual(sorted(expected))
  })
  it("whose key file is not here is not let in", () => {
    expect(letIn("replica-0", { documents: () => [], publics: new Map([publicOf("courier-1")]) })).toEqual(["courier-1"])
    expect(letIn("authority-0", { documents: () => [], publics: new Map() })).toEqual([])
  })
  it("an attendant is let in by its own key and no other, and its name opens nothing elsewhere", () => {
    const claim = { additionalData: new Uint8Array(32).fill(77), linkKey: new Uint8Array(1216).fill(77) }
    const attendants = new Map([["person", claim]])
    const { accept } = peersAt("client-0", { attendants })
    expect(accept(claim)).toBe("person")
    expect(accept({ ...claim, linkKey: linkKeyOf("client-0") })).toBeUndefined()
    for (const callee of CALLEES) expect(peersAt(callee).accept(claim)).toBeUndefined()
  })
})

describe("documents in force", () => {
  const eighthMs = tinyParams.epochPeriodMs / 8
  const nextStartMs = epochStartMs(tinyParams, Epoch(epoch + 1))
  const CASES: ReadonlyArray<readonly [what: string, of: number, nowMs: number, isIn: boolean]> = [
    ["of the current epoch, at its start", epoch, epochStartMs(tinyParams, epoch), true],
    ["of the current epoch, at its end", epoch, nextStartMs - 1, true],
    ["of the epoch before", epoch - 1, nextStartMs - 1, true],
    ["of the epoch before that", epoch - 2, epochStartMs(tinyParams, epoch), false],
    ["of an old epoch", epoch - 100, midEpochMs, false],
    ["of the next epoch, too early", epoch + 1, nextStartMs - eighthMs - 1, false],
    ["of the next epoch, in the last eighth", epoch + 1, nextStartMs - eighthMs, true],
    ["of the epoch after it, in the last eighth", epoch + 2, nextStartMs - 1, false]
  ]
  it.each(CASES)("%s", (_what, of, nowMs, isIn) => {
    const only = documentOf(of)
    for (const [callee, callers] of CALLERS.filter(([name]) => roleOf(name) !== "authority")) {
      const byFile = roleOf(callee) === "replica" ? COURIERS : []
      const given = letIn(callee, { documents: () => [only], nowMs: () => nowMs })
      expect(sorted(given)).toEqual(sorted(isIn ? callers : byFile))
    }
  })
  it("who was let in is not any more when the epochs go on, by the same directory of peers", () => {
    let nowMs = midEpochMs
    const { accept } = peersAt("gateway-0", { nowMs: () => nowMs })
    expect(accept(claimOf("mix-2-0"))).toBe("mix-2-0")
    nowMs += tinyParams.epochPeriodMs
    expect(accept(claimOf("mix-2-0"))).toBe("mix-2-0")
    nowMs += tinyParams.epochPeriodMs
    expect(accept(claimOf("mix-2-0"))).toBeUndefined()
  })
  it("both link keys of an actor that changed it between two epochs are good", () => {
    const fresh = new Uint8Array(1216).fill(200)
    const next = documentOf(epoch + 1, (name) => (name === "mix-2-0" ? { reach: { linkKey: fresh, addresses: ["tcp://10.0.0.1:1"] } } : {}))
    const { accept } = peersAt("gateway-0", { documents: () => [document, next], nowMs: () => nextStartMs })
    expect(accept({ ...claimOf("mix-2-0"), linkKey: fresh })).toBe("mix-2-0")
    expect(accept(claimOf("mix-2-0"))).toBe("mix-2-0")
  })
})

describe("callers without a name", () => {
  const linkKey = new Uint8Array(1216).fill(99)
  it("who shows nothing is let in by authorities alone, under the empty name, to fetch documents alone", () => {
    for (const callee of CALLEES) {
      const { accept, mayCall } = peersAt(callee)
      const given = accept({ additionalData: new Uint8Array(0), linkKey })
      expect(given).toBe(roleOf(callee) === "authority" ? "" : undefined)
      if (given === undefined) continue
      expect(["PostDescriptor", "Withdraw", "GetConsensus", "Vote", "Reveal", "Cert", "Sig"].filter((call) => mayCall!(given, call))).toEqual(["GetConsensus"])
    }
  })
  it("who shows a queue is let in by gateways alone, under the queue's name, with any link key", () => {
    const queue = freshQueueName(systemEntropy)
    for (const callee of CALLEES) {
      expect(peersAt(callee).accept({ additionalData: utf8(queue), linkKey })).toBe(roleOf(callee) === "gateway" ? queue : undefined)
    }
  })
  it("what is not exactly a queue is refused", () => {
    const queue = "0123456789abcdef0123456789abcdef"
    const { accept } = peersAt("gateway-0")
    const cut = queue.slice(1)
    for (const text of [cut, `${queue}0`, queue.toUpperCase(), `g${cut}`, ` ${cut}`, "", "mix-2-0", `${queue}\n`, `${cut}\n`]) {
      expect(accept({ additionalData: utf8(text), linkKey })).toBeUndefined()
    }
    expect(accept({ additionalData: new Uint8Array(32).fill(0xb0), linkKey })).toBeUndefined()
    expect(accept({ additionalData: utf8(queue), linkKey })).toBe(queue)
  })
  it("a client shows its queue and a fresh link key to everybody, an actor never", () => {
    const credentials = anonymousCredentials(crypto, systemEntropy)
    const queue = freshQueueName(systemEntropy)
    const [first, second] = [credentials(queue), credentials(queue)]
    expect(first?.additionalData).toEqual(utf8(queue))
    expect(first?.linkKey.publicKey).not.toEqual(second?.linkKey.publicKey)
    for (const name of [...names, "person", "visitor", ""]) expect(credentials(name)).toBeUndefined()
  })
})

describe("calls", () => {
  const QUEUE = "0123456789abcdef0123456789abcdef"
  const CALLS: Readonly<Record<string, ReadonlyArray<string>>> = {
    authority: ["PostDescriptor", "Withdraw", "GetConsensus", "Vote", "Reveal", "Cert", "Sig"],
    gateway: ["Forward", "Submit", "Receive", "GetConsensus"],
    mix: ["Forward"],
    "service-node": ["Forward", "QueueDeliveries", "QueueAnswer"],
    courier: ["Query"],
    replica: ["CourierCommand", "ReplicaCommand"]
  }
  const NODE_CALLS = ["PostDescriptor", "Withdraw", "GetConsensus"]
  const ALLOWED: ReadonlyArray<readonly [callee: string, caller: string, calls: ReadonlyArray<string>]> = [
    ["authority-0", "authority-1", CALLS["authority"]!],
    ...["gateway-0", "mix-1-0", "service-node-0", "replica-0", "compute-0"].map((caller) => ["authority-0", caller, NODE_CALLS] as const),
    ...["courier-0", "client-0", "", "nobody", QUEUE].map((caller) => ["authority-0", caller, ["GetConsensus"]] as const),
    ["gateway-0", "mix-2-0", ["Forward"]],
    ["gateway-0", QUEUE, ["Submit", "Receive", "GetConsensus"]],
    ["mix-0-0", "gateway-0", ["Forward"]],
    ["service-node-0", "mix-2-1", ["Forward"]],
    ["service-node-0", "compute-0", ["QueueDeliveries", "QueueAnswer"]],
    ["courier-0", "service-node-0", ["Query"]],
    ["replica-0", "courier-1", ["CourierCommand"]],
    ["replica-0", "replica-1", ["ReplicaCommand"]]
  ]
  it.each(ALLOWED)("at %s, %s may call what the table says and nothing else", (callee, caller, calls) => {
    const { mayCall } = peersAt(callee)
    expect(CALLS[roleOf(callee)]!.filter((call) => mayCall!(caller, call))).toEqual(calls)
  })
  it("the table names every call of every protocol that crosses links", () => {
    for (const [role, group] of [["gateway", Gateway], ["mix", Mix], ["service-node", ServiceNode], ["courier", Courier], ["replica", Replica]] as const) {
      expect(sorted([...group.requests.keys()])).toEqual(sorted(CALLS[role]!))
    }
  })
})

describe("whom we mean to call", () => {
  it("is recognised by documents and by key files, under its own name alone", () => {
    const { expects } = peersAt("mix-1-0")
    for (const name of names) {
      const isKnown = roleOf(name) !== "courier" && roleOf(name) !== "client"
      expect([name, expects(name, claimOf(name))]).toEqual([name, isKnown])
      for (const other of names) if (other !== name) expect(expects(name, claimOf(other))).toBe(false)
      expect(expects(name, { ...claimOf(name), linkKey: linkKeyOf("nobody") })).toBe(false)
      expect(expects(name, { ...claimOf(name), additionalData: new Uint8Array(0) })).toBe(false)
    }
  })
  it("is known by its key file alone before there are documents, and nobody by empty keys", () => {
    const { expects } = peersAt("client-0", { documents: () => [] })
    expect(names.filter((name) => expects(name, claimOf(name)))).toEqual(["authority-0", "authority-1", "gateway-0", "gateway-1"])
    expect(expects("mix-1-0", { additionalData: new Uint8Array(0), linkKey: new Uint8Array(0) })).toBe(false)
  })
})

describe("addresses", () => {
  const nowhere = {}
  it("are those of the newest document, else those of the topology", () => {
    const moved = documentOf(epoch + 1, (name) => (name === "mix-0-0" ? { reach: { linkKey: linkKeyOf(name), addresses: ["tcp://10.9.9.9:9"] } } : {}))
    const placement = topology.placement ?? nowhere
    expect(addressesOf(placement, crypto, () => [moved, document])("mix-0-0")).toEqual({ host: "10.9.9.9", port: 9 })
    expect(addressesOf(placement, crypto, () => [document, moved])("mix-0-0")).toEqual({ host: "10.9.9.9", port: 9 })
    const { host, port } = topology.placement!["mix-0-0"]!
    expect(addressesOf(placement, crypto, () => [])("mix-0-0")).toEqual({ host, port })
    expect(addressesOf(nowhere, crypto, () => [document])("courier-0")).toBeUndefined()
    expect(addressesOf(nowhere, crypto, () => [])("mix-0-0")).toBeUndefined()
  })
  it.each([["10.0.0.1", 1], ["mix.example.org", 65_535], ["::1", 47_100], ["2001:db8::7", 80]])("%s port %i comes back as it was written", (host, port) => {
    const reach = { linkKey: linkKeyOf("gateway-0"), addresses: [formatAddress({ host, port })] }
    const listed = documentOf(epoch, (name) => (name === "gateway-0" ? { reach } : {}))
    expect(addressesOf(nowhere, crypto, () => [listed])("gateway-0")).toEqual({ host, port })
  })
})

describe("command lengths", () => {
  const { pigeonhole, setting: { geometry } } = knowledge
  const sizesOf = linkSizesOf(knowledge)
  const bytesOf = (length: number): Uint8Array => systemEntropy(length)
  /** A call's number after years. */
  const id = 2 ** 40
  const packet = bytesOf(geometry.packetBytes)
  const queueId = bytesOf(32)
  const codecs = { gateway: codecsOf(Gateway), mix: codecsOf(Mix), serviceNode: codecsOf(ServiceNode), courier: codecsOf(Courier), replica: codecsOf(Replica) }
  type Callee = keyof typeof codecs
  const request = (callee: Callee, call: string, payload: unknown): Uint8Array =>
    encodeEnvelope({ _tag: "Request", id, call, payload: codecs[callee].get(call)!.encodePayload(payload) })
  const success = (callee: Callee, call: string, value: unknown): Uint8Array =>
    encodeEnvelope({ _tag: "Success", id, value: codecs[callee].get(call)!.encodeValue(value) })
  const item = (callee: Callee, call: string, value: unknown): Uint8Array =>
    encodeEnvelope({ _tag: "Items", id, values: [codecs[callee].get(call)!.encodeValue(value)] })
  const ack = (callee: Callee, call: string): Uint8Array => success(callee, call, undefined)

  const linkFrame = { frame: bytesOf(pigeonhole.linkCommandBytes) }
  const queueFrame = bytesOf(queueFrameBytes(geometry.userPayloadBytes))
  const MESSAGES: ReadonlyArray<readonly [what: string, callee: string, direction: "fromInitiatorBytes" | "fromResponderBytes", message: Uint8Array]> = [
    ["a packet to a gateway", "gateway-0", "fromInitiatorBytes", request("gateway", "Forward", { packets: [packet] })],
    ["a client's packet", "gateway-0", "fromInitiatorBytes", request("gateway", "Submit", { queueId, packets: [packet] })],
    ["a client's request for its replies", "gateway-0", "fromInitiatorBytes", request("gateway", "Receive", { queueId })],
    ["a reply to a client", "gateway-0", "fromResponderBytes", item("gateway", "Receive", bytesOf(16 + 32 + geometry.forwardPayloadBytes))],
    ["the acknowledgement of a client's packet", "gateway-0", "fromResponderBytes", ack("gateway", "Submit")],
    ["a packet to a mix", "mix-1-0", "fromInitiatorBytes", request("mix", "Forward", { packets: [packet] })],
    ["a mix's acknowledgement", "mix-1-0", "fromResponderBytes", ack("mix", "Forward")],
    ["a packet to a service node", "service-node-0", "fromInitiatorBytes", request("serviceNode", "Forward", { packets: [packet] })],
    ["a compute service's frame", "service-node-0", "fromInitiatorBytes", request("serviceNode", "QueueAnswer", { endpoint: queueId, frame: queueFrame })],
    ["a dispatch to a compute service", "service-node-0", "fromResponderBytes", item("serviceNode", "QueueDeliveries", queueFrame)],
    ["a query to a courier", "courier-0", "fromInitiatorBytes", request("courier", "Query", { query: bytesOf(geometry.userPayloadBytes) })],
    ["a courier's reply", "courier-0", "fromResponderBytes", success("courier", "Query", { reply: bytesOf(geometry.userPayloadBytes) })],
    ["a courier's command", "replica-0", "fromInitiatorBytes", request("replica", "CourierCommand", linkFrame)],
    ["a replica's command", "replica-0", "fromInitiatorBytes", request("replica", "ReplicaCommand", linkFrame)],
    ["a replica's reply", "replica-0", "fromResponderBytes", success("replica", "CourierCommand", linkFrame)],
    ...(["gateway-0", "mix-0-0", "service-node-0", "courier-0", "replica-0", "authority-0"] as const).map((callee) =>
      ["a refusal", callee, "fromResponderBytes", encodeEnvelope({ _tag: "Refusal", id, reason: "unknown-call" })] as const)
  ]
  it.each(MESSAGES)("%s is one frame of a link to %s", (_what, callee, direction, message) => {
    expect(message.length).toBeLessThanOrEqual(sizesOf(callee)[direction] - COMMAND_HEADER_BYTES)
  })
  it.each(MESSAGES.filter(([what]) => /packet to|client's packet|reply|command|query|dispatch/.test(what) && !what.includes("acknowledgement")))(
    "%s leaves less than 150 bytes of a frame of %s unused", (_what, callee, direction, message) => {
      expect(sizesOf(callee)[direction] - message.length).toBeLessThan(150)
    })
  it("actors of one role have the same lengths, and names that nobody has those of a directory", () => {
    for (const { name, role } of actors) expect(sizesOf(name)).toEqual(sizesOf(actors.find((actor) => actor.role === role)!.name))
    expect(sizesOf("nobody")).toEqual(sizesOf("authority-0"))
  })
})
