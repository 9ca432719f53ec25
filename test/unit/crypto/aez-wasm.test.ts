/**
 * Goal: AEZ in WebAssembly is the same function as AEZ with tables and the published one, leaves nothing behind, and is not used where it can not be.
 * Method: published vectors, comparison on random inputs from a fixed seed, and engines that lack something or lie.
 *
 * @module
 */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { setFlagsFromString } from "node:v8"
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { aezDecrypt, aezEncrypt, aezExtract, sprpDecipher, sprpEncipher, TABLES_PROVIDER } from "../../../src/crypto/aez.ts"
import { nativeBackend } from "../../../src/crypto/backends/native.ts"
import { referenceBackend as reference } from "../../../src/crypto/backends/reference.ts"
import { seededEntropy } from "../../../src/crypto/entropy.ts"
import { aezEngine, DATA_BYTES_LIMIT, RELAXED_WASM_PROVIDER, WASM_PROVIDER } from "../../../src/crypto/wasm/aez-engine.ts"
import { aezModule, DATA_AT } from "../../../src/crypto/wasm/aez-program.ts"
import { systemWasmEngine, type WasmEngine, type WasmMemory, type WasmModule } from "../../../src/crypto/wasm/engine.ts"

const engine = systemWasmEngine() as WasmEngine
const aez = aezEngine()
const load = (name: string) => JSON.parse(readFileSync(new URL(`../../vectors/data/${name}`, import.meta.url), "utf8"))
const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"))
const sha256 = (value: Uint8Array): string => createHash("sha256").update(value).digest("hex")

