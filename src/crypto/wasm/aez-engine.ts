/**
 * The AEZ of the native backend: WebAssembly SIMD where the machine has it and it passes a test, else the tables.
 *
 * Contract: `aezEngine` gives the SPRP of Sphinx as `CryptoBackend` has it, identical bytes whoever computes, and says who does. The module's memory
 * holds nothing of a call after it: key, nonce and data are wiped (what the machine's registers and stack held is out of reach).
 * Constant time with WebAssembly: branches and addresses depend on lengths alone. Not so with the tables, which also serve data
 * longer than any packet (`DATA_BYTES_LIMIT`).
 * Knows nothing of: packets.
 * Source: sphinx.md §5; departures: none.
 *
 * @module
 */
import { createHash } from "node:crypto"
import { zeroed } from "../../bytes/allocate.ts"
import { sprpDecipher, sprpDecipherInto, sprpEncipher, sprpEncipherInto, TABLES_PROVIDER } from "../aez.ts"
import type { CryptoBackend } from "../backend.ts"
import { requireLength } from "../backends/length.ts"
import { aezModule, DATA_AT, KEY_AT, NONCE_AT } from "./aez-program.ts"
import { ModuleBuilder, v128 } from "./assembler.ts"
import { systemWasmEngine, WASM_PAGE_BYTES, type WasmEngine, type WasmMemory } from "./engine.ts"

type Sprp = Pick<CryptoBackend, "sprpEncipher" | "sprpEncipherInto" | "sprpDecipher" | "sprpDecipherInto">

export interface AezEngine extends Sprp {
  /** For `funion doctor`. */
  readonly provider: string
}

/** Above the longest payload of any geometry. */
export const DATA_BYTES_LIMIT = 17 << 20
/** Holds the default geometry's payload, and one of 30 KB; larger ones make it grow. */
const PAGES_AT_START = 1
const PAGES_MAX = Math.ceil((DATA_AT + DATA_BYTES_LIMIT) / WASM_PAGE_BYTES)

const TABLES: Sprp = { sprpEncipher, sprpEncipherInto, sprpDecipher, sprpDecipherInto }
export const WASM_PROVIDER = "WebAssembly SIMD, constant time"
export const RELAXED_WASM_PROVIDER = "WebAssembly relaxed SIMD, constant time"

/** One instance of the module. */
class AezMachine implements Sprp {
  readonly #memory: WasmMemory
  readonly #permute: (byteCount: number, inverse: number) => void
  #bytes: Uint8Array

  constructor(memory: WasmMemory, permute: (byteCount: number, inverse: number) => void) {
    this.#memory = memory
    this.#permute = permute
    this.#bytes = new Uint8Array(memory.buffer)
  }

  /** Room for that many bytes of memory; false when there is none to be had. */
  #reserve(byteCount: number): boolean {
    if (byteCount <= this.#bytes.length) return true
    try {
      this.#memory.grow(Math.ceil((byteCount - this.#bytes.length) / WASM_PAGE_BYTES))
    } catch {
      return false
    }
    this.#bytes = new Uint8Array(this.#memory.buffer)
    return true
  }

  #run(key: Uint8Array, iv: Uint8Array, data: Uint8Array, inverse: 0 | 1, output: Uint8Array): void {
    const end = DATA_AT + data.length
    requireLength("output", output, data.length)
    // The tables also refuse keys, IVs and data of wrong length, each with its message.
    if (key.length !== 48 || iv.length !== 16 || data.length < 32 || !this.#reserve(end)) {
      output.set(inverse === 0 ? sprpEncipher(key, iv, data) : sprpDecipher(key, iv, data))
      return
    }
    const bytes = this.#bytes
    bytes.set(key, KEY_AT)
    bytes.set(iv, NONCE_AT)
    bytes.set(data, DATA_AT)
    this.#permute(data.length, inverse)
    output.set(bytes.subarray(DATA_AT, end))
    bytes.fill(0, 0, end)
  }

  #runFresh(key: Uint8Array, iv: Uint8Array, data: Uint8Array, inverse: 0 | 1): Uint8Array {
    const output = zeroed(data.length)
    this.#run(key, iv, data, inverse, output)
    return output
  }

  readonly sprpEncipher: Sprp["sprpEncipher"] = (key, iv, data) => this.#runFresh(key, iv, data, 0)
  readonly sprpDecipher: Sprp["sprpDecipher"] = (key, iv, data) => this.#runFresh(key, iv, data, 1)
  readonly sprpEncipherInto: Sprp["sprpEncipherInto"] = (key, iv, data, output) => this.#run(key, iv, data, 0, output)
  readonly sprpDecipherInto: Sprp["sprpDecipherInto"] = (key, iv, data, output) => this.#run(key, iv, data, 1, output)
}

