/**
 * `funion plan`: what a network would cost and give, by its topology and changes to it.
 *
 * Contract: nothing is started and nothing measured. With `--json` standard output is one JSON object.
 * Knows nothing of: how figures come about, how options are spelt.
 * Source: the list; departures: none.
 *
 * @module
 */
import { Effect, Either } from "effect"
import type { ServingBackend } from "../../src/crypto/backend.ts"
import { selectBackend } from "../../src/crypto/select-backend.ts"
import { checkParams } from "../../src/params/params-check.ts"
import { changeFigures, type FigureChanges, figuresOf, type NetworkFigures } from "../../src/planning/network-figures.ts"
import { paperTable } from "../../src/planning/paper.ts"
import { makePlan, planDraws, type PlanRequest } from "../../src/planning/plan.ts"
import { ASSUMED_UNWRAP, type UnwrapFigures, unwrapsPerSecondOf } from "../../src/planning/unwrap-work.ts"
import type { Topology } from "../../src/topology/topology.ts"
import type { ValidTopology } from "../../src/topology/validate.ts"
import { type CliFailure, failed, misused } from "./cli-failure.ts"
import { checkBucket, hostedModel, type HostedModel } from "./hosted-model.ts"
import { printLine } from "./output.ts"
import { paperJson, paperText, type PlanBasis, planJson, planText } from "./plan-report.ts"
import { storedFigures } from "./self-bench.ts"
import { checkTopology, defaultTopology, loadTopology } from "./topology-file.ts"

/** What the command line says; what is undefined was left out. */
export interface PlanOptions extends Record<keyof FigureChanges, number | undefined> {
  readonly topology: string | undefined
  readonly model: string | undefined
  readonly bucket: number | undefined
  readonly computeMs: number | undefined
  readonly jobsPerHour: number | undefined
  readonly unwrapUs: number | undefined
  readonly linkMs: number | undefined
  readonly paper: boolean
  readonly json: boolean
}

const US_PER_S = 1e6
/** Cover jobs of the paper's service unless the options say otherwise. */
const PAPER_COVER_JOBS = 1
/** funion.md §3: the default of the protocol. The reference's rates have no grid of their own. */
const PAPER_QUANTUM_MS = 10_000

const baseTopology = ({ paper, topology }: PlanOptions, crypto: ServingBackend): Effect.Effect<ValidTopology, CliFailure> => {
  if (topology !== undefined) return loadTopology(topology)
  return paper
    ? Effect.flatMap(Effect.promise(() => import("../../topologies/echomix.ts")), ({ topology: echomix }) => checkTopology(echomix, "topology echomix"))
    : defaultTopology(crypto.name)
}

const changesOf = (options: PlanOptions): FigureChanges =>
  Object.fromEntries(Object.entries(options).filter(([name, value]) => typeof value === "number" && name !== "bucket"))

/** The network with the changes. @errors CliFailure names the field that makes no network */
const changedFigures = (topology: Topology, changes: FigureChanges): Either.Either<NetworkFigures, CliFailure> => {
  const figures = changeFigures(figuresOf(topology), changes)
  const [problem] = checkParams(figures.params)
  return problem === undefined ? Either.right(figures) : Either.left(failed(`${problem.field}: ${problem.message}`))
}

/** What the network's own packets cost: those that were measured, or are assumed, may be of another geometry. */
export const unwrapOf = (
  { params }: Pick<NetworkFigures, "params">, { unwrapUs }: Pick<PlanOptions, "unwrapUs">, stored: UnwrapFigures | undefined
): Pick<PlanBasis, "unwrapUs" | "unwrapFrom"> => {
  if (unwrapUs !== undefined) return { unwrapUs, unwrapFrom: "given" }
  return {
    unwrapUs: US_PER_S / unwrapsPerSecondOf(params, stored ?? ASSUMED_UNWRAP),
    unwrapFrom: stored === undefined ? "assumed; funion bench node measures it" : "by what funion bench node measured here"
  }
}

const modelOf = (crypto: ServingBackend, topology: Topology, { bucket, model }: PlanOptions): Effect.Effect<HostedModel, CliFailure> =>
  Effect.gen(function*() {
    const id = model ?? topology.computes[0]?.models[0]?.id
    if (id === undefined) return yield* failed(`the network ${topology.name} hosts no model`)
    const hosted = yield* hostedModel(crypto, topology, id)
    yield* checkBucket(hosted, bucket)
    return hosted
  })

const planOf = (crypto: ServingBackend, topology: Topology, options: PlanOptions): Effect.Effect<string, CliFailure> =>
  Effect.gen(function*() {
    const { card, profiles, service: { name } } = yield* modelOf(crypto, topology, options)
    const figures = yield* changedFigures(topology, changesOf(options))
    const service = figures.services.find((each) => each.name === name)
    const chosen = profiles.find(({ bucket }) => options.bucket === undefined || bucket === options.bucket)
    const profile = service?.profiles.find(({ id }) => id === chosen?.id)
    if (service === undefined || profile === undefined) return yield* failed(`${card.id} is offered under no profile of ${name}`)
    const { jobsPerHour = 1, linkMs = 0, computeMs = card.maxComputeMs } = options
    const basis: PlanBasis = { model: card.id, computeMs, jobsPerHour, ...unwrapOf(figures, options, storedFigures(crypto)) }
    const request: PlanRequest = { figures, hardware: { unwrapUs: basis.unwrapUs, linkMs }, service, profile, computeMs, jobsPerUserHour: jobsPerHour }
    if (planDraws(request) === 0) {
      return yield* failed(`${name} would have too many jobs in a quantum for a plan: take fewer users, jobs per hour or cover jobs, or a shorter quantum`)
    }
    const made = makePlan(request)
    return options.json ? planJson(made, basis) : planText(made, basis)
  })

const paperOf = (crypto: ServingBackend, topology: Topology, options: PlanOptions): Effect.Effect<string, CliFailure> =>
  Effect.gen(function*() {
    if ([options.model, options.bucket, options.computeMs, options.jobsPerHour].some((option) => option !== undefined)) {
      return yield* misused("--paper is about one job of one model with published speeds; leave --model, --bucket, --compute-ms and --jobs-per-hour out")
    }
    const { coverJobs = PAPER_COVER_JOBS, linkMs = 0, quantumMs = PAPER_QUANTUM_MS } = options
    const figures = yield* changedFigures(topology, { ...changesOf(options), quantumMs, coverJobs })
    const table = paperTable(figures, { unwrapUs: unwrapOf(figures, options, storedFigures(crypto)).unwrapUs, linkMs }, coverJobs)
    return options.json ? paperJson(table) : paperText(table)
  })

/** Prints a plan. */
export const runPlan = (options: PlanOptions): Effect.Effect<void, CliFailure> =>
  Effect.gen(function*() {
    const crypto = yield* Either.mapLeft(selectBackend(), (error) => failed(error.message))
    const { topology } = yield* baseTopology(options, crypto)
    yield* Effect.flatMap(options.paper ? paperOf(crypto, topology, options) : planOf(crypto, topology, options), printLine)
  })
