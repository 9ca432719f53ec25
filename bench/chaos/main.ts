/**
 * `npm run chaos -- [--quick | --short] [--json] [--keep] [--only TEXT] [--port N]`
 *
 * Contract: prints one line per fault, or one JSON object `{"faults":[…]}` alone on standard output; progress goes to standard error. Exit status 0 when
 * nothing was lost and nothing wrong, 1 otherwise, 2 for a wrong command line.
 * Knows nothing of: how faults are made.
 * Source: issue "the same topology file on many machines" (process tests); departures: none.
 *
 * @module
 */
import "../../src/model/runtime-privacy.ts"
import { Cause, Effect, Exit, Fiber, Logger, LogLevel } from "effect"
import { allFaults, type Fault, quickFaults, shortFaults } from "./faults.ts"
import type { Fleet } from "./fleet.ts"
import { type ChaosReport, runChaos } from "./matrix.ts"

const FLAGS = ["--quick", "--short", "--json", "--keep"]
const VALUES = ["--only", "--port"]
/** Below the ports that systems give to outgoing connections. */
const FIRST_PORT = 26_200

const misuse = (message: string): never => {
  process.stderr.write(`chaos: ${message}\n`)
  process.exit(2)
}

interface Arguments {
  readonly flags: ReadonlySet<string>
  readonly values: ReadonlyMap<string, string>
}

const parse = (args: ReadonlyArray<string>): Arguments => {
  const flags = new Set<string>()
  const values = new Map<string, string>()
  for (let index = 0; index < args.length; index++) {
    const argument = args[index] ?? ""
    const value = args[index + 1]
    if (FLAGS.includes(argument)) flags.add(argument)
    else if (!VALUES.includes(argument)) misuse(`there is no option ${argument}; there are ${[...FLAGS, ...VALUES].join(", ")}`)
    else if (value === undefined) misuse(`${argument} needs a value`)
    else {
      values.set(argument, value)
      index += 1
    }
  }
  return { flags, values }
}

const table = ({ faults }: ChaosReport): string => {
  const rows = [
    ["fault", "requests", "answered", "retried", "lost", "wrong", "recovery"],
    ...faults.map((fault) => [
      fault.name, ...[fault.requests, fault.answered, fault.retried, fault.lost, fault.wrong].map(String), `${(fault.recoveryMs / 1000).toFixed(1)} s`
    ])
  ]
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)))
  const fitted = (cell: string, column: number): string => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))
  return rows.map((row) => row.map(fitted).join("  ")).join("\n")
}

const summary = ({ details, faults, neverAccepted, unaskedEnds, undisturbedMs }: ChaosReport): string => {
  const sum = (pick: (fault: ChaosReport["faults"][number]) => number): number => faults.reduce((total, fault) => total + pick(fault), 0)
  const longestMs = Math.max(0, ...faults.map(({ recoveryMs }) => recoveryMs))
  return [
    `${sum((fault) => fault.requests)} requests, ${sum((fault) => fault.answered)} answered, ${sum((fault) => fault.lost)} lost, `
    + `${sum((fault) => fault.wrong)} wrong; `
    + `longest recovery ${(longestMs / 1000).toFixed(1)} s`
    + (undisturbedMs === undefined ? "" : `, an undisturbed job ${(undisturbedMs / 1000).toFixed(1)} s`),
    ...(neverAccepted === 0 ? [] : [`${neverAccepted} jobs were accepted by nobody in time`]),
    ...(unaskedEnds === 0 ? [] : [`${unaskedEnds} processes ended by themselves`]),
    ...details
  ].join("\n")
}

const { flags, values } = parse(process.argv.slice(2))
const only = values.get("--only")
const port = Number(values.get("--port") ?? FIRST_PORT)
if (!Number.isInteger(port) || port < 1024 || port > 64_000) misuse("--port: a number from 1024 to 64000")
const chosen = flags.has("--short") ? shortFaults : flags.has("--quick") ? quickFaults : allFaults
const faults = (fleet: Fleet): ReadonlyArray<Fault> => chosen(fleet).filter(({ name }) => only === undefined || name.includes(only))
const tell = (line: string): void => { process.stderr.write(`${line}\n`) }

const choice = { faults, firstPort: port, inHurry: flags.has("--short"), keep: flags.has("--keep"), tell }
const fiber = Effect.runFork(Logger.withMinimumLogLevel(runChaos(choice), LogLevel.None))
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => fiber.unsafeInterruptAsFork(fiber.id()))
const exit = await Effect.runPromise(Fiber.await(fiber))
if (Exit.isFailure(exit)) {
  tell(`chaos: ${Cause.isInterruptedOnly(exit.cause) ? "interrupted" : Cause.pretty(exit.cause)}`)
  process.exitCode = 1
} else {
  const report = exit.value
  if (flags.has("--json")) process.stdout.write(`${JSON.stringify({ faults: report.faults })}\n`)
  else process.stdout.write(`${table(report)}\n`)
  tell(summary(report))
  const isSound = report.faults.every(({ lost, wrong }) => lost === 0 && wrong === 0) && report.neverAccepted === 0
  process.exitCode = isSound ? 0 : 1
}
