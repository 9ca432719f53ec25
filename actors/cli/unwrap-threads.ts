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
import { expectedPacketsPerSecond, type UnwrapFigures, unwrapsPerSecondOf } from "../../src/planning/unwrap-work.ts"
import { processesOf, type Role, type Topology } from "../../src/topology/topology.ts"
import { measureMachine, type SelfBenchFigures, storedFigures, storeFigures } from "./self-bench.ts"

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

export interface ThreadChoice {
  readonly threads: number
  /** How many and why, for people; absent where there are none. */
  readonly message?: string
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
    const why = `${Math.round(packetsPerSecond)} packets a second are expected, a core unwraps ${Math.round(unwrapsPerSecond)}`
    return { threads, message: `${threads} threads unwrap: ${why}` }
  })
}