/** The runtime's engine that records what it instantiates and may put other exports in its place. */
const watchedEngine = (replace: (exports: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>> = (exports) => exports) => {
  const instances: Array<Readonly<Record<string, unknown>>> = []
  class Instance {
    readonly exports: Readonly<Record<string, unknown>>
    constructor(module: WasmModule) {
      this.exports = replace(new engine.Instance(module).exports)
      instances.push(this.exports)
    }
  }
  const watched: WasmEngine = { validate: (code) => engine.validate(code), Module: engine.Module, Instance }
  return { watched, instances, memory: () => instances.at(-1)!["memory"] as WasmMemory }
}

describe("AEZ in WebAssembly, vectors", () => {
  it("runs on this machine, in the native backend", () => {
    expect([WASM_PROVIDER, RELAXED_WASM_PROVIDER]).toContain(aez.provider)
    expect(Either.getOrThrow(nativeBackend()).providers["aez"]).toBe(aez.provider)
    expect(reference.providers["aez"]).toBe(TABLES_PROVIDER)
  })

  it("gives every published answer without associated data and authenticator", () => {
    const vectors = ["encrypt", "encrypt_no_ad", "encrypt_16_byte_key"]
      .flatMap((name): ReadonlyArray<{ k: string; nonce: string; data: ReadonlyArray<string>; tau: number; m: string; c: string }> => load(`aez/${name}.json`))
      .filter(({ data, m, nonce, tau }) => data.length === 0 && tau === 0 && nonce.length === 32 && m.length >= 64)
    expect(vectors.length).toBe(4)
    for (const { c, k, m, nonce } of vectors) {
      const key = aezExtract(reference, bytes(k))
      expect(aez.sprpEncipher(key, bytes(nonce), bytes(m))).toEqual(bytes(c))
      expect(aez.sprpDecipher(key, bytes(nonce), bytes(c))).toEqual(bytes(m))
    }
  })

  it("gives every answer recorded from the Go code, in both directions", () => {
    const vectors: ReadonlyArray<{
      key: string; nonce: string; length: number; plaintext?: string; ciphertext_sha256: string; decrypt_of_plaintext_sha256: string
    }> = load("aez_sprp_vectors.json").sprp.filter(({ length }: { length: number }) => length >= 32)
    expect(vectors.length).toBe(27)
    for (const vector of vectors) {
      const pattern = Uint8Array.from({ length: vector.length }, (_, i) => 167 * i + Math.floor(i / 256))
      const plaintext = vector.plaintext === undefined ? pattern : bytes(vector.plaintext)
      expect(sha256(aez.sprpEncipher(bytes(vector.key), bytes(vector.nonce), plaintext))).toBe(vector.ciphertext_sha256)
      expect(sha256(aez.sprpDecipher(bytes(vector.key), bytes(vector.nonce), plaintext))).toBe(vector.decrypt_of_plaintext_sha256)
    }
  })
})

describe("AEZ in WebAssembly, against the tables", () => {
  const entropy = seededEntropy(4, "aez wasm")

  it("agrees for every length from 32 to 700 and some large ones, whatever was computed before", () => {
    const lengths = [...Array.from({ length: 669 }, (_, i) => 32 + i), 2606, 30606, 64 * 1024 - DATA_AT, 64 * 1024 - DATA_AT + 1, 200_003, 2606]
    for (const length of lengths) {
      const [key, iv, data] = [entropy(48), entropy(16), entropy(length)] as const
      const before = [key.slice(), iv.slice(), data.slice()]
      const enciphered = aez.sprpEncipher(key, iv, data)
      expect(Buffer.compare(enciphered, sprpEncipher(key, iv, data)), `encipher ${length}`).toBe(0)
      expect(Buffer.compare(aez.sprpDecipher(key, iv, data), sprpDecipher(key, iv, data)), `decipher ${length}`).toBe(0)
      const output = new Uint8Array(length)
      aez.sprpDecipherInto(key, iv, data, output)
      expect(Buffer.compare(output, sprpDecipher(key, iv, data)), `decipher into ${length}`).toBe(0)
      expect(Buffer.compare(aez.sprpDecipher(key, iv, enciphered), data), `there and back ${length}`).toBe(0)
      expect([key, iv, data]).toEqual(before)
    }
  })

  it("agrees for keys, IVs and data of extreme bytes", () => {
    const fills = [0, 1, 0x7f, 0x80, 0xff]
    for (const k of fills) {
      for (const d of fills) {
        const [key, iv, data] = [new Uint8Array(48).fill(k), new Uint8Array(16).fill(d), new Uint8Array(343).fill(d)] as const
        expect(aez.sprpEncipher(key, iv, data)).toEqual(sprpEncipher(key, iv, data))
        expect(aez.sprpDecipher(key, iv, data)).toEqual(sprpDecipher(key, iv, data))
      }
    }
  })

  it("carries the tweak over all of its bits: two keys with single bits and many pairs", () => {
    for (const bit of [0, 1, 7, 8, 63, 64, 65, 127]) {
      const key = new Uint8Array(48)
      key[bit >>> 3] = 0x80 >>> (bit & 7)
      key[32 + (bit >>> 3)] = 0x80 >>> (bit & 7)
      const data = entropy(32 * 8 * 140 + 5) // 140 doublings
      expect(Buffer.compare(aez.sprpEncipher(key, new Uint8Array(16), data), sprpEncipher(key, new Uint8Array(16), data))).toBe(0)
    }
  })

  it("reads data at any alignment and gives fresh memory that is no Buffer", () => {
    const [key, iv, memory] = [entropy(48), entropy(16), Buffer.from(entropy(400))] as const
    for (let offset = 0; offset < 17; offset++) {
      const view = memory.subarray(offset, offset + 333)
      const [first, second] = [aez.sprpDecipher(key, iv, view), aez.sprpDecipher(key, iv, view)]
      expect(first).toEqual(sprpDecipher(key, iv, view))
      expect(Object.getPrototypeOf(first)).toBe(Uint8Array.prototype)
      second.fill(0)
      expect(first).toEqual(sprpDecipher(key, iv, view))
    }
  })

  it("agrees with the whole AEZ, and takes data beyond its own memory to the tables", () => {
    const [key, iv] = [entropy(48), entropy(16)] as const
    const short = entropy(99)
    expect(aez.sprpEncipher(key, iv, short)).toEqual(aezEncrypt(reference, key, iv, [], 0, short))
    expect(aez.sprpDecipher(key, iv, short)).toEqual(aezDecrypt(reference, key, iv, [], 0, short))
    const { memory, watched } = watchedEngine()
    const bounded = aezEngine(watched)
    const huge = new Uint8Array(DATA_BYTES_LIMIT + 65536)
    expect(Buffer.compare(bounded.sprpEncipher(key, iv, huge), sprpEncipher(key, iv, huge))).toBe(0)
    expect(memory().buffer.byteLength).toBe(65536)
  })

  it("dies for keys, IVs and data of a wrong length", () => {
    expect(() => aez.sprpEncipher(entropy(47), entropy(16), entropy(40))).toThrow(RangeError)
    expect(() => aez.sprpDecipher(entropy(49), entropy(16), entropy(40))).toThrow(RangeError)
    expect(() => aez.sprpEncipher(entropy(48), entropy(15), entropy(40))).toThrow(RangeError)
    expect(() => aez.sprpDecipher(entropy(48), entropy(16), entropy(31))).toThrow(RangeError)
    for (const { sprpDecipherInto: into } of [aez, reference]) {
      expect(() => into(entropy(48), entropy(16), entropy(40), new Uint8Array(39))).toThrow(RangeError)
    }
  })
})

describe("AEZ in WebAssembly, its memory", () => {
  it("is all zero after every call, in the start-up test already", () => {
    const { memory, watched } = watchedEngine()
    const watchedAez = aezEngine(watched)
    const nonZeros = () => new Uint8Array(memory().buffer).reduce((count, byte) => count + (byte === 0 ? 0 : 1), 0)
    expect(nonZeros()).toBe(0)
    for (const length of [32, 2606, 47, 100_000, 33]) {
      watchedAez.sprpEncipher(new Uint8Array(48).fill(7), new Uint8Array(16).fill(8), new Uint8Array(length).fill(9))
      expect(nonZeros()).toBe(0)
      watchedAez.sprpDecipher(new Uint8Array(48).fill(7), new Uint8Array(16).fill(8), new Uint8Array(length).fill(9))
      expect(nonZeros()).toBe(0)
    }
    expect(memory().buffer.byteLength).toBe(131_072)
  })

  it("is where the work happens: without wiping, key and result would be there", () => {
    const code = aezModule({ pagesMin: 1, pagesMax: 1, relaxed: false })
    const { memory, permute } = new engine.Instance(new engine.Module(code)).exports as {
      memory: WasmMemory; permute: (byteCount: number, inverse: number) => void
    }
    const inside = new Uint8Array(memory.buffer)
    inside.fill(5, 0, 64)
    inside.fill(6, DATA_AT, DATA_AT + 81)
    permute(81, 0)
    expect(inside.slice(DATA_AT, DATA_AT + 81)).toEqual(sprpEncipher(new Uint8Array(48).fill(5), new Uint8Array(16).fill(5), new Uint8Array(81).fill(6)))
    expect(inside.subarray(DATA_AT + 81).every((byte) => byte === 0)).toBe(true) // nothing is written behind the data
  })
})

describe("AEZ where WebAssembly can not be used", () => {
  const [key, iv, data] = [new Uint8Array(48).fill(1), new Uint8Array(16).fill(2), new Uint8Array(77).fill(3)] as const
  const fallsBack = (candidate: WasmEngine | undefined): void => {
    const fallback = candidate === undefined ? withoutGlobal() : aezEngine(candidate)
    expect(fallback.provider).toBe(TABLES_PROVIDER)
    expect(fallback.sprpEncipher).toBe(sprpEncipher)
    expect(fallback.sprpDecipher).toBe(sprpDecipher)
    expect(fallback.sprpDecipher(key, iv, fallback.sprpEncipher(key, iv, data))).toEqual(data)
  }
  const withoutGlobal = () => {
    const holder = globalThis as { WebAssembly?: unknown }
    const kept = holder.WebAssembly
    try {
      delete holder.WebAssembly
      return aezEngine()
    } finally {
      holder.WebAssembly = kept
    }
  }

  it("falls back to the tables without WebAssembly", () => {
    fallsBack(undefined)
    expect(systemWasmEngine()).toBe(engine)
  })

  it("falls back without SIMD: the module does not validate and is not compiled", () => {
    const { instances, watched } = watchedEngine()
    fallsBack({ ...watched, validate: () => false })
    expect(instances.length).toBe(0)
  })

  it("falls back when compiling fails, or the exports are not there", () => {
    class Refusing {
      constructor() {
        throw new Error("out of executable memory")
      }
    }
    fallsBack({ ...watchedEngine().watched, Module: Refusing })
    fallsBack(watchedEngine(() => ({})).watched)
  })

  it("falls back when the engine computes one bit wrongly, for one length only", () => {
    for (const wrongLength of [32, 47, 128, 512, 625]) {
      fallsBack(watchedEngine(({ memory, permute }) => ({
        memory,
        permute: (byteCount: number, inverse: number) => {
          ;(permute as (byteCount: number, inverse: number) => void)(byteCount, inverse)
          if (byteCount === wrongLength && inverse === 1) new Uint8Array((memory as WasmMemory).buffer)[DATA_AT + 31]! ^= 0x10
        }
      })).watched)
    }
  })

  it("takes the relaxed instructions where the engine has them, with the same results", () => {
    setFlagsFromString("--experimental-wasm-relaxed-simd") // Node 20 has them behind this flag, later releases without
    const relaxed = aezEngine()
    expect(relaxed.provider).toBe(RELAXED_WASM_PROVIDER)
    const entropy = seededEntropy(5, "aez relaxed")
    for (const length of [32, 63, 2606, 30606]) {
      const message = entropy(length)
      expect(Buffer.compare(relaxed.sprpEncipher(key, iv, message), sprpEncipher(key, iv, message))).toBe(0)
      expect(Buffer.compare(relaxed.sprpDecipher(key, iv, message), sprpDecipher(key, iv, message))).toBe(0)
    }
  })

  it("takes the plain instructions when the relaxed ones are valid but give something else", () => {
    let count = 0
    const { watched } = watchedEngine((exports) => (count++ === 0 ? { ...exports, permute: () => undefined } : exports))
    // Every engine compiles the plain module; this one claims the relaxed one and gets it wrong.
    const plain = aezModule({ pagesMin: 1, pagesMax: 1, relaxed: false })
    const claiming: WasmEngine = {
      ...watched,
      validate: () => true,
      Module: class {
        constructor(code: Uint8Array) {
          return new engine.Module(engine.validate(code) ? code : plain)
        }
      }
    }
    expect(aezEngine(claiming).provider).toBe(WASM_PROVIDER)
    expect(count).toBe(2)
  })
})
