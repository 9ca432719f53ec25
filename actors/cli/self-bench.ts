/**
 * How fast this machine is at what networks need: measured once, then read from a file.
 *
 * Contract: figures are medians of short samples of processor time, commits apart, good to some tenths: for sizing pools, not for comparing programs. A
 * stored figure is shown only while program version, processor, Node and backend are those it was measured with. A cache that cannot be written or read
 * is none.
 * Knows nothing of: who asks.
 * Source: issue 4, point 6; departures: none.
 *
 * @module
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { cpus, homedir } from "node:os"
import { join } from "node:path"
import { Effect, Either, Schema } from "effect"
import { nextIndex } from "../../src/bacap/box-index.ts"
import { sealBox } from "../../src/bacap/box.ts"
import { newWriteCap } from "../../src/bacap/capability.ts"
import type { CryptoBackend } from "../../src/crypto/backend.ts"
import { seededEntropy } from "../../src/crypto/entropy.ts"
import { openLogFile } from "../../src/disk/log-file.ts"
import { boxPlaintextBytes } from "../../src/params/mixnet-params.ts"
import { tinyParams } from "../../src/params/presets.ts"
import { makeGeometry, NodeId } from "../../src/sphinx/geometry.ts"
import { createPacket } from "../../src/sphinx/packet.ts"
import { mixPrivateKey, unwrap } from "../../src/sphinx/unwrap.ts"
import { packageVersion } from "./package-version.ts"

const Figures = Schema.Struct({
  cores: Schema.Number,
  /** X25519 packets of 2 000 bytes of user payload, per core. */
  unwrapsPerSecond: Schema.Number,
  /** Wide-block deciphering of such a packet's payload, per core. */
  aezMegabytesPerSecond: Schema.Number,
  /** Boxes that fill such a packet, encrypted and signed, per core. */
  boxWritesPerSecond: Schema.Number,
  /** Writes of 4 KiB that are on the disk of the cache folder before the next begins; 0 where they were not measured. */
  commitsPerSecond: Schema.Number
})
export type SelfBenchFigures = typeof Figures.Type

const Stored = Schema.parseJson(Schema.Struct({ key: Schema.String, figures: Figures }))

const WARM_UP_MS = 300
const SAMPLE_MS = 4
const SAMPLE_COUNT = 40
const COMMIT_COUNT = 48
const COMMIT_BYTES = 4_096
const PACKET_COUNT = 8

const median = (values: ReadonlyArray<number>): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

const nowMs: Effect.Effect<number> = Effect.clockWith((clock) => Effect.sync(() => Number(clock.unsafeCurrentTimeNanos()) / 1e6))

/** Processor time of this process so far: others on the machine make no core look slow. */
const usedMs = (): number => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1_000
}

/** Operations per second of one core. */
const rateOf = (operation: (index: number) => void): Effect.Effect<number> =>
  Effect.clockWith((clock) => Effect.sync(() => {
    const time = (): number => Number(clock.unsafeCurrentTimeNanos()) / 1e6
    /** Milliseconds of processor time per operation. */
    const sample = (leastMs: number): number => {
      const startMs = time()
      const startUsedMs = usedMs()
      let count = 0
      do operation(count++)
      while (time() - startMs < leastMs)
      return (usedMs() - startUsedMs) / count
    }
    sample(WARM_UP_MS)
    return 1_000 / median(Array.from({ length: SAMPLE_COUNT }, () => sample(SAMPLE_MS)))
  }))

const unwrapRate = (crypto: CryptoBackend): Effect.Effect<number> => {
  const entropy = seededEntropy("self-bench", "unwrap")
  const geometry = Either.getOrThrow(makeGeometry(tinyParams.geometry))
  const key = mixPrivateKey(crypto, geometry, entropy(32))
  const path = [key.publicKey, crypto.x25519PublicKey(entropy(32))].map((publicKey) =>
    ({ nodeId: NodeId.unsafe(entropy(32)), publicKey, commands: [{ _tag: "NodeDelay", delayMs: 1 }] as const }))
  const packets = Array.from({ length: PACKET_COUNT }, () =>
    Either.getOrThrow(createPacket(crypto, geometry, path, entropy(geometry.forwardPayloadBytes), entropy)))
  return rateOf((index) => { unwrap(crypto, geometry, key, packets[index % PACKET_COUNT] as Uint8Array) })
}

