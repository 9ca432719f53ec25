/**
 * How many threads a node's process gets when nobody says: what its topology's rates need, by the self-benchmark of the machine.
 *
 * Contract: a gateway, mix or service node only; none where as many processes as cores share the machine, and nothing is measured then. Figures come from
 * the cache; where it has none for this program on this machine they are taken now, which takes a second or two, and kept.
 * Knows nothing of: how threads are run.
 * Source: issue 4, point 6; departures: none.
 *
 * @module
 */
import { availableParallelism } from "node:os"
import { Effect } from "effect"
import type { CryptoBackend } from "../../src/crypto/backend.ts"
import { isCrowded, type MachineCompany, workersAmong } from "../../src/node/thread-count.ts"
import type { MixnetParams } from "../../src/params/mixnet-params.ts"
import { figuresOf } from "../../src/planning/network-figures.ts"
import { nodeLoads } from "../../src/planning/node-load.ts"
import { processesOf, type Role, type Topology } from "../../src/topology/topology.ts"
import { measureMachine, type SelfBenchFigures, storedFigures, storeFigures } from "./self-bench.ts"

/** What threads are chosen by. */
type UnwrapFigures = Pick<SelfBenchFigures, "unwrapsPerSecond" | "aezMegabytesPerSecond">

/** The machine as a node's process finds it. */
export interface NodeMachine {
  readonly cores: number
  /** Measured at most once. */
  readonly figures: Effect.Effect<UnwrapFigures>
}

const measureNow = (crypto: CryptoBackend): Effect.Effect<SelfBenchFigures> =>
  Effect.tap(measureMachine(crypto), (figures) => Effect.sync(() => storeFigures(crypto, figures)))

export const thisMachine = (crypto: CryptoBackend): Effect.Effect<NodeMachine> =>
  Effect.map(
    Effect.cached(Effect.suspend(() => {
      const stored = storedFigures(crypto)
      return stored === undefined ? measureNow(crypto) : Effect.succeed(stored)
    })),
    (figures) => ({ cores: availableParallelism(), figures })
  )

interface Process {
  readonly name: string
  readonly role: Role
}

const unwraps = ({ role }: Process): boolean => role === "gateway" || role === "mix" || role === "service-node"

/** Packets that a node has to unwrap when all are there; 0 for who unwraps none. */
export const expectedPacketsPerSecond = (topology: Topology, { name, role }: Process): number => {
  const { gateway, layers, serviceNode } = nodeLoads(figuresOf(topology), { unwrapUs: 0, linkMs: 0 })
  if (role === "gateway") return gateway.unwrappedPerSecond
  if (role === "service-node") return serviceNode.unwrappedPerSecond
  const layer = topology.mixes.find((mix) => mix.name === name)?.layer
  return layers.find((each) => each.layer === layer)?.unwrappedPerSecond ?? 0
}

/** Those who share the machine. */
export const companyOf = (processes: ReadonlyArray<Process>): MachineCompany => ({ processes: processes.length, nodes: processes.filter(unwraps).length })

/** Whom the topology puts on the machine of `name`: who has its host or its machine. Alone where nobody has a place. */
export const companyAt = (topology: Topology, name: string): MachineCompany => {
  const own = topology.placement?.[name]
  return companyOf(processesOf(topology).filter((each) => {
    const place = topology.placement?.[each.name]
    return each.name === name || (own !== undefined && place !== undefined && (place.host === own.host || place.machine === own.machine))
  }))
}

/** What the self-benchmark's packets have behind their headers. */
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

export interface ThreadChoice {
  readonly threads: number
  /** Why, for people; absent where there are none. */
  readonly reason?: string
}

const NONE: ThreadChoice = { threads: 0 }

/** The threads of one process. */
export const chooseThreads = (topology: Topology, self: Process, company: MachineCompany, { cores, figures }: NodeMachine): Effect.Effect<ThreadChoice> => {
  const packetsPerSecond = expectedPacketsPerSecond(topology, self)
  if (!unwraps(self) || packetsPerSecond === 0 || isCrowded(cores, company)) return Effect.succeed(NONE)
  return Effect.map(figures, (measured) => {
    const unwrapsPerSecond = unwrapsPerSecondOf(topology.params, measured)
    const threads = workersAmong({ packetsPerSecond }, { cores, unwrapsPerSecond }, company)
    if (threads === 0) return NONE
    return { threads, reason: `${Math.round(packetsPerSecond)} packets a second are expected, a core unwraps ${Math.round(unwrapsPerSecond)}` }
  })
}
