/**
 * A scenario: which faults a network suffers, where, from when to when, and how hard; and how long it runs under how much work.
 *
 * Contract: plain data. Instants are milliseconds after the network was up. Actors and the two ends of links are chosen by patterns of names, in which `*`
 * stands for any characters; roles are the first part of a name. A link fault concerns what travels from `from` to `to`, requests and replies alike. What
 * a scenario leaves to chance (which of the chosen actors, how much later) is drawn from the run's seed. `parseScenario` is strict: unknown fields, empty
 * windows and shares outside 0 … 1 are errors that name their place.
 * Knows nothing of: networks, clocks, what links do.
 * Source: issue 5, part 1 (links take loss, delay, duplication, reordering, corruption, partition; actors crash, pause, restart, lie about time);
 * departures: none.
 *
 * @module
 */
import { Data, Either, ParseResult, Schema } from "effect"

/** The scenario is not one. `problems` name fields, one each. */
export class ScenarioInvalid extends Data.TaggedError("ScenarioInvalid")<{ readonly problems: ReadonlyArray<string> }> {
  override get message(): string {
    return `not a scenario: ${this.problems.join("; ")}`
  }
}

const instant = Schema.Number.annotations({ identifier: "a number of milliseconds" }).pipe(
  Schema.filter((value) => Number.isFinite(value) && value >= 0, { identifier: "milliseconds from 0" })
)
const share = Schema.Number.annotations({ identifier: "a share" }).pipe(
  Schema.filter((value) => value > 0 && value <= 1, { identifier: "a share above 0 and up to 1" })
)
const count = (least: number) =>
  Schema.Number.annotations({ identifier: "a whole number" }).pipe(
    Schema.filter((value) => Number.isSafeInteger(value) && value >= least, { identifier: `a whole number from ${least}` })
  )
const patternRule = "a pattern of actor names: letters, digits, dots, hyphens and *"
const pattern = Schema.String.annotations({ identifier: patternRule }).pipe(
  Schema.filter((value) => /^[A-Za-z0-9.*-]{1,64}$/.test(value), { identifier: patternRule })
)
const patterns = Schema.NonEmptyArray(pattern)

/** When: from `fromMs` until before `untilMs`, both later by a draw uniform in [0, shiftMs). */
const window = { fromMs: instant, untilMs: instant, shiftMs: Schema.optionalWith(instant, { exact: true }) }
const link = { ...window, from: patterns, to: patterns }
/** Whom: of the actors that match, `pick` by lot; default: all. */
const victims = { ...window, actors: patterns, pick: Schema.optionalWith(count(1), { exact: true }) }

/** A fault of links; `share` of the messages is concerned. */
const LinkFaultSchema = Schema.Union(
  Schema.Struct({ kind: Schema.Literal("loss"), ...link, share }),
  /** Delivered later by a time uniform in [0, delayMs). */
  Schema.Struct({ kind: Schema.Literal("delay"), ...link, share, delayMs: instant }),
  Schema.Struct({ kind: Schema.Literal("duplication"), ...link, share }),
  /** Held back by exactly `delayMs`, so that what comes later overtakes. */
  Schema.Struct({ kind: Schema.Literal("reordering"), ...link, share, delayMs: instant }),
  /** One bit of one byte string is flipped. */
  Schema.Struct({ kind: Schema.Literal("corruption"), ...link, share }),
  /** Nothing passes, either way. */
  Schema.Struct({ kind: Schema.Literal("partition"), ...link })
)

const ActorFaultSchema = Schema.Union(
  /** Ends at the beginning of the window without a word, and starts at its end with what it kept. */
  Schema.Struct({ kind: Schema.Literal("crash"), ...victims }),
  /** Ends and starts at once at the beginning of the window. */
  Schema.Struct({ kind: Schema.Literal("restart"), ...victims }),
  /** Is not scheduled: timers come late, what is said to it waits at its door. */
  Schema.Struct({ kind: Schema.Literal("pause"), ...victims }),
  /** Reads the time wrong by `offsetMs`, which may be negative. */
  Schema.Struct({ kind: Schema.Literal("clock-offset"), ...victims, offsetMs: Schema.Number.pipe(Schema.filter(Number.isFinite)) })
)

