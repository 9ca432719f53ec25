/**
 * How long the steps of a job take: draws of the whole workflow, from the first box of the input to the last of the answer.
 *
 *   upload     from a uniform instant of a quantum: all data boxes in one transfer, then the manifest
 *   dispatch   to a uniform instant of the next quantum, two ticks of the session, L + 2 hops, AnswerMs, L hops home. The service decides when the
 *              queue's link has brought the dispatch, a tick 1/λR later, and the word of it needs another tick; where both take longer than
 *              AnswerMs the client learns nothing, pauses Exp(mean retransmission slack) and asks again
 *   hold       from the client's knowing of acceptance to the edge t = (k + 1)·q + d_j, k being the quantum in which the service decided
 *   fetch      from the edge: the release window w and Exp(mean q), the manifest, then all data boxes; a manifest that is not there yet costs
 *              another Exp(mean q)
 *
 * Beside it, unseen by the client unless it takes too long: the service reads all inputs of the quantum in one transfer from (k + 1)·q, its workers run
 * them, and what is not sealed s before the edge goes out at a later one (overflow). At the edge it writes all data boxes of the quantum, then the manifests.
 *
 * Contract: pure but for `uniform`. Steps are those of jobs that meet their edge; how many do not is given beside them.
 * Knows nothing of: contents, models, nodes.
 * Source: funion.md §2, §3, §6.1, §7 (O2–O5); departures: no loss, no rejection.
 *
 * @module
 */
import { acceptedAtMs, firstPollMs, gridInstantFrom, nextPollMs, quantumIndexAt, uniformInNextQuantumMs } from "../inference/bucket.ts"
import type { Uniform } from "../mixnet/path.ts"
import type { MixnetParams } from "../params/mixnet-params.ts"
import { modelUniform, pickOf, poissonCount, type Spread, spreadOf, tickMs } from "./draws.ts"
import { drawStream, drawTransfer, type SessionFigures, type StorageFigures, wayHomeMs, wayOutMs } from "./transfer-model.ts"

/** A job, and the service and storage that it meets. */
export interface JobSetting {
  readonly params: MixnetParams
  readonly storage: StorageFigures
  readonly client: SessionFigures
  readonly service: SessionFigures
  readonly boxesIn: number
  readonly boxesOut: number
  /** d_j and the deadlines after it. */
  readonly deadlinesMs: ReadonlyArray<number>
  readonly releaseWindowMs: number
  readonly workers: number
  readonly computeMs: number
  /** The service's own jobs that share the quantum, and the mean number of other clients'. */
  readonly coverJobs: number
  readonly otherJobs: number
}

/** One job, as its client would measure it; milliseconds. */
export interface JobTimes {
  readonly uploadMs: number
  readonly dispatchMs: number
  readonly heldMs: number
  readonly fetchMs: number
  readonly totalMs: number
}

interface JobDraw extends JobTimes {
  readonly serviceFetchMs: number
  readonly overflow: boolean
  readonly packets: number
  /** False when one of its transfers was given up. */
  readonly finished: boolean
}

interface Known {
  /** When the service decided. */
  readonly decidedMs: number
  /** When the client knew. */
  readonly knownMs: number
}

/** The dispatch from its first sending on. */
const drawDispatch = ({ client, params, storage }: JobSetting, sentAtMs: number, uniform: Uniform): Known & { readonly packets: number } => {
  const { answerMs, lambdaPPerMs, lambdaRPerMs, retransmitSlackMs } = params
  const ratePerMs = lambdaPPerMs * (1 - client.use)
  let decidedMs: number | undefined
  for (let nowMs = sentAtMs, packets = 1; ; packets++) {
    const leftMs = nowMs + tickMs(uniform, ratePerMs) + tickMs(uniform, ratePerMs)
    const atHostMs = leftMs + wayOutMs(storage, uniform)
    const deliveryMs = tickMs(uniform, lambdaRPerMs)
    const wordMs = deliveryMs + tickMs(uniform, lambdaRPerMs)
    if (deliveryMs <= answerMs) decidedMs ??= atHostMs + deliveryMs
    const knownMs = atHostMs + answerMs + wayHomeMs(storage, uniform)
    if (wordMs <= answerMs && decidedMs !== undefined) return { decidedMs, knownMs, packets }
    nowMs = nextPollMs(retransmitSlackMs, knownMs, uniform())
  }
}

/** When the job's result is there, counted from the end of its quantum; its place among the others is chance. */
const drawCompute = (setting: JobSetting, jobs: number, uniform: Uniform) => {
  const { boxesIn, computeMs, service, storage, workers } = setting
  const { doneMs, finished } = drawTransfer(storage, { ...service, kind: "read", startMs: 0, boxes: jobs * boxesIn }, uniform)
  return { finished, fetchMs: doneMs, readyMs: doneMs + Math.ceil((1 + pickOf(uniform, jobs)) / workers) * computeMs }
}

/** When the release's manifest is on a replica, counted from the edge. */
const drawRelease = (setting: JobSetting, jobs: number, uniform: Uniform) => {
  const { boxesOut, params, releaseWindowMs, service, storage } = setting
  const data = drawTransfer(storage, { ...service, kind: "write", startMs: 0, boxes: jobs * (boxesOut - 1) }, uniform)
  const startMs = data.doneMs <= releaseWindowMs ? data.doneMs : gridInstantFrom(params.quantumMs, data.doneMs)
  const manifests = drawTransfer(storage, { ...service, kind: "write", startMs, boxes: jobs }, uniform)
  return { storedMs: manifests.storedMs, finished: data.finished && manifests.finished }
}

