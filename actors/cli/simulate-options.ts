/**
 * The options of `funion simulate` and their help.
 *
 * Contract: the command's own code is loaded when it runs.
 * Knows nothing of: simulations.
 * Source: the list; departures: none.
 *
 * @module
 */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { Effect } from "effect"
import { misused } from "./cli-failure.ts"
import { choice, optional, refused } from "./option-kinds.ts"

const HOURS_LIMIT = 10_000
const SEEDS_LIMIT = 100_000

const seed = optional(Options.text("seed").pipe(
  Options.withPseudoName("N"),
  Options.withDescription("All draws of the run follow from it. Default: 1."),
  Options.mapEffect((text) => /^\d+$/.test(text) && Number.isSafeInteger(Number(text))
    ? Effect.succeed(Number(text))
    : refused(`--seed: "${text}" is no whole number from 0 on`))
))

const hours = optional(Options.text("hours").pipe(
  Options.withPseudoName("H"),
  Options.withDescription("How long users ask for inferences, in virtual hours; fractions are allowed. Default: as the scenario says, or 0.1."),
  Options.mapEffect((text) => {
    const value = Number(text)
    return /^\d*\.?\d+$/.test(text) && value > 0 && value <= HOURS_LIMIT
      ? Effect.succeed(value)
      : refused(`--hours: "${text}" is no number of hours above 0 and up to ${HOURS_LIMIT}`)
  })
))

const seeds = optional(Options.text("seeds").pipe(
  Options.withPseudoName("A..B"),
  Options.withDescription("Run every seed from A to B, one per core at a time, and shrink the scenario of the first that fails."),
  Options.mapEffect((text) => {
    const [, first, last] = /^(\d{1,15})\.\.(\d{1,15})$/.exec(text) ?? []
    const range = { first: Number(first), last: Number(last) }
    return first !== undefined && range.last >= range.first && range.last - range.first < SEEDS_LIMIT
      ? Effect.succeed(range)
      : refused(`--seeds: "${text}" is no range such as 1..200, of at most ${SEEDS_LIMIT} seeds`)
  })
))

const faults = optional(Options.text("faults").pipe(
  Options.withPseudoName("SCENARIO"),
  Options.withDescription("What goes wrong, when and how long: a scenario of the folder scenarios by name, or a file by path. Default: nothing.")
))

export const simulateOptions = {
  topology: Args.text({ name: "TOPOLOGY" }).pipe(Args.withDescription("The network: a file that exports one constant `topology`.")),
  seed,
  seeds,
  hours,
  faults,
  backend: choice("backend", ["elided", "native", "reference"] as const).pipe(
    Options.withDefault("elided" as const),
    Options.withDescription("elided: no cryptography, sizes and identities only; native or reference: as in earnest, and slower. Default: elided.")
  ),
  json: Options.boolean("json").pipe(Options.withDescription("Print one JSON object, and nothing else, on standard output."))
}

export const simulate = Command.make("simulate", simulateOptions, (given) =>
  given.seed !== undefined && given.seeds !== undefined
    ? misused("--seed and --seeds do not go together: --seeds N..N runs one seed")
    : Effect.flatMap(Effect.promise(() => import("./simulate-command.ts")), ({ runSimulate }) => runSimulate({ ...given, seed: given.seed ?? 1 }))).pipe(
  Command.withDescription("Run a whole network in virtual time from a seed, with users, and print a verdict. The same seed is the same run.")
)