const aezRate = (crypto: CryptoBackend): Effect.Effect<number> => {
  const entropy = seededEntropy("self-bench", "aez")
  const geometry = Either.getOrThrow(makeGeometry(tinyParams.geometry))
  const [key, iv, data] = [entropy(48), entropy(16), entropy(geometry.packetBytes - geometry.headerBytes)]
  return Effect.map(rateOf(() => { crypto.sprpDecipher(key, iv, data) }), (perSecond) => (perSecond * data.length) / 1e6)
}

const boxRate = (crypto: CryptoBackend): Effect.Effect<number> => {
  const entropy = seededEntropy("self-bench", "box")
  const cap = newWriteCap(crypto, entropy)
  const plaintext = entropy(boxPlaintextBytes(tinyParams))
  return rateOf(() => { sealBox(crypto, cap, Either.getOrThrow(nextIndex(crypto, cap.index)), plaintext) })
}

/** Commits per second in a folder; 0 when nothing can be written there. */
const commitRate = (folder: string): Effect.Effect<number> => {
  const path = join(folder, `commits-${process.pid}`)
  return Effect.gen(function*() {
    const log = yield* openLogFile(path)
    const times: Array<number> = []
    for (let index = 0; index < COMMIT_COUNT; index++) {
      const startMs = yield* nowMs
      yield* log.write(index * COMMIT_BYTES, new Uint8Array(COMMIT_BYTES).fill(index))
      times.push((yield* nowMs) - startMs)
    }
    log.close()
    return 1_000 / median(times)
  }).pipe(
    Effect.catchAll(() => Effect.succeed(0)),
    Effect.ensuring(Effect.sync(() => rmSync(path, { force: true })))
  )
}

/** The user's cache folder for this program. */
export const cacheFolder = (): string => join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "funion")
const FILE_NAME = "bench-node.json"

/** What figures depend on. */
const keyOf = (crypto: CryptoBackend): string =>
  [packageVersion("."), cpus()[0]?.model.trim() ?? "unknown", cpus().length, process.versions.node, process.arch, crypto.name].join("; ")

/** The figures of an earlier run on this machine, if there are any. */
export const storedFigures = (crypto: CryptoBackend, folder = cacheFolder()): SelfBenchFigures | undefined => {
  try {
    const stored = Schema.decodeUnknownSync(Stored)(readFileSync(join(folder, FILE_NAME), "utf8"))
    return stored.key === keyOf(crypto) ? stored.figures : undefined
  } catch {
    return undefined
  }
}

/** Keeps figures for later; false when the folder cannot be written. */
export const storeFigures = (crypto: CryptoBackend, figures: SelfBenchFigures, folder = cacheFolder()): boolean => {
  try {
    const path = join(folder, FILE_NAME)
    const fresh = `${path}.${process.pid}`
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    writeFileSync(fresh, `${JSON.stringify({ key: keyOf(crypto), figures })}\n`)
    renameSync(fresh, path)
    return true
  } catch {
    return false
  }
}

/** Measures; takes one to two seconds with the native backend, in which nothing else of the process runs. */
export const measureMachine = (crypto: CryptoBackend, folder = cacheFolder()): Effect.Effect<SelfBenchFigures> =>
  Effect.gen(function*() {
    const unwrapsPerSecond = Math.round(yield* unwrapRate(crypto))
    const aezMegabytesPerSecond = Math.round(yield* aezRate(crypto))
    const boxWritesPerSecond = Math.round(yield* boxRate(crypto))
    yield* Effect.ignore(Effect.try(() => mkdirSync(folder, { recursive: true, mode: 0o700 })))
    const commitsPerSecond = Math.round(yield* commitRate(folder))
    return { cores: cpus().length, unwrapsPerSecond, aezMegabytesPerSecond, boxWritesPerSecond, commitsPerSecond }
  })

/** The figures as name and text. */
export const renderFigures = (figures: SelfBenchFigures): Readonly<Record<string, string>> => ({
  cores: String(figures.cores),
  unwraps: `${figures.unwrapsPerSecond} packets per second and core`,
  aez: `${figures.aezMegabytesPerSecond} MB per second and core`,
  "box writes": `${figures.boxWritesPerSecond} per second and core`,
  commits: figures.commitsPerSecond === 0 ? "not measured: the cache folder cannot be written" : `${figures.commitsPerSecond} per second`
})
