/**
 * Routes and composed requests.
 *
 * Goal: a composed packet passes exactly the chosen hops under the keys of the epochs in which it gets there, its reply block comes home, and the
 * announced time is the sum of all delays on the way.
 * Method: a small network of real keys; every hop unwraps as a node would. Both Sphinx schemes.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { seededEntropy, type Entropy } from "../../../src/crypto/entropy.ts"
import { selectBackend } from "../../../src/crypto/select-backend.ts"
import { COMPOSE_ATTEMPT_LIMIT, composeLoop, composeRequest, type ComposedRequest, type RequestPlan } from "../../../src/mixnet/compose.ts"
import { chooseForwardPath, chooseMixes, chooseReturnPath, findGateway, type PathView } from "../../../src/mixnet/path.ts"
import { Epoch, epochAt, epochStartMs } from "../../../src/params/epoch.ts"
import type { MixnetParams } from "../../../src/params/mixnet-params.ts"
import { tinyParams } from "../../../src/params/presets.ts"
import { nodeIdOf, type NodeDescriptor, type NodeRole } from "../../../src/pki/descriptor.ts"
import { makeGeometry, NodeId, recipientId, type Geometry } from "../../../src/sphinx/geometry.ts"
import { decodeForwardPayload } from "../../../src/sphinx/packet.ts"
import type { RoutingCommand } from "../../../src/sphinx/routing-command.ts"
import { openSurbReply, useSurb } from "../../../src/sphinx/surb.ts"
import { mixPrivateKey, unwrap, type MixPrivateKey, type Unwrapped } from "../../../src/sphinx/unwrap.ts"

const crypto = Either.getOrThrow(selectBackend())

interface TestNode {
  readonly descriptor: NodeDescriptor
  readonly keys: ReadonlyMap<number, MixPrivateKey>
}

interface TestNetwork extends PathView {
  readonly geometry: Geometry
  readonly params: MixnetParams
  readonly nodes: ReadonlyMap<string, TestNode>
  readonly service: NodeDescriptor
}

const EPOCH = Epoch(100)

/** One gateway, three layers of two mixes, one service node; keys for epochs 100, 101, 102. */
const network = (scheme: "x25519" | "XWING", changed: Partial<MixnetParams> = {}): TestNetwork => {
  const params: MixnetParams = { ...tinyParams, ...changed }
  const geometry = Either.getOrThrow(makeGeometry({ scheme, hopCount: 5, userPayloadBytes: 200, withSurb: true }))
  const entropy = seededEntropy(5, scheme)
  const nodes = new Map<string, TestNode>()
  const add = (name: string, role: NodeRole, mixLayer: number): NodeDescriptor => {
    const keys = new Map([0, 1, 2].map((ahead) => [EPOCH + ahead, mixPrivateKey(crypto, geometry, entropy(32))] as const))
    const mixKeys = new Map([...keys].map(([epoch, key]) => [epoch, key.publicKey]))
    const descriptor: NodeDescriptor = { kind: "node", name, role, epoch: EPOCH, identityKey: entropy(32), mixLayer, mixKeys, services: [] }
    nodes.set(String(nodeIdOf(crypto, descriptor.identityKey)), { descriptor, keys })
    return descriptor
  }
  const gateways = [add("gateway-0", "gateway", -1), add("gateway-1", "gateway", -1)]
  const mixLayers = [0, 1, 2].map((layer) => [0, 1].map((index) => add(`mix-${layer}-${index}`, "mix", layer)))
  return { geometry, params, nodes, gateways, mixLayers, service: add("service-node-0", "service-node", -1) }
}

const idOf = (node: NodeDescriptor | undefined) => nodeIdOf(crypto, node!.identityKey)

const uniformFrom = (entropy: Entropy) => () => {
  const bytes = entropy(4)
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0) / 2 ** 32
}

const planOn = (net: TestNetwork, nowMs: number): RequestPlan => ({
  nowMs,
  gateway: idOf(net.gateways[1]),
  serviceNode: net.service,
  recipient: recipientId("echo"),
  replyRecipient: recipientId("queue of alice"),
  userPayload: Uint8Array.of(1, 2, 3)
})

const compose = (net: TestNetwork, plan: RequestPlan, seed = 1) =>
  composeRequest(crypto, net.geometry, net, net.params, plan, seededEntropy(seed, "packet"), uniformFrom(seededEntropy(seed, "draws")))

