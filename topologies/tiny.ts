/**
 * The smallest whole network: everything in one process, seconds per inference. It shows the path; one mix per layer hides nothing from its operator.
 *
 * Contract: one constant `topology`.
 * Source: the list; departures: none.
 *
 * @module
 */
import { oneCoreParams, oneCoreService } from "../src/params/presets.ts"
import { network } from "../src/topology/builder.ts"

export const topology = network({
  name: "tiny",
  params: oneCoreParams,
  authorities: 3,
  gateways: 1,
  mixLayers: [1, 1, 1],
  serviceNodes: [{ couriers: 2 }],
  replicas: 4,
  computes: [oneCoreService],
  clients: 1
})
