/**
 * The commands of `funion`, their options and their help.
 *
 * Contract: a command's own code is loaded when the command runs, so that help and checks stay quick.
 * Knows nothing of: what commands do.
 * Source: the issue's list; departures: none.
 *
 * @module
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import { Effect } from "effect"
import { unmarked } from "./argument-list.ts"
import { HEARTBEAT_POLICIES } from "../../src/mixnet/heartbeat-watch.ts"
import { DEPLOY_TARGETS } from "../../src/topology/deploy-render.ts"
import { ELIDED_REFUSED } from "../../src/crypto/elided-refused.ts"
import { ROLES } from "../../src/topology/topology.ts"
import { LOG_LEVELS } from "../operator/operator-log.ts"
import { choice, optional } from "./option-kinds.ts"
import { packageVersion } from "./package-version.ts"
import { plan } from "./plan-options.ts"
import { simulate } from "./simulate-options.ts"

/** A whole number from `least` on; the refusal names the option. */
const wholeNumber = (name: string, least: number, description: string): Options.Options<number | undefined> =>
  optional(Options.text(name).pipe(
    Options.withPseudoName("N"),
    Options.withDescription(description),
    Options.mapEffect((text) => {
      const value = Number(text)
      return /^[+-]?\d+$/.test(text) && Number.isSafeInteger(value) && value >= least
        ? Effect.succeed(value)
        : Effect.fail(ValidationError.invalidValue(HelpDoc.p(`--${name}: "${text}" is no whole number from ${least} on`)))
    })
  ))

const json = Options.boolean("json").pipe(Options.withDescription("Print one JSON object, and nothing else, on standard output."))
const topologyFile = optional(Options.text("topology").pipe(
  Options.withPseudoName("FILE"),
  Options.withDescription("The network: a file that exports one constant `topology`. Default: tiny, or tiny-reference with the reference backend.")
))

const runningTopology = Options.text("topology").pipe(
  Options.withPseudoName("FILE"),
  Options.withDescription("The network: a file that exports one constant `topology` with machines, or that value as JSON.")
)
const keysDirectory = optional(Options.text("keys").pipe(Options.withPseudoName("DIR"), Options.withDescription("Folder of key files. Default: keys.")))
const backend = optional(Options.text("backend").pipe(
  Options.withPseudoName("native|reference"),
  Options.withDescription("Crypto backend. Default: native where it works, else reference."),
  Options.mapEffect((name) => {
    if (name === "native" || name === "reference") return Effect.succeed<"native" | "reference">(name)
    return Effect.fail(ValidationError.invalidValue(HelpDoc.p(
      `--backend: ${name === "elided" ? `elided is refused: ${ELIDED_REFUSED}` : `"${name}" is none: native or reference`}`
    )))
  })
))

const clientName = optional(Options.text("client").pipe(
  Options.withPseudoName("NAME"),
  Options.withDescription("Use the client of the topology that runs under this name; its secret must be in the key folder. Default: a client of the moment.")
))

const model = Args.text({ name: "MODEL" }).pipe(Args.map(unmarked), Args.withDescription("Id of the model; `funion models` lists them."))
const input = Args.text({ name: "INPUT" }).pipe(
  Args.map(unmarked),
  Args.withDescription("Text, or numbers for models that take them; words are joined by blanks. A single - reads standard input; after -- all is input."),
  Args.repeated
)

const inputOptions = {
  file: optional(Options.text("file").pipe(
    Options.withPseudoName("PATH"),
    Options.withDescription("Read the input from a file: text, numbers, a PNG image for ocr-line, or a raw tensor. - reads standard input.")
  )),
  dtype: optional(Options.text("dtype").pipe(
    Options.withPseudoName("TYPE"), Options.withDescription("Element type of a raw tensor (little-endian, with --shape), such as float32.")
  )),
  shape: optional(Options.text("shape").pipe(Options.withPseudoName("DIMS"), Options.withDescription("Shape of a raw tensor (with --dtype), such as 1,4."))),
  maxTokens: wholeNumber("max-tokens", 1, "Most tokens of the answer of a model that generates text."),
  bucket: wholeNumber("bucket", 1, "Latency bucket, from 1, where the model is offered in several. Default: that of its preferred profile.")
}