interface Walk {
  readonly names: ReadonlyArray<string>
  readonly delaysMs: ReadonlyArray<number>
  readonly endMs: number
  readonly last: Unwrapped
}

const delayOf = (commands: ReadonlyArray<RoutingCommand>): number => commands.find((command) => command._tag === "NodeDelay")?.delayMs ?? 0

/** Carries a packet as the nodes would: each hop with its key of the epoch in which the packet gets there. */
const walk = (net: TestNetwork, firstHop: Uint8Array, packet: Uint8Array, startMs: number): Walk => {
  const names: Array<string> = []
  const delaysMs: Array<number> = []
  let [hopId, carried, nowMs] = [firstHop, packet, startMs]
  while (true) {
    const node = net.nodes.get(String(hopId))!
    const last = Either.getOrThrow(unwrap(crypto, net.geometry, node.keys.get(epochAt(net.params, nowMs))!, carried))
    names.push(node.descriptor.name)
    delaysMs.push(delayOf(last.commands))
    nowMs += delayOf(last.commands)
    if (last.next === undefined) return { names, delaysMs, endMs: nowMs, last }
    hopId = last.next.nodeId
    carried = last.next.packet
  }
}

describe("what a request was composed from", () => {
  it("is wiped: nothing of the reply block, the reply's key least of all, lies in memory beside the packet", () => {
    const net = network("x25519")
    const plan = planOn(net, epochStartMs(net.params, EPOCH) + 1_000)
    const authenticated: Array<Uint8Array> = []
    const listening = {
      ...crypto,
      hmacSha256: (key: Uint8Array, ...parts: ReadonlyArray<Uint8Array>) => {
        authenticated.push(parts[2]!)
        return crypto.hmacSha256(key, ...parts)
      }
    }
    const composed = composeRequest(listening, net.geometry, net, net.params, plan, seededEntropy(1, "packet"), uniformFrom(seededEntropy(1, "draws")))
    expect(Either.isRight(composed)).toBe(true)
    // the reply block's hops come first, then the packet's; behind what a hop covers stand MAC, node id and the reply key
    const [block, ofPacket] = [authenticated[3]!, authenticated.at(-1)!]
    expect(block.length).toBe(net.geometry.routingInfoBytes)
    expect(block.every((byte) => byte === 0)).toBe(true)
    expect(new Uint8Array(block.buffer, block.byteOffset + block.length, 32 + 32 + 64).every((byte) => byte === 0)).toBe(true)
    expect(ofPacket.every((byte) => byte === 0)).toBe(false)
  })
})

const FORWARD = /^gateway-1,mix-0-\d,mix-1-\d,mix-2-\d,service-node-0$/
const RETURN = /^mix-0-\d,mix-1-\d,mix-2-\d,gateway-1$/

/** There and back; gives both walks and the opened reply. */
const roundTrip = (net: TestNetwork, plan: RequestPlan, composed: ComposedRequest) => {
  const there = walk(net, plan.gateway, composed.packet, plan.nowMs)
  const { surb, userPayload } = Either.getOrThrow(decodeForwardPayload(net.geometry, there.last.payload!))
  const reply = Either.getOrThrow(useSurb(crypto, net.geometry, surb!, Uint8Array.of(7, 8, 9)))
  const back = walk(net, reply.firstHop, reply.packet, there.endMs)
  return { there, back, userPayload, opened: Either.getOrThrow(openSurbReply(crypto, composed.surbKeys, back.last.payload!)) }
}

