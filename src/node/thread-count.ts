/**
 * How many unwrap threads a node is given on a machine whose speed was measured.
 *
 * Contract: plain arithmetic. 0 means none: the node's own thread unwraps.
 * Knows nothing of: how speed is measured, who runs on the machine besides.
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

/** Share of a core's unwraps that a node should need in the long run: packets come in bursts, and none may wait long. */
const LONG_RUN_SHARE = 0.5

/** Threads for this load: none as long as one core does it with room to spare, else as many as it takes, at least two and at most one per core. */
export const workersFor = ({ packetsPerSecond }: NodeLoad, { cores, unwrapsPerSecond }: MachineSpeed): number => {
  const wanted = packetsPerSecond / (LONG_RUN_SHARE * unwrapsPerSecond)
  if (!(wanted > 1) || cores < 2) return 0
  return Math.min(cores, Math.max(2, Math.ceil(wanted)))
}
