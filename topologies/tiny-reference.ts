/**
 * `tiny` at rates that the crypto backend in pure JavaScript can keep: a minute or two per inference.
 *
 * Contract: one constant `topology`.
 * Source: the list; departures: none.
 *
 * @module
 */
import { tinyReferenceParams, tinyReferenceService } from "../src/params/presets.ts"
import { network } from "../src/topology/builder.ts"

export const topology = network({
  name: "tiny-reference",
  params: tinyReferenceParams,
  authorities: 3,
  gateways: 1,
  mixLayers: [1, 1, 1],
  serviceNodes: [{ couriers: 2 }],
  replicas: 4,
  computes: [tinyReferenceService],
  clients: 1
})
