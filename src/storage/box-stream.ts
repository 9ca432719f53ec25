/**
 * Many boxes of one or several streams: written or read in one uniform shuffle, through a bounded window.
 *
 * Contract: what is asked for is exactly one operation per slot, whatever the slots hold and whatever becomes of single ones; nothing is
 * aborted early and each slot's fate is reported (O10, O18). At most `windowCount` operations run at once; a slot that waits before it is
 * asked for again does not occupy the window. Interruption stops everything within one tick.
 * Knows nothing of: manifests, tensors, deadlines (the caller's, by interruption).
 * Source: pigeonhole.md §8.4, §8.5, funion.md §7 O2, O3, O9; departures: the window is derived from the rates (O9), not 32 and 16.
 *
 * @module
 */
import { Effect, Either, Random } from "effect"
import { type IndexExhausted, type MessageBoxIndex, nextIndex } from "../bacap/box-index.ts"
import type { ReadCap, WriteCap } from "../bacap/capability.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { sampleExponentialMs } from "../mixnet/delay.ts"
import type { MixnetParams } from "../params/mixnet-params.ts"
import { BoxStore, type BoxStoreService, meanRoundTripMs } from "./box-store.ts"
import type { BoxNotFound, StorageError, Tombstone, WriteOutcome } from "./storage-error.ts"

/** Windows per mean number of packets in flight (O9): the tick alone limits, not the window. */
const WINDOW_FACTOR = 4
const MISS_PAUSE_DOUBLINGS = 6

/** The window for `sessionCount` sessions: 4·λP·(mean round trip) for each. */
export const windowCountFor = (params: Pick<MixnetParams, "muPerMs" | "mixLayers" | "lambdaPPerMs">, sessionCount: number): number =>
  Math.max(1, Math.ceil(WINDOW_FACTOR * params.lambdaPPerMs * meanRoundTripMs(params))) * sessionCount

/**
 * The first `count` indexes of a cap's stream: slot s has index s of the result.
 * @errors IndexExhausted when the stream ends before that
 * @cost one HKDF per slot
 */
export const deriveIndexes = (
  crypto: CryptoBackend,
  cap: Pick<ReadCap, "index">,
  count: number
): Either.Either<ReadonlyArray<MessageBoxIndex>, IndexExhausted> =>
  Either.gen(function* () {
    const indexes: Array<MessageBoxIndex> = []
    let index = cap.index
    for (let slotIndex = 0; slotIndex < count; slotIndex++) {
      if (slotIndex > 0) index = yield* nextIndex(crypto, index)
      indexes.push(index)
    }
    return indexes
  })

/** One box to be written; `key` is the caller's name for it. */
export interface BoxToWrite<Key> {
  readonly key: Key
  readonly writeCap: WriteCap
  readonly index: MessageBoxIndex
  /** At most M bytes. */
  readonly plaintext: Uint8Array
}

/** One box to be read. */
export interface BoxToRead<Key> {
  readonly key: Key
  readonly readCap: ReadCap
  readonly index: MessageBoxIndex
}

/** What became of a write. */
export type WriteFate = WriteOutcome | StorageError
/** What became of a read. `BoxNotFound` only when misses are not retried. */
export type ReadFate = Uint8Array | Tombstone | BoxNotFound | StorageError

export interface WindowOptions {
  /** Most operations at once; see `windowCountFor`. */
  readonly windowCount: number
}

export interface WriteOptions<Key> extends WindowOptions {
  /** Called as each slot is done with; must not wait. */
  readonly onWritten?: (key: Key, fate: WriteFate) => Effect.Effect<void>
}

export interface ReadOptions<Key> extends WindowOptions {
  /** Ask again for boxes that are not there, for ever; false reports the first miss. */
  readonly retryMisses: boolean
  /** Mean pause before the second look at a missing box; doubles with every further one. */
  readonly missPauseMs: number
  /** Called as each slot is done with; must not wait. */
  readonly onRead?: (key: Key, fate: ReadFate) => Effect.Effect<void>
}

/** Runs one operation per item in a uniformly random order. */
const forEachShuffled = <A, B>(items: ReadonlyArray<A>, run: (item: A) => Effect.Effect<B>): Effect.Effect<ReadonlyArray<B>> =>
  Effect.flatMap(Random.shuffle(items), (shuffled) => Effect.forEach(shuffled, run, { concurrency: "unbounded" }))

