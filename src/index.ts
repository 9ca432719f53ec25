/**
 * The public names of funion for programs: compose a topology, start it as a scoped Effect, infer through it.
 *
 * Contract: re-exports only. What is not here may change without notice.
 * Source: style.md §1.1; departures: re-exports `actors/launch.ts` and `actors/session-api.ts`, which start and call a network, and the ready topologies.
 *
 * @module
 */

// a topology: the language, its check, ready parameters and networks
export { deadlinesQuantaOf } from "./topology/topology.ts"
export type {
  ComputeActor, CourierActor, HostedModel, MixActor, NamedActor, ReplicaActor, ServiceNodeActor, Topology
} from "./topology/topology.ts"
export { type ComputeChoice, network, type NetworkChoice, STANDARD_MODELS } from "./topology/builder.ts"
export { TopologyInvalid, validateTopology, type ValidTopology } from "./topology/validate.ts"
export { renderTopology } from "./topology/render.ts"
export type { MixnetParams, PacketGeometry } from "./params/mixnet-params.ts"
export type { ServicePlan, ServiceProfile } from "./params/service-profile.ts"
export {
  echomixParams, echomixService, oneCoreParams, oneCoreService,
  tinyParams, tinyReferenceParams, tinyReferenceService, tinyService
} from "./params/presets.ts"
export { boxesOfClass, classFor } from "./params/size-class.ts"
export { topology as echomix } from "../topologies/echomix.ts"
export { topology as tiny } from "../topologies/tiny.ts"
export { topology as tinyReference } from "../topologies/tiny-reference.ts"

// a running network
export { launch, LaunchFailed, type LaunchOptions, type Network } from "../actors/launch.ts"
export type { Tap, TapEvent } from "./actor/call-tap.ts"
export { ActorUnavailable, CallTimedOut } from "./actor/actor.ts"
export { InferenceEvent, InferenceFailed, type JobEstimate } from "../actors/client/protocol.ts"
export {
  type AnonymityFloor, type ClientChoice, dispatch, estimate, type EventListener,
  fetch, type FetchedAnswer, infer, type InferenceAnswer, inferTensors, type JobChoice, models,
  type NetworkModel, type TensorAnswer, upload, type Uploaded
} from "../actors/session-api.ts"

// models' cards, inputs and outputs
export type { ModelCard } from "./model/card.ts"
export type { TensorSpec } from "./model/tensor-spec.ts"
export { type DecodedOutput, type EncodeOptions, InputInvalid, type ModelInput, OutputInvalid } from "./model/client-codec.ts"
export type { DType } from "./model/dtype.ts"
export { bigintsOf, numbersOf, type Tensor, TensorInvalid, tensorOf } from "./model/tensor.ts"
