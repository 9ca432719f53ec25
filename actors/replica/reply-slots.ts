/**
 * The answering side of a command link: one reply frame for every command frame, whatever was asked.
 *
 * Contract: each command gets exactly one frame after a delay uniform in [0, 1/λR]: the oldest reply that is ready for that peer, else a decoy. Replies
 * that wait are bounded per peer, and so are the peers; beyond a bound the oldest is dropped (its asker asks again).
 * Knows nothing of: what replies hold.
 * Source: pigeonhole.md §5.7 (responder side); departures: a reply rides on whatever command comes next, so that slow (proxied) answers do not show.
 *
 * @module
 */
import { Effect, Exit } from "effect"
import { later, type Later } from "../../src/actor/actor.ts"
import { makeTimer, type Timer } from "../../src/actor/timer.ts"
import { promptUniform } from "../../src/crypto/entropy.ts"

/** Replies that may wait for one peer. */
export const READY_LIMIT = 256
/** Peers for which replies may wait. */
export const PEER_LIMIT = 256

export class ReplySlots {
  readonly #ready = new Map<string, Array<Uint8Array>>()
  readonly #decoy: Uint8Array
  readonly #longestDelayMs: number

  constructor(decoy: Uint8Array, lambdaRPerMs: number) {
    this.#decoy = decoy
    this.#longestDelayMs = 1 / lambdaRPerMs
  }

  /** Peers for which replies wait. */
  get peerCount(): number {
    return this.#ready.size
  }

  /** Makes a reply ready for `peer`. */
  push(peer: string, frame: Uint8Array): void {
    const frames = this.#ready.get(peer) ?? []
    if (frames.length >= READY_LIMIT) frames.shift()
    frames.push(frame)
    this.#ready.delete(peer)
    for (const oldest of this.#ready.keys()) if (this.#ready.size >= PEER_LIMIT) this.#ready.delete(oldest)
    this.#ready.set(peer, frames)
  }

  /** The frame that answers one command of `peer`. */
  take(peer: string): Effect.Effect<Uint8Array> {
    return Effect.flatMap(Effect.all([makeTimer, promptUniform]), ([timer, uniform]) => this.takeBy(peer, timer, uniform))
  }

  /** As `take`, with a timer and draws at hand. */
  takeBy(peer: string, timer: Timer, uniform: () => number): Later<Uint8Array> {
    return later((done) => timer(() => done(Exit.succeed(this.#shift(peer) ?? this.#decoy)), uniform() * this.#longestDelayMs))
  }

  #shift(peer: string): Uint8Array | undefined {
    const frames = this.#ready.get(peer)
    const oldest = frames?.shift()
    if (frames?.length === 0) this.#ready.delete(peer)
    return oldest
  }
}
