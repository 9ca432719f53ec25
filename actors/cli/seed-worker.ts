/**
 * The program of a process that runs simulations for `funion simulate --seeds`, one after another: modules are loaded and code is compiled once for all.
 *
 * Contract: for each `RunRequest` on the channel one `SeedAnswer`. A run is the same whatever ran before it. Ends when the process that started it goes away.
 * Knows nothing of: which seeds there are, what becomes of a failure.
 * Source: issue 5, part 1; departures: none.
 *
 * @module
 */
import "../../src/model/runtime-privacy.ts"
import { Effect, Either } from "effect"
import type { SeedAnswer } from "./seed-message.ts"
import { type RunRequest, runSimulation } from "./simulated-run.ts"

const answerTo = async (request: RunRequest): Promise<SeedAnswer> =>
  Either.match(await Effect.runPromise(Effect.either(runSimulation(request))), {
    onLeft: ({ message }): SeedAnswer => ({ type: "refused", message }),
    onRight: (report): SeedAnswer => ({ type: "report", report })
  })

process.on("message", (request) => {
  void answerTo(request as RunRequest).then((answer) => process.send?.(answer))
})
process.on("disconnect", () => { process.exit() })
