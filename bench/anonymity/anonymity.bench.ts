/**
 * What does the anonymity of the shipped actors come to, gate by gate?
 *
 * A row is a gate of the lab: `us` is the figure, `floorUs` its bound, `ratio` the share of the bound that is used up; the checksum is that of the worlds that
 * were run. Without `--small` it is the large lab, whose report goes into `bench/results/anonymity/`; with it one short world of packets.
 *
 * Contract: fails when a gate is missed or a planted fault is not caught.
 * Knows nothing of: attacks.
 * Source: issue "anonymity that is measured", point 5; departures: figures are no times.
 *
 * @module
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { runLab } from "../../actors/lab/lab-run.ts"
import { failuresOf, reportOf } from "../../actors/lab/lab-verdict.ts"
import { measureMixing, mixingTopology, runMixingWorld } from "../../actors/lab/parts/mixing-part.ts"
import type { Gate } from "../../src/anonymity/gate.ts"
import { labJson, labMarkdown, labPictures, type LabReport } from "../../src/anonymity/report.ts"
import type { Bench, BenchOptions, BenchRow } from "../harness.ts"

const SEED = 20_251_201
const THREADS = 2
const SMALL_SPAN_MS = 20_000
const SMALL_GAMES = 60
const FOLDER = join("bench", "results", "anonymity")

const rowOf = ({ bound, name, value }: Gate, traceHash: string): BenchRow =>
  ({ id: `anonymity/${name}`, us: value, floorUs: bound, ratio: bound === 0 ? value : Math.abs(value / bound), checksum: traceHash.slice(0, 8) })

const save = (report: LabReport): void => {
  mkdirSync(FOLDER, { recursive: true })
  writeFileSync(join(FOLDER, "report.json"), `${JSON.stringify(labJson(report), undefined, 1)}\n`)
  writeFileSync(join(FOLDER, "report.md"), labMarkdown(report))
  for (const { fileName, svg } of labPictures(report)) writeFileSync(join(FOLDER, fileName), svg)
}

const runLarge = async (): Promise<ReadonlyArray<BenchRow>> => {
  const parts = await Effect.runPromise(runLab({ scale: "large", seed: SEED, threads: Math.min(THREADS, availableParallelism()) }))
  const report = reportOf(parts, { command: "npm run bench -- anonymity", seed: SEED })
  save(report)
  const failures = failuresOf(report)
  if (failures !== undefined) throw new Error(failures)
  return parts.flatMap(({ gates, traceHashes }) => gates.map((gate) => rowOf(gate, traceHashes[0] ?? "")))
}

const runSmall = async (): Promise<ReadonlyArray<BenchRow>> => {
  const topology = mixingTopology("test")
  const recording = await runMixingWorld(topology, SEED, SMALL_SPAN_MS)
  return measureMixing(topology, recording, SEED, SMALL_GAMES).gates.map((gate) => rowOf(gate, recording.traceHash))
}

export const anonymityBench: Bench = {
  name: "anonymity",
  question: "What does the anonymity of the shipped actors come to, gate by gate?",
  run: ({ small }: BenchOptions) => (small ? runSmall() : runLarge())
}
