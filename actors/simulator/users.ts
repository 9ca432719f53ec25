/**
 * The users of a simulated network: they upload, commission and fetch jobs whose answers are known beforehand, and tell what they see.
 *
 * Contract: every job is asked at an instant of its own, spread evenly over the span, of clients and models in turn, with an input of its own. A person whose
 * client does not answer asks again, and fetches again what could not be read: what is given up is what no patience brings back. Whoever holds a ticket
 * knows where and when the outputs will be written, and tells the watch; so does who knows of boxes that are in storage, and whose client is at work: it
 * uploads, commissions, or reads after the first edge. All draws are the seed's.
 * Knows nothing of: verdicts, faults.
 * Source: funion.md §2, §6.4 (ticket), §8; departures: none.
 *
 * @module
 */
import { Clock, Effect, Either } from "effect"
import type { MountError } from "../../src/actor/actor.ts"
import { decodeReadCap, decodeWriteCap, type ReadCap, readCapOf } from "../../src/bacap/capability.ts"
import { toHex } from "../../src/bytes/hex.ts"
import type { CryptoBackend } from "../../src/crypto/backend.ts"
import { POLL_QUANTA } from "../../src/inference/bucket.ts"
import { slotBoxIds } from "../../src/inference/job-capabilities.ts"
import { decodeTicket, type Ticket } from "../../src/inference/ticket.ts"
import { decodeUploadRecord } from "../../src/inference/upload-record.ts"
import { uniformFrom } from "../../src/link/link-services.ts"
import { ROTATE_WIDTH } from "../../src/model/built-in-model.ts"
import { builtInAnswer } from "../../src/model/stand-in-host.ts"
import { numbersOf, type Tensor } from "../../src/model/tensor.ts"
import { boxesOfClass } from "../../src/params/size-class.ts"
import type { ExpectedRelease } from "../../src/simulation/checkers/release-checker.ts"
import type { ComputeActor, Topology } from "../../src/topology/topology.ts"
import type { InferenceFailed } from "../client/protocol.ts"
import { dispatch, fetch, upload } from "../session-api.ts"
import type { Watch } from "./watch.ts"
import type { World } from "./world.ts"

/** Wait before a person asks again. */
const AGAIN_MS = 2_000
/** Times that a person asks for one step. */
const STEP_LIMIT = 12
const AFFINE_WIDTH = 4
/** A box whose write goes wrong time after time comes later than it should, by at most so many grid instants. */
const LATE_QUANTA = 4

/** Quanta between two jobs of one client when nothing else is said: at work for a good part of its time, and far from filling any service. */
const QUANTA_PER_JOB = 8

/** Jobs of a span when nothing else is said, at least one. */
export const defaultJobs = ({ clients, computes, params }: Topology, spanMs: number): number => {
  const slots = computes.reduce((sum, { profiles }) => sum + profiles.reduce((all, { jobsPerQuantum }) => all + jobsPerQuantum, 0), 0)
  const perQuantum = Math.min(clients.length, slots) / QUANTA_PER_JOB
  return Math.max(1, Math.floor((spanMs / params.quantumMs) * perQuantum))
}

/** How long after its acceptance the reading of a job may take, beyond the protocol's own patience. */
const READING_MS = 30_000

/** How long the last job of a span may need. */
export const patienceMs = ({ computes, params }: Topology): number =>
  Math.max(0, ...computes.flatMap(({ deadlinesMs }) => deadlinesMs)) + (POLL_QUANTA + 6) * params.quantumMs + READING_MS

/** Models whose answers are known, small outputs and large ones. */
const knownModels = ({ computes }: Topology): ReadonlyArray<string> => {
  const hosted = [...new Set(computes.flatMap(({ models }) => models.map(({ id }) => id)))].filter((id) => builtInAnswer(id, []) !== undefined)
  return hosted.filter((id) => id === "affine" || id === hosted.find((other) => other !== "affine"))
}

const isMountError = (error: { readonly _tag: string }): error is MountError => error._tag === "ActorUnavailable" || error._tag === "CallTimedOut"

/** The one service that can have taken a job; undefined when several could. */
const serviceOf = ({ computes }: Topology, model: string): ComputeActor | undefined => {
  const hosts = computes.filter(({ models }) => models.some(({ id }) => id === model))
  return hosts.length === 1 ? hosts[0] : undefined
}

/** Ids of slots of a stream, in hex. */
const boxIdsOf = (crypto: CryptoBackend, cap: ReadCap, firstSlot: number, count: number): ReadonlyArray<string> =>
  Either.match(slotBoxIds(crypto, cap, firstSlot, count), { onLeft: () => [], onRight: (ids) => ids.map(toHex) })

/** Where the input of a job lies. */
const inputBoxesOf = (crypto: CryptoBackend, record: Uint8Array): ReadonlyArray<string> =>
  Either.getOrElse(Either.flatMap(decodeUploadRecord(crypto, record), ({ inputClass, inputWriteCap }) =>
    Either.map(decodeWriteCap(crypto, inputWriteCap), (cap) => boxIdsOf(crypto, readCapOf(cap), 0, boxesOfClass(inputClass)))), () => [])

