/**
 * What one client connection may send: a token bucket a tenth above the rate that every client keeps.
 *
 * Contract: starts full, so an honest Poisson sender never meets its bound; a packet without a token is dropped silently.
 * Knows nothing of: clocks (instants are arguments, Unix milliseconds).
 * Source: mixnet.md §9 (rate limit, capacity 256, start full); departures: none.
 *
 * @module
 */
import type { MixnetParams } from "../../src/params/mixnet-params.ts"

const CAPACITY = 256
const HEADROOM = 1.1

export class Allowance {
  readonly #tokensPerMs: number
  #tokens = CAPACITY
  #countedAtMs: number

  constructor(params: Pick<MixnetParams, "lambdaPPerMs" | "lambdaLPerMs">, nowMs: number) {
    this.#tokensPerMs = HEADROOM * (params.lambdaPPerMs + params.lambdaLPerMs)
    this.#countedAtMs = nowMs
  }

  /** Takes one token if there is one. */
  take(nowMs: number): boolean {
    this.#tokens = Math.min(CAPACITY, this.#tokens + Math.max(0, nowMs - this.#countedAtMs) * this.#tokensPerMs)
    this.#countedAtMs = Math.max(this.#countedAtMs, nowMs)
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }

  /** True when the bucket is full at `nowMs`: forgetting it then loses nothing. */
  isFull(nowMs: number): boolean {
    return this.#tokens + Math.max(0, nowMs - this.#countedAtMs) * this.#tokensPerMs >= CAPACITY
  }
}
