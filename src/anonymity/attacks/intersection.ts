/**
 * Long-run intersection: over many rounds, who is always online when a certain thing happens?
 *
 * Two attacks at once. *Intersection* keeps the clients that were online in every round with the event: sound, but one loss or one offline receiver breaks
 * it. *Statistical disclosure* compares how often a client was online in rounds with the event and in rounds without: it survives noise and needs more
 * rounds.
 *
 * Contract: no mix network prevents this; it depends on who comes and goes and on whether the event needs its client online. The curve tells after how many
 * rounds which share of targets is known.
 * Knows nothing of: what the event is.
 * Source: Berthold, Pfitzmann and Standtke 2000; Danezis 2003, Danezis and Serjantov 2004; funion.md §7 O16; departures: none.
 *
 * @module
 */
import { drawIndex, type Draw } from "../draws.ts"
import { clopperPearson, type Estimate } from "../metrics/interval.ts"
import { at } from "../series.ts"

/** What is seen of one target, round by round. */
export interface TargetHistory {
  /** 1 where the thing happened. */
  readonly event: ArrayLike<number>
  /** Of each round and client, row by row, 1 where online (or how many frames). */
  readonly online: ArrayLike<number>
  readonly clientCount: number
  /** The truth. */
  readonly client: number
}

export interface DisclosurePoint {
  readonly rounds: number
  /** Share of targets that statistical disclosure names. */
  readonly named: Estimate
  /** Mean of log2 of the clients that intersection has left. */
  readonly remainingBits: number
}

export interface Disclosure {
  readonly name: string
  readonly targets: number
  readonly clientCount: number
  readonly points: ReadonlyArray<DisclosurePoint>
}

/** What one target's history gives away after each of the asked numbers of rounds. */
const follow = ({ client, clientCount, event, online }: TargetHistory, checkpoints: ReadonlyArray<number>, draw: Draw) => {
  const [withEvent, without] = [new Float64Array(clientCount), new Float64Array(clientCount)]
  const always = new Uint8Array(clientCount).fill(1)
  let [events, others, round] = [0, 0, 0]
  return checkpoints.map((rounds) => {
    for (; round < rounds; round++) {
      const happened = at(event, round) > 0
      if (happened) events++
      else others++
      const counts = happened ? withEvent : without
      for (let who = 0; who < clientCount; who++) {
        const present = at(online, round * clientCount + who)
        counts[who] = (counts[who] as number) + present
        if (happened && present === 0) always[who] = 0
      }
    }
    const scores = withEvent.map((count, who) => count / Math.max(1, events) - (without[who] as number) / Math.max(1, others))
    const best = scores.reduce((largest, score) => Math.max(largest, score), -Infinity)
    const equals = Array.from(scores.keys()).filter((who) => (scores[who] as number) >= best - 1e-12)
    const remaining = always.reduce((total, one) => total + one, 0)
    return { named: equals[drawIndex(draw, equals.length)] === client, remainingBits: Math.log2(Math.max(1, remaining)) }
  })
}

/** @param checkpoints  ascending numbers of rounds at which to look */
export const disclosure = (name: string, targets: ReadonlyArray<TargetHistory>, checkpoints: ReadonlyArray<number>, draw: Draw): Disclosure => {
  const followed = targets.map((target) => follow(target, checkpoints, draw))
  return {
    name,
    targets: targets.length,
    clientCount: targets[0]?.clientCount ?? 0,
    points: checkpoints.map((rounds, index) => {
      const named = followed.filter((points) => points[index]?.named === true).length
      return {
        rounds,
        named: { value: named / Math.max(1, targets.length), interval: clopperPearson(named, targets.length) },
        remainingBits: followed.reduce((total, points) => total + (points[index]?.remainingBits ?? 0), 0) / Math.max(1, targets.length)
      }
    })
  }
}
