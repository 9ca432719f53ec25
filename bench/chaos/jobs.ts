/**
 * Jobs sent into a network under chaos, and the checker of their answers, outside of it.
 *
 * Contract: a job counts as a request from the moment the service has accepted it: from then on only its ticket is used, however often reading has to be
 * tried again. An answer is right when it is what the checker computes itself. A job without an answer within its limit is lost.
 * Knows nothing of: faults, processes.
 * Source: issue "the same topology file on many machines" (process tests); departures: none.
 *
 * @module
 */
import { Clock, Effect, Schedule } from "effect"
import type { ClientAccess } from "../../actors/launch.ts"
import { dispatch, fetch, upload } from "../../actors/session-api.ts"
import { numbersOf, type Tensor } from "../../src/model/tensor.ts"

export interface JobRecord {
  /** The fault during which it began. */
  readonly fault: string
  readonly begunMs: number
  acceptedMs: number | undefined
  answeredMs: number | undefined
  /** Calls repeated after acceptance. */
  retried: number
  outcome: "open" | "answered" | "wrong" | "lost" | "never accepted"
  /** Why it was lost, or not accepted. */
  detail: string
}

export interface JobLimits {
  /** Until it must be accepted. */
  readonly acceptMs: number
  /** From acceptance to the answer. */
  readonly answerMs: number
}

/** What `affine` is asked; every job something else. */
const questionOf = (index: number): ReadonlyArray<number> => [index, index + 0.5, -index, 7]
/** The only right answer: `affine` is 2x + 1. */
const answerOf = (index: number): ReadonlyArray<number> => questionOf(index).map((value) => 2 * value + 1)

/** Reasons after which reading the same ticket again is of no use. */
const FATAL: ReadonlySet<string> = new Set(["job-failed", "output-withdrawn", "output-damaged", "service-broke-the-rules"])
/** Reasons after which the same upload cannot be commissioned any more: the service did not accept it. */
const NOT_ACCEPTED: ReadonlySet<string> = new Set(["dispatch-rejected", "expired", "no-such-profile", "unknown-model", "no-compute-service"])
const RETRY = Schedule.spaced(500)
/** A service that has not answered for so long has not accepted; the job begins anew. */
const COMMISSION_LIMIT_MS = 25_000

const reasonOf = (error: unknown): string => (typeof error === "object" && error !== null && "reason" in error ? String(error.reason) : "")
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const isRight = (outputs: ReadonlyArray<Tensor>, index: number): boolean => {
  const [only] = outputs
  const wanted = answerOf(index)
  const given = only === undefined ? [] : numbersOf(only)
  return outputs.length === 1 && given.length === wanted.length && given.every((value, at) => value === wanted[at])
}

/** Uploads and commissions until a service has accepted. @returns the ticket */
const accept = (access: ClientAccess, index: number, record: JobRecord): Effect.Effect<Uint8Array> =>
  Effect.gen(function*() {
    const note = (error: unknown) => Effect.sync(() => { record.detail = messageOf(error) })
    const uploaded = yield* upload(access, "affine", { numbers: questionOf(index) }).pipe(Effect.tapError(note), Effect.retry(RETRY), Effect.orDie)
    const commission = Effect.tapError(dispatch(access, uploaded), note)
    const retried = Effect.retry(commission, { schedule: RETRY, while: (error) => !NOT_ACCEPTED.has(reasonOf(error)) })
    const accepted = yield* Effect.option(Effect.timeoutFail(retried, { duration: COMMISSION_LIMIT_MS, onTimeout: () => new Error("nobody answered") }))
    return accepted._tag === "Some" ? accepted.value : yield* Effect.delay(accept(access, index, record), 500)
  })

/** Reads the answer with the ticket until it is there. */
const read = (access: ClientAccess, ticket: Uint8Array, index: number, record: JobRecord) =>
  fetch(access, ticket).pipe(
    Effect.tapError((error) => Effect.sync(() => {
      record.detail = messageOf(error)
      record.retried += 1
    })),
    Effect.retry({ schedule: RETRY, while: (error) => !FATAL.has(reasonOf(error)) }),
    Effect.map(({ outputs }) => isRight(outputs, index))
  )

/** One job from its first box to its answer; never fails, `record` says how it went. */
export const runJob = (access: ClientAccess, index: number, record: JobRecord, limits: JobLimits): Effect.Effect<void> =>
  Effect.gen(function*() {
    const ticket = yield* Effect.timeoutOption(accept(access, index, record), limits.acceptMs)
    if (ticket._tag === "None") {
      record.outcome = "never accepted"
      return
    }
    record.acceptedMs = yield* Clock.currentTimeMillis
    const right = yield* read(access, ticket.value, index, record).pipe(Effect.timeoutOption(limits.answerMs), Effect.either)
    if (right._tag === "Left" || right.right._tag === "None") {
      record.outcome = "lost"
      return
    }
    record.answeredMs = yield* Clock.currentTimeMillis
    record.outcome = right.right.value ? "answered" : "wrong"
  })

export const newRecord = (fault: string, begunMs: number): JobRecord =>
  ({ fault, begunMs, acceptedMs: undefined, answeredMs: undefined, retried: 0, outcome: "open", detail: "" })
