/**
 * How close do upload and fetch come to the rate at which the client sends anyway?
 *
 * The floor is the time in which the client's λP ticks carry the packets that are needed, two a box (pigeonhole.md §5.3: strict writes and reads):
 * 2·n/λP. What comes on top: packets that find no answer yet, ticks that find no packet, the last box's way there and back, and the manifest that waits
 * for all others, or comes before them. The network is `tiny` without its compute service; its command links carry 75 writes a second, six
 * times what one client asks (pigeonhole.md §5.7).
 *
 * Contract: rows `transfer/upload` and `transfer/fetch`: 362 boxes by the client's own code over real actors with real crypto, one client with one session and
 * nothing else to do. `us` and `floorUs` are of the whole stream; `ratio` is the achieved rate ÷ the rate at the floor, `floorUs / us`, of the median run of
 * the seeds. Ticks are random: 724 of them come within 4 % of their mean as a rule; above 1.05 in the median something left off schedule. Time is virtual, so
 * that no load of the machine falsifies the figures, and the same at every run of the same code; with `realTime` it is the machine's.
 * Knows nothing of: how boxes are sent.
 * Source: pigeonhole.md §5.7, §8.4, §8.5; departures: none.
 *
 * @module
 */
import { Effect } from "effect"
import { tinyParams, tinyReferenceParams } from "../src/params/presets.ts"
import { checksumOfBytes, median, type Bench, type BenchOptions, type BenchRow } from "./harness.ts"
import { runTransfer, transferFloorMs, type Transfer, type TransferRun } from "./transfer-run.ts"
import { runVirtually } from "./virtual-run.ts"

/** 362 boxes, and 4. */
const CLASS_ID = 13
const SMALL_CLASS_ID = 0
const SEEDS = [1, 2, 3]
/** The clock waits for nothing but the work itself: no model runs beside the network. */
const JUMP_FACTOR = 1e9

const rowOf = (id: string, runs: ReadonlyArray<TransferRun>, sideOf: (run: TransferRun) => Transfer, floorMs: number, clock: "real" | "virtual"): BenchRow => {
  const us = 1000 * median(runs.map((run) => sideOf(run).elapsedMs))
  const floorUs = 1000 * floorMs
  return { id, us, floorUs, ratio: floorUs / us, checksum: checksumOfBytes(runs.map(({ payload }) => payload)), clock }
}

const run = async ({ crypto, realTime, small }: BenchOptions): Promise<ReadonlyArray<BenchRow>> => {
  const params = crypto.name === "native" ? tinyParams : tinyReferenceParams
  const start = <A>(work: Effect.Effect<A, unknown>): Promise<A> => (realTime === true ? Effect.runPromise(work) : runVirtually(work, JUMP_FACTOR))
  const runs: Array<TransferRun> = []
  for (const seed of small ? SEEDS.slice(0, 1) : SEEDS) {
    const backend = crypto.name === "native" ? "native" : "reference"
    runs.push(await start(runTransfer({ params, classId: small ? SMALL_CLASS_ID : CLASS_ID, sessionCount: 1, seed, backend })))
  }
  const floorMs = transferFloorMs(params, runs[0]?.boxCount ?? 0, 1)
  const clock = realTime === true ? "real" : "virtual"
  return [
    rowOf("transfer/upload", runs, ({ upload }) => upload, floorMs, clock),
    rowOf("transfer/fetch", runs, ({ fetch }) => fetch, floorMs, clock)
  ]
}

export const transferBench: Bench = {
  name: "transfer",
  question: "Which share of the rate that cover traffic pays for do upload and fetch reach? (ratio = floor / us; virtual time unless --real-time)",
  run
}
