/**
 * Where the slots of a stream lie, derived in pieces.
 *
 * Contract: the same indexes as `slotIndexes`; the event loop, which paces the sessions' packets, gets its turn after every few steps (O13).
 * Knows nothing of: what the slots hold.
 * Source: pigeonhole.md §8.1, funion.md §3 (slot ranges); departures: none.
 *
 * @module
 */
import { Effect, Either } from "effect"
import type { MessageBoxIndex } from "../bacap/box-index.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { slotIndexes } from "./job-capabilities.ts"

/** Steps of one HKDF each, about 0.1 ms. */
const STEPS_AT_ONCE = 64

/**
 * Indexes of slots first … first + count − 1; fewer when the stream ends before, which admission has ruled out.
 * @param start  index of slot 0
 */
export const deriveSlotIndexes = (
  crypto: CryptoBackend,
  start: MessageBoxIndex,
  firstSlot: number,
  slotCount: number
): Effect.Effect<ReadonlyArray<MessageBoxIndex>> =>
  Effect.gen(function* () {
    const indexes: Array<MessageBoxIndex> = []
    let at = start
    for (let slot = 0; slot < firstSlot + slotCount;) {
      // the index after this piece is the start of the next one
      const piece = Math.min(STEPS_AT_ONCE, firstSlot + slotCount - slot)
      const isLastPiece = slot + piece === firstSlot + slotCount
      const derived = Either.getOrElse(slotIndexes(crypto, at, 0, isLastPiece ? piece : piece + 1), () => [])
      const next = derived[piece]
      indexes.push(...derived.slice(Math.max(0, firstSlot - slot), piece))
      if (isLastPiece || next === undefined) break
      slot += piece
      at = next
      yield* Effect.sleep(0)
    }
    return indexes
  })