/** Bits with fractions, from 0 on. */
const minAnonymity = optional(Options.text("min-anonymity").pipe(
  Options.withPseudoName("BITS"),
  Options.withDescription("Send nothing unless at least this much anonymity is certain."),
  Options.mapEffect((text) => {
    const bits = text.trim() === "" ? Number.NaN : Number(text)
    return Number.isFinite(bits) && bits >= 0
      ? Effect.succeed(bits)
      : Effect.fail(ValidationError.invalidValue(HelpDoc.p(`--min-anonymity: "${text}" is no number of bits from 0 on`)))
  })
))

const inferOptions = {
  ...inputOptions,
  minAnonymity,
  wait: wholeNumber("wait", 0, "Seconds to wait for --min-anonymity before giving up. Default: 0."),
  json,
  topology: topologyFile,
  keys: keysDirectory,
  client: clientName,
  inProcess: Options.boolean("in-process").pipe(Options.withDescription("Start the whole network here, even if the topology says where its actors run.")),
  seed: wholeNumber("seed", 0, "Make all random draws repeatable. For experiments: a seeded network protects nobody."),
  backend
}

const infer = Command.make("infer", { model, words: input, ...inferOptions }, (given) =>
  Effect.flatMap(Effect.promise(() => import("./infer-command.ts")), ({ runInfer }) => runInfer(given))).pipe(
  Command.withDescription("Start the network, or join the one that runs, send one input anonymously through it to a model, and print the answer.")
)

const cap = (description: string) => Options.text("cap").pipe(Options.withPseudoName("FILE"), Options.withDescription(description))

const upload = Command.make("upload", {
  model, words: input, ...inputOptions, cap: cap("New file for the right to commission the job: a secret."),
  topology: runningTopology, keys: keysDirectory, client: clientName, backend
}, (given) => Effect.flatMap(Effect.promise(() => import("./steps-command.ts")), ({ runUpload }) => runUpload(given))).pipe(
  Command.withDescription("Store one input in a running network: the first step of an inference.")
)
const dispatch = Command.make("dispatch", {
  model,
  input: Options.text("input").pipe(Options.withPseudoName("FILE"), Options.withDescription("The file that upload wrote.")),
  cap: cap("New file for the ticket, which reads the answer and nothing else."),
  topology: runningTopology, keys: keysDirectory, client: clientName,
  backend
}, (given) => Effect.flatMap(Effect.promise(() => import("./steps-command.ts")), ({ runDispatch }) => runDispatch(given))).pipe(
  Command.withDescription("Commission a stored input: the second step. May be repeated.")
)
const ticket = Args.text({ name: "TICKET" }).pipe(Args.map(unmarked), Args.withDescription("The file that dispatch wrote."))
const fetch = Command.make("fetch", { ticket, json, topology: runningTopology, keys: keysDirectory, client: clientName, backend }, (given) =>
  Effect.flatMap(Effect.promise(() => import("./steps-command.ts")), ({ runFetch }) => runFetch(given))).pipe(
  Command.withDescription("Wait for an answer and read it with a ticket: the last step, by whoever holds the ticket.")
)

const keygen = Command.make("keygen", {
  topology: runningTopology,
  name: optional(Options.text("name").pipe(Options.withPseudoName("NAME"), Options.withDescription("The actor. Default: every actor of the topology."))),
  directory: optional(Options.text("dir").pipe(
    Options.withPseudoName("DIR"), Options.withDescription("Where to write NAME.secret and NAME.public. Default: keys.")
  ))
}, (given) => Effect.flatMap(Effect.promise(() => import("./keygen-command.ts")), ({ runKeygen }) => runKeygen(given))).pipe(
  Command.withDescription("Make the identity and link keys of an actor. Other machines need the public halves only.")
)

