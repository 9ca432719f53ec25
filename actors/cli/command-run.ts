/**
 * One run of the program `funion`, from its arguments to its exit status.
 *
 * Contract: an error is one line on standard error that begins with `funion:`, never a stack trace. A signal to stop interrupts the command, and the
 * status comes when everything it opened is closed. Status: 0, 1 (failed), 2 (the command line is wrong), 130 (stopped by a signal, which is
 * the good end, 0, of commands that go on until one).
 * Knows nothing of: what commands do.
 * Source: the issue's list; departures: none.
 *
 * @module
 */
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { Cause, Console, Effect, Either, Exit, Logger, LogLevel, Option } from "effect"
import { machineClock } from "../../src/actor/timer.ts"
import { sortArguments, withoutMarks } from "./argument-list.ts"
import { CliFailure, failed, INTERRUPTED_STATUS, misused, oneLine, thrownMessage } from "./cli-failure.ts"
import { runCommandLine } from "./command-tree.ts"
import { asideLogger, forgiveClosedPipes, libraryConsole, printAside } from "./output.ts"

/** From this signal on the process ends at once. A terminal and npx may each send one for a single Ctrl-C. */
const INSISTENT_SIGNAL = 4

/** Commands that go on until a signal: for them it is the good end. */
const LASTING: ReadonlySet<string> = new Set(["run", "up"])

/** The library calls an option unknown too when its value is missing, or when it comes a second time. */
const clearer = (message: string): string => message.replace(
  /^Received unknown argument: '(-[^']*)'/, "$1 is no option of this command, or its value is missing, or it is given twice"
)

/** What a failed run says and with which status. */
const failureOf = (cause: Cause.Cause<CliFailure | ValidationError.ValidationError>): CliFailure => {
  const failure = Option.getOrUndefined(Cause.failureOption(cause))
  if (failure instanceof CliFailure) return failure
  if (failure !== undefined) return misused(`${clearer(oneLine(withoutMarks(HelpDoc.toAnsiText(failure.error))))} (funion --help lists commands and options)`)
  return failed(`internal error: ${thrownMessage(Cause.squash(cause))}`)
}

const command = (args: ReadonlyArray<string>) =>
  Either.match(sortArguments(args), {
    onLeft: (message) => Effect.fail<CliFailure | ValidationError.ValidationError>(misused(message)),
    onRight: (sorted) => runCommandLine(["node", "funion", ...sorted])
  })

/** The whole program as an effect that never fails; it gives the exit status. */
const program = (args: ReadonlyArray<string>): Effect.Effect<number> =>
  Console.consoleWith((standard) => Effect.withConsole(command(args), libraryConsole(standard))).pipe(
    Effect.provide([NodeContext.layer, Logger.replace(Logger.defaultLogger, asideLogger), Logger.minimumLogLevel(LogLevel.Error)]),
    Effect.exit,
    Effect.flatMap(Exit.matchEffect({
      onSuccess: () => Effect.succeed(0),
      onFailure: (cause) => {
        if (Cause.isInterrupted(cause)) return Effect.interrupt
        const { exitStatus, message } = failureOf(cause)
        return Effect.as(message === "" ? Effect.void : printAside(`funion: ${message}\n`), exitStatus)
      }
    })),
    Effect.withClock(machineClock)
  )

/** Runs the program. @param args  without program and script @returns the exit status, when nothing is left running */
export const runCli = (args: ReadonlyArray<string>): Promise<number> =>
  new Promise((resolve) => {
    forgiveClosedPipes()
    // `never` keeps the process up while an effect waits on nothing that Node knows of
    const fiber = Effect.runFork(Effect.raceFirst(program(args), Effect.never))
    let signalCount = 0
    const stop = (): void => {
      signalCount += 1
      if (signalCount >= INSISTENT_SIGNAL) process.exit(INTERRUPTED_STATUS)
      if (signalCount === 1) process.stderr.write("funion: interrupted, closing\n")
      fiber.unsafeInterruptAsFork(fiber.id())
    }
    process.on("SIGINT", stop)
    process.on("SIGTERM", stop)
    const interruptedStatus = LASTING.has(args[0] ?? "") ? 0 : INTERRUPTED_STATUS
    fiber.addObserver((exit) => resolve(Exit.isSuccess(exit) ? exit.value : interruptedStatus))
  })