for (const scheme of ["x25519", "XWING"] as const) {
  describe(`composed requests, ${scheme}`, () => {
    const net = network(scheme)
    const plan = planOn(net, epochStartMs(net.params, EPOCH) + 1_000)
    const composed = Either.getOrThrow(compose(net, plan))
    const { back, opened, there, userPayload } = roundTrip(net, plan, composed)

    it("pass gateway, one mix per layer and the service node, with a delay at each of them", () => {
      expect(there.names.join()).toMatch(FORWARD)
      expect(there.delaysMs.every((delayMs) => Number.isInteger(delayMs) && delayMs >= 1)).toBe(true)
      expect(there.last.commands).toEqual([{ _tag: "NodeDelay", delayMs: there.delaysMs[4] }, { _tag: "Recipient", recipient: plan.recipient }])
      expect(userPayload.length).toBe(net.geometry.userPayloadBytes)
      expect(Array.from(userPayload.subarray(0, 4))).toEqual([1, 2, 3, 0])
    })
    it("bring their reply home through the layers to the queue at the gateway, under the SURB id", () => {
      expect(back.names.join()).toMatch(RETURN)
      expect(back.last.commands).toEqual([{ _tag: "Recipient", recipient: plan.replyRecipient }, { _tag: "SurbReply", surbId: composed.surbId }])
      expect(back.delaysMs.slice(0, 3).every((delayMs) => delayMs >= 1)).toBe(true)
      expect(Array.from(opened.subarray(0, 4))).toEqual([7, 8, 9, 0])
    })
    it("announce the sum of all delays", () => {
      expect(composed.etaMs).toBe([...there.delaysMs, ...back.delaysMs].reduce((a, b) => a + b, 0))
      expect(composed.etaMs).toBe(back.endMs - plan.nowMs)
    })
    it("tell their sender the hops, in order", () => {
      const namesOf = (hops: ReadonlyArray<NodeId>) => hops.map((id) => net.nodes.get(String(id))?.descriptor.name)
      expect([namesOf(composed.route.forward), namesOf(composed.route.back)]).toEqual([there.names, back.names])
    })
    it.each([
      ["gateway-0", /^mix-0-\d,mix-1-\d,mix-2-\d,service-node-0$/, /^mix-0-\d,mix-1-\d,mix-2-\d,gateway-0$/],
      ["service-node-0", /^mix-0-\d,mix-1-\d,mix-2-\d,service-node-0$/, /^mix-0-\d,mix-1-\d,mix-2-\d,service-node-0$/],
      ["mix-0-1", /^mix-1-\d,mix-2-\d,service-node-0$/, /^mix-0-1$/],
      ["mix-1-1", /^mix-2-\d,service-node-0$/, /^mix-0-\d,mix-1-1$/],
      ["mix-2-0", /^service-node-0$/, /^mix-0-\d,mix-1-\d,mix-2-0$/]
    ] as const)("of %s's own loop go out through the layers after it and come home through those before it", (name, out, homeward) => {
      const home = [...net.nodes.values()].find(({ descriptor }) => descriptor.name === name)!.descriptor
      const { gateway: _gateway, userPayload: _payload, ...rest } = plan
      const draws = uniformFrom(seededEntropy(3, name))
      const loop = Either.getOrThrow(composeLoop(crypto, net.geometry, net, net.params, { ...rest, home }, seededEntropy(2, name), draws))
      expect(loop.packet.length).toBe(net.geometry.packetBytes)
      const trip = roundTrip(net, { ...plan, gateway: loop.route.forward[0]! }, loop)
      expect(trip.there.names.join()).toMatch(out)
      expect(trip.back.names.join()).toMatch(homeward)
      expect(trip.userPayload).toEqual(new Uint8Array(net.geometry.userPayloadBytes))
      expect(loop.etaMs).toBe(trip.back.endMs - plan.nowMs)
      expect([...trip.there.delaysMs, ...trip.back.delaysMs.slice(0, -1)].every((delayMs) => delayMs >= 1)).toBe(true)
      expect(trip.back.last.commands).toEqual([{ _tag: "Recipient", recipient: plan.replyRecipient }, { _tag: "SurbReply", surbId: loop.surbId }])
    })
    it("have the packet's length, whatever they carry", () => {
      for (const length of [0, 200]) {
        const { packet } = Either.getOrThrow(compose(net, { ...plan, userPayload: new Uint8Array(length) }))
        expect(packet.length).toBe(net.geometry.packetBytes)
      }
    })
  })
}

