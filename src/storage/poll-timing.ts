/**
 * When to ask a courier for what it was given: late enough that a poll rarely finds nothing, early enough that nobody waits.
 *
 * A poll that finds no answer costs a tick that a box could have had. After an envelope reaches its courier the answer takes a tick of the
 * courier's link, one of the link between replicas, and two answers within a gap each; in units of the mean gap 1/λR, measured over real actors:
 * mean 2.2, nine of ten within 3.6 on quiet links; 2.8 and 4.7 on links that are half used. A round trip passes anyway between two arrivals,
 * so the first poll waits only for what `ANSWER_GAPS` gaps are longer than that, and up to half as long again, at random. While many boxes are
 * under way the polls' own wait for ticks comes on top.
 *
 * Nobody learns from it: the pause is a function of the document's parameters and of fresh randomness; not of box, content, operation, outcome,
 * load, or of what couriers did before. That is why it does not adapt to answers that were seen: a courier that holds answers back could mark
 * all later envelopes of that client with longer pauses. What leaves still leaves on a tick that comes whether or not anything waits for it.
 *
 * Contract: pure; every instant is an argument or a result in milliseconds.
 * Knows nothing of: envelopes, sessions.
 * Source: pigeonhole.md §5.3, §5.7, §6.3 (jitter); departures: the poll after the first ACK may wait; polls after further ACKs wait longer and longer.
 *
 * @module
 */
import { sampleExponentialMs } from "../mixnet/delay.ts"

/** Mean gaps of a command link within which nine of ten answers are there, on links with little traffic. */
export const ANSWER_GAPS = 4
/** Mean gaps by which later looks are apart, at least. */
const LATER_GAPS = 2
/** The pause before the first look is longer by up to this share. */
const JITTER_SHARE = 0.5

export interface PollTiming {
  /** Mean time from a packet's leaving to its reply's coming. */
  readonly roundTripMs: number
  /** 1/λR */
  readonly linkGapMs: number
}

/** Least pause between the first ACK and the poll after it. */
const leastFirstPauseMs = ({ linkGapMs, roundTripMs }: PollTiming): number => Math.max(0, ANSWER_GAPS * linkGapMs - roundTripMs)

/** Mean pause between the first ACK and the poll after it. */
export const meanFirstPauseMs = (timing: PollTiming): number => leastFirstPauseMs(timing) * (1 + JITTER_SHARE / 2)

/**
 * Pause between an ACK and the poll after it.
 * @param ackCount  ACKs so far, from 1
 * @param uniform  in [0, 1)
 */
export const pauseAfterAckMs = (timing: PollTiming, ackCount: number, uniform: number): number => {
  if (ackCount <= 1) return leastFirstPauseMs(timing) * (1 + JITTER_SHARE * uniform)
  return sampleExponentialMs(uniform, 1 / (Math.max(timing.roundTripMs, LATER_GAPS * timing.linkGapMs) * (ackCount - 1)))
}
