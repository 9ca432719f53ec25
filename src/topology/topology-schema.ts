/**
 * The shape of a topology as an Effect Schema: which fields there are and of which kind.
 *
 * Contract: decodes plain data (see plain-copy) to `Topology` or says which field is missing, unknown or of a wrong kind. Identifiers are written so
 * that "write <identifier>" is a sentence for a user.
 * Knows nothing of: relations between fields (validate).
 * Source: none needed; departures: none.
 *
 * @module
 */
import { Schema } from "effect"
import { DEADLINE_COUNT_LIMIT, MODEL_COUNT_LIMIT, PROFILE_COUNT_LIMIT, QUEUE_COUNT_LIMIT } from "../params/service-profile.ts"
import { SIZE_CLASS_COUNT } from "../params/size-class.ts"
import { ACTOR_COUNT_LIMIT } from "./builder.ts"

const whole = (least: number, most: number) => {
  const identifier = `a whole number from ${least} to ${most}`
  return Schema.Number.annotations({ identifier }).pipe(
    Schema.filter((value) => Number.isInteger(value) && value >= least && value <= most, { identifier })
  )
}

const finite = Schema.Number.annotations({ identifier: "a number" }).pipe(
  Schema.filter((value) => Number.isFinite(value), { identifier: "a finite number" })
)

const nameRule = "a name of 1 to 32 letters, digits, dots and hyphens that starts with a letter"
const name = Schema.String.annotations({ identifier: nameRule }).pipe(
  Schema.filter((value) => /^[A-Za-z][A-Za-z0-9.-]{0,31}$/.test(value), { identifier: nameRule })
)

const list = <A, I>(member: Schema.Schema<A, I>, plural: string, least: number, most: number) => {
  const identifier = least === most ? `a list of ${least} ${plural}` : `a list of ${least} to ${most} ${plural}`
  return Schema.Array(member).annotations({ identifier }).pipe(
    Schema.filter((values) => values.length >= least && values.length <= most, { identifier })
  )
}

const choice = <const A extends ReadonlyArray<string | number | boolean>>(...among: A) =>
  Schema.Literal(...among).annotations({ identifier: among.map((value) => JSON.stringify(value)).join(" or ") })

const Params = Schema.Struct({
  muPerMs: finite,
  lambdaPPerMs: finite,
  lambdaLPerMs: finite,
  lambdaMPerMs: finite,
  lambdaGPerMs: finite,
  lambdaRPerMs: finite,
  epochPeriodMs: finite,
  replicaEpochPeriodMs: finite,
  quantumMs: finite,
  answerMs: finite,
  dispatchSuite: choice(1, 2),
  sealBeforeEdgeMs: finite,
  retransmitSlackMs: finite,
  sendSlackMs: finite,
  geometry: Schema.Struct({
    scheme: choice("x25519", "XWING"),
    hopCount: finite,
    userPayloadBytes: finite,
    withSurb: choice(true)
  }).annotations({ identifier: "a record with the choices of a packet" }),
  mixLayers: finite,
  replicaNike: choice("x25519")
}).annotations({ identifier: "a record of parameters, such as tinyParams" })

const Named = Schema.Struct({ name }).annotations({ identifier: "a record with a name" })

const Profile = Schema.Struct({
  id: whole(0, 255),
  inputClass: whole(0, SIZE_CLASS_COUNT - 1),
  outputClass: whole(0, SIZE_CLASS_COUNT - 1),
  bucket: whole(1, DEADLINE_COUNT_LIMIT),
  staged: Schema.Boolean.annotations({ identifier: "true or false" }),
  jobsPerQuantum: whole(1, 4096),
  coverJobs: whole(0, 4095)
}).annotations({ identifier: "a record with a profile" })

const RUNNER_COUNT_LIMIT = 64

const Compute = Schema.Struct({
  name,
  queues: list(name, "names of service nodes", 1, QUEUE_COUNT_LIMIT),
  sessions: whole(1, 1024),
  workers: whole(1, 1024),
  maxComputeMs: whole(1, 86_400_000),
  deadlinesMs: list(finite, "deadlines", 1, DEADLINE_COUNT_LIMIT),
  releaseWindowMs: whole(1, 86_400_000),
  profiles: list(Profile, "profiles", 1, PROFILE_COUNT_LIMIT),
  models: list(
    Schema.Struct({ id: name, profiles: list(whole(0, 255), "profile ids", 1, PROFILE_COUNT_LIMIT) }).annotations({ identifier: "a record with a model" }),
    "models", 1, MODEL_COUNT_LIMIT
  ),
  runners: Schema.optionalWith(list(name, "names of runners", 0, RUNNER_COUNT_LIMIT), { exact: true })
}).annotations({ identifier: "a record with a compute" })

const text = (most: number) => {
  const identifier = `a text of 1 to ${most} characters`
  return Schema.String.annotations({ identifier }).pipe(Schema.filter((value) => value.length >= 1 && value.length <= most, { identifier }))
}
const hostRule = "a host name or an IP address"
const host = Schema.String.annotations({ identifier: hostRule }).pipe(
  Schema.filter((value) => /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})$|^[0-9A-Fa-f:.%a-z]{2,60}$/.test(value), { identifier: hostRule })
)

const PlaceSchema = Schema.Struct({
  machine: text(64),
  host,
  port: whole(1, 65_535),
  listenHost: Schema.optionalWith(host, { exact: true }),
  listenPort: Schema.optionalWith(whole(1, 65_535), { exact: true }),
  operatorPort: whole(1, 65_535),
  operatorHost: Schema.optionalWith(host, { exact: true })
}).annotations({ identifier: "a record with machine, host, port and operatorPort" })

export const TopologySchema = Schema.Struct({
  name,
  params: Params,
  authorities: list(Named, "authorities", 1, 64),
  authorityThreshold: finite,
  gateways: list(Named, "gateways", 1, ACTOR_COUNT_LIMIT),
  mixes: list(Schema.Struct({ name, layer: whole(0, 255), index: whole(0, ACTOR_COUNT_LIMIT - 1) }).annotations({ identifier: "a record with a mix" }),
    "mixes", 1, ACTOR_COUNT_LIMIT),
  serviceNodes: list(Schema.Struct({ name, couriers: list(name, "couriers", 0, 255) }).annotations({ identifier: "a record with a service node" }),
    "service nodes", 1, ACTOR_COUNT_LIMIT),
  couriers: list(Schema.Struct({ name, serviceNode: name }).annotations({ identifier: "a record with a courier" }), "couriers", 1, ACTOR_COUNT_LIMIT),
  replicas: list(Schema.Struct({ name, replicaId: whole(0, 255) }).annotations({ identifier: "a record with a replica" }), "replicas", 0, 256),
  computes: list(Compute, "computes", 0, 256),
  clients: list(Named, "clients", 0, ACTOR_COUNT_LIMIT),
  placement: Schema.optionalWith(
    Schema.Record({ key: Schema.String, value: PlaceSchema }).annotations({ identifier: "a record of places by actor name, made by machines" }),
    { exact: true }
  )
}).annotations({ identifier: "a topology: a record made by network(…)" })
