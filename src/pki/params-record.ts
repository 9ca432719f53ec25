/**
 * The parameters of a network as a record inside its document.
 *
 * Contract: what is read passes `checkParams`, so a signed document never brings an impossible parameter into a running node.
 * Knows nothing of: the rest of the document.
 * Source: mixnet.md §12 (Mu, LambdaP, …), funion.md §6.3 (QuantumMs, DispatchSuite, AnswerMs); departures: slack values, periods and the
 * choices behind the geometry hash travel too, so that a reader needs nothing but the document.
 *
 * @module
 */
import type { DispatchSuite, MixnetParams } from "../params/mixnet-params.ts"
import { checkParams } from "../params/params-check.ts"
import type { PlainValue } from "./plain-msgpack.ts"
import type { RecordReader } from "./record-reader.ts"

export const PARAMS_FIELDS: ReadonlyArray<keyof MixnetParams> = [
  "muPerMs", "lambdaPPerMs", "lambdaLPerMs", "lambdaMPerMs", "lambdaGPerMs", "lambdaRPerMs", "epochPeriodMs", "replicaEpochPeriodMs",
  "quantumMs", "answerMs", "dispatchSuite", "sealBeforeEdgeMs", "retransmitSlackMs", "sendSlackMs", "geometry", "mixLayers", "replicaNike"
]
const GEOMETRY_FIELDS = ["scheme", "hopCount", "userPayloadBytes", "withSurb"]

export const plainParams = (params: MixnetParams): PlainValue => {
  const { scheme, hopCount, userPayloadBytes, withSurb } = params.geometry
  const geometry = { scheme, hopCount, userPayloadBytes, withSurb }
  return Object.fromEntries(PARAMS_FIELDS.map((name): [string, PlainValue] => [name, name === "geometry" ? geometry : params[name]]))
}

/** Reads the record opened by `reader`; marks it bad unless every rule of `checkParams` holds. */
export const readParams = (reader: RecordReader): MixnetParams => {
  const geometry = reader.part("geometry", GEOMETRY_FIELDS)
  reader.require(geometry.boolean("withSurb"), "out-of-range")
  const params: MixnetParams = {
    muPerMs: reader.finite("muPerMs"),
    lambdaPPerMs: reader.finite("lambdaPPerMs"),
    lambdaLPerMs: reader.finite("lambdaLPerMs"),
    lambdaMPerMs: reader.finite("lambdaMPerMs"),
    lambdaGPerMs: reader.finite("lambdaGPerMs"),
    lambdaRPerMs: reader.finite("lambdaRPerMs"),
    epochPeriodMs: reader.finite("epochPeriodMs"),
    replicaEpochPeriodMs: reader.finite("replicaEpochPeriodMs"),
    quantumMs: reader.finite("quantumMs"),
    answerMs: reader.finite("answerMs"),
    dispatchSuite: reader.integer("dispatchSuite", 1, 2) as DispatchSuite,
    sealBeforeEdgeMs: reader.finite("sealBeforeEdgeMs"),
    retransmitSlackMs: reader.finite("retransmitSlackMs"),
    sendSlackMs: reader.finite("sendSlackMs"),
    geometry: {
      scheme: geometry.literal("scheme", ["x25519", "XWING"]),
      hopCount: geometry.finite("hopCount"),
      userPayloadBytes: geometry.finite("userPayloadBytes"),
      withSurb: true
    },
    mixLayers: reader.finite("mixLayers"),
    replicaNike: reader.literal("replicaNike", ["x25519"])
  }
  if (!reader.failed && checkParams(params).length > 0) reader.fail("out-of-range")
  return params
}
