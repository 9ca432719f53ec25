/**
 * Step 5 for whoever holds a ticket: finds the service's grid in the directory, waits for the edge and reads.
 *
 * Contract: needs nothing but the ticket. A receiver may come late, as long as storage keeps the boxes; one that comes early waits.
 * Knows nothing of: the sender, journals.
 * Source: funion.md §6.4 (ticket), §7 (O10, O16); departures: tickets of staged jobs are refused (staged release is not built).
 *
 * @module
 */
import { Effect, Either, Option } from "effect"
import { decodeReadCap } from "../bacap/capability.ts"
import { epochAt } from "../params/epoch.ts"
import { isSizeClass } from "../params/size-class.ts"
import type { Document } from "../pki/document.ts"
import { isOnGrid, quantumIndexAt, releaseEdgesMs } from "./bucket.ts"
import type { Listener } from "./client-event.ts"
import { jobFailed, type JobFailed } from "./client-failure.ts"
import { outputsOf, readToLast, type OutputStream } from "./client-fetch.ts"
import { findOffer, findService } from "./client-plan.ts"
import { beginProgress, tellAnswer, tellEdge } from "./client-run.ts"
import { documentOf, type ClientSetting } from "./client-setting.ts"
import { decodeTicket, type Ticket } from "./ticket.ts"

/** Storage keeps a box at least until the replica epoch after that of its writing ends. */
const BOX_LIFE_REPLICA_EPOCHS = 2

const refused = (detail: string): JobFailed => jobFailed("plan", "input-refused", detail)

/** The document under which the job was accepted, when it is still held, else the one in force. */
const documentFor = (setting: ClientSetting, ticket: Ticket): Effect.Effect<Document, JobFailed> =>
  Effect.gen(function* () {
    const current = yield* documentOf(setting, "plan")
    const then = yield* setting.pki.forEpoch(epochAt(current.params, Math.max(ticket.acceptedAtMs - current.params.quantumMs, 0)))
    return Option.match(then, {
      onNone: () => current,
      onSome: (document) => (findService(setting.crypto, document, ticket.serviceId) === undefined ? current : document)
    })
  })

const outputStreamOf = (setting: ClientSetting, document: Document, ticket: Ticket): Either.Either<OutputStream, JobFailed> =>
  Either.gen(function* () {
    const { crypto } = setting
    const { params } = document
    const service = findService(crypto, document, ticket.serviceId)
    if (service === undefined) return yield* Either.left(jobFailed("plan", "no-compute-service", "the service of this ticket is not in the directory"))
    const readCap = yield* Either.mapLeft(decodeReadCap(crypto, ticket.outputReadCap), () => refused("this is no ticket: its capability is none"))
    const quantumIndex = quantumIndexAt(params.quantumMs, ticket.acceptedAtMs) - 1
    const edgesMs = releaseEdgesMs(params.quantumMs, service.deadlinesQuanta, quantumIndex, ticket.bucket)
    const isPossible = isOnGrid(params.quantumMs, ticket.acceptedAtMs) && quantumIndex >= 0 && edgesMs.length > 0 && isSizeClass(ticket.outputClass)
    if (!isPossible) return yield* Either.left(refused("this ticket does not belong to this network"))
    if (ticket.staged) return yield* Either.left(refused("this ticket is of a job with staged release, which this client cannot read"))
    const { modelIdHash } = ticket
    const card = modelIdHash === undefined ? undefined : findOffer(crypto, document, ticket.serviceId, modelIdHash)?.card
    const attestedBy = ticket.attested && modelIdHash !== undefined ? { resultKey: service.resultKey, serviceId: ticket.serviceId, modelIdHash } : undefined
    return {
      params, releaseWindowMs: service.releaseWindowMs, readCap, outputClass: ticket.outputClass, outputTag: ticket.outputTag, edgesMs, card, attestedBy
    }
  })

/**
 * Fetches what a ticket stands for, and tells the listener.
 * @param bytes  the ticket, 256 bytes
 * @errors JobFailed `input-refused` for bytes that are no ticket of this network; `no-compute-service`, `expired`, `output-not-found`, …
 */
export const fetchByTicket = (setting: ClientSetting, bytes: Uint8Array, listener: Listener): Effect.Effect<void, JobFailed> =>
  Effect.gen(function* () {
    const progress = yield* beginProgress(setting)
    const ticket = yield* Either.mapLeft(decodeTicket(bytes), () => refused("this is no ticket, or it was damaged on its way"))
    const document = yield* documentFor(setting, ticket)
    const output = yield* outputStreamOf(setting, document, ticket)
    const { edgesMs, params } = output
    const lastEdgeMs = edgesMs.at(-1) ?? 0
    if (progress.startedMs > lastEdgeMs + BOX_LIFE_REPLICA_EPOCHS * params.replicaEpochPeriodMs) {
      return yield* jobFailed("fetch", "expired", "storage keeps an answer for at least a week and at most two; this one is older")
    }
    const { record } = yield* readToLast(setting, output, {
      onEdge: (overflow) => {
        progress.overflow = overflow
        return tellEdge(progress, listener)
      },
      onRead: (done, total) => listener({ _tag: "BoxRead", done, total })
    })
    return yield* tellAnswer(setting, progress, listener, yield* outputsOf(output, record))
  })
