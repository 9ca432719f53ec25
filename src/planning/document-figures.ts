/**
 * What a directory document says of the size and the rates of its network.
 *
 * Contract: pure; nothing but what is signed.
 * Knows nothing of: what is made of it.
 * Source: mixnet.md §12, funion.md §6.3; departures: none.
 *
 * @module
 */
import type { MixnetParams } from "../params/mixnet-params.ts"
import type { ComputeDescriptor } from "../pki/descriptor.ts"
import type { Document } from "../pki/document.ts"

/** The part of a service's descriptor that bears on traffic and time. */
export type OfferedService = Pick<ComputeDescriptor, "deadlinesQuanta" | "releaseWindowMs" | "profiles">

export interface DocumentFigures {
  readonly params: MixnetParams
  readonly mixesPerLayer: ReadonlyArray<number>
  readonly nodes: { readonly gateways: number; readonly serviceNodes: number }
  readonly services: ReadonlyArray<OfferedService>
}

export const documentFigures = ({ computeServices, gateways, mixLayers, params, serviceNodes }: Document): DocumentFigures => ({
  params,
  mixesPerLayer: mixLayers.map(({ length }) => length),
  nodes: { gateways: gateways.length, serviceNodes: serviceNodes.length },
  services: computeServices
})

/** d_j of a service; 0 for a bucket that it does not have. */
export const deadlineMsOf = ({ quantumMs }: Pick<MixnetParams, "quantumMs">, { deadlinesQuanta }: OfferedService, bucket: number): number =>
  (deadlinesQuanta[bucket - 1] ?? 0) * quantumMs
