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
import { drawOrder, type Draw } from "../draws.ts"
import { midRanks } from "../metrics/roc.ts"
import { at, mean } from "../series.ts"
import { scoringAttack, type ScoringAttack, type TestingAttack } from "./attack-result.ts"

/** Operations of one kind in one batch, in order of time, each with the number of its stream. */
export interface StreamOperations {
  readonly instantMs: ArrayLike<number>
  readonly streamOf: ArrayLike<number>
}

/** Closeness of the pairs of one batch: in time, or in order. */
const closeness = (one: number, other: number, { instantMs }: StreamOperations, by: "time" | "order"): number =>
  by === "time" ? -Math.abs(at(instantMs, one) - at(instantMs, other)) : -Math.abs(one - other)

export const streamLinker = (batches: ReadonlyArray<StreamOperations>, draw: Draw, by: "time" | "order" = "time"): ScoringAttack => {
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
  return scoringAttack(`boxes of one stream by ${by}`, same, different)
}

/** Weight of each operation's gap to the one before: −log of its rank among the gaps of its batch, so that the shortest count most. */
const gapWeights = ({ instantMs }: StreamOperations): Float64Array => {
  const gaps = Float64Array.from({ length: Math.max(0, instantMs.length - 1) }, (_, index) => at(instantMs, index + 1) - at(instantMs, index))
  return midRanks(gaps).map((rank) => -Math.log(rank / (gaps.length + 1)))
}

/** Dealings of labels that the expected value is taken from. */
const DEALINGS = 20

/**
 * The sharp form for a few boxes that go out together: are next neighbours, the closest above all, of one stream more often than a shuffle of the batch
 * gives? Labels are dealt anew within each batch.
 */
export const neighbourTest = (batches: ReadonlyArray<StreamOperations>, draw: Draw, permutations = 400): TestingAttack => {
  const weights = batches.map(gapWeights)
  const closeness = (streams: ReadonlyArray<ArrayLike<number>>): number => streams.reduce((total, streamOf, batch) => {
    const gaps = weights[batch] ?? []
    let own = 0
    for (let index = 0; index < gaps.length; index++) if (at(streamOf, index) === at(streamOf, index + 1)) own += at(gaps, index)
    return total + own
  }, 0)
  const dealt = (): ReadonlyArray<ArrayLike<number>> => batches.map(({ streamOf }) => {
    const order = drawOrder(draw, streamOf.length)
    return Float64Array.from(order, (place) => at(streamOf, place))
  })
  const observed = closeness(batches.map(({ streamOf }) => streamOf))
  const expected = mean(Array.from({ length: DEALINGS }, () => closeness(dealt())))
  let asLarge = 0
  for (let permutation = 0; permutation < permutations; permutation++) if (closeness(dealt()) >= observed - 1e-9) asLarge++
  return { kind: "testing", name: "neighbours of one stream", observed, expected, probability: (1 + asLarge) / (1 + permutations) }
}
