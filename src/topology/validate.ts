/**
 * Says whether a value is a network that can run.
 *
 * Contract: takes anything, never throws, calls nothing in the value. A refusal names the field as a path and says in one sentence what to change;
 * acceptance gives a fresh copy of the topology, and warnings about what works but protects less.
 * Knows nothing of: files (the loader has read them), keys, model cards: their own limits are checked where they are read.
 * Source: the issue's list; mixnet.md §2, §13, pigeonhole.md §5.2, funion.md §3, §4, §6.3; departures: none.
 *
 * @module
 */
import { Data, Either, ParseResult, Schema } from "effect"
import { checkParams } from "../params/params-check.ts"
import { checkService, warnService, type CheckProblem } from "../params/service-check.ts"
import { packetsPerEpoch, REPLAY_CAPACITY } from "../params/replay-capacity.ts"
import { memberPath, plainCopy, type CopyLimits } from "./plain-copy.ts"
import { TopologySchema } from "./topology-schema.ts"
import { checkPlacement } from "./placement.ts"
import { actorsOf, type ComputeActor, type Topology } from "./topology.ts"

/** A value is no network that can run. */
export class TopologyInvalid extends Data.TaggedError("TopologyInvalid")<{
  /** Path of the field to change, e.g. `computes[0].deadlinesMs[1]`; `topology` for the whole value. */
  readonly field: string
  /** One sentence: what is wrong and what to change. */
  readonly message: string
}> {}

export interface ValidTopology {
  readonly topology: Topology
  readonly warnings: ReadonlyArray<string>
}

/** Two replicas hold a box, two others pass envelopes on. */
const REPLICAS_NEEDED = 4
/** From eight replicas on, the choice of the two that pass an envelope on tells a courier less than one bit (pigeonhole.md §5.2). */
const REPLICAS_ADVISED = 8
const DEADLINE_QUANTA_LIMIT = 0xffff
const COPY_LIMITS: CopyLimits = { maxDepth: 8, maxItems: 50_000, maxLength: 4096, maxText: 4096 }

type Problems = ReadonlyArray<CheckProblem>

const problem = (holds: boolean, field: string, message: string): Problems => (holds ? [] : [{ field, message }])

const under = (field: string, problems: Problems): Problems => problems.map((each) => ({ ...each, field: `${field}.${each.field}` }))

const decode = Schema.decodeUnknownEither(TopologySchema, { errors: "first", onExcessProperty: "error" })

const pathOf = (keys: ReadonlyArray<PropertyKey>): string =>
  keys.reduce<string>((path, key) => memberPath(path, typeof key === "number" ? key : String(key)), "")

/** The schema's first issue in the words of a user. */
const shapeProblem = (error: ParseResult.ParseError): TopologyInvalid => {
  const issue = ParseResult.ArrayFormatter.formatErrorSync(error)[0]
  const field = pathOf(issue?.path ?? []) || "topology"
  if (issue?._tag === "Missing") return new TopologyInvalid({ field, message: "this field is missing: add it" })
  if (issue?._tag === "Unexpected") return new TopologyInvalid({ field, message: "there is no such field: remove it or correct its name" })
  const expected = /^Expected (.*?), actual /s.exec(issue?.message ?? "")?.[1]
  return new TopologyInvalid({ field, message: expected === undefined ? "the value does not fit this field: correct it" : `write ${expected}` })
}

const checkNames = (topology: Topology): Problems => {
  const taken = new Map<string, string>()
  const groups = ["authorities", "gateways", "mixes", "serviceNodes", "couriers", "replicas", "computes", "clients"] as const
  return groups.flatMap((group) => topology[group].flatMap(({ name }, index) => {
    const field = `${group}[${index}].name`
    const other = taken.get(name)
    taken.set(name, other ?? field)
    return problem(other === undefined, field, `the name ${name} is already taken by ${other}: choose another`)
  }))
}

const checkDirectory = ({ authorities, authorityThreshold }: Topology): Problems => {
  const least = Math.floor(authorities.length / 2) + 1
  return problem(
    Number.isInteger(authorityThreshold) && authorityThreshold >= least && authorityThreshold <= authorities.length,
    "authorityThreshold",
    `more than half of the ${authorities.length} authorities must sign, and not more than there are: use ${least} to ${authorities.length}`
  )
}

