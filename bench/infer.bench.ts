/**
 * How long does one inference take from call to answer, beside the time that the design imposes on it?
 *
 * The floor of a run is a sum of waits that no implementation can avoid at these parameters; means of what is drawn, and the real position of the upload's
 * end on the public grid, which is the only part that a run decides. Work on packets, boxes and tensors is taken to cost nothing.
 *
 *   upload    two batches, one after the other (all data boxes, then the manifest); a batch of n boxes is what is longer of
 *             2·n ticks (2·n/λP) and a round trip R, or two exchanges (2·(1/λP + R)) and what 3/λR, the replicas' answer, takes longer than the second one
 *   grid      from the upload's end to the end of its quantum (measured: the event's instant), a quantum for the dispatch's uniform instant,
 *             the way to the service (1/λP + R/2 + 1/λR) that spills into the next quantum, the deadline d_j of the bucket
 *   poll      the release window w and Exp(mean q)
 *   fetch     two batches again: the manifest, then all data boxes
 *
 * R = (2·L + 2)/µ are the mean hop delays of a round trip. The answer to the dispatch (AnswerMs) comes while the deadline runs and adds nothing.
 *
 * Contract: one row per model, `infer/<model>`: medians over the runs of time and floor. One network, one job at a time, nothing beside it.
 * Knows nothing of: how the work is done.
 * Source: funion.md §3, §6.1, §7 (O4, O5), service-check; departures: none.
 *
 * @module
 */
import { Clock, Effect, Logger } from "effect"
import { launch, type Network } from "../actors/launch.ts"
import { infer } from "../actors/session-api.ts"
import type { ModelInput } from "../src/model/client-codec.ts"
import type { MixnetParams } from "../src/params/mixnet-params.ts"
import { meanRoundTripMs } from "../src/storage/box-store.ts"
import type { Topology } from "../src/topology/topology.ts"
import { topology as tiny } from "../topologies/tiny.ts"
import { topology as tinyReference } from "../topologies/tiny-reference.ts"
import { checksumOfBytes, median, type Bench, type BenchOptions, type BenchRow } from "./harness.ts"

const RUN_COUNT = 3
const LINE_HEIGHT = 48
const LINE_WIDTH = 300

/** A white line with one black bar: what it says does not matter here. */
const linePixels = (): Uint8Array =>
  new Uint8Array(LINE_HEIGHT * LINE_WIDTH).map((_, index) => (index % LINE_WIDTH > 20 && index % LINE_WIDTH < 28 ? 0 : 255))

const CASES: ReadonlyArray<{ readonly model: string; readonly input: ModelInput }> = [
  { model: "affine", input: { numbers: [1, 2, 3, 4] } },
  { model: "lang-id", input: { text: "Onde fica a estação mais próxima?" } },
  { model: "ocr-line", input: { tensor: { dtype: "u8", shape: [1, LINE_HEIGHT, LINE_WIDTH], bytes: linePixels() } } },
  { model: "tiny-lm", input: { text: "Once upon a time" } }
]

/** Least mean time for a batch of boxes over one session. */
const batchFloorMs = (params: MixnetParams, boxCount: number): number => {
  const tickMs = 1 / params.lambdaPPerMs
  const roundTripMs = meanRoundTripMs(params)
  const answerLateMs = Math.max(0, 3 / params.lambdaRPerMs - roundTripMs - tickMs)
  return Math.max(2 * boxCount * tickMs + roundTripMs, 2 * (tickMs + roundTripMs) + answerLateMs)
}

const transferFloorMs = (params: MixnetParams, boxCount: number): number => batchFloorMs(params, boxCount - 1) + batchFloorMs(params, 1)

/** What one run was, as far as its floor depends on it. */
interface RunFacts {
  readonly uploadedAtMs: number
  readonly bucket: number
  readonly boxes: { readonly in: number; readonly out: number }
}

/** Milliseconds that the design imposes on a run. */
export const floorMsOf = ({ computes, params }: Topology, { boxes, bucket, uploadedAtMs }: RunFacts): number => {
  const { lambdaPPerMs, lambdaRPerMs, quantumMs } = params
  const toServiceMs = 1 / lambdaPPerMs + meanRoundTripMs(params) / 2 + 1 / lambdaRPerMs
  const restOfQuantumMs = quantumMs - (uploadedAtMs % quantumMs)
  const gridMs = restOfQuantumMs + quantumMs + toServiceMs + (computes[0]?.deadlinesMs[bucket - 1] ?? 0)
  const pollMs = (computes[0]?.releaseWindowMs ?? 0) + quantumMs
  return transferFloorMs(params, boxes.in) + gridMs + pollMs + transferFloorMs(params, boxes.out)
}

interface Run {
  readonly totalMs: number
  readonly floorMs: number
  readonly checksum: string
}

const runOnce = (network: Network, model: string, input: ModelInput) =>
  Effect.gen(function*() {
    let uploadedAtMs = 0
    const onEvent = (event: { readonly _tag: string }) =>
      event._tag !== "Uploaded" ? Effect.void : Effect.map(Clock.currentTimeMillis, (nowMs) => {
        uploadedAtMs = nowMs
      })
    const { boxes, bucket, outputs, timings } = yield* infer(network, model, input, { onEvent })
    const checksum = checksumOfBytes(outputs.map(({ data }) => data))
    return { totalMs: timings.totalMs, floorMs: floorMsOf(network.topology, { uploadedAtMs, bucket, boxes }), checksum } satisfies Run
  })

const rowOf = (model: string, runs: ReadonlyArray<Run>): BenchRow => {
  const us = 1000 * median(runs.map(({ totalMs }) => totalMs))
  const floorUs = 1000 * median(runs.map(({ floorMs }) => floorMs))
  return { id: `infer/${model}`, us, floorUs, ratio: us / floorUs, checksum: runs[0]?.checksum ?? "" }
}

const run = ({ crypto, small }: BenchOptions): Promise<ReadonlyArray<BenchRow>> => {
  const whole = crypto.name === "native" ? tiny : tinyReference
  const cases = small ? CASES.slice(0, 1) : CASES
  const wanted = new Set(cases.map(({ model }) => model))
  const topology = { ...whole, computes: whole.computes.map((plan) => ({ ...plan, models: plan.models.filter(({ id }) => wanted.has(id)) })) }
  return Effect.runPromise(Effect.scoped(Effect.gen(function*() {
    const network = yield* launch(topology, { backend: crypto.name === "native" ? "native" : "reference" })
    return yield* Effect.forEach(cases, ({ input, model }) =>
      Effect.map(Effect.replicateEffect(runOnce(network, model, input), small ? 1 : RUN_COUNT), (runs) => rowOf(model, runs)))
  })).pipe(
    // standard output is the table's, or one JSON object
    Effect.provide(Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger)))
  ))
}

export const inferBench: Bench = {
  name: "infer",
  question: "How long does an inference take, beside the waits that the design imposes?",
  run
}
