/**
 * Every parameter on which all parties of one network must agree; all of it travels in the signed document.
 *
 * Contract: plain values, none global, none read from the environment: two networks with different parameters can run in one process.
 * Knows nothing of: how many nodes there are, who runs them (topology), what one compute service offers (service-profile).
 * Source: mixnet.md §3, §8, §12, funion.md §3, §6.3; departures: slack values (constants in the reference) are parameters; λG travels like every other
 * rate, where the reference's authorities compute it each from its own list of nodes.
 *
 * @module
 */
import { Either } from "effect"
import { pigeonholeGeometry, pigeonholeGeometryForPlaintext } from "../pigeonhole/geometry.ts"

/** KEM that seals dispatches: 1 X25519, 2 X-Wing. */
export type DispatchSuite = 1 | 2

/** The choices that fix every length of a packet (see sphinx/geometry). */
export interface PacketGeometry {
  readonly scheme: "x25519" | "XWING"
  /** Gateway, mix layers and service node: mixLayers + 2. */
  readonly hopCount: number
  /** Bytes of a request or reply inside one packet (UFPL). */
  readonly userPayloadBytes: number
  /** Always true: every request of this project carries its reply block. */
  readonly withSurb: true
}

export interface MixnetParams {
  /** µ: the mean delay at a hop is 1/µ. */
  readonly muPerMs: number
  /** λP: rate of the stream that carries a real packet when there is one, else a loop decoy; per session. */
  readonly lambdaPPerMs: number
  /** λL: rate of loop decoys sent whatever else happens; per session. */
  readonly lambdaLPerMs: number
  /** λM: rate of a mix's or service node's own loops; 0: it sends none. */
  readonly lambdaMPerMs: number
  /** λG: rate of a gateway's own loops; 0: it sends none. */
  readonly lambdaGPerMs: number
  /** λR: rate of commands on a courier–replica, replica–replica or queue host–compute link, each way. */
  readonly lambdaRPerMs: number
  /** Length of a PKI epoch. */
  readonly epochPeriodMs: number
  /** Length of a replica epoch. */
  readonly replicaEpochPeriodMs: number
  /** q: the grid on which jobs are accepted and released, one for the whole network. */
  readonly quantumMs: number
  /** A: a queue host answers a dispatch exactly this long after its last delay. */
  readonly answerMs: number
  readonly dispatchSuite: DispatchSuite
  /** s: what a release holds is decided this long before its edge. */
  readonly sealBeforeEdgeMs: number
  /** An exchange is sent again when its reply is overdue by this much. */
  readonly retransmitSlackMs: number
  /** A tick that comes later than this after its due time sends nothing; see `nodeSlackMs` for nodes. */
  readonly sendSlackMs: number
  readonly geometry: PacketGeometry
  /** L: mix layers between gateway and service node. */
  readonly mixLayers: number
  /** Key agreement of the envelopes for replicas. */
  readonly replicaNike: "x25519"
}

/**
 * The longest lateness at which a node still forwards a packet: four times what a sender allows a tick. So an overloaded machine sheds load where packets
 * begin, and packets that are on their way arrive.
 */
export const nodeSlackMs = (params: Pick<MixnetParams, "sendSlackMs">): number => 4 * params.sendSlackMs

/** Parameters as a topology states them: λG may be left to the formula. */
export type ParamsChoice = Omit<MixnetParams, "lambdaGPerMs"> & Partial<Pick<MixnetParams, "lambdaGPerMs">>

/**
 * λG by the reference's formula, n²·ln(n)·µ/g: between any two mixes of neighbouring layers a packet of a gateway passes now and then, however many mixes
 * there are. λP + λL where the formula says nothing.
 * @param mixCount  n: mixes in the largest layer
 * @param gatewayCount  g
 */
export const gatewayLoopRate = (
  { lambdaLPerMs, lambdaPPerMs, muPerMs }: Pick<MixnetParams, "muPerMs" | "lambdaPPerMs" | "lambdaLPerMs">, mixCount: number, gatewayCount: number
): number => (mixCount <= 1 || gatewayCount === 0 ? lambdaPPerMs + lambdaLPerMs : (mixCount ** 2 * Math.log(mixCount) * muPerMs) / gatewayCount)

/** A loop that is overdue by this much counts as lost: 15 s at the reference's rates. */
export const loopSlackMs = (params: Pick<MixnetParams, "retransmitSlackMs">): number => 0.75 * params.retransmitSlackMs

/** Public key of an envelope: X25519. */
export const ENVELOPE_KEY_BYTES = 32

const X25519_PUBLIC_KEY_BYTES = 32
const XWING_PUBLIC_KEY_BYTES = 1216

/** Length of a mix's public key for one epoch. */
export const mixKeyBytes = (params: Pick<MixnetParams, "geometry">): number =>
  params.geometry.scheme === "XWING" ? XWING_PUBLIC_KEY_BYTES : X25519_PUBLIC_KEY_BYTES

/** Length of a compute service's public job key for one epoch. */
export const jobKeyBytes = (params: Pick<MixnetParams, "dispatchSuite">): number =>
  params.dispatchSuite === 2 ? XWING_PUBLIC_KEY_BYTES : X25519_PUBLIC_KEY_BYTES

/** Length of a whole sealed dispatch (funion.md §6.2): the user payload must have room for it. */
export const dispatchBytes = (params: Pick<MixnetParams, "dispatchSuite">): number => (params.dispatchSuite === 2 ? 1986 : 978)

/** M: plaintext bytes of one box; 0 when the user payload is too small for any box. */
export const boxPlaintextBytes = (params: Pick<MixnetParams, "geometry">): number =>
  pigeonholeGeometry(params.geometry.userPayloadBytes, ENVELOPE_KEY_BYTES).pipe(
    Either.map((geometry) => geometry.maxPlaintextBytes),
    Either.getOrElse(() => 0)
  )

/** The smallest user payload whose boxes hold `plaintextBytes`, at least 1. */
export const userPayloadBytesFor = (plaintextBytes: number): number =>
  pigeonholeGeometryForPlaintext(plaintextBytes, ENVELOPE_KEY_BYTES).pipe(
    Either.map((geometry) => geometry.userPayloadBytes),
    Either.getOrElse(({ overheadBytes }) => overheadBytes + 1)
  )

/** Bytes of a box plaintext that a stream manifest fills (pigeonhole.md §8.2 as extended by funion.md §6.4). */
export const MANIFEST_BYTES = 192
