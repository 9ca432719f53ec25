/**
 * A network of two machines: the way of packets and the directory on one, storage and the models on the other. Every actor is a process of its own.
 * It ships with loopback addresses and different ports, so that one computer can play both; put the machines' addresses in to take them apart. Ports are
 * below those that systems give to outgoing connections. Rates are half of those of `tiny`, so that sixteen processes can share two cores.
 *
 * Contract: one constant `topology`.
 * Source: the issue's list; departures: none.
 *
 * @module
 */
import { modestParams, modestService } from "../src/params/presets.ts"
import { network } from "../src/topology/builder.ts"

export const topology = network({
  name: "two-machines",
  params: modestParams,
  authorities: 3,
  gateways: 1,
  mixLayers: [1, 1, 1],
  serviceNodes: [{ couriers: 2 }],
  replicas: 4,
  computes: [modestService],
  clients: 1,
  machines: [
    { name: "entry", host: "127.0.0.1", firstPort: 27_100, actors: ["authorities", "gateways", "mixes", "clients"] },
    { name: "compute", host: "127.0.0.1", firstPort: 27_200, actors: ["serviceNodes", "replicas", "computes"] }
  ]
})
