/**
 * Where randomness comes from: the operating system, or a seed when a run must be repeatable.
 *
 * Contract: every randomised function of this project takes an `Entropy` (or Effect's `Random`, made from one by `randomFromEntropy`) as an
 * argument; this is the only file that asks the machine for randomness. Bytes are handed out once and wiped from the pool.
 * Knows nothing of: what the bytes are used for.
 * Source: style.md §2.6; departures: none.
 *
 * @module
 */
import { Chunk, Context, Effect, Random, Runtime } from "effect"
import { createCipheriv, createHash, randomFillSync } from "node:crypto"
import { zeroed } from "../bytes/allocate.ts"

/** Gives that many fresh random bytes; the memory belongs to the caller. */
export type Entropy = (byteCount: number) => Uint8Array

const POOL_BYTES = 4096
/** So many are moved one by one: a view of the pool costs more. */
const FEW_BYTES = 16

/** Hands out the bytes of a source that is cheaper in large pieces; order and content do not depend on how requests are cut. */
const pooled = (refill: (pool: Uint8Array) => void): Entropy => {
  const pool = new Uint8Array(POOL_BYTES)
  let used = POOL_BYTES
  return (byteCount) => {
    const bytes = zeroed(byteCount)
    for (let at = 0; at < byteCount;) {
      if (used === POOL_BYTES) {
        refill(pool)
        used = 0
      }
      const taken = Math.min(byteCount - at, POOL_BYTES - used)
      if (taken <= FEW_BYTES) {
        for (let i = 0; i < taken; i++) bytes[at + i] = pool[used + i] as number
      } else bytes.set(pool.subarray(used, used + taken), at)
      pool.fill(0, used, used + taken)
      used += taken
      at += taken
    }
    return bytes
  }
}

/** The cryptographic random generator of the system. */
export const systemEntropy: Entropy = pooled((pool) => {
  randomFillSync(pool)
})

/**
 * A deterministic generator: the AES-256-CTR keystream under SHA-256 of label and seed. For tests and simulations, never for keys of a live network.
 * @param seed  the same number and its decimal text are the same seed
 * @param label  what the bytes are for; different labels give independent streams
 */
export const seededEntropy = (seed: string | number, label: string): Entropy => {
  let stream: Entropy | undefined
  return (byteCount) => (stream ??= seededStream(seed, label))(byteCount)
}

const ZEROS = new Uint8Array(POOL_BYTES)

/** A source that is ready to draw; most of those that a simulation makes never do. */
const seededStream = (seed: string | number, label: string): Entropy => {
  const labelBytes = new TextEncoder().encode(label)
  const length = new Uint8Array(8)
  new DataView(length.buffer).setUint32(4, labelBytes.length)
  const key = createHash("sha256").update("funion seeded entropy v1").update(length).update(labelBytes).update(String(seed)).digest()
  const cipher = createCipheriv("aes-256-ctr", key, new Uint8Array(16))
  return pooled((pool) => {
    pool.set(cipher.update(ZEROS))
  })
}

/** The entropy of a running program: that of the system, unless a test or a simulation provides another. */
export class EntropySource extends Context.Reference<EntropySource>()<"funion/crypto/EntropySource", Entropy>("funion/crypto/EntropySource", {
  defaultValue: () => systemEntropy
}) {}

/** A whole number of 53 random bits. */
const bits53 = (entropy: Entropy): number => {
  const bytes = entropy(7)
  let value = (bytes[0] as number) & 31
  for (let i = 1; i < 7; i++) value = value * 256 + (bytes[i] as number)
  return value
}

const TWO_53 = 2 ** 53

/** Uniform in 0 .. bound - 1 by rejection; `bound` from 1 to 2^53. */
const below = (entropy: Entropy, bound: number): number => {
  if (bound <= 256) {
    const limit = 256 - (256 % bound)
    for (;;) {
      const value = entropy(1)[0] as number
      if (value < limit) return value % bound
    }
  }
  const limit = TWO_53 - (TWO_53 % bound)
  for (;;) {
    const value = bits53(entropy)
    if (value < limit) return value % bound
  }
}

/** Uniform in min .. max - 1; `min` itself when the range is empty. */
const between = (entropy: Entropy, min: number, max: number): number => {
  const low = Math.ceil(min)
  const width = Math.ceil(max) - low
  return width < 1 ? low : low + below(entropy, Math.min(width, TWO_53))
}

const shuffled = <A>(entropy: Entropy, elements: Iterable<A>): Chunk.Chunk<A> => {
  const items = Array.from(elements)
  for (let i = items.length - 1; i > 0; i--) {
    const j = below(entropy, i + 1)
    const item = items[i] as A
    items[i] = items[j] as A
    items[j] = item
  }
  return Chunk.unsafeFromArray(items)
}

/** A `Random` that also draws at once. */
export interface PromptRandom extends Random.Random {
  readonly unsafeNext: () => number
}

const isPrompt = (random: Random.Random): random is PromptRandom => "unsafeNext" in random

/** Draws of the `Random` in force, uniform in [0, 1), for who cannot wait for an effect. */
export const promptUniform: Effect.Effect<() => number> = Effect.gen(function*() {
  const random = yield* Effect.random
  if (isPrompt(random)) return random.unsafeNext
  const runtime = yield* Effect.runtime<never>()
  return () => Runtime.runSync(runtime, random.next)
})

/**
 * Effect's `Random` service over an entropy source. `next` is uniform on multiples of 2^-53 in [0, 1); integers are without bias; `nextInt` is in
 * 0 .. 2^53 - 1; `nextIntBetween` includes `min` and excludes `max`; `shuffle` gives every order with equal probability.
 */
export const randomFromEntropy = (entropy: Entropy): PromptRandom => {
  const unsafeNext = (): number => bits53(entropy) / TWO_53
  const next = Effect.sync(unsafeNext)
  return {
    unsafeNext,
    [Random.RandomTypeId]: Random.RandomTypeId,
    next,
    nextBoolean: Effect.sync(() => ((entropy(1)[0] as number) & 1) === 1),
    nextInt: Effect.sync(() => bits53(entropy)),
    nextRange: (min, max) => Effect.map(next, (unit) => min + (max - min) * unit),
    nextIntBetween: (min, max) => Effect.sync(() => between(entropy, min, max)),
    shuffle: (elements) => Effect.sync(() => shuffled(entropy, elements))
  }
}
