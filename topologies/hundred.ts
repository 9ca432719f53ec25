/**
 * The network of a hundred clients at the reference's rates: twelve mixes, four gateways, eight replicas, four service nodes and one compute service.
 *
 * Contract: one constant `topology`.
 * Source: mixnet.md §2, §3 (three layers, the reference's default rates), pigeonhole.md §5.2 (eight replicas); departures: none.
 *
 * @module
 */
import { echomixParams, echomixService } from "../src/params/presets.ts"
import { network } from "../src/topology/builder.ts"

export const topology = network({
  name: "hundred",
  params: echomixParams,
  authorities: 5,
  gateways: 4,
  mixLayers: [4, 4, 4],
  serviceNodes: [{ couriers: 1 }, { couriers: 1 }, { couriers: 1 }, { couriers: 1 }],
  replicas: 8,
  computes: [echomixService],
  clients: 100
})