const ScenarioSchema = Schema.Struct({
  name: Schema.String.pipe(Schema.pattern(/^[a-z0-9]+(-[a-z0-9]+)*$/, { identifier: "words of small letters and digits joined by hyphens" })),
  /** One sentence: what happens, and what must hold all the same. */
  about: Schema.String,
  /** How long the network runs, in virtual milliseconds. */
  runMs: instant,
  /** Inferences that clients ask for, spread over the run. */
  jobs: count(0),
  faults: Schema.Array(Schema.Union(LinkFaultSchema, ActorFaultSchema))
})

export type LinkFault = typeof LinkFaultSchema.Type
export type ActorFault = typeof ActorFaultSchema.Type
export type Fault = LinkFault | ActorFault
export type Scenario = typeof ScenarioSchema.Type

export const LINK_FAULT_KINDS: ReadonlyArray<LinkFault["kind"]> = ["loss", "delay", "duplication", "reordering", "corruption", "partition"]
export const ACTOR_FAULT_KINDS: ReadonlyArray<ActorFault["kind"]> = ["crash", "restart", "pause", "clock-offset"]

/** A network without faults. */
export const calm = (runMs: number, jobs: number): Scenario =>
  ({ name: "calm", about: "Nothing goes wrong.", runMs, jobs, faults: [] })

export const isLinkFault = (fault: Fault): fault is LinkFault => (LINK_FAULT_KINDS as ReadonlyArray<string>).includes(fault.kind)

const placeOf = (path: ReadonlyArray<PropertyKey>): string =>
  path.map((part, index) => (typeof part === "number" ? `[${part}]` : `${index === 0 ? "" : "."}${String(part)}`)).join("")

const emptyWindows = ({ faults, runMs }: Scenario): ReadonlyArray<string> =>
  faults.flatMap(({ fromMs, kind, untilMs }, index) => [
    ...(untilMs < fromMs || (untilMs === fromMs && kind !== "restart") ? [`faults[${index}].untilMs: must be after fromMs`] : []),
    ...(fromMs >= runMs ? [`faults[${index}].fromMs: the run is over by then`] : [])
  ])

const decode = Schema.decodeUnknownEither(ScenarioSchema, { onExcessProperty: "error", errors: "all" })

/** Reads a scenario out of plain data. @errors ScenarioInvalid naming each field */
export const scenarioOf = (value: unknown): Either.Either<Scenario, ScenarioInvalid> => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return Either.left(new ScenarioInvalid({ problems: ["it is no object with name, about, runMs, jobs and faults"] }))
  }
  return Either.flatMap(
    Either.mapLeft(decode(value), (error) => new ScenarioInvalid({
      problems: [...new Set(ParseResult.ArrayFormatter.formatErrorSync(error).map(({ message, path }) => `${placeOf(path)}: ${message}`))]
    })),
    (scenario) => {
      const problems = emptyWindows(scenario)
      return problems.length === 0 ? Either.right(scenario) : Either.left(new ScenarioInvalid({ problems }))
    }
  )
}

/** Reads the text of a scenario file, JSON. @errors ScenarioInvalid */
export const parseScenario = (text: string): Either.Either<Scenario, ScenarioInvalid> =>
  Either.flatMap(
    Either.try({ try: (): unknown => JSON.parse(text), catch: () => new ScenarioInvalid({ problems: ["the text is no JSON"] }) }),
    scenarioOf
  )

/** The text of a scenario file; `parseScenario` gives the same scenario back. */
export const renderScenario = ({ faults, ...head }: Scenario): string => {
  const fields = Object.entries(head).map(([name, value]) => `  ${JSON.stringify(name)}: ${JSON.stringify(value)},`)
  const lines = faults.map((fault) => `    ${JSON.stringify(fault)}`)
  return ["{", ...fields, faults.length === 0 ? "  \"faults\": []" : `  "faults": [\n${lines.join(",\n")}\n  ]`, "}", ""].join("\n")
}

/** Whether a name fits one of the patterns. */
export const matches = (wanted: ReadonlyArray<string>, name: string): boolean =>
  wanted.some((each) => new RegExp(`^${each.split("*").map((part) => part.replace(/[.]/g, "\\.")).join(".*")}$`).test(name))
