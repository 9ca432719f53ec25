/**
 * The program `funion`.
 *
 * Contract: the process's arguments in, its exit status out; the process ends when the command does, whatever may still linger.
 * Knows nothing of: commands.
 * Source: style.md §1.1; departures: none.
 *
 * @module
 */
import "../src/model/runtime-privacy.ts"
import { runCli } from "./cli/command-run.ts"

process.exit(await runCli(process.argv.slice(2)))
