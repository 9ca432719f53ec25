/**
 * `npm run bench -- [name…] [--json] [--small] [--real-time] [--backend native|reference]`
 *
 * Contract: the process's arguments in, its exit status out.
 * Knows nothing of: arguments, benches; bench-command does.
 * Source: style.md §2.8; departures: none.
 *
 * @module
 */
import { runBenchCommand } from "./bench-command.ts"

process.exitCode = await runBenchCommand(process.argv.slice(2))
