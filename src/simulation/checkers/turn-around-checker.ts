/**
 * A service acts only after the delay that the packet's sender chose, and a dispatch is answered at its fixed time.
 *
 * Contract: what a service does for a packet (it asks a courier) falls into the millisecond after that packet came only if the delay was that short, or
 * because another packet came by chance: the share of time after some arrival, and that of such delays, are what may fall there. More than chance
 * explains means that packets are acted upon as they come. A commission is never answered sooner than AnswerMs after it was sent.
 * Knows nothing of: which packet an action belongs to.
 * Source: mixnet.md §10; funion.md §6.1 (fixed answer time); issue 5, part 1; departures: none.
 *
 * @module
 */
import { type Verdict, verdictOf } from "./checker.ts"
import { binomialAtLeast, exponential } from "./statistics.ts"

export const TURN_AROUND_FALSE_ALARM_RATE = 1e-9
/** What counts as soon after an arrival: the least delay of a hop. */
const SOON_MS = 1

export interface TurnAroundCheckerOptions {
  readonly node: string
  readonly muPerMs: number
  readonly answerMs: number
}

export class TurnAroundChecker {
  readonly #options: TurnAroundCheckerOptions
  #firstMs: number | undefined
  #cameMs = Number.NEGATIVE_INFINITY
  #coveredMs = 0
  #actions = 0
  #soon = 0
  #answers = 0
  #hastyAnswers = 0

  constructor(options: TurnAroundCheckerOptions) {
    this.#options = options
  }

  /** A packet came to the service node. */
  cameIn(instantMs: number): void {
    this.#firstMs ??= instantMs
    this.#coveredMs += Math.min(SOON_MS, instantMs - this.#cameMs)
    this.#cameMs = instantMs
  }

  /** The node asked a courier on behalf of a packet. */
  acted(instantMs: number): void {
    this.#actions += 1
    if (instantMs - this.#cameMs < SOON_MS) this.#soon += 1
  }

  /** A client had its answer to a commission that long after it was sent. */
  answered(roundTripMs: number): void {
    this.#answers += 1
    if (roundTripMs < this.#options.answerMs) this.#hastyAnswers += 1
  }

  verdict(): Verdict {
    const { answerMs, muPerMs, node } = this.#options
    const watchedMs = this.#cameMs - (this.#firstMs ?? this.#cameMs)
    // one more arrival's worth, so that short runs are on the sound side
    const byChance = watchedMs > 0 ? (this.#coveredMs + SOON_MS) / watchedMs : 1
    const share = Math.min(1, byChance + exponential(muPerMs)(SOON_MS))
    const probability = binomialAtLeast(this.#soon, this.#actions, share)
    const findings = [
      ...(probability < TURN_AROUND_FALSE_ALARM_RATE
        ? [`${node}: ${this.#soon} of ${this.#actions} actions fell into the millisecond after an arrival, where ${(100 * share).toFixed(0)} % may`]
        : []),
      ...(this.#hastyAnswers > 0
        ? [`${node}: ${this.#hastyAnswers} of ${this.#answers} commissions were answered sooner than ${answerMs} ms after they were sent`]
        : [])
    ]
    return verdictOf("turn-around", findings, { [`${node}Actions`]: this.#actions, [`${node}Soon`]: this.#soon }, TURN_AROUND_FALSE_ALARM_RATE)
  }
}
