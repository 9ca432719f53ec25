/**
 * Many boxes of one or several streams: written or read in one uniform shuffle, through a bounded window.
 *
 * Contract: what is asked for is exactly one operation per slot, whatever the slots hold and whatever becomes of single ones; nothing is
 * aborted early and each slot's fate is reported (O10, O18). At most `windowCount` operations run at once, and no more than that many slots are
 * held in work; a slot that waits before it is asked for again does not occupy the window, nor any other slot. Interruption stops everything
 * within one tick.
 * Knows nothing of: manifests, tensors, deadlines (the caller's, by interruption).
 * Source: pigeonhole.md §8.4, §8.5, funion.md §7 O2, O3, O9; departures: the window is derived from the rates (O9), not 32 and 16.
 *
 * @module
 */
import { Effect, Either, FiberSet, Random } from "effect"
import { type IndexExhausted, type MessageBoxIndex, nextIndex } from "../bacap/box-index.ts"
import type { ReadCap, WriteCap } from "../bacap/capability.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { sampleExponentialMs } from "../mixnet/delay.ts"
import type { MixnetParams } from "../params/mixnet-params.ts"
import { BoxStore, meanRoundTripMs, pollTimingOf } from "./box-store.ts"
import { meanFirstPauseMs } from "./poll-timing.ts"
import type { BoxNotFound, StorageError, Tombstone, WriteOutcome } from "./storage-error.ts"

/** Windows per mean number of boxes under way (O9): the tick alone limits, not the window. */
const WINDOW_FACTOR = 4
const PACKETS_PER_BOX = 2
/** Pauses before asking again double up to 2^6 times the first. */
const PAUSE_DOUBLINGS = 6

/**
 * The window for `sessionCount` sessions. A box that finds every tick free takes two round trips, the pause before its answer is asked for, and two ticks more,
 * since packets are made one tick ahead; the sessions' rate times that is what is under way, and the window is four times as much. So it is never below
 * the 4·λP·(mean round trip) of O9, and the ticks always find something that waits.
 */
export const windowCountFor = (
  params: Pick<MixnetParams, "muPerMs" | "mixLayers" | "lambdaPPerMs" | "lambdaRPerMs">,
  sessionCount: number
): number => {
  const boxMs = PACKETS_PER_BOX * (meanRoundTripMs(params) + 1 / params.lambdaPPerMs) + meanFirstPauseMs(pollTimingOf(params))
  return Math.ceil((WINDOW_FACTOR * boxMs * params.lambdaPPerMs) / PACKETS_PER_BOX) * sessionCount
}

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
  /** Present: slots with such a fate are written again, for ever. */
  readonly retry?: { readonly wanted: (fate: WriteFate) => boolean; readonly pauseMs: number }
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

/** What is done with every item. */
interface WindowedWork<Item, Fate> {
  readonly windowCount: number
  readonly attempt: (item: Item) => Effect.Effect<Fate>
  readonly isFinal: (fate: Fate) => boolean
  /** Mean pause before the second attempt; doubles with every further one. */
  readonly pauseMs: number
  readonly onDone: (item: Item, fate: Fate) => Effect.Effect<void>
}

/**
 * Works on every item in a uniformly random order until its fate is final. An item is taken up only when it has a place in the window, and gives the
 * place back while it pauses; places go to whoever has waited longest.
 */
const forEachWindowed = <Item, Fate>(items: ReadonlyArray<Item>, work: WindowedWork<Item, Fate>): Effect.Effect<void> =>
  Effect.gen(function* () {
    const window = yield* Effect.makeSemaphore(work.windowCount)
    const running = yield* FiberSet.make()
    const runOn = (item: Item) =>
      Effect.gen(function* () {
        for (let pauses = 0; ; pauses++) {
          const fate = yield* Effect.ensuring(work.attempt(item), window.release(1))
          if (work.isFinal(fate)) return yield* work.onDone(item, fate)
          yield* Effect.sleep(sampleExponentialMs(yield* Random.next, 1 / (work.pauseMs * 2 ** Math.min(pauses, PAUSE_DOUBLINGS))))
          yield* window.take(1)
        }
      })
    const start = (item: Item) => Effect.zipRight(window.take(1), FiberSet.run(running, runOn(item)))
    const all = Effect.zipRight(
      Effect.flatMap(Random.shuffle(items), (shuffled) => Effect.forEach(shuffled, start, { discard: true })),
      FiberSet.awaitEmpty(running)
    )
    yield* Effect.raceFirst(all, FiberSet.join(running))
  }).pipe(Effect.scoped, Effect.orDie)

/**
 * Writes all boxes, of however many streams, in one shuffle.
 * @returns every key with its fate, in no particular order
 */
export const writeBoxes = <Key>(
  boxes: ReadonlyArray<BoxToWrite<Key>>,
  { onWritten, retry, windowCount }: WriteOptions<Key>
): Effect.Effect<ReadonlyMap<Key, WriteFate>, never, BoxStore> =>
  Effect.gen(function* () {
    const store = yield* BoxStore
    const fates = new Map<Key, WriteFate>()
    yield* forEachWindowed<BoxToWrite<Key>, WriteFate>(boxes, {
      windowCount,
      pauseMs: retry?.pauseMs ?? 0,
      attempt: ({ index, plaintext, writeCap }) => Effect.merge(store.write(writeCap, index, plaintext)),
      isFinal: (fate) => retry?.wanted(fate) !== true,
      onDone: ({ key }, fate) => {
        fates.set(key, fate)
        return onWritten?.(key, fate) ?? Effect.void
      }
    })
    return fates
  })

/**
 * Reads all boxes, of however many streams, in one shuffle and out of order.
 * @returns every key with its fate, in no particular order
 */
export const readBoxes = <Key>(
  boxes: ReadonlyArray<BoxToRead<Key>>,
  { missPauseMs, onRead, retryMisses, windowCount }: ReadOptions<Key>
): Effect.Effect<ReadonlyMap<Key, ReadFate>, never, BoxStore> =>
  Effect.gen(function* () {
    const store = yield* BoxStore
    const fates = new Map<Key, ReadFate>()
    yield* forEachWindowed<BoxToRead<Key>, ReadFate>(boxes, {
      windowCount,
      pauseMs: missPauseMs,
      attempt: ({ index, readCap }) => Effect.merge(store.read(readCap, index)),
      isFinal: (fate) => !(retryMisses && "_tag" in fate && fate._tag === "BoxNotFound"),
      onDone: ({ key }, fate) => {
        fates.set(key, fate)
        return onRead?.(key, fate) ?? Effect.void
      }
    })
    return fates
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