const checkMixes = ({ mixes, params }: Topology): Problems => [
  ...mixes.flatMap(({ name, layer, index }, position) => [
    ...problem(layer < params.mixLayers, `mixes[${position}].layer`, `the parameters have ${params.mixLayers} layers: use 0 to ${params.mixLayers - 1}`),
    ...problem(name === `mix-${layer}-${index}`, `mixes[${position}].name`, `a mix is named by its layer and index: use mix-${layer}-${index}`)
  ]),
  ...Array.from({ length: params.mixLayers }, (_, layer) =>
    problem(mixes.some((mix) => mix.layer === layer), "mixes", `layer ${layer} has no mix: add at least one, or change params.mixLayers`)).flat()
]

const checkCouriers = ({ couriers, serviceNodes }: Topology): Problems => {
  const hosts = new Map(serviceNodes.map((node) => [node.name, node]))
  return [
    ...couriers.flatMap(({ name, serviceNode }, index) => [
      ...problem(hosts.has(serviceNode), `couriers[${index}].serviceNode`, `there is no service node ${serviceNode}: name one of serviceNodes`),
      ...problem(hosts.get(serviceNode)?.couriers.includes(name) ?? true, `couriers[${index}].serviceNode`,
        `${serviceNode} does not list ${name} among its couriers: add it there`)
    ]),
    ...serviceNodes.flatMap((node, position) => node.couriers.flatMap((courier, index) => {
      const field = `serviceNodes[${position}].couriers[${index}]`
      return [
        ...problem(couriers.some(({ name, serviceNode }) => name === courier && serviceNode === node.name), field,
          `there is no courier ${courier} at ${node.name}: add it to couriers`),
        ...problem(node.couriers.indexOf(courier) === index, field, `${courier} is listed twice: remove one`)
      ]
    }))
  ]
}

const checkReplicas = ({ replicas }: Topology): Problems => [
  ...problem(replicas.length >= REPLICAS_NEEDED, "replicas",
    `there are ${replicas.length} replicas, but two hold a box and two others must pass it on: use at least ${REPLICAS_NEEDED}`),
  ...replicas.flatMap(({ replicaId }, index) => problem(replicas.findIndex((other) => other.replicaId === replicaId) === index,
    `replicas[${index}].replicaId`, `the id ${replicaId} is already taken: choose another from 0 to 255`))
]

const checkGrid = (compute: ComputeActor, quantumMs: number): Problems => compute.deadlinesMs.flatMap((deadlineMs, index) => {
  const field = `deadlinesMs[${index}]`
  const belowMs = Math.floor(deadlineMs / quantumMs) * quantumMs
  const nearby = belowMs > 0 ? `${belowMs} or ${belowMs + quantumMs}` : `${quantumMs}`
  return [
    ...problem(deadlineMs > 0 && Number.isInteger(deadlineMs / quantumMs), field,
      `a deadline must be a multiple of the quantum of ${quantumMs} ms: use ${nearby} ms`),
    ...problem(deadlineMs / quantumMs <= DEADLINE_QUANTA_LIMIT, field, `a deadline may be at most ${DEADLINE_QUANTA_LIMIT} quanta: use a smaller one`),
    ...problem(index === 0 || deadlineMs > (compute.deadlinesMs[index - 1] ?? 0), field, "deadlines must grow: put them in ascending order, each once")
  ]
})

const checkProfiles = ({ profiles, deadlinesMs }: ComputeActor): Problems => profiles.flatMap((profile, index) => {
  const field = (name: string): string => `profiles[${index}].${name}`
  return [
    ...problem(profiles.findIndex(({ id }) => id === profile.id) === index, field("id"), `the id ${profile.id} is already taken: choose another from 0 to 255`),
    ...problem(profile.bucket <= deadlinesMs.length, field("bucket"),
      `there are ${deadlinesMs.length} deadlines: use a bucket from 1 to ${deadlinesMs.length}`),
    ...problem(!profile.staged || profile.bucket === 1, field("bucket"), "a staged profile releases at every deadline: use bucket 1"),
    ...problem(profile.coverJobs < profile.jobsPerQuantum, field("coverJobs"), "cover jobs must be fewer than jobsPerQuantum"),
    ...problem(!profile.staged || profile.coverJobs === 0, field("coverJobs"),
      "clients make no staged jobs yet, so a service's own would be the only ones: use 0")
  ]
})

const checkModels = ({ models, profiles }: ComputeActor): Problems => models.flatMap((model, index) => [
  ...problem(models.findIndex(({ id }) => id === model.id) === index, `models[${index}].id`, `the model ${model.id} is listed twice: remove one`),
  ...model.profiles.flatMap((profileId, position) => {
    const field = `models[${index}].profiles[${position}]`
    return [
      ...problem(profiles.some(({ id }) => id === profileId), field,
        `there is no profile ${profileId}: use one of ${profiles.map(({ id }) => id).join(", ")}`),
      ...problem(model.profiles.indexOf(profileId) === position, field, `the profile ${profileId} is listed twice: remove one`)
    ]
  })
])