/** Where and when the releases of a job are written. */
const releasesOf = (world: World, ticket: Ticket, service: ComputeActor, label: string): ReadonlyArray<ExpectedRelease> => {
  const { crypto, schedule } = world
  const cap = Either.getOrUndefined(decodeReadCap(crypto, ticket.outputReadCap))
  if (cap === undefined) return []
  const slotCount = boxesOfClass(ticket.outputClass)
  const leadMs = schedule.liesOf(service.name).reduce((sum, { offsetMs }) => sum + Math.max(0, offsetMs), 0)
  return service.deadlinesMs.slice(ticket.bucket - 1).map((deadlineMs, releaseIndex) => {
    const boxIds = boxIdsOf(crypto, cap, releaseIndex * slotCount, slotCount)
    const edgeMs = ticket.acceptedAtMs + deadlineMs
    // what is not confirmed within the window leaves with the next grid instant, and that has a window again
    const lastMs = edgeMs + world.network.topology.params.quantumMs + service.releaseWindowMs
    const limitMs = lastMs + LATE_QUANTA * world.network.topology.params.quantumMs
    return { label: `${label}, release ${releaseIndex}`, boxIds, edgeMs, lastMs, limitMs, leadMs }
  })
}

interface Job {
  readonly job: number
  readonly label: string
  readonly atMs: number
  readonly client: string
  readonly model: string
  readonly numbers: ReadonlyArray<number>
}

/** Repeats a step while the client is away. */
const patiently = <A, E extends { readonly _tag: string; readonly message: string }>(
  step: Effect.Effect<A, E>, isWorthMore: (error: E) => boolean
): Effect.Effect<A, E> =>
  Effect.retry(step, { times: STEP_LIMIT, while: (error) => Effect.as(Effect.sleep(AGAIN_MS), isWorthMore(error)) })

const isRight = ({ model, numbers }: Job, outputs: ReadonlyArray<Tensor>): boolean => {
  const expected = builtInAnswer(model, numbers)
  const given = outputs[0] === undefined ? [] : numbersOf(outputs[0])
  return expected !== undefined && given.length === expected.length && given.every((value, index) => value === expected[index])
}

/** Tells the watch that the client was at work during a step, but not before the given instant: until then it only waits. */
const atWork = (world: World, watch: Watch, client: string, notBeforeMs = 0) => <A, E>(step: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    const fromMs = Math.max(world.nowMs(), notBeforeMs)
    return Effect.ensuring(step, Effect.sync(() => watch.worked(client, { fromMs, untilMs: world.nowMs() })))
  })

/** One job from its upload to its answer. */
const serve = (world: World, watch: Watch, each: Job): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { client, job, label, model, numbers } = each
    const { crypto, network } = world
    const choice = { client }
    watch.jobs.asked(job, label)
    const uploaded = yield* patiently(upload(network, model, { numbers }, choice), isMountError).pipe(atWork(world, watch, client))
    watch.storage.confirmed(`${label}, input`, inputBoxesOf(crypto, uploaded.record))
    const dispatchedMs = yield* Clock.currentTimeMillis
    const bytes = yield* patiently(dispatch(network, uploaded, choice), isMountError).pipe(atWork(world, watch, client))
    watch.commissioned((yield* Clock.currentTimeMillis) - dispatchedMs)
    const ticket = Either.getOrThrow(decodeTicket(bytes))
    const service = serviceOf(network.topology, model)
    const lastMs = ticket.acceptedAtMs + Math.max(0, ...(service?.deadlinesMs ?? [0]))
    watch.jobs.accepted(job, lastMs + patienceMs(network.topology))
    const releases = service === undefined ? [] : releasesOf(world, ticket, service, label)
    for (const release of releases) watch.releases.expect(release)
    const isWorthMore = (error: MountError | InferenceFailed | { readonly _tag: "OutputInvalid" }): boolean =>
      isMountError(error) || (error._tag === "InferenceFailed" && error.reason !== "job-failed")
    const { outputs, overflow } = yield* patiently(fetch(network, bytes, choice), isWorthMore).pipe(atWork(world, watch, client, releases[0]?.edgeMs))
    watch.jobs.answered(job, isRight(each, outputs))
    watch.storage.confirmed(`${label}, output`, releases[overflow]?.boxIds ?? [])
  }).pipe(Effect.catchAll((error) => Effect.sync(() => watch.jobs.failed(each.job, error.message))))

/** Asks `jobs` jobs within a span and waits for their ends. */
export const runUsers = (world: World, watch: Watch, span: { readonly jobs: number; readonly spanMs: number }): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { topology } = world.network
    const entropy = world.entropyOf("users")
    const models = knownModels(topology)
    const jobs = Array.from({ length: span.jobs }, (_, job): ReadonlyArray<Job> => {
      const atMs = ((job + uniformFrom(entropy)) / span.jobs) * span.spanMs
      const client = topology.clients[job % Math.max(1, topology.clients.length)]?.name
      const model = models[Math.floor(job / Math.max(1, topology.clients.length)) % Math.max(1, models.length)]
      const width = model === "affine" ? AFFINE_WIDTH : ROTATE_WIDTH
      const numbers = Array.from({ length: width }, (__, index) => (index === 0 ? job : Math.floor(1024 * uniformFrom(entropy))))
      return client === undefined || model === undefined ? [] : [{ job, label: `job ${job} (${model} by ${client})`, atMs, client, model, numbers }]
    }).flat()
    yield* Effect.forEach(jobs, (job) =>
      Effect.sleep(job.atMs).pipe(
        Effect.zipRight(Effect.sync(() => world.nowMs())),
        Effect.flatMap((fromMs) => Effect.ensuring(
          serve(world, watch, job), Effect.sync(() => watch.served({ fromMs, untilMs: world.nowMs() }))
        ))
      ), { concurrency: "unbounded", discard: true }).pipe(Effect.timeoutOption(span.spanMs + 2 * patienceMs(topology)))
  })