describe("composing", () => {
  const net = network("x25519")
  const startMs = epochStartMs(net.params, EPOCH)
  const plan = planOn(net, startMs + 1_000)

  it("gives the same packet from the same random numbers and another one from others", () => {
    const [one, same, other] = [compose(net, plan, 1), compose(net, plan, 1), compose(net, plan, 2)].map(Either.getOrThrow)
    expect(same).toEqual(one)
    expect(other!.packet).not.toEqual(one!.packet)
    expect(other!.surbId).not.toEqual(one!.surbId)
  })
  it("takes each hop's key of the epoch in which the packet gets there, over an epoch's end", () => {
    const near = network("x25519", { muPerMs: 0.001 })
    const late = planOn(near, epochStartMs(near.params, Epoch(EPOCH + 1)) - 3_000)
    const crossings = new Set<number>()
    for (let seed = 0; seed < 12; seed++) {
      const { back, there } = roundTrip(near, late, Either.getOrThrow(compose(near, late, seed)))
      expect(there.names.join()).toMatch(FORWARD)
      crossings.add(epochAt(near.params, there.endMs) + epochAt(near.params, back.endMs))
    }
    expect([...crossings]).toContain(2 * EPOCH + 2)
  })
  it("fails when no draw finds keys for every hop, after 32 draws and without drawing bytes", () => {
    let draws = 0
    let byteDraws = 0
    const uniform = uniformFrom(seededEntropy(1, "draws"))
    const result = composeRequest(crypto, net.geometry, net, net.params, planOn(net, epochStartMs(net.params, Epoch(EPOCH + 3))), (count) => {
      byteDraws += 1
      return new Uint8Array(count)
    }, () => {
      draws += 1
      return uniform()
    })
    expect(Either.flip(result).pipe(Either.getOrThrow)).toMatchObject({ _tag: "ComposeFailed", reason: "no-mix-key" })
    expect([draws, byteDraws]).toEqual([3 * COMPOSE_ATTEMPT_LIMIT, 0])
  })
  it("throws away draws whose delays add up to two epochs", () => {
    const slow = network("x25519", { muPerMs: 8 / (2 * net.params.epochPeriodMs) })
    const etas = Array.from({ length: 20 }, (_, seed) => compose(slow, planOn(slow, epochStartMs(slow.params, EPOCH)), seed))
    for (const composed of etas) if (Either.isRight(composed)) expect(composed.right.etaMs).toBeLessThan(2 * slow.params.epochPeriodMs)
    expect(etas.some(Either.isRight)).toBe(true)
    const hopeless = network("x25519", { muPerMs: 0.01, epochPeriodMs: 4 })
    const early = planOn(hopeless, epochStartMs(hopeless.params, EPOCH))
    const failure = Either.getOrThrow(Either.flip(composeRequest(crypto, hopeless.geometry, hopeless, hopeless.params, early, seededEntropy(1, "x"), () => 0)))
    expect(failure.reason).toBe("delay-too-long")
  })
  it("refuses a gateway that the document does not list, an empty layer and a payload that is too long", () => {
    const reasonOf = (view: TestNetwork, changed: Partial<RequestPlan>) => Either.getOrThrow(Either.flip(compose(view, { ...plan, ...changed }))).reason
    expect(reasonOf(net, { gateway: NodeId.unsafe(new Uint8Array(32)) })).toBe("unknown-gateway")
    expect(reasonOf({ ...net, mixLayers: [net.mixLayers[0]!, [], net.mixLayers[2]!] }, {})).toBe("empty-layer")
    expect(reasonOf(net, { userPayload: new Uint8Array(201) })).toBe("packet-invalid")
  })
})

describe("path choice", () => {
  const net = network("x25519")
  const gateway = Either.getOrThrow(findGateway(crypto, net, idOf(net.gateways[0])))

  it("keeps the ends and crosses the layers in order", () => {
    const names = (path: Either.Either<ReadonlyArray<NodeDescriptor>, unknown>) => Either.getOrThrow(path).map(({ name }) => name).join()
    const low = () => 0
    const high = () => 1 - 2 ** -53
    expect(names(chooseForwardPath(net, gateway, net.service, low))).toBe("gateway-0,mix-0-0,mix-1-0,mix-2-0,service-node-0")
    expect(names(chooseReturnPath(net, gateway, high))).toBe("mix-0-1,mix-1-1,mix-2-1,gateway-0")
  })
  it("chooses every mix of a layer equally often, layers independent of each other (chi-square, false-alarm rate 10^-4)", () => {
    const uniform = uniformFrom(seededEntropy(9, "draws"))
    const counts = new Map<string, number>()
    const draws = 8_000
    for (let draw = 0; draw < draws; draw++) {
      const route = Either.getOrThrow(chooseMixes(net, uniform)).map(({ name }) => name).join()
      counts.set(route, (counts.get(route) ?? 0) + 1)
    }
    expect(counts.size).toBe(8)
    const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - draws / 8) ** 2 / (draws / 8), 0)
    expect(chiSquare).toBeLessThan(29.9)
  })
})
