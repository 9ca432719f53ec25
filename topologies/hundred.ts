/**
 * A network of the size and with the rates at which the reference is run: several operators in every role, minutes per inference.
 *
 * Contract: one constant `topology`.
 * Source: mixnet.md §2, §3 (three layers, the reference's default rates), pigeonhole.md §5.2 (eight replicas); departures: the counts are ours,
 * since the paper's own were not at hand.
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
