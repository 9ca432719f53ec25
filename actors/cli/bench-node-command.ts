/**
 * `funion bench node`: how fast this machine is at a node's work.
 *
 * Contract: measures, keeps the figures, and prints them; one JSON object with `--json`. Kept figures are shown by `doctor`, and `run` and `up` size the
 * pools of threads that unwrap by them (unwrap-threads.ts).
 * Knows nothing of: networks.
 * Source: issue 4, point 6; departures: none.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { selectBackend } from "../../src/crypto/select-backend.ts"
import { type CliFailure, failed } from "./cli-failure.ts"
import { printAside, printLine } from "./output.ts"
import { cacheFolder, measureMachine, renderFigures, storeFigures } from "./self-bench.ts"

export const runBenchNode = (request: { readonly json: boolean }): Effect.Effect<void, CliFailure> =>
  Effect.gen(function*() {
    const crypto = yield* Either.mapLeft(selectBackend(), (error) => failed(error.message))
    const figures = yield* measureMachine(crypto)
    if (!storeFigures(crypto, figures)) yield* printAside(`funion: ${cacheFolder()} cannot be written; the figures are not kept\n`)
    const lines = Object.entries(renderFigures(figures)).map(([name, text]) => `${name.padEnd(10)}  ${text}`)
    yield* printLine(request.json ? JSON.stringify({ backend: crypto.name, ...figures }) : lines.join("\n"))
  })