const heartbeat = optional(choice("heartbeat", HEARTBEAT_POLICIES).pipe(Options.withDescription(
  "What to do when loops are lost or late beyond chance: nothing, say so, or also stop exposing packets until they come home again. Default: warn."
)))

const run = Command.make("run", {
  role: choice("role", ROLES).pipe(Options.withDescription("The role that the topology gives the name.")),
  name: Options.text("name").pipe(Options.withPseudoName("NAME"), Options.withDescription("The actor.")),
  topology: runningTopology,
  keys: keysDirectory,
  directory: optional(Options.text("dir").pipe(Options.withPseudoName("DIR"), Options.withDescription("The actor's own folder. Default: data/NAME."))),
  logFormat: choice("log-format", ["json", "text"] as const).pipe(
    Options.withDefault("text" as const), Options.withDescription("Form of log lines. Default: text.")
  ),
  log: choice("log", LOG_LEVELS).pipe(Options.withDefault("info" as const), Options.withDescription("Least level that is logged. Default: info.")),
  linger: Options.boolean("linger").pipe(
    Options.withDescription("When stopped by a signal: go on until the directory lists the actor no more, which takes up to two epochs.")
  ),
  cluster: optional(Options.text("cluster").pipe(
    Options.withPseudoName("FILE"),
    Options.withDescription("For a compute service with runners, and runners: a file of mode 0600 that says where their database is (postgres://… or a path). "
      + "Default: the environment's FUNION_CLUSTER, else a file beside the service's folder.")
  )),
  gpu: Options.boolean("gpu").pipe(Options.withDescription("This runner has a GPU; for the service: some runner has.")),
  workers: wholeNumber("workers", 0, "Threads that unwrap packets at a gateway, mix or service node. Default: what its expected packets need on this machine; "
    + "0 while half a core is enough or the machine's actors have all cores."),
  heartbeat,
  clockOffsetMs: wholeNumber("clock-offset-ms", Number.MIN_SAFE_INTEGER, "Shift this process's clock: a wrong clock, for experiments."),
  backend
}, (given) => Effect.flatMap(Effect.promise(() => import("./run-command.ts")), ({ runActor }) => runActor(given))).pipe(
  Command.withDescription("Run one actor of a topology as this process.")
)

const up = Command.make("up", {
  topology: runningTopology,
  keys: keysDirectory,
  directory: optional(Options.text("dir").pipe(Options.withPseudoName("DIR"), Options.withDescription("Folder of the actors' folders. Default: data."))),
  heartbeat,
  backend
}, (given) => Effect.flatMap(Effect.promise(() => import("./up-command.ts")), ({ runUp }) => runUp(given))).pipe(
  Command.withDescription("Run every actor of a topology as a process on this machine, for trying out; makes keys that are missing.")
)

const models = Command.make("models", { json, topology: topologyFile }, (given) =>
  Effect.flatMap(Effect.promise(() => import("./models-command.ts")), ({ runModels }) => runModels(given))).pipe(
  Command.withDescription("List the models of a network with their shapes and profiles.")
)

const file = Args.text({ name: "FILE" }).pipe(Args.withDescription("A file that exports one constant `topology`."))

const check = Command.make("check", { file }, (given) =>
  Effect.flatMap(Effect.promise(() => import("./topology-command.ts")), ({ runTopologyCheck }) => runTopologyCheck(given.file))).pipe(
  Command.withDescription("Say whether a network can run, or which field to change.")
)
const show = Command.make("show", { file }, (given) =>
  Effect.flatMap(Effect.promise(() => import("./topology-command.ts")), ({ runTopologyShow }) => runTopologyShow(given.file))).pipe(
  Command.withDescription("Print a network as text.")
)
const render = Command.make("render", {
  file,
  target: choice("target", DEPLOY_TARGETS).pipe(Options.withDescription("What starts the actors.")),
  image: optional(Options.text("image").pipe(Options.withPseudoName("IMAGE"), Options.withDescription("Container image. Default: funion:latest."))),
  out: optional(Options.text("out").pipe(
    Options.withPseudoName("DIR"), Options.withDescription("Write one file per unit below a folder. Default: all of them on standard output.")
  ))
}, (given) => Effect.flatMap(Effect.promise(() => import("./render-command.ts")), ({ runTopologyRender }) => runTopologyRender(given))).pipe(
  Command.withDescription("Print what starts a network's actors on their machines: compose files, systemd units or Kubernetes manifests. Holds no secrets.")
)
const topology = Command.make("topology").pipe(Command.withDescription("Examine a topology file."), Command.withSubcommands([check, show, render]))

