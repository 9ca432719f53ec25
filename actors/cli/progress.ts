/**
 * The five steps of an inference, told as they happen.
 *
 * Contract: goes to standard error. On a terminal the step under way is one line that replaces itself; in a pipe each finished step is one plain line.
 * Steps 3 and 4 happen at the service, unseen; they are told by the accepted edge.
 * Knows nothing of: answers.
 * Source: funion.md §2 (the five steps); departures: none.
 *
 * @module
 */
import type { Effect } from "effect"
import type { InferenceEvent } from "../client/protocol.ts"
import { plainText } from "./cli-failure.ts"
import { printAside } from "./output.ts"

export interface Progress {
  /** A line that stays. */
  readonly tell: (line: string) => Effect.Effect<void>
  /** The state of things, until the next line of either kind; nothing in a pipe. */
  readonly show: (line: string) => Effect.Effect<void>
}

const ERASE_REST = "\u001b[K"

/** Progress for a terminal or for a pipe. */
export const makeProgress = (onTerminal: boolean, print: (text: string) => Effect.Effect<void> = printAside): Progress =>
  onTerminal
    ? { tell: (line) => print(`\r${plainText(line)}${ERASE_REST}\n`), show: (line) => print(`\r${plainText(line)}${ERASE_REST}`) }
    : { tell: (line) => print(`${plainText(line)}\n`), show: () => print("") }

/** "2.3 s" */
export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`

/** "14:05:09", by the machine's own clock face. */
export const clockFace = (instantMs: number): string => new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" }).format(instantMs)

/** One line about an event: to stay (`done`), or to show for the moment. */
export interface StepLine {
  readonly done: boolean
  readonly text: string
}

/** What an event means for the person. */
export const stepLines = (event: InferenceEvent): ReadonlyArray<StepLine> => {
  switch (event._tag) {
    case "Planned": return [{ done: false, text: `1/5 upload: 0 of ${event.boxesIn} boxes` }]
    case "BoxWritten": return [{ done: false, text: `1/5 upload: ${event.done} of ${event.total} boxes` }]
    case "Uploaded": return [
      { done: true, text: `1/5 upload: stored in ${seconds(event.uploadMs)}` },
      { done: false, text: "2/5 dispatch: on its way" }
    ]
    case "Accepted": return [
      { done: true, text: `2/5 dispatch: accepted by the service after ${seconds(event.dispatchMs)}` },
      { done: true, text: "3/5 fetch by the service: unseen from here" },
      { done: true, text: `4/5 compute and hold: accepted ${clockFace(event.acceptedAtMs)}, held until edge ${clockFace(event.firstEdgeMs)}` },
      { done: false, text: `5/5 fetch: from ${clockFace(event.firstEdgeMs)} on` }
    ]
    case "EdgePassed": return event.overflow === 0
      ? [{ done: false, text: `5/5 fetch: held for ${seconds(event.heldMs)}, reading` }]
      : [{ done: true, text: `4/5 compute and hold: edges missed: ${event.overflow}; held for ${seconds(event.heldMs)} so far` }]
    case "BoxRead": return [{ done: false, text: `5/5 fetch: ${event.done} of ${event.total} boxes` }]
    case "Answered": return [{ done: true, text: `5/5 fetch: read in ${seconds(event.fetchMs)}, ${seconds(event.totalMs)} in all` }]
  }
}
