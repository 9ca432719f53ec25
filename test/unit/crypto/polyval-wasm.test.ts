/**
 * Goal: POLYVAL in WebAssembly is the function of the table, leaves nothing behind, and is not used where it can not be.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { nativeBackend } from "../../../src/crypto/backends/native.ts"
import { seededEntropy } from "../../../src/crypto/entropy.ts"
import { polyval } from "../../../src/crypto/polyval.ts"
import { systemWasmEngine, type WasmEngine, type WasmMemory, type WasmModule } from "../../../src/crypto/wasm/engine.ts"
import { polyvalEngine, POLYVAL_BYTES_LIMIT, POLYVAL_TABLE_PROVIDER, POLYVAL_WASM_PROVIDER } from "../../../src/crypto/wasm/polyval-engine.ts"

const engine = systemWasmEngine() as WasmEngine

/** The runtime's engine that hands out the memory of its last instance and may put other exports in its place. */
const watchedEngine = (replace: (exports: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>> = (exports) => exports) => {
  let memory: WasmMemory | undefined
  class Instance {
    readonly exports: Readonly<Record<string, unknown>>
    constructor(module: WasmModule) {
      const { exports } = new engine.Instance(module)
      memory = exports["memory"] as WasmMemory
      this.exports = replace(exports)
    }
  }
  const watched: WasmEngine = { validate: (code) => engine.validate(code), Module: engine.Module, Instance }
  return { watched, memory: () => new Uint8Array(memory!.buffer) }
}

describe("POLYVAL in WebAssembly", () => {
  it("runs on this machine, in the native backend", () => {
    expect(polyvalEngine().provider).toBe(POLYVAL_WASM_PROVIDER)
    expect(Either.getOrThrow(nativeBackend()).providers["aes-256-gcm-siv"]).toContain(POLYVAL_WASM_PROVIDER)
  })

  it("gives what the table gives, for all lengths and cuts", () => {
    const machine = polyvalEngine()
    const entropy = seededEntropy(1, "polyval wasm")
    for (let byteCount = 0; byteCount < 300; byteCount++) {
      const key = entropy(16)
      const parts = [entropy(byteCount % 40), entropy(byteCount), entropy(16)]
      expect(machine.polyval(key, ...parts)).toEqual(polyval(key, ...parts))
    }
    expect(machine.polyval(entropy(16))).toEqual(new Uint8Array(16))
  })

  it("multiplies single bits, and full words, without a carry into a bit that counts", () => {
    const machine = polyvalEngine()
    for (let bit = 0; bit < 128; bit++) {
      const single = new Uint8Array(16)
      single[bit >>> 3] = 1 << (bit & 7)
      const full = new Uint8Array(128).fill(255)
      expect(machine.polyval(single, full)).toEqual(polyval(single, full))
      expect(machine.polyval(full.subarray(0, 16), single, full)).toEqual(polyval(full.subarray(0, 16), single, full))
    }
  })

  it("grows for long inputs, leaves no byte in its memory, and asks the table above its limit", () => {
    const { memory, watched } = watchedEngine()
    const machine = polyvalEngine(watched)
    const entropy = seededEntropy(2, "polyval wasm")
    const [key, long] = [entropy(16), entropy(100_001)]
    expect(machine.polyval(key, long)).toEqual(polyval(key, long))
    expect(memory().length).toBeGreaterThan(100_001)
    expect(memory().every((byte) => byte === 0)).toBe(true)
    const tooLong = new Uint8Array(POLYVAL_BYTES_LIMIT + 70_000)
    expect(machine.polyval(key, tooLong, long.subarray(0, 16))).toEqual(polyval(key, long.subarray(0, 16)))
  })

  it("dies for a key that is not one block, as the table does", () => {
    expect(() => polyvalEngine().polyval(new Uint8Array(32))).toThrow(RangeError)
  })

  it.each<readonly [string, WasmEngine]>([
    ["cannot run the module", { ...watchedEngine().watched, validate: () => false }],
    ["gives a wrong answer", watchedEngine((exports) => ({ ...exports, absorb: () => undefined })).watched],
    ["lacks an export", watchedEngine(() => ({})).watched],
    ["throws", { ...watchedEngine().watched, validate: () => { throw new Error("no") } }]
  ])("an engine that %s is not used", (_, broken) => {
    expect(polyvalEngine(broken).provider).toBe(POLYVAL_TABLE_PROVIDER)
  })
})
