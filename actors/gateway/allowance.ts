/**
 * What one client connection may send: a token bucket a tenth above the rate that every client keeps.
 *
 * Contract: starts full, so an honest Poisson sender never meets its bound; a packet without a token is dropped silently. The connections counted are
 * bounded: full buckets are forgotten first, since that loses nothing; when there is none, a new connection sends nothing.
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

/** Connections whose bucket is not full, at most. */
const ALLOWANCE_COUNT_LIMIT = 4_096

/** The buckets of all connections of a gateway, by queue id in hex. */
export class Allowances {
  readonly #params: Pick<MixnetParams, "lambdaPPerMs" | "lambdaLPerMs">
  readonly #countLimit: number
  readonly #allowances = new Map<string, Allowance>()

  constructor(params: Pick<MixnetParams, "lambdaPPerMs" | "lambdaLPerMs">, countLimit: number = ALLOWANCE_COUNT_LIMIT) {
    this.#params = params
    this.#countLimit = countLimit
  }

  get size(): number {
    return this.#allowances.size
  }

  /** Takes a token of the connection `id` if there is one. */
  take(id: string, nowMs: number): boolean {
    const known = this.#allowances.get(id)
    if (known !== undefined) return known.take(nowMs)
    if (this.#allowances.size >= this.#countLimit) this.sweep(nowMs)
    if (this.#allowances.size >= this.#countLimit) return false
    const fresh = new Allowance(this.#params, nowMs)
    this.#allowances.set(id, fresh)
    return fresh.take(nowMs)
  }

  /** Forgets the connections whose bucket is full. */
  sweep(nowMs: number): void {
    for (const [id, allowance] of this.#allowances) if (allowance.isFull(nowMs)) this.#allowances.delete(id)
  }
}