/**
 * Writes all boxes, of however many streams, in one shuffle.
 * @returns every key with its fate, in no particular order
 */
export const writeBoxes = <Key>(
  boxes: ReadonlyArray<BoxToWrite<Key>>,
  options: WriteOptions<Key>
): Effect.Effect<ReadonlyMap<Key, WriteFate>, never, BoxStore> =>
  Effect.gen(function* () {
    const store = yield* BoxStore
    const window = yield* Effect.makeSemaphore(options.windowCount)
    const writeOne = ({ index, key, plaintext, writeCap }: BoxToWrite<Key>) =>
      Effect.gen(function* () {
        const fate: WriteFate = yield* Effect.merge(window.withPermits(1)(store.write(writeCap, index, plaintext)))
        yield* options.onWritten?.(key, fate) ?? Effect.void
        return [key, fate] as const
      })
    return new Map(yield* forEachShuffled(boxes, writeOne))
  })

/** Reads one box, again after every miss when that is wanted. */
const readUntilThere = <Key>(
  store: BoxStoreService,
  window: Effect.Semaphore,
  { index, readCap }: BoxToRead<Key>,
  { missPauseMs, retryMisses }: ReadOptions<Key>
): Effect.Effect<ReadFate> =>
  Effect.gen(function* () {
    for (let missCount = 0; ; missCount++) {
      const fate: ReadFate = yield* Effect.merge(window.withPermits(1)(store.read(readCap, index)))
      const isMiss = "_tag" in fate && fate._tag === "BoxNotFound"
      if (!isMiss || !retryMisses) return fate
      const meanMs = missPauseMs * 2 ** Math.min(missCount, MISS_PAUSE_DOUBLINGS)
      yield* Effect.sleep(sampleExponentialMs(yield* Random.next, 1 / meanMs))
    }
  })

/**
 * Reads all boxes, of however many streams, in one shuffle and out of order.
 * @returns every key with its fate, in no particular order
 */
export const readBoxes = <Key>(
  boxes: ReadonlyArray<BoxToRead<Key>>,
  options: ReadOptions<Key>
): Effect.Effect<ReadonlyMap<Key, ReadFate>, never, BoxStore> =>
  Effect.gen(function* () {
    const store = yield* BoxStore
    const window = yield* Effect.makeSemaphore(options.windowCount)
    const readOne = (box: BoxToRead<Key>) =>
      Effect.gen(function* () {
        const fate = yield* readUntilThere(store, window, box, options)
        yield* options.onRead?.(box.key, fate) ?? Effect.void
        return [box.key, fate] as const
      })
    return new Map(yield* forEachShuffled(boxes, readOne))
  })

/** Slots of one stream: `indexes[slotIndex]` as `deriveIndexes` gave them. A slot without an index is a mistake of ours. */
const indexOf = (indexes: ReadonlyArray<MessageBoxIndex>, slotIndex: number): MessageBoxIndex => {
  const index = indexes[slotIndex]
  if (index === undefined) throw new RangeError(`slot ${slotIndex} of ${indexes.length}`)
  return index
}

/** Writes slots of one stream; see `writeBoxes`. */
export const writeSlots = (
  writeCap: WriteCap,
  indexes: ReadonlyArray<MessageBoxIndex>,
  slots: ReadonlyArray<{ readonly slotIndex: number; readonly plaintext: Uint8Array }>,
  options: WriteOptions<number>
): Effect.Effect<ReadonlyMap<number, WriteFate>, never, BoxStore> =>
  writeBoxes(slots.map(({ plaintext, slotIndex }) => ({ key: slotIndex, writeCap, index: indexOf(indexes, slotIndex), plaintext })), options)

/** Reads slots of one stream; see `readBoxes`. */
export const readSlots = (
  readCap: ReadCap,
  indexes: ReadonlyArray<MessageBoxIndex>,
  slotIndexes: ReadonlyArray<number>,
  options: ReadOptions<number>
): Effect.Effect<ReadonlyMap<number, ReadFate>, never, BoxStore> =>
  readBoxes(slotIndexes.map((slotIndex) => ({ key: slotIndex, readCap, index: indexOf(indexes, slotIndex) })), options)
