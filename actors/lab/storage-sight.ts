/**
 * What storage sees of jobs, put in order: when each box was first written, and each time that somebody asked for it.
 *
 * A replica looks before it writes, and passes copies on to the other holder: neither is an operation of anybody outside. A look that finds nothing is an
 * early or vain poll only if no write of the same box follows it at the same instant.
 *
 * Contract: pure; lists in order of time.
 * Knows nothing of: who asked.
 * Source: pigeonhole.md §5.6, funion.md §7 (what replicas see); departures: none.
 *
 * @module
 */
import type { StorageEvent } from "../../src/anonymity/trace.ts"

export interface Look {
  readonly instantMs: number
  readonly found: boolean
}

export interface StorageSight {
  /** By box id: when any replica first had it. */
  readonly writtenMs: ReadonlyMap<string, number>
  /** By box id: every time that somebody asked for it. */
  readonly looks: ReadonlyMap<string, ReadonlyArray<Look>>
}

const keyOf = ({ boxId, instantMs, replica }: StorageEvent): string => `${replica} ${boxId} ${instantMs}`

export const sightOf = (events: ReadonlyArray<StorageEvent>): StorageSight => {
  const writes = new Set<string>()
  const writtenMs = new Map<string, number>()
  for (const event of events) {
    if (event.operation !== "write") continue
    writes.add(keyOf(event))
    if (!writtenMs.has(event.boxId)) writtenMs.set(event.boxId, event.instantMs)
  }
  const looks = new Map<string, Array<Look>>()
  for (const event of events) {
    if (event.operation !== "read" || writes.has(keyOf(event))) continue
    const known = looks.get(event.boxId) ?? []
    looks.set(event.boxId, known)
    known.push({ instantMs: event.instantMs, found: event.found })
  }
  return { writtenMs, looks }
}

/**
 * The first time that somebody asked for a box and found it.
 * @param fromMs  earlier looks do not count: a box that is written again, by a sender who has not heard of the first time, is found by the replica that looks
 */
export const firstReadMs = ({ looks }: StorageSight, boxId: string, fromMs = 0): number | undefined =>
  looks.get(boxId)?.find(({ found, instantMs }) => found && instantMs >= fromMs)?.instantMs
