/**
 * A clock that follows the directory's when the machine's own is clearly wrong.
 *
 * Contract: as long as the clocks that peers showed differ from ours by no more than the tolerance, this is the machine's clock. Beyond that the median of
 * what was shown is added to it, so that a minority of wrong or lying peers moves nothing. Sleeping is not affected. Corrections jump; each is told once.
 * Knows nothing of: links, roles. The machine's clock is an argument.
 * Source: mixnet.md §4.1 (clock skew, later times are corrected by it); departures: a median over the authorities, and a tolerance, because links show
 * whole seconds only.
 *
 * @module
 */
import type { Clock } from "effect"
import { offsetClock } from "../src/actor/timer.ts"

/** Differences below this are left alone: links show whole seconds, and take time. */
const TOLERANCE_MS = 2_000
/** The seconds shown are cut off: on average this much is missing. */
const HALF_SECOND_MS = 500

export interface DirectoryClock {
  readonly clock: Clock.Clock
  /** `peer` showed an instant that differs from this clock by `skewMs`; positive: ahead of us. */
  readonly observe: (peer: string, skewMs: number) => void
  /** What is added to the machine's clock now, in milliseconds. */
  readonly offsetMs: () => number
}

export interface DirectoryClockConfig {
  readonly base: Clock.Clock
  /** Peers whose clocks count. */
  readonly peers: ReadonlyArray<string>
  /** True when our own clock counts as one of them: at an authority. */
  readonly countsOwn: boolean
  /** Told every correction, in milliseconds. */
  readonly onCorrection: (offsetMs: number) => void
}

/** The middle of a list, the lower one of two; 0 of none. */
const median = (values: ReadonlyArray<number>): number => [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? 0

export const makeDirectoryClock = ({ base, countsOwn, onCorrection, peers }: DirectoryClockConfig): DirectoryClock => {
  let offsetMs = 0
  /** Each peer's clock against the machine's. */
  const shown = new Map<string, number>()
  const clock = offsetClock(base, () => offsetMs)
  return {
    clock,
    observe: (peer, skewMs) => {
      if (!peers.includes(peer) || !Number.isFinite(skewMs)) return
      shown.set(peer, offsetMs + skewMs + HALF_SECOND_MS)
      const wanted = median([...shown.values(), ...(countsOwn ? [0] : [])])
      const corrected = Math.abs(wanted) <= TOLERANCE_MS ? 0 : wanted
      if (Math.abs(corrected - offsetMs) <= TOLERANCE_MS) return
      offsetMs = corrected
      onCorrection(offsetMs)
    },
    offsetMs: () => offsetMs
  }
}
