/**
 * Unwrapping as work: how many packets reach a node, and how many a core takes, for networks whose packets are not those that were measured.
 *
 * Contract: pure. Good to some tenths, as the figures are.
 * Knows nothing of: who measured, threads.
 * Source: issue 4, point 6, bench/README.md; departures: none.
 *
 * @module
 */
import type { MixnetParams } from "../params/mixnet-params.ts"
import type { Role, Topology } from "../topology/topology.ts"
import { figuresOf } from "./network-figures.ts"
import { nodeLoads } from "./node-load.ts"

/** Speed of one core at a packet of the usual kind: X25519, with 2,000 bytes of user payload. */
export interface UnwrapFigures {
  readonly unwrapsPerSecond: number
  readonly aezMegabytesPerSecond: number
}

/** Where nobody has measured: a machine of 2024, with something to spare. */
export const ASSUMED_UNWRAP: UnwrapFigures = { unwrapsPerSecond: 10_000, aezMegabytesPerSecond: 300 }

/** User payload of the packets that were measured. */
const MEASURED_PAYLOAD_BYTES = 2_000
/** An X-Wing packet's cost in X25519 packets: 7.1 by 1.4, bench/README.md. */
const XWING_FACTOR = 5

/** Packets of a network's geometry that a core unwraps in a second, from the figures for the usual one. */
export const unwrapsPerSecondOf = (
  { geometry }: Pick<MixnetParams, "geometry">, { aezMegabytesPerSecond, unwrapsPerSecond }: UnwrapFigures
): number => {
  const headerUs = (1e6 / unwrapsPerSecond) * (geometry.scheme === "XWING" ? XWING_FACTOR : 1)
  return 1e6 / (headerUs + Math.max(0, geometry.userPayloadBytes - MEASURED_PAYLOAD_BYTES) / aezMegabytesPerSecond)
}

/** Packets that a node has to unwrap when all are there; 0 for who unwraps none. */
export const expectedPacketsPerSecond = (topology: Topology, { name, role }: { readonly name: string; readonly role: Role }): number => {
  const { gateway, layers, serviceNode } = nodeLoads(figuresOf(topology), { unwrapUs: 0, linkMs: 0 })
  if (role === "gateway") return gateway.unwrappedPerSecond
  if (role === "service-node") return serviceNode.unwrappedPerSecond
  const layer = topology.mixes.find((mix) => mix.name === name)?.layer
  return layers.find((each) => each.layer === layer)?.unwrappedPerSecond ?? 0
}
