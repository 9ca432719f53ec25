/**
 * How every bench measures: a candidate against a floor, interleaved in the same run, by medians.
 *
 * Contract: only the ratio of a row is meaningful from one machine or one minute to another. Both sides are warmed up, then sampled in turn, each time
 * in the other order, so that a slow moment of the machine meets both. The work is folded into a checksum that the row carries, so that nothing
 * can be optimised away unseen.
 * Knows nothing of: what is measured.
 * Source: style.md §2.8; departures: none.
 *
 * @module
 */
import { arch, cpus, platform } from "node:os"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import type { CryptoBackend } from "../src/crypto/backend.ts"

export interface BenchRow {
  readonly id: string
  /** Median microseconds of the candidate, per operation. */
  readonly us: number
  /** Median microseconds of the floor, per operation. */
  readonly floorUs: number
  /** `us / floorUs`; of rates (`transfer`) the achieved one ÷ that of the floor. */
  readonly ratio: number
  /** Of the candidate's results; the same in every run of the same work. */
  readonly checksum: string
  /** Bytes that one operation of the candidate allocates, on the heap and in array buffers; absent where it was not measured. */
  readonly allocatedBytes?: number
  /** Whose time `us` is, where it is not a matter of course. */
  readonly clock?: "real" | "virtual"
  /** Operations per second and core, or as the bench says; absent where it is no more than a reciprocal. */
  readonly perSecond?: number
}

export interface BenchOptions {
  readonly crypto: CryptoBackend
  /** A few samples only: shows that the bench runs, its figures mean little. */
  readonly small: boolean
  /** Benches that run in virtual time run in the machine's instead. */
  readonly realTime?: boolean
}

/** One question with its answer in rows. */
export interface Bench {
  readonly name: string
  readonly question: string
  readonly run: (options: BenchOptions) => Promise<ReadonlyArray<BenchRow>>
}

/** What the figures were taken on. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly node: string
  readonly platform: string
  readonly backend: string
}

export const machineOf = (crypto: CryptoBackend): Machine => ({
  cpu: cpus()[0]?.model.trim() ?? "unknown",
  cores: cpus().length,
  node: process.versions.node,
  platform: `${platform()}-${arch()}`,
  backend: crypto.name
})

/** Microseconds of processor time that this process has used so far, all its threads together. */
export const processUs = (): number => {
  const { system, user } = process.cpuUsage()
  return system + user
}

setFlagsFromString("--expose-gc")
const gc = runInNewContext("gc") as (options?: { readonly type: "minor" | "major" }) => void

/**
 * Collects what was allocated since the last time. Who measures phases of one process ends each of them with it: else the garbage of one is collected in
 * another, always the same one, for some collections wait for a turn of the event loop.
 */
export const collectYoung = (): void => gc({ type: "minor" })

/** Collects everything. */
export const collectAll = (): void => gc()

/** The middle of the values, or the mean of the two in the middle; 0 for none. */
export const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? 0
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2
}

/** FNV-1a over the 32-bit results of the work. */
const foldChecksum = (checksum: number, result: number): number => Math.imul(checksum ^ result, 0x01000193) >>> 0
const CHECKSUM_START = 0x811c9dc5

/** One operation: does the work for one input and returns 32 bits of its result. */
export type Operation = (inputIndex: number) => number

export interface Comparison {
  readonly id: string
  readonly candidate: Operation
  readonly floor: Operation
  /** The operations take each of these inputs in turn: `inputIndex` is below it. */
  readonly inputCount: number
  readonly small: boolean
}

/** Long against the clock's grain, short against a time slice: most samples then run undisturbed, and the median is one of those. */
const SAMPLE_US = 500
const SAMPLE_COUNT = 800
/** Long enough for the optimising compiler to finish on a busy machine. */
const WARM_UP_US = 1_000_000

/** Microseconds per operation over `repeatCount` operations. */
const sampleUs = (operation: Operation, inputCount: number, repeatCount: number): number => {
  const startMs = performance.now()
  for (let i = 0; i < repeatCount; i++) operation(i % inputCount)
  return ((performance.now() - startMs) * 1000) / repeatCount
}

/** Runs the operation until it is compiled; returns how many operations fill a sample. */
const warmUp = (operation: Operation, inputCount: number): number => {
  const startMs = performance.now()
  let us = sampleUs(operation, inputCount, inputCount)
  while ((performance.now() - startMs) * 1000 < WARM_UP_US) us = Math.min(us, sampleUs(operation, inputCount, inputCount))
  return Math.max(1, Math.ceil(SAMPLE_US / us))
}

/** Of byte strings in their order. */
export const checksumOfBytes = (strings: ReadonlyArray<Uint8Array>): string =>
  strings.reduce((checksum, bytes) => bytes.reduce(foldChecksum, checksum), CHECKSUM_START).toString(16).padStart(8, "0")

/** Of 32-bit results in their order. */
export const checksumOfWords = (words: ReadonlyArray<number>): string => words.reduce(foldChecksum, CHECKSUM_START).toString(16).padStart(8, "0")

const checksumOf = (operation: Operation, inputCount: number): string => {
  let checksum = CHECKSUM_START
  for (let i = 0; i < inputCount; i++) checksum = foldChecksum(checksum, operation(i))
  return checksum.toString(16).padStart(8, "0")
}

const ALLOCATION_WINDOW_COUNT = 31
const ALLOCATION_WINDOW_OPERATIONS = 32

/** Bytes in use by this thread, on the heap and in array buffers. */
export const usedBytes = (): number => {
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** The median over windows of some operations; those in which the garbage collector left less than there was are not counted. */
const allocatedBytesOf = (operation: Operation, inputCount: number, windowCount: number): number => {
  const growths: Array<number> = []
  for (let window = 0; window < windowCount; window++) {
    const before = usedBytes()
    for (let i = 0; i < ALLOCATION_WINDOW_OPERATIONS; i++) operation(i % inputCount)
    const growth = usedBytes() - before
    if (growth >= 0) growths.push(growth / ALLOCATION_WINDOW_OPERATIONS)
  }
  return Math.round(median(growths))
}

/** Measures candidate and floor side by side. */
export const compare = ({ candidate, floor, id, inputCount, small }: Comparison): BenchRow => {
  const checksum = checksumOf(candidate, inputCount)
  const candidateRepeat = small ? 1 : warmUp(candidate, inputCount)
  const floorRepeat = small ? 1 : warmUp(floor, inputCount)
  const candidateUs: Array<number> = []
  const floorUs: Array<number> = []
  const sampleCount = small ? 3 : SAMPLE_COUNT
  for (let sample = 0; sample < sampleCount; sample++) {
    if (sample % 2 === 0) candidateUs.push(sampleUs(candidate, inputCount, candidateRepeat))
    floorUs.push(sampleUs(floor, inputCount, floorRepeat))
    if (sample % 2 === 1) candidateUs.push(sampleUs(candidate, inputCount, candidateRepeat))
  }
  const us = median(candidateUs)
  const floorMedianUs = median(floorUs)
  const allocatedBytes = allocatedBytesOf(candidate, inputCount, small ? 1 : ALLOCATION_WINDOW_COUNT)
  return { id, us, floorUs: floorMedianUs, ratio: us / floorMedianUs, checksum, allocatedBytes }
}
