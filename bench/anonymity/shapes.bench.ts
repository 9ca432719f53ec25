/**
 * Does storage tell large answers from small ones, or failures from answers, or a line at which edge its client's answer came out?
 *
 * One world of the quick lab has too few jobs for a small leak, and one in a hundred looks as if it had one. Here several worlds of different seeds follow each
 * other as one game: who learned from earlier worlds judges the later ones. A row is what is looked for: `us` is the area under the ROC curve of the better of
 * two learners, `floorUs` that which the better of two blind ones reaches once in 10,000, the checksum that of the worlds.
 *
 * Contract: fails when something is told apart. With `--small` two worlds of a few jobs, in which nothing can be told.
 * Knows nothing of: features.
 * Source: funion.md §7 (O10, O11); departures: figures are no times.
 *
 * @module
 */
import { jobTopology, roundsOf, traceSettingOf } from "../../actors/lab/parts/job-part.ts"
import { jobNetwork } from "../../actors/lab/lab-network.ts"
import { runJobWorld, type JobWorldChoice } from "../../actors/lab/parts/job-world.ts"
import { traceShapes, traceStrata, type TraceShapes } from "../../actors/lab/measures/trace-shapes.ts"
import { seededDraws } from "../../src/anonymity/draws.ts"
import type { ShapeStratum } from "../../src/anonymity/attacks/shape-classifier.ts"
import type { Bench, BenchOptions, BenchRow } from "../harness.ts"

const SEED = 20_251_202
const WORLDS = 7
const SMALL_WORLDS = 2
const KINDS = ["size", "failure", "bucket"] as const

const choiceOf = (small: boolean): Omit<JobWorldChoice, "seed"> =>
  small
    ? { topology: jobNetwork({ clients: 4, jobsPerQuantum: 3, coverJobs: 0, replicas: 4 }), rounds: 2, jobsPerRound: 2, garbageEvery: 0 }
    : { topology: jobTopology("quick"), ...roundsOf("quick"), garbageEvery: 5 }

const run = async ({ small }: BenchOptions): Promise<ReadonlyArray<BenchRow>> => {
  const worlds: Array<TraceShapes<ReadonlyArray<ShapeStratum>>> = []
  let checksum = 0
  for (let index = 0; index < (small ? SMALL_WORLDS : WORLDS); index++) {
    const world = await runJobWorld({ ...choiceOf(small), seed: SEED + index })
    worlds.push(traceStrata(traceSettingOf(world)))
    checksum = (checksum ^ Number.parseInt(world.recording.traceHash.slice(0, 8), 16)) >>> 0
  }
  const strataOf = (kind: (typeof KINDS)[number]): ReadonlyArray<ShapeStratum> => worlds.flatMap((world) => world[kind])
  const shapes = traceShapes({ size: strataOf("size"), failure: strataOf("failure"), bucket: strataOf("bucket") }, seededDraws(SEED))
  const told = KINDS.filter((kind) => shapes[kind].test.area.value > shapes[kind].test.critical)
  if (told.length > 0) throw new Error(`told apart: ${told.join(", ")}`)
  return KINDS.map((kind) => {
    const { area, critical } = shapes[kind].test
    return { id: `shapes/${kind}`, us: area.value, floorUs: critical, ratio: area.value / critical, checksum: checksum.toString(16).padStart(8, "0") }
  })
}

export const shapesBench: Bench = {
  name: "shapes",
  question: "Are large answers told from small ones, failures from answers, edges from others, by who has learned from several worlds?",
  run
}
