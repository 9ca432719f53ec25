/**
 * When what is due in the vote on one epoch.
 *
 * Contract: instants in Unix milliseconds, fractions of the period P counted from the start of the epoch before the one voted on:
 *
 *   until P/8 descriptors · 2P/8 votes · 3P/8 reveals · 4P/8 certificates · 5P/8 signatures
 *   from 5P/8 on attempts beside the schedule are joined, from 6P/8 on begun, until the end of the epoch voted on
 *
 * Own messages go out P/240 after the start of their phase, so that clocks a little apart do not make them early.
 * Knows nothing of: what is voted on.
 * Source: mixnet.md §13 (schedule); departures: attempts beside the schedule, where the reference waits for the next epoch.
 *
 * @module
 */
import { epochStartMs, type Epoch } from "../../src/params/epoch.ts"
import type { MixnetParams } from "../../src/params/mixnet-params.ts"

export interface Schedule {
  readonly voteMs: number
  readonly revealMs: number
  readonly certMs: number
  readonly signMs: number
  /** Fellows' attempts are joined from here on. */
  readonly joinMs: number
  /** Attempts of our own begin here. */
  readonly openMs: number
  /** End of the epoch voted on. */
  readonly endMs: number
  readonly slackMs: number
}

export const scheduleOf = (params: Pick<MixnetParams, "epochPeriodMs" | "replicaEpochPeriodMs">, epoch: Epoch): Schedule => {
  const periodMs = params.epochPeriodMs
  const nextMs = epochStartMs(params, epoch)
  const at = (eighths: number): number => nextMs - periodMs + (periodMs * eighths) / 8
  return {
    voteMs: at(1), revealMs: at(2), certMs: at(3), signMs: at(4), joinMs: at(5), openMs: at(6), endMs: nextMs + periodMs, slackMs: periodMs / 240
  }
}

/** How long a phase of attempt `attempt` (from 1) waits for those who are silent; slow networks get more with every attempt. */
export const phaseLimitMs = (attempt: number): number => Math.min(5_000, 1_000 + 500 * (attempt - 1))

/** Pause after attempt `attempt` has failed. @param u  uniform in [0, 1) */
export const pauseMs = (attempt: number, u: number): number => Math.min(8_000, 200 * 1.5 ** Math.min(attempt, 32)) * (0.5 + u)
