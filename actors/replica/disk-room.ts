/**
 * Whether a disk has room for more boxes, as sampled now and then.
 *
 * Contract: full when the database has reached its quota or the disk's free space is below the reserve. Between samples, bytes written since the last one are
 * counted on top, so that a fast writer does not run past a border. A probe that fails counts as not full. Recovers by itself with the next sample.
 * Knows nothing of: boxes.
 * Source: pigeonhole.md §5.6 (storage full), §7 R7; departures: what was written since the sample counts.
 *
 * @module
 */
import { Effect, type Scope } from "effect"
import { readdir, stat, statfs } from "node:fs/promises"
import { join } from "node:path"

/** What a probe sees, each in bytes; a part that fails is left out of the decision. */
export interface DiskProbe {
  readonly databaseBytes: Effect.Effect<number, unknown>
  readonly freeBytes: Effect.Effect<number, unknown>
}

export interface DiskRoomOptions {
  readonly quotaBytes: number
  readonly reserveBytes: number
  readonly sampleEveryMs: number
  readonly probe: DiskProbe
}

export interface DiskRoom {
  readonly isFull: () => boolean
  /** Counts bytes that went to the disk. */
  readonly wrote: (byteCount: number) => void
  /** Samples now, after something that gave room back. */
  readonly sample: Effect.Effect<void>
}

/** A file that another thread has just removed has no size. */
const sizeOf = (path: string): Promise<number> => stat(path).then(({ size }) => size, () => 0)

const sizesIn = async (directory: string): Promise<number> => {
  let sum = 0
  for (const name of await readdir(directory)) sum += await sizeOf(join(directory, name))
  return sum
}

/** The files of a folder, and the space that its disk gives to ordinary users. */
export const probeDirectory = (directory: string): DiskProbe => ({
  databaseBytes: Effect.tryPromise(() => sizesIn(directory)),
  freeBytes: Effect.map(Effect.tryPromise(() => statfs(directory)), ({ bavail, bsize }) => bavail * bsize)
})

/** Samples once before it returns, then until the scope closes. */
export const makeDiskRoom = ({ probe, quotaBytes, reserveBytes, sampleEveryMs }: DiskRoomOptions): Effect.Effect<DiskRoom, never, Scope.Scope> =>
  Effect.gen(function*() {
    let sampled = { databaseBytes: 0, freeBytes: Number.POSITIVE_INFINITY }
    let writtenBytes = 0
    let writtenAtSample = 0
    const sample = Effect.suspend(() => {
      const writtenBefore = writtenBytes
      return Effect.all({
        databaseBytes: Effect.orElseSucceed(probe.databaseBytes, () => Number.NEGATIVE_INFINITY),
        freeBytes: Effect.orElseSucceed(probe.freeBytes, () => Number.POSITIVE_INFINITY)
      }).pipe(Effect.map((seen) => {
        sampled = seen
        writtenAtSample = writtenBefore
      }))
    })
    yield* sample
    yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.sleep(sampleEveryMs), sample)))
    return {
      isFull: () => {
        const since = writtenBytes - writtenAtSample
        return sampled.databaseBytes + since >= quotaBytes || sampled.freeBytes - since < reserveBytes
      },
      wrote: (byteCount) => { writtenBytes += byteCount },
      sample
    }
  })
