/**
 * Random delays: exponential draws, cut off where only one in 10^12 would lie.
 *
 * Contract: every function maps one number u, uniform in [0, 1) with 53 random bits, to milliseconds, and is monotone in u. Rates are per
 * millisecond. Drawing u is the caller's: from Effect's `Random`, which a CSPRNG must back outside of tests.
 * Knows nothing of: who waits.
 * Source: mixnet.md §2, §3 (cap, floor(Exp) + 1); departures: none.
 *
 * @module
 */

/** -ln(10^-12): the quantile at which every draw is cut off, for rate 1. */
const CAP_QUANTILE = 27.6310211159

/** What is due within this time is due now: sleeps are rounded to nanoseconds, so a clock that shows fractions may wake a little early. */
export const CLOCK_GRAIN_MS = 0.001

/** Longest draw at a rate, in milliseconds; also the longest delay that a node accepts. The rate must be positive. */
export const exponentialCapMs = (ratePerMs: number): number => Math.ceil(CAP_QUANTILE / ratePerMs)

/** An exponential draw with mean 1/ratePerMs, in milliseconds with fractions, at most `exponentialCapMs`. */
export const sampleExponentialMs = (u: number, ratePerMs: number): number => Math.min(-Math.log1p(-u) / ratePerMs, exponentialCapMs(ratePerMs))

/** The delay of one hop: whole milliseconds, from 1 to `exponentialCapMs`. */
export const sampleHopDelayMs = (u: number, muPerMs: number): number =>
  Math.min(Math.floor(sampleExponentialMs(u, muPerMs)) + 1, exponentialCapMs(muPerMs))
