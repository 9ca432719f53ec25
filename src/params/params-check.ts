/**
 * What must hold between the parameters of a network, whoever runs it.
 *
 * Contract: a pure list of broken rules, each with the field to change; an empty list means that a network can run with these values.
 * Knows nothing of: where the values came from (a topology file, a signed document), nodes and services.
 * Source: mixnet.md §2, §3, §7, pigeonhole.md §2.2, §8.2, funion.md §3, §6.1, §6.2; departures: bounds on every value.
 *
 * @module
 */
import { boxPlaintextBytes, dispatchBytes, MANIFEST_BYTES, userPayloadBytesFor, type MixnetParams } from "./mixnet-params.ts"
import type { CheckProblem } from "./service-check.ts"

/** One event per 28 hours to a thousand per millisecond: outside it is a slip of the keyboard. */
const RATE_LIMITS = [1e-8, 1000] as const
/** Ten years. */
const PERIOD_MS_LIMIT = 10 * 366 * 86_400_000
/** An hour: a quantum, an answer time or a slack above it is a slip of the keyboard. */
const PAUSE_MS_LIMIT = 3_600_000
const LAYER_COUNT_LIMIT = 16
const USER_PAYLOAD_BYTES_LIMIT = 1 << 20

const problem = (holds: boolean, field: string, message: string): ReadonlyArray<CheckProblem> => (holds ? [] : [{ field, message }])

const isWhole = (value: number, least: number, most: number): boolean => Number.isInteger(value) && value >= least && value <= most

const checkRanges = (params: MixnetParams): ReadonlyArray<CheckProblem> => [
  ...(["muPerMs", "lambdaPPerMs", "lambdaLPerMs", "lambdaRPerMs"] as const).flatMap((field) =>
    problem(params[field] >= RATE_LIMITS[0] && params[field] <= RATE_LIMITS[1], field,
      `a rate must be a finite number of events per millisecond from ${RATE_LIMITS[0]} to ${RATE_LIMITS[1]}`)),
  ...(["lambdaMPerMs", "lambdaGPerMs"] as const).flatMap((field) =>
    problem(params[field] === 0 || (params[field] >= RATE_LIMITS[0] && params[field] <= RATE_LIMITS[1]), field,
      `use 0 for no loops, or events per millisecond from ${RATE_LIMITS[0]} to ${RATE_LIMITS[1]}`)),
  ...(["epochPeriodMs", "replicaEpochPeriodMs"] as const).flatMap((field) =>
    problem(isWhole(params[field], 1, PERIOD_MS_LIMIT), field, "a period must be a whole, positive number of milliseconds of at most ten years")),
  ...(["quantumMs", "answerMs", "sealBeforeEdgeMs", "retransmitSlackMs", "sendSlackMs"] as const).flatMap((field) =>
    problem(isWhole(params[field], 1, PAUSE_MS_LIMIT), field, "give a whole, positive number of milliseconds of at most one hour")),
  ...problem(params.dispatchSuite === 1 || params.dispatchSuite === 2, "dispatchSuite", "use 1 for X25519 or 2 for X-Wing"),
  ...problem(isWhole(params.mixLayers, 1, LAYER_COUNT_LIMIT), "mixLayers", `use 1 to ${LAYER_COUNT_LIMIT} mix layers`),
  ...problem(params.geometry.scheme === "x25519" || params.geometry.scheme === "XWING", "geometry.scheme", "use x25519 or XWING"),
  ...problem(params.geometry.withSurb === true, "geometry.withSurb", "every request carries its reply block: set it to true"),
  ...problem(isWhole(params.geometry.userPayloadBytes, 1, USER_PAYLOAD_BYTES_LIMIT), "geometry.userPayloadBytes",
    `use a whole number of bytes up to ${USER_PAYLOAD_BYTES_LIMIT}`),
  ...problem(params.replicaNike === "x25519", "replicaNike", "use x25519")
]

const checkRelations = (params: MixnetParams): ReadonlyArray<CheckProblem> => {
  const { geometry } = params
  const leastAnswerMs = Math.ceil(6 / params.lambdaRPerMs)
  const boxBytes = boxPlaintextBytes(params)
  const roundTripMs = Math.ceil((2 * params.mixLayers + 2) / params.muPerMs)
  return [
    ...problem(geometry.hopCount === params.mixLayers + 2, "geometry.hopCount",
      `a path has a gateway, ${params.mixLayers} mixes and a service node: use ${params.mixLayers + 2} hops`),
    ...problem(boxBytes >= MANIFEST_BYTES, "geometry.userPayloadBytes",
      `a box would hold ${boxBytes} bytes, less than a manifest of ${MANIFEST_BYTES}: use at least ${userPayloadBytesFor(MANIFEST_BYTES)} bytes`),
    ...problem(geometry.userPayloadBytes >= dispatchBytes(params), "geometry.userPayloadBytes",
      `a dispatch of suite ${params.dispatchSuite} is ${dispatchBytes(params)} bytes and must fit one packet: use at least that many`),
    ...problem(params.answerMs >= leastAnswerMs, "answerMs",
      `an answer needs six link ticks (6/λR) to be there in time: use at least ${leastAnswerMs} ms or a higher lambdaRPerMs`),
    ...problem(params.sealBeforeEdgeMs < params.quantumMs, "sealBeforeEdgeMs", `seal later than a whole quantum: use less than ${params.quantumMs} ms`),
    ...problem(params.replicaEpochPeriodMs >= params.epochPeriodMs, "replicaEpochPeriodMs", "a replica epoch must not be shorter than an epoch"),
    ...problem(2 * roundTripMs <= params.epochPeriodMs, "epochPeriodMs",
      `a round trip takes about ${roundTripMs} ms and its keys must outlive it: use at least ${2 * roundTripMs} ms or a higher muPerMs`)
  ]
}

/** Every rule that these parameters break; relations are looked at only when each value alone is in range. */
export const checkParams = (params: MixnetParams): ReadonlyArray<CheckProblem> => {
  const ranges = checkRanges(params)
  return ranges.length > 0 ? ranges : checkRelations(params)
}
