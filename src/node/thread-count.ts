/**
 * How many unwrap threads a node is given on a machine whose speed was measured.
 *
 * Contract: plain arithmetic. 0 means none: the node's own thread unwraps.
 * Knows nothing of: how speed is measured.
 * Source: issue 4, point 6; departures: none.
 *
 * @module
 */

/** What a node is expected to do. */
export interface NodeLoad {
  /** Packets that arrive at it, in the long run. */
  readonly packetsPerSecond: number
}

export interface MachineSpeed {
  readonly cores: number
  /** Of one core. */
  readonly unwrapsPerSecond: number
}

/** Who runs on the machine. */
export interface MachineCompany {
  /** All processes of the network, the node itself included. */
  readonly processes: number
  /** Those of them that unwrap, the node itself included. */
  readonly nodes: number
}

/** Share of a core's unwraps that a node should need in the long run: packets come in bursts, and none may wait long. */
const LONG_RUN_SHARE = 0.5

/** Threads for this load: none as long as one core does it with room to spare, else as many as it takes, at least two and at most one per core. */
export const workersFor = ({ packetsPerSecond }: NodeLoad, { cores, unwrapsPerSecond }: MachineSpeed): number => {
  const wanted = packetsPerSecond / (LONG_RUN_SHARE * unwrapsPerSecond)
  if (!(wanted > 1) || cores < 2) return 0
  return Math.min(cores, Math.max(2, Math.ceil(wanted)))
}

/** Whether the machine has no core to spare for threads. */
export const isCrowded = (cores: number, { processes }: MachineCompany): boolean => processes >= cores

/** Threads for this load beside others: what `workersFor` gives for the node's own core and its share of those that nobody has. */
export const workersAmong = (load: NodeLoad, speed: MachineSpeed, company: MachineCompany): number => {
  if (isCrowded(speed.cores, company)) return 0
  const cores = 1 + Math.floor((speed.cores - company.processes) / Math.max(1, company.nodes))
  return workersFor(load, { ...speed, cores })
}

/** Packets per second up to which one core does it alone. */
export const ownThreadLimit = ({ unwrapsPerSecond }: Pick<MachineSpeed, "unwrapsPerSecond">): number => Math.floor(LONG_RUN_SHARE * unwrapsPerSecond)