const status = Command.make("status", { file: runningTopology, json }, (given) =>
  Effect.flatMap(Effect.promise(() => import("./status-command.ts")), ({ runStatusOfFile }) => runStatusOfFile(given))).pipe(
  Command.withDescription("Show the actors of a running network: state, epoch, queues, drops. Status 1 unless all are up.")
)

const vectorFiles = Args.text({ name: "FILE" }).pipe(Args.withDescription("A file of test vectors; its form is recognised by its content."), Args.atLeast(1))
const conformance = Command.make("conformance", { files: vectorFiles }, (given) =>
  Effect.flatMap(Effect.promise(() => import("./conformance-command.ts")), ({ runConformanceFiles }) => runConformanceFiles(given.files))).pipe(
  Command.withDescription("Run vector files against both crypto backends.")
)

const doctor = Command.make("doctor", { json }, (given) =>
  Effect.flatMap(Effect.promise(() => import("./doctor-command.ts")), ({ runDoctor }) => runDoctor(given))).pipe(
  Command.withDescription("Show the crypto backend, the execution providers, versions, and whether the models' files are sound.")
)

const benchNode = Command.make("node", { json }, (given) =>
  Effect.flatMap(Effect.promise(() => import("./bench-node-command.ts")), ({ runBenchNode }) => runBenchNode(given))).pipe(
  Command.withDescription("Measure how fast this machine is at a node's work, and keep the figures for doctor.")
)
const bench = Command.make("bench").pipe(Command.withDescription("Measure this machine."), Command.withSubcommands([benchNode]))

const lab = Command.make("lab", {
  quick: Options.boolean("quick").pipe(Options.withDescription("Play less: a few minutes on two cores, with wider intervals.")),
  json,
  seed: wholeNumber("seed", 0, "Seed of all draws. The same seed gives the same figures."),
  out: optional(Options.text("out").pipe(
    Options.withPseudoName("DIR"), Options.withDescription("Write report.md, report.json and the pictures into this folder.")
  ))
}, (given) => Effect.flatMap(Effect.promise(() => import("./lab-command.ts")), ({ runLabCommand }) => runLabCommand(given))).pipe(
  Command.withDescription("Attack small networks of the shipped actors in virtual time, and measure what their anonymity is worth.")
)

/** All commands. Apart from running them, what pages show is checked against their arguments. */
export const funion = Command.make("funion").pipe(
  Command.withDescription("Anonymous neural network inference: store, compute, store through a mix network."),
  Command.withSubcommands([infer, models, upload, dispatch, fetch, keygen, run, up, status, topology, plan, simulate, conformance, doctor, bench, lab])
)

const EXAMPLES = [
  "funion infer lang-id \"Onde fica a estação mais próxima?\"",
  "funion infer affine 1 -2 0.5 1e3 --json",
  "funion infer ocr-line --file line.png",
  "funion infer tiny-lm --max-tokens 20 Once upon a time"
]
const footer = HelpDoc.sequence(HelpDoc.h1("EXAMPLES"), HelpDoc.blocks(EXAMPLES.map((example) => HelpDoc.p(`$ ${example}`))))

/** Runs a command line. The first two words, program and script, are not looked at. */
export const runCommandLine = Command.run(funion, { name: "funion", version: packageVersion("."), executable: "funion", footer })
