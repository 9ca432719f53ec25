/**
 * Routes through the layers: which nodes a packet passes.
 *
 * Contract: one mix per layer, each uniform over its layer, independent of all else and anew for every packet; the ends of a route are the caller's
 * choice. Reads nothing but the document: no load, no weights, no history.
 * Knows nothing of: keys, delays, packets.
 * Source: mixnet.md §2; departures: none.
 *
 * @module
 */
import { Data, Either } from "effect"
import { constantTimeEqual } from "../bytes/equal.ts"
import { ByteReader } from "../bytes/reader.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import type { Entropy } from "../crypto/entropy.ts"
import { listedNodeId, type NodeDescriptor } from "../pki/descriptor.ts"
import type { Document } from "../pki/document.ts"
import type { NodeId } from "../sphinx/geometry.ts"

/** The document has no route: a layer without mixes, or a gateway that it does not list. */
export class PathImpossible extends Data.TaggedError("PathImpossible")<{ readonly reason: "empty-layer" | "unknown-gateway" }> {}

/** What path choice reads of a document. */
export type PathView = Pick<Document, "mixLayers" | "gateways">

/** Gives independent numbers uniform in [0, 1), with 53 random bits each. */
export type Uniform = () => number

/** Such numbers, made of an entropy source. */
export const uniformFrom = (entropy: Entropy): Uniform => () => {
  const reader = new ByteReader("random bits", entropy(8))
  return (reader.u32() * 2 ** 21 + (reader.u32() >>> 11)) / 2 ** 53
}

/**
 * One mix per layer from `fromLayer` to the one before `endLayer`, in this order; default: all. Draws one number per layer.
 * @errors PathImpossible `empty-layer`
 */
export const chooseMixes = (
  view: PathView, uniform: Uniform, fromLayer = 0, endLayer = view.mixLayers.length
): Either.Either<ReadonlyArray<NodeDescriptor>, PathImpossible> => {
  const chosen: Array<NodeDescriptor> = []
  for (const layer of view.mixLayers.slice(fromLayer, endLayer)) {
    const mix = layer[Math.floor(uniform() * layer.length)]
    if (mix === undefined) return Either.left(new PathImpossible({ reason: "empty-layer" }))
    chosen.push(mix)
  }
  return Either.right(chosen)
}

/** The gateway with this node id. @errors PathImpossible `unknown-gateway` */
export const findGateway = (crypto: CryptoBackend, view: PathView, gateway: NodeId): Either.Either<NodeDescriptor, PathImpossible> => {
  const found = view.gateways.find((node) => constantTimeEqual(listedNodeId(crypto, node), gateway))
  return found === undefined ? Either.left(new PathImpossible({ reason: "unknown-gateway" })) : Either.right(found)
}

/** Client to service: gateway, layers 0 to L-1, service node. */
export const chooseForwardPath = (
  view: PathView,
  gateway: NodeDescriptor,
  serviceNode: NodeDescriptor,
  uniform: Uniform
): Either.Either<ReadonlyArray<NodeDescriptor>, PathImpossible> =>
  Either.map(chooseMixes(view, uniform), (mixes) => [gateway, ...mixes, serviceNode])

/** Service to client, for a SURB: layers 0 to L-1, gateway. */
export const chooseReturnPath = (
  view: PathView,
  gateway: NodeDescriptor,
  uniform: Uniform
): Either.Either<ReadonlyArray<NodeDescriptor>, PathImpossible> => Either.map(chooseMixes(view, uniform), (mixes) => [...mixes, gateway])

/** A node's own loop to a service: a mix of layer k goes on through layers k+1 to L-1, any other node starts at layer 0. */
export const chooseLoopForwardPath = (
  view: PathView,
  home: NodeDescriptor,
  serviceNode: NodeDescriptor,
  uniform: Uniform
): Either.Either<ReadonlyArray<NodeDescriptor>, PathImpossible> =>
  Either.map(chooseMixes(view, uniform, home.role === "mix" ? home.mixLayer + 1 : 0), (mixes) => [...mixes, serviceNode])

/** The same loop back home: to a mix of layer k through layers 0 to k-1, to any other node through all. */
export const chooseLoopReturnPath = (
  view: PathView,
  home: NodeDescriptor,
  uniform: Uniform
): Either.Either<ReadonlyArray<NodeDescriptor>, PathImpossible> =>
  Either.map(chooseMixes(view, uniform, 0, home.role === "mix" ? home.mixLayer : view.mixLayers.length), (mixes) => [...mixes, home])