const isMemory = (value: unknown): value is WasmMemory =>
  typeof value === "object" && value !== null && "buffer" in value && value.buffer instanceof ArrayBuffer && "grow" in value

/** A module that is valid where the relaxed swizzle is. */
const relaxedProbe = (): Uint8Array => {
  const module = new ModuleBuilder(0, 0)
  module.addFunction(["v128"], "v128", (scope) => {
    const block = scope.parameter("v128", 0)
    return v128.swizzleRelaxed(block.get, block.get)
  })
  return module.assemble()
}

const instantiate = (engine: WasmEngine, relaxed: boolean): AezMachine | undefined => {
  const code = aezModule({ pagesMin: PAGES_AT_START, pagesMax: PAGES_MAX, relaxed })
  if (!engine.validate(code)) return undefined
  const { memory, permute } = new engine.Instance(new engine.Module(code)).exports
  return isMemory(memory) && typeof permute === "function" ? new AezMachine(memory, permute as (byteCount: number, inverse: number) => void) : undefined
}

/** All kinds of fragment, the lengths of the published vectors, and enough pairs for the offset to double twice and for pairs left over. */
const TESTED_LENGTHS = [32, 33, 47, 48, 49, 63, 64, 65, 95, 96, 112, 113, 127, 128, 512, 625]
const TEST_PATTERN = Uint8Array.from({ length: 700 }, (_, i) => 167 * i + (i >>> 8))
/** SHA-256 over what both directions give. */
const TEST_DIGEST = "39ec888b0d69af1bf6d62e55a640cdc725ccad6cf7e11596991ef30555678e5b"

/** The known-answer test: the digest of what an SPRP makes of all kinds of lengths, in both directions, is the expected one. */
const passesSelfTest = (sprp: Sprp): boolean => {
  const digest = createHash("sha256")
  for (const byteCount of TESTED_LENGTHS) {
    const key = TEST_PATTERN.subarray(0, 48)
    const iv = TEST_PATTERN.subarray(50, 66)
    const message = TEST_PATTERN.subarray(byteCount % 64, byteCount + byteCount % 64)
    digest.update(sprp.sprpEncipher(key, iv, message)).update(sprp.sprpDecipher(key, iv, message))
  }
  return digest.digest("hex") === TEST_DIGEST
}

/** A machine that works as it should, if the engine can make one. An engine's exception is a refusal: the tables do the work then. */
const testedMachine = (engine: WasmEngine, relaxed: boolean): AezMachine | undefined => {
  try {
    const machine = instantiate(engine, relaxed)
    return machine !== undefined && passesSelfTest(machine) ? machine : undefined
  } catch {
    return undefined
  }
}

const sprpOf = ({ sprpDecipher, sprpDecipherInto, sprpEncipher, sprpEncipherInto }: Sprp): Sprp =>
  ({ sprpEncipher, sprpEncipherInto, sprpDecipher, sprpDecipherInto })

/**
 * Builds the fastest AEZ that works here. The memory of each belongs to the one thread that calls it.
 * @param engine  the runtime's WebAssembly; `undefined`: none
 * @cost some milliseconds; a backend does it once
 */
export const aezEngine = (engine: WasmEngine | undefined = systemWasmEngine()): AezEngine => {
  if (engine !== undefined) {
    const relaxed = engine.validate(relaxedProbe()) ? testedMachine(engine, true) : undefined
    if (relaxed !== undefined) return { provider: RELAXED_WASM_PROVIDER, ...sprpOf(relaxed) }
    const plain = testedMachine(engine, false)
    if (plain !== undefined) return { provider: WASM_PROVIDER, ...sprpOf(plain) }
  }
  return { provider: TABLES_PROVIDER, ...TABLES }
}
