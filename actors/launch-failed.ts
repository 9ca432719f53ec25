/**
 * The failure of starting a network or one of its actors.
 *
 * Contract: `message` says why in one sentence, naming the field, file or actor to look at.
 * Knows nothing of: causes.
 * Source: style.md §2.4; departures: none.
 *
 * @module
 */
import { Data } from "effect"

/** The network, or the actor, could not be started. */
export class LaunchFailed extends Data.TaggedError("LaunchFailed")<{ readonly message: string }> {}
