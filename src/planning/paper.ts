/**
 * What store, compute, store costs a large language model, Llama-3-70B, in the paper's terms: an inference whose input and answer lie in anonymous storage,
 * against the same inference asked of the service directly.
 *
 * Compute times are public figures of others, none of them measured here; network times are the model of job-model.ts at given rates. The deadline of each
 * column is the first multiple of the quantum that holds, for nineteen jobs of twenty, the service's reading of its inputs, the compute, and the seal.
 *
 * Contract: pure. Every figure that is not computed here names where it is from.
 * Knows nothing of: terminals.
 * Source: arXiv 2505.18398 (the workflow; its tables were not at hand), the documents named in `COMPUTE_FIGURES`; departures: the deadline is derived,
 * since the paper's bucket values were not at hand.
 *
 * @module
 */
import { payloadBytesOfClass, classForPayload } from "../inference/slots.ts"
import { boxPlaintextBytes } from "../params/mixnet-params.ts"
import { sessionsNeeded } from "../params/service-check.ts"
import type { ServiceProfile } from "../params/service-profile.ts"
import { boxesOfClass } from "../params/size-class.ts"
import type { HardwareFigures, NetworkFigures, ServiceFigures } from "./network-figures.ts"
import { makePlan, type Plan } from "./plan.ts"

/** Tokens of the example: a page in, half a page out. */
export const PAPER_TOKENS = { in: 1_000, out: 500 }
/** UTF-8 bytes of a token of English prose, measured with the model's tokenizer. */
export const BYTES_PER_TOKEN = 4

/** One public measurement of the model's speed. */
export interface ComputeFigure {
  readonly load: string
  readonly firstTokenMs: number
  readonly tokenMs: number
  readonly source: string
}

const NIM = "NVIDIA NIM documentation, docs.nvidia.com/nim/benchmarking/llm/1.0.0/performance: Llama 3.3 70B fp8 on 2 x H100, 5,000 tokens in, 500 out"

export const COMPUTE_FIGURES: ReadonlyArray<ComputeFigure> = [
  { load: "1 user", firstTokenMs: 410, tokenMs: 18.6, source: NIM },
  { load: "50 users", firstTokenMs: 830, tokenMs: 59.7, source: NIM },
  { load: "100 users", firstTokenMs: 8_000, tokenMs: 92.9, source: NIM }
]

/** Time from the prompt to the last token. */
export const computeMsOf = ({ firstTokenMs, tokenMs }: ComputeFigure): number => firstTokenMs + tokenMs * PAPER_TOKENS.out

/** One column of the table. */
export interface PaperColumn {
  readonly load: string
  readonly computeMs: number
  readonly deadlineMs: number
  readonly plan: Plan
  /** Means of the steps, milliseconds. */
  readonly networkMs: number
  readonly totalMs: number
  /** Total over compute. */
  readonly overheadRatio: number
  readonly boxes: number
  /** The client's packets that carry the job, and all that it sends meanwhile. */
  readonly packets: number
  readonly packetsMeanwhile: number
  /** Bytes on the client's line while the job runs, both ways. */
  readonly lineBytes: number
  /** Contents moved: prompt and answer. */
  readonly contentBytes: number
}

export interface PaperTable {
  readonly columns: ReadonlyArray<PaperColumn>
  readonly coverBytesPerDay: number
  readonly assumptions: ReadonlyArray<string>
}

const SECOND_MS = 1_000
/** Columns are few and their error is small beside that of the compute figures. */
const PAPER_DRAWS = 1_000

/** A deadline that nobody can miss, to learn how long the service reads. */
const ENDLESS_QUANTA = 1_000

/** The one profile of the table: the smallest classes that hold the texts. */
const paperProfile = (figures: NetworkFigures, coverJobs: number): ServiceProfile => {
  const boxBytes = boxPlaintextBytes(figures.params)
  const classOf = (tokens: number): number => classForPayload(boxBytes, tokens * BYTES_PER_TOKEN) ?? 0
  return {
    id: 0, inputClass: classOf(PAPER_TOKENS.in), outputClass: classOf(PAPER_TOKENS.out), bucket: 1, staged: false, jobsPerQuantum: coverJobs + 1, coverJobs
  }
}

