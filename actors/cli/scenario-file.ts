/**
 * Scenario files: those that come with the program, by name, and a user's own, by path.
 *
 * Contract: what has a slash or ends in `.json` is a path. A file that is not there, or is no scenario, is said by name, with each field.
 * Source: issue 5, part 1 (`--faults SCENARIO`); departures: none.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { parseScenario, type Scenario } from "../../src/simulation/fault-plan.ts"
import { type CliFailure, failed, misused } from "./cli-failure.ts"
import { packageFolder } from "./package-version.ts"

const FOLDER = join(packageFolder, "scenarios")
const ENDING = ".json"

/** Names of the scenarios that come with the program. */
export const builtInScenarios = (): ReadonlyArray<string> =>
  readdirSync(FOLDER).filter((file) => file.endsWith(ENDING)).map((file) => file.slice(0, -ENDING.length)).sort()

const textOf = (nameOrPath: string): Effect.Effect<string, CliFailure> => {
  const isPath = nameOrPath.includes("/") || nameOrPath.endsWith(ENDING)
  return Effect.try({
    try: () => readFileSync(isPath ? nameOrPath : join(FOLDER, `${nameOrPath}${ENDING}`), "utf8"),
    catch: () => isPath
      ? failed(`${nameOrPath} can not be read`)
      : misused(`there is no scenario "${nameOrPath}"; there are ${builtInScenarios().join(", ")}, and files by their path`)
  })
}

/** @errors CliFailure naming the file and each field */
export const loadScenario = (nameOrPath: string): Effect.Effect<Scenario, CliFailure> =>
  Effect.flatMap(textOf(nameOrPath), (text) => Either.mapLeft(parseScenario(text), (error) => failed(`${nameOrPath}: ${error.message}`)))
