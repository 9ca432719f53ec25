/**
 * Do two operations on storage belong to one stream? Played by a replica, from the time and the number of operations between them.
 *
 * Shuffled batches (O2, O3) and constant-rate senders leave nothing: two operations of one stream are as far apart as two of different ones. A stream that
 * is written in one burst, or two boxes that go out together, are closer.
 *
 * Contract: every operation is used once, so pairs are independent but for the batch they share. Score: how close two operations are.
 * Knows nothing of: which stream is whose.
 * Source: funion.md §7 O2, O3; departures: none.
 *
 * @module
 */
import { drawIndex, drawOrder, shuffleInPlace, type Draw } from "../draws.ts"
import { midRanks } from "../metrics/roc.ts"
import { at, mean } from "../series.ts"
import { guessingAttack, scoringAttack, type GuessingAttack, type ScoringAttack, type TestingAttack } from "./attack-result.ts"

/** Operations of one kind in one batch, in order of time, each with the number of its stream. */
export interface StreamOperations {
  readonly instantMs: ArrayLike<number>
  readonly streamOf: ArrayLike<number>
}

/** Closeness of the pairs of one batch: in time, or in order. */
const closeness = (one: number, other: number, { instantMs }: StreamOperations, by: "time" | "order"): number =>
  by === "time" ? -Math.abs(at(instantMs, one) - at(instantMs, other)) : -Math.abs(one - other)

/** @param level  of the interval of the area */
export const streamLinker = (batches: ReadonlyArray<StreamOperations>, draw: Draw, by: "time" | "order" = "time", level?: number): ScoringAttack => {
  const [same, different]: [Array<number>, Array<number>] = [[], []]
  for (const batch of batches) {
    const order = drawOrder(draw, batch.instantMs.length)
    // first operations that wait for a partner of their stream, then one that takes any other stream's
    const waiting = new Map<number, number>()
    const spare: Array<number> = []
    for (const operation of order) {
      const stream = at(batch.streamOf, operation)
      const partner = waiting.get(stream)
      if (partner === undefined) {
        waiting.set(stream, operation)
        continue
      }
      waiting.delete(stream)
      if (draw() < 0.5) same.push(closeness(partner, operation, batch, by))
      else spare.push(partner, operation)
    }
    const strangers = drawOrder(draw, spare.length)
    for (let place = 0; place + 1 < strangers.length; place += 2) {
      const [one, other] = [spare[at(strangers, place)] ?? 0, spare[at(strangers, place + 1)] ?? 0]
      if (at(batch.streamOf, one) !== at(batch.streamOf, other)) different.push(closeness(one, other, batch, by))
    }
  }
  return scoringAttack(`boxes of one stream by ${by}`, same, different, level)
}

/**
 * Which operation belongs with this one? The adversary takes the one nearest in time. One game for each stream of a batch, about a random operation of it.
 */
export const nearestNeighbour = (batches: ReadonlyArray<StreamOperations>, draw: Draw): GuessingAttack => {
  let [wins, games, chance, streams] = [0, 0, 0, 0]
  for (const { instantMs, streamOf } of batches) {
    const places = new Map<number, Array<number>>()
    for (let place = 0; place < streamOf.length; place++) {
      const own = places.get(at(streamOf, place)) ?? []
      places.set(at(streamOf, place), own)
      own.push(place)
    }
    streams += places.size
    if (places.size < 2) continue
    for (const [stream, own] of places) {
      if (own.length < 2) continue
      const place = at(own, drawIndex(draw, own.length))
      const [toBefore, toAfter] = [at(instantMs, place) - at(instantMs, place - 1), at(instantMs, place + 1) - at(instantMs, place)]
      const isBefore = place + 1 === streamOf.length || (place > 0 && toBefore < toAfter)
      if (at(streamOf, isBefore ? place - 1 : place + 1) === stream) wins++
      games++
      chance += (own.length - 1) / (streamOf.length - 1)
    }
  }
  return guessingAttack("nearest in time", wins, games, games === 0 ? 0.5 : chance / games, batches.length === 0 ? 0 : streams / batches.length)
}

/** Weight of each operation's gap to the one before: −log of its rank among the gaps of its batch, so that the shortest count most. */
const gapWeights = ({ instantMs }: StreamOperations): Float64Array => {
  const gaps = Float64Array.from({ length: Math.max(0, instantMs.length - 1) }, (_, index) => at(instantMs, index + 1) - at(instantMs, index))
  return midRanks(gaps).map((rank) => -Math.log(rank / (gaps.length + 1)))
}

/** Dealings of labels that the expected value is taken from. */
const DEALINGS = 20

/** So many dealings as large as what was seen settle that it can be chance (Besag and Clifford 1991). */
const ENOUGH = 20

/**
 * The sharp form for a few boxes that go out together: are next neighbours, the closest above all, of one stream more often than a shuffle of the batch
 * gives? Labels are dealt anew within each batch.
 * @param permutations  dealings at most
 */
export const neighbourTest = (batches: ReadonlyArray<StreamOperations>, draw: Draw, permutations = 400): TestingAttack => {
  const weights = batches.map(gapWeights)
  const streams = batches.map(({ streamOf }) => Int32Array.from({ length: streamOf.length }, (_, index) => at(streamOf, index)))
  const closeness = (): number => {
    let own = 0
    for (const [batch, streamOf] of streams.entries()) {
      const gaps = weights[batch] as Float64Array
      for (let index = 0; index < gaps.length; index++) if (streamOf[index] === streamOf[index + 1]) own += gaps[index] as number
    }
    return own
  }
  const observed = closeness()
  const dealt = (): number => {
    for (const streamOf of streams) shuffleInPlace(draw, streamOf)
    return closeness()
  }
  const expected = mean(Array.from({ length: DEALINGS }, dealt))
  let [asLarge, count] = [0, 0]
  for (; count < permutations && asLarge < ENOUGH; count++) if (dealt() >= observed - 1e-9) asLarge++
  const probability = asLarge === ENOUGH ? asLarge / count : (1 + asLarge) / (1 + count)
  return { kind: "testing", name: "neighbours of one stream", observed, expected, probability }
}