const serviceFor = (figures: NetworkFigures, profile: ServiceProfile, computeMs: number, deadlineMs: number): ServiceFigures => {
  const { params } = figures
  const deadlinesMs = [deadlineMs]
  const jobs = profile.jobsPerQuantum + profile.coverJobs
  return {
    name: "llama-3-70b", queues: 1, deadlinesMs, releaseWindowMs: params.quantumMs, profiles: [profile],
    sessions: sessionsNeeded(params, { profiles: [profile], deadlinesMs }), workers: Math.max(1, Math.ceil((jobs * computeMs) / params.quantumMs)),
    maxComputeMs: Math.ceil(computeMs)
  }
}

const columnOf = (figures: NetworkFigures, hardware: HardwareFigures, coverJobs: number, figure: ComputeFigure): PaperColumn => {
  const computeMs = computeMsOf(figure)
  const { quantumMs, sealBeforeEdgeMs } = figures.params
  const profile = paperProfile(figures, coverJobs)
  const planFor = (deadlineMs: number, draws: number): Plan => {
    const service = serviceFor(figures, profile, computeMs, deadlineMs)
    return makePlan({ figures: { ...figures, services: [service] }, hardware, service, profile, computeMs, jobsPerUserHour: 0, draws })
  }
  const trial = planFor(ENDLESS_QUANTA * quantumMs, PAPER_DRAWS / 2)
  const jobsEach = Math.ceil((1 + coverJobs) / serviceFor(figures, profile, computeMs, quantumMs).workers)
  const deadlineMs = Math.ceil((trial.job.serviceFetchMs.p95 + jobsEach * computeMs + sealBeforeEdgeMs) / quantumMs) * quantumMs
  const plan = planFor(deadlineMs, PAPER_DRAWS)
  const totalMs = plan.job.steps.totalMs.mean
  return {
    load: figure.load, computeMs, deadlineMs, plan,
    networkMs: totalMs - computeMs,
    totalMs,
    overheadRatio: totalMs / computeMs,
    boxes: boxesOfClass(profile.inputClass) + boxesOfClass(profile.outputClass),
    packets: plan.job.packets,
    packetsMeanwhile: (plan.client.packetsPerSecond * totalMs) / SECOND_MS,
    lineBytes: ((plan.client.upBytesPerSecond + plan.client.downBytesPerSecond) * totalMs) / SECOND_MS,
    contentBytes: (PAPER_TOKENS.in + PAPER_TOKENS.out) * BYTES_PER_TOKEN
  }
}

/** What the table takes for granted. */
const assumptionsOf = (figures: NetworkFigures, coverJobs: number): ReadonlyArray<string> => {
  const { params } = figures
  const boxBytes = boxPlaintextBytes(params)
  const profile = paperProfile(figures, coverJobs)
  return [
    `${PAPER_TOKENS.in} tokens in, ${PAPER_TOKENS.out} out, as UTF-8 text of ${BYTES_PER_TOKEN} bytes a token `
    + "(measured with the model's tokenizer on English prose)",
    `compute: time to the first token + ${PAPER_TOKENS.out} x time per token; ${NIM}; `
    + "a prompt of 1,000 tokens costs less than the 5,000 of the source",
    `size classes ${profile.inputClass} in and ${profile.outputClass} out: room for ${payloadBytesOfClass(boxBytes, profile.inputClass)} and `
    + `${payloadBytesOfClass(boxBytes, profile.outputClass)} bytes`,
    `rates of ${figures.name}: mean hop delay ${1 / params.muPerMs} ms, ${params.mixLayers} mix layers, a packet every ${1 / params.lambdaPPerMs} ms `
    + `and a decoy besides every ${1 / params.lambdaLPerMs} ms, a link command every ${1 / params.lambdaRPerMs} ms, boxes of ${boxBytes} bytes`,
    `quantum ${params.quantumMs} ms; the deadline is the first multiple of it that holds reading (95 %), compute and seal; ${coverJobs} cover jobs`,
    "release window = quantum; a manifest whose data is written later than that joins the next grid instant",
    "the job begins at a chance instant, nothing is lost, work on packets takes no time"
  ]
}

/** Makes the table. @param coverJobs  F of the profile */
export const paperTable = (figures: NetworkFigures, hardware: HardwareFigures, coverJobs: number): PaperTable => {
  const columns = COMPUTE_FIGURES.map((figure) => columnOf(figures, hardware, coverJobs, figure))
  return { columns, coverBytesPerDay: columns[0]?.plan.client.bytesPerDay ?? 0, assumptions: assumptionsOf(figures, coverJobs) }
}
