/**
 * What goes between `funion simulate --seeds` and a process that runs seeds for it.
 *
 * Contract: plain data, over Node's own channel between a process and its child.
 * Source: issue 5, part 1; departures: none.
 *
 * @module
 */
import type { RunReport } from "./simulated-run.ts"

/** A run that came to its end, or the sentence that says why it did not. */
export type SeedAnswer = { readonly type: "report"; readonly report: RunReport } | { readonly type: "refused"; readonly message: string }
