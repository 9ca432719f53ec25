/**
 * A fast hash without any secrecy, computed by WebAssembly, for telling byte strings of a simulation apart.
 *
 * Contract: deterministic, the same on every machine. Whatever single bit of the input changes changes the state; for unrelated inputs equal states are as
 * unlikely as for random ones (128 bits), but somebody who looks for equal states finds them. Not to be used where anybody could gain by one.
 * Knows nothing of: what the bytes mean.
 * Source: none (word-hash-program.ts says how); xoshiro128++ for the stream; departures: none.
 *
 * @module
 */
import { systemWasmEngine, WASM_PAGE_BYTES, type WasmMemory } from "./wasm/engine.ts"
import { BLOCK_BYTES, DATA_AT, STATE_AT, wordHashModule } from "./wasm/word-hash-program.ts"

/** Of the longest input, in pages of WebAssembly: half of what an engine can address. */
const PAGES_MAX = 32_768

/** The machine, made when something is hashed for the first time. */
let hash: (seed: number, byteCount: number) => void = () => undefined
let memory: WasmMemory | undefined
/** Where the input goes: the machine's memory from `DATA_AT` on. */
let scratch = new Uint8Array(0)
let words = new Int32Array(0)

/** The state after the last `absorb`: valid until the next one. */
export const state = new Int32Array(4)

const start = (): WasmMemory => {
  const engine = systemWasmEngine()
  if (engine === undefined) throw new Error("simulations need WebAssembly, which this Node was told to do without")
  const { exports } = new engine.Instance(new engine.Module(wordHashModule({ pagesMin: 1, pagesMax: PAGES_MAX })))
  hash = exports["hash"] as typeof hash
  return exports["memory"] as WasmMemory
}

/** Makes room for that many bytes, and for what follows them up to a whole block. */
const reserve = (byteCount: number): void => {
  if (byteCount + BLOCK_BYTES <= scratch.length) return
  memory ??= start()
  const missing = DATA_AT + byteCount + BLOCK_BYTES - memory.buffer.byteLength
  if (missing > 0) memory.grow(Math.ceil(missing / WASM_PAGE_BYTES))
  scratch = new Uint8Array(memory.buffer, DATA_AT)
  words = new Int32Array(memory.buffer, STATE_AT, 4)
}

/** Hashes the first `byteCount` bytes of the scratch memory. */
const hashScratch = (seed: number, byteCount: number): void => {
  scratch.fill(0, byteCount, byteCount + BLOCK_BYTES)
  hash(seed, byteCount)
  for (let word = 0; word < 4; word++) state[word] = words[word] as number
}

/** Hashes the concatenation of the parts into `state`. @param seed  different seeds are different hashes */
export const absorb = (seed: number, parts: ReadonlyArray<Uint8Array>): void => {
  let byteCount = 0
  for (const part of parts) byteCount += part.length
  reserve(byteCount)
  let at = 0
  for (const part of parts) {
    scratch.set(part, at)
    at += part.length
  }
  hashScratch(seed, byteCount)
}

/** As `absorb`, for one part. */
export const absorbOne = (seed: number, part: Uint8Array): void => {
  reserve(part.length)
  scratch.set(part)
  hashScratch(seed, part.length)
}

/** Writes bytes that follow from `state` and `counter` into `output`, as many as it has. */
export const squeezeInto = (output: Uint8Array, counter = 0): void => {
  let a = (state[0] as number) ^ counter
  let b = state[1] as number
  let c = state[2] as number
  let d = state[3] as number
  for (let at = 0; at < output.length; at += 4) {
    // xoshiro128++, as a stream of words
    const sum = (a + d) | 0
    const word = (((sum << 7) | (sum >>> 25)) + a) | 0
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = (d << 11) | (d >>> 21)
    output[at] = word
    output[at + 1] = word >>> 8
    output[at + 2] = word >>> 16
    output[at + 3] = word >>> 24
  }
}

/** XORs the stream that `squeezeInto` writes into `target`. */
export const maskWithState = (target: Uint8Array): void => {
  let a = state[0] as number
  let b = state[1] as number
  let c = state[2] as number
  let d = state[3] as number
  for (let at = 0; at < target.length; at += 4) {
    const sum = (a + d) | 0
    const word = (((sum << 7) | (sum >>> 25)) + a) | 0
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = (d << 11) | (d >>> 21)
    target[at] = (target[at] as number) ^ word
    target[at + 1] = (target[at + 1] as number) ^ (word >>> 8)
    target[at + 2] = (target[at + 2] as number) ^ (word >>> 16)
    target[at + 3] = (target[at + 3] as number) ^ (word >>> 24)
  }
}

/** 53 bits of the hash of one byte string, as a whole number: a name for its content. */
export const digest53 = (bytes: Uint8Array): number => {
  absorbOne(0x64696765, bytes)
  return ((state[0] as number) >>> 0) + ((state[1] as number) & 0x1fffff) * 4_294_967_296
}