/** Reads a release from its edge on. @returns when all is read */
const drawFetch = (setting: JobSetting, startedMs: number, edgeMs: number, storedMs: number, uniform: Uniform) => {
  const { boxesOut, client, params: { quantumMs }, releaseWindowMs, storage } = setting
  const onTimeMs = firstPollMs({ quantumMs, releaseWindowMs }, edgeMs, Number.POSITIVE_INFINITY, uniform())
  let startMs = onTimeMs > startedMs ? onTimeMs : nextPollMs(quantumMs, startedMs, uniform())
  for (let packets = 0; ;) {
    const manifest = drawTransfer(storage, { ...client, kind: "read", startMs, boxes: 1, availableMs: storedMs }, uniform)
    packets += manifest.packets
    if (!manifest.finished) return { doneMs: manifest.doneMs, packets, finished: false }
    if (!manifest.found) {
      startMs = nextPollMs(quantumMs, manifest.doneMs, uniform())
      continue
    }
    const data = drawTransfer(storage, { ...client, kind: "read", startMs: manifest.doneMs, boxes: boxesOut - 1 }, uniform)
    return { doneMs: data.doneMs, packets: packets + data.packets, finished: data.finished }
  }
}

/** One draw of a job. */
export const drawJob = (setting: JobSetting, uniform: Uniform): JobDraw => {
  const { boxesIn, client, coverJobs, deadlinesMs, otherJobs, params, storage } = setting
  const { quantumMs, sealBeforeEdgeMs } = params
  const startMs = uniform() * quantumMs
  const upload = drawStream(storage, { ...client, kind: "write", startMs, boxes: boxesIn }, uniform)
  const { decidedMs, knownMs, packets } = drawDispatch(setting, uniformInNextQuantumMs(quantumMs, upload.doneMs, uniform()), uniform)
  const countedMs = acceptedAtMs(quantumMs, quantumIndexAt(quantumMs, decidedMs))
  const jobs = 1 + coverJobs + poissonCount(uniform, otherJobs)
  const { fetchMs: serviceFetchMs, finished: isRead, readyMs } = drawCompute(setting, jobs, uniform)
  const edgeMs = countedMs + (deadlinesMs[0] ?? 0)
  const startedMs = Math.max(knownMs, edgeMs)
  const release = drawRelease(setting, jobs, uniform)
  const fetch = drawFetch(setting, startedMs, edgeMs, edgeMs + release.storedMs, uniform)
  return {
    uploadMs: upload.doneMs - startMs,
    dispatchMs: knownMs - upload.doneMs,
    heldMs: startedMs - knownMs,
    fetchMs: fetch.doneMs - startedMs,
    totalMs: fetch.doneMs - startMs,
    serviceFetchMs,
    overflow: readyMs > (deadlinesMs[0] ?? 0) - sealBeforeEdgeMs,
    packets: upload.packets + packets + fetch.packets,
    finished: upload.finished && isRead && release.finished && fetch.finished
  }
}

/** Means and 95 % marks of every step. */
export interface JobFigures {
  readonly steps: Readonly<Record<keyof JobTimes, Spread>>
  /** How long the service reads the inputs of the job's quantum. */
  readonly serviceFetchMs: Spread
  /** Share of jobs that miss their first edge. */
  readonly overflowShare: number
  /** Share of jobs that the links cannot carry: their times are those at which they were given up. */
  readonly unfinishedShare: number
  /** Packets of the client that carry the job. */
  readonly packets: number
}

/** Enough for means within about one per cent. */
export const JOB_DRAWS = 2_000
/** Work of all draws together, some ten seconds: a draw costs as the square of its boxes, of which so many may be in the usual number of draws. */
const WORK = JOB_DRAWS * 800 ** 2
/** With fewer there is no telling what nineteen of twenty jobs stay within. */
const LEAST_DRAWS = 19

/** Draws of a job that share the work among them: fewer where a quantum is full of boxes, 0 where even a few would take too long. */
export const drawsWithin = (
  { boxesIn, boxesOut, coverJobs, otherJobs }: Pick<JobSetting, "boxesIn" | "boxesOut" | "coverJobs" | "otherJobs">, wanted: number = JOB_DRAWS
): number => {
  const most = Math.floor(WORK / ((1 + coverJobs + otherJobs) * (boxesIn + boxesOut)) ** 2)
  return most < LEAST_DRAWS ? 0 : Math.min(wanted, most)
}

/** @cost about a tenth of a millisecond per draw and ten boxes */
export const jobFigures = (setting: JobSetting, draws: number = JOB_DRAWS, seed = 1): JobFigures => {
  const uniform = modelUniform(seed)
  const jobs = Array.from({ length: draws }, () => drawJob(setting, uniform))
  const spread = (of: (job: JobDraw) => number): Spread => spreadOf(jobs.map(of))
  return {
    steps: {
      uploadMs: spread(({ uploadMs }) => uploadMs),
      dispatchMs: spread(({ dispatchMs }) => dispatchMs),
      heldMs: spread(({ heldMs }) => heldMs),
      fetchMs: spread(({ fetchMs }) => fetchMs),
      totalMs: spread(({ totalMs }) => totalMs)
    },
    serviceFetchMs: spread(({ serviceFetchMs }) => serviceFetchMs),
    overflowShare: jobs.filter(({ overflow }) => overflow).length / draws,
    unfinishedShare: jobs.filter(({ finished }) => !finished).length / draws,
    packets: spread(({ packets }) => packets).mean
  }
}