/** A runner's name says whose it is, and cannot be another actor's by accident. */
const checkRunners = ({ name, runners = [], workers }: ComputeActor, topology: Topology): Problems => [
  ...runners.flatMap((runner, index) => [
    ...problem(runner === `${name}-runner-${index}`, `runners[${index}]`, `a runner is named by its compute and index: use ${name}-runner-${index}`),
    ...problem(!actorsOf(topology).some((actor) => actor.name === runner), `runners[${index}]`,
      `the name ${runner} is already taken: choose another for the compute`)
  ]),
  ...problem(runners.length <= workers, "workers", `there are ${runners.length} runners, each with at least one worker: use ${runners.length} or more`)
]

const checkCompute = (compute: ComputeActor, topology: Topology): Problems => {
  const form = [
    ...compute.queues.flatMap((queue, index) => [
      ...problem(topology.serviceNodes.some(({ name }) => name === queue), `queues[${index}]`, `there is no service node ${queue}: name one of serviceNodes`),
      ...problem(compute.queues.indexOf(queue) === index, `queues[${index}]`, `the queue host ${queue} is listed twice: remove one`)
    ]),
    ...checkGrid(compute, topology.params.quantumMs),
    ...checkProfiles(compute),
    ...checkModels(compute),
    ...checkRunners(compute, topology)
  ]
  return form.length > 0 ? form : checkService(topology.params, compute)
}

/** Every broken rule of a value that has the right shape, in the order of the fields. */
const problemsOf = (topology: Topology): Problems => {
  const params = under("params", checkParams(topology.params))
  if (params.length > 0) return params
  return [
    ...checkDirectory(topology),
    ...checkNames(topology),
    ...checkMixes(topology),
    ...checkCouriers(topology),
    ...checkReplicas(topology),
    ...topology.computes.flatMap((compute, index) => under(`computes[${index}]`, checkCompute(compute, topology))),
    ...checkPlacement(topology)
  ]
}

/** Half of what a key may unwrap is left for bursts, and for packets of its epoch that come before and after it. */
const warnReplays = ({ clients, computes, gateways, mixes, params, serviceNodes }: Topology): Problems => {
  const packets = packetsPerEpoch(params, {
    sessions: computes.reduce((sum, { sessions }) => sum + sessions, clients.length),
    gateways: gateways.length,
    serviceNodes: serviceNodes.length,
    mixLayers: Array.from({ length: params.mixLayers }, (_, layer) => mixes.filter((mix) => mix.layer === layer).length)
  })
  return problem(2 * packets <= REPLAY_CAPACITY, "params.epochPeriodMs",
    `a mix unwraps about ${Math.round(packets)} packets in an epoch, and a key refuses packets after ${REPLAY_CAPACITY}: shorten the epoch or add mixes`)
}

const warningsOf = (topology: Topology): ReadonlyArray<string> => [
  ...problem(topology.replicas.length >= REPLICAS_ADVISED, "replicas",
    `${topology.replicas.length} replicas: below ${REPLICAS_ADVISED} a courier learns much of which two replicas hold a box`),
  ...(["lambdaMPerMs", "lambdaGPerMs"] as const).flatMap((field) => problem(topology.params[field] > 0, `params.${field}`,
    "0: these nodes send no loops, so links between nodes are covered less and nobody notices who drops packets there")),
  ...warnReplays(topology),
  ...topology.computes.flatMap((compute, index) => under(`computes[${index}]`, warnService(topology.params, compute)))
].map(({ field, message }) => `${field}: ${message}`)

/**
 * Checks a value of unknown origin.
 * @errors TopologyInvalid for the first broken rule: the shape, then the parameters, then the actors in the order of the fields
 */
export const validateTopology = (value: unknown): Either.Either<ValidTopology, TopologyInvalid> => {
  const copied = plainCopy(value, COPY_LIMITS)
  if (Either.isLeft(copied)) return Either.left(new TopologyInvalid({ field: copied.left.path || "topology", message: copied.left.message }))
  const decoded = decode(copied.right)
  if (Either.isLeft(decoded)) return Either.left(shapeProblem(decoded.left))
  const topology: Topology = decoded.right
  const first = problemsOf(topology)[0]
  return first === undefined ? Either.right({ topology, warnings: warningsOf(topology) }) : Either.left(new TopologyInvalid(first))
}
