/**
 * A service node that acts on every packet as it comes: echoes go back, and couriers are asked, before the delay that the sender chose is over.
 *
 * Contract: dispatches wait as they should, so that jobs go on. Caught by the turn-around checker, and by the hop delay checker at the service node.
 * Source: issue 5 ("a courier that answers before its delay"); departures: none.
 *
 * @module
 */
import { Effect, Either, type Scope } from "effect"
import type { Wrap } from "../../../src/actor/handler-wrap.ts"
import { Mount } from "../../../src/actor/mount.ts"
import { toHex } from "../../../src/bytes/hex.ts"
import { DropCounters } from "../../../src/mixnet/drop-counters.ts"
import { makeOutgoingLinks } from "../../../src/node/outgoing-links.ts"
import { terminalOrderOf } from "../../../src/node/pipeline.ts"
import { isOpened, openPacket } from "../../../src/node/unwrap-outcome.ts"
import { epochAt } from "../../../src/params/epoch.ts"
import { nodeSlackMs } from "../../../src/params/mixnet-params.ts"
import { recipientId } from "../../../src/sphinx/geometry.ts"
import { decodeForwardPayload } from "../../../src/sphinx/packet.ts"
import { useSurb } from "../../../src/sphinx/surb.ts"
import { Courier } from "../../courier/protocol.ts"
import type { LifeParts } from "../../launch.ts"
import type { Variant } from "../world.ts"
import { bentMount } from "./bent-mount.ts"
import { servicesOfLife } from "./life-services.ts"

/** What a packet asks for, if it is nothing but an echo or a courier. */
const requestIn = ({ knowledge: { setting, topology }, stock }: LifeParts, packet: Uint8Array, nowMs: number) => {
  if (stock.role !== "service-node") return undefined
  const { crypto, geometry, params } = setting
  const outcome = openPacket(crypto, geometry, stock.keys.candidates(epochAt(params, nowMs)).map(({ privateKey }) => privateKey), packet)
  const order = isOpened(outcome) ? terminalOrderOf(outcome.unwrapped) : undefined
  const payload = order === undefined ? undefined : Either.getOrUndefined(decodeForwardPayload(geometry, order.payload))
  if (order === undefined || payload?.surb === undefined) return undefined
  const endpoint = ["echo", ...topology.couriers.map(({ name }) => name)].find((name) => toHex(recipientId(name)) === toHex(order.recipient))
  return endpoint === undefined ? undefined : { endpoint, surb: payload.surb, userPayload: payload.userPayload }
}

const serve = (parts: LifeParts) => (name: string): Effect.Effect<Wrap, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { knowledge: { setting, topology } } = parts
    const scope = yield* Effect.scope
    const services = yield* servicesOfLife
    const clock = yield* Effect.clock
    const links = yield* Effect.provide(makeOutgoingLinks({
      name, crypto: setting.crypto, drops: new DropCounters(), sendSlackMs: nodeSlackMs(setting.params),
      neighboursIn: (document) => document.mixLayers[0] ?? []
    }), services)
    const mount = yield* Effect.provide(Mount, services)
    const couriers = new Map(yield* Effect.forEach(topology.couriers, (courier) =>
      Effect.map(mount.connect(name, courier.name, Courier), (client) => [courier.name, client] as const)))
    const reply = (surb: Uint8Array, bytes: Uint8Array) => {
      const made = useSurb(setting.crypto, setting.geometry, surb, bytes)
      return Either.isRight(made) ? links.send(made.right.firstHop, made.right.packet) : Effect.void
    }
    const act = ({ endpoint, surb, userPayload }: NonNullable<ReturnType<typeof requestIn>>) => {
      const courier = couriers.get(endpoint)
      if (courier === undefined) return reply(surb, userPayload)
      const asked = Effect.flatMap(courier.Query({ query: userPayload }), (answer) => reply(surb, answer.reply))
      return Effect.asVoid(Effect.forkIn(Effect.ignore(asked), scope))
    }
    return (call, payload, handle) => {
      if (call !== "Forward") return handle(payload)
      const requests = (payload as { readonly packets: ReadonlyArray<Uint8Array> }).packets.map((packet) =>
        ({ packet, request: requestIn(parts, packet, clock.unsafeCurrentTimeMillis()) }))
      const left = requests.flatMap(({ packet, request }) => (request === undefined ? [packet] : []))
      const hasty = Effect.forEach(requests, ({ request }) => (request === undefined ? Effect.void : act(request)), { discard: true })
      return left.length === 0 ? hasty : Effect.zipRight(hasty, handle({ packets: left }) as Effect.Effect<unknown, unknown>)
    }
  })

export const hastyService: Variant = (life, parts) =>
  parts.stock.role === "service-node" ? parts.lifeWith({ ...parts.around, mount: bentMount(parts.around.mount, { served: serve(parts) }) }, parts.stock) : life
