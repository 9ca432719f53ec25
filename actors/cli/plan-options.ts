/**
 * The command `plan` with its options and their help.
 *
 * Contract: what is no number, or none that makes sense, is refused with the option's name. The command's own code is loaded when it runs.
 * Knows nothing of: what a plan is.
 * Source: the list; departures: none.
 *
 * @module
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { Effect } from "effect"
import { optional, refused } from "./option-kinds.ts"

/** A number in a range, both ends included; whole numbers where it says so. */
const numberIn = (name: string, least: number, most: number, whole: boolean, description: string): Options.Options<number | undefined> =>
  optional(Options.text(name).pipe(
    Options.withPseudoName(whole ? "N" : "X"),
    Options.withDescription(description),
    Options.mapEffect((text) => {
      const value = text.trim() === "" ? Number.NaN : Number(text)
      return Number.isFinite(value) && value >= least && value <= most && (!whole || Number.isInteger(value))
        ? Effect.succeed(value)
        : refused(`--${name}: "${text}" is no ${whole ? "whole " : ""}number from ${least} to ${most}`)
    })
  ))

const MOST_NODES = 100_000
const MOST_MS = 3_600_000
/** A thousand are some seconds of drawing. */
const MOST_COVER_JOBS = 1_000

const count = (name: string, description: string) => numberIn(name, 1, MOST_NODES, true, description)
const rate = (name: string, description: string) => numberIn(name, 0, 1_000, false, `${description}, per millisecond.`)

const planOptions = {
  topology: optional(Options.text("topology").pipe(
    Options.withPseudoName("FILE"), Options.withDescription("Where everything that is not given comes from. Default: tiny; with --paper, echomix.")
  )),
  users: count("users", "Clients that are online."),
  gateways: count("gateways", "Gateways."),
  mixLayers: numberIn("layers", 1, 16, true, "Mix layers."),
  mixesPerLayer: count("mixes-per-layer", "Mixes in each layer."),
  serviceNodes: count("service-nodes", "Service nodes."),
  couriers: count("couriers", "Couriers, in all."),
  replicas: numberIn("replicas", 2, 256, true, "Storage replicas."),
  sessions: count("sessions", "Sessions of each compute service."),
  coverJobs: numberIn("cover-jobs", 0, MOST_COVER_JOBS, true, "F: jobs of its own that a service runs per profile and quantum."),
  muPerMs: rate("mu", "µ: the mean delay of a hop is 1/µ"),
  lambdaPPerMs: rate("lambda-p", "λP: real packets or decoys of a session"),
  lambdaLPerMs: rate("lambda-l", "λL: loops of a session besides"),
  lambdaMPerMs: rate("lambda-m", "λM: loops of a mix or service node"),
  lambdaGPerMs: rate("lambda-g", "λG: loops of a gateway"),
  lambdaRPerMs: rate("lambda-r", "λR: commands of a storage link"),
  quantumMs: numberIn("quantum", 1, MOST_MS, true, "q, in milliseconds; deadlines and release windows keep their length in quanta."),
  answerMs: numberIn("answer", 1, MOST_MS, true, "A: time that a queue host takes to answer a dispatch, in milliseconds."),
  userPayloadBytes: numberIn("user-payload", 1, 1 << 20, true, "Bytes of a request or reply in one packet."),
  boxBytes: numberIn("box-bytes", 1, 1 << 20, true, "Bytes of contents of one box; chooses the payload of packets."),
  model: optional(Options.text("model").pipe(Options.withPseudoName("ID"), Options.withDescription("A model of the network. Default: its first."))),
  bucket: numberIn("bucket", 1, 8, true, "Latency bucket. Default: that of the model's preferred profile."),
  computeMs: numberIn("compute-ms", 0, 86_400_000, false, "Time of one run, in milliseconds. Default: the most that the model's card allows."),
  jobsPerHour: numberIn("jobs-per-hour", 0, 1e6, false, "Jobs that a user commissions in an hour. Default: 1."),
  unwrapUs: numberIn("unwrap-us", 0, 1e6, false, "Microseconds of a core to unwrap a packet. Default: by what `bench node` kept here, else by 100 for X25519."),
  linkMs: numberIn("link-ms", 0, 60_000, false, "Milliseconds that a packet takes from one node to the next. Default: 0."),
  paper: Options.boolean("paper").pipe(Options.withDescription("Llama-3-70B in the paper's terms: network against compute, at the reference's rates.")),
  json: Options.boolean("json").pipe(Options.withDescription("Print one JSON object, and nothing else, on standard output."))
}

export const plan = Command.make("plan", planOptions, (given) =>
  Effect.flatMap(Effect.promise(() => import("./plan-command.ts")), ({ runPlan }) => runPlan(given))).pipe(
  Command.withDescription("Say what a network would cost and give: latency by step, bandwidth, load, entropy, leakage. Starts nothing.")
)
