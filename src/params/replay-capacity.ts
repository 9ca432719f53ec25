/**
 * How many packets one mix key may unwrap, and how many it has to at the rates of a network.
 *
 * Contract: pure sums over public values. A key that has unwrapped `REPLAY_CAPACITY` packets refuses all further ones of its epoch, since forgetting a tag
 * would open a replay; keys of other epochs go on.
 * Knows nothing of: filters, disks.
 * Source: mixnet.md §6 ("size = packets per second × key lifetime"); departures: none.
 *
 * @module
 */
import type { MixnetParams } from "./mixnet-params.ts"

/** Over 3,000 a second for an epoch of 20 minutes; 32 to 64 bytes of memory for each, taken as they come. */
export const REPLAY_CAPACITY = 4_000_000

/** Senders of a network. */
export interface SenderCounts {
  /** Clients, and sessions of compute services. */
  readonly sessions: number
  readonly gateways: number
  readonly serviceNodes: number
  /** Mixes by layer. */
  readonly mixLayers: ReadonlyArray<number>
}

/**
 * Packets that a mix of the smallest layer unwraps in an epoch: every session's and node's packet passes a layer twice, out and home; a mix's own loop passes
 * it once, with the loop's end.
 */
export const packetsPerEpoch = (params: MixnetParams, { gateways, mixLayers, serviceNodes, sessions }: SenderCounts): number => {
  const mixes = mixLayers.reduce((sum, count) => sum + count, 0)
  const perMs = 2 * sessions * (params.lambdaPPerMs + params.lambdaLPerMs) + 2 * gateways * params.lambdaGPerMs
    + (2 * serviceNodes + mixes) * params.lambdaMPerMs
  return (perMs * params.epochPeriodMs) / Math.max(1, Math.min(...mixLayers))
}
