/**
 * The POLYVAL of the native backend: WebAssembly where the machine has it and it passes a test, else the table.
 *
 * Contract: `polyvalEngine` gives `polyval` as src/crypto/polyval.ts has it, identical bytes whoever computes, and says who does. The module's memory
 * holds nothing of a call after it: key, powers and data are wiped (what the machine's registers and stack held is out of reach).
 * Constant time with WebAssembly: branches and addresses depend on lengths alone. Not so with the table, which also serves data longer than
 * any box (`POLYVAL_BYTES_LIMIT`).
 * Knows nothing of: GCM-SIV.
 * Source: RFC 8452 §3; departures: none.
 *
 * @module
 */
import { polyval } from "../polyval.ts"
import { systemWasmEngine, WASM_PAGE_BYTES, type WasmEngine, type WasmMemory } from "./engine.ts"
import { DATA_AT, GROUP_BYTES, KEY_AT, polyvalModule, STATE_AT } from "./polyval-program.ts"

/** Hashes parts, each padded with zeros to whole blocks, under a key of 16 bytes. */
export type Polyval = typeof polyval

export interface PolyvalEngine {
  readonly polyval: Polyval
  /** For `funion doctor`. */
  readonly provider: string
}

/** Above the longest box of any geometry. */
export const POLYVAL_BYTES_LIMIT = 17 << 20
const PAGES_MAX = Math.ceil((DATA_AT + POLYVAL_BYTES_LIMIT) / WASM_PAGE_BYTES)
const BLOCK_BYTES = 16

export const POLYVAL_TABLE_PROVIDER = "funion, JavaScript"
export const POLYVAL_WASM_PROVIDER = "funion, WebAssembly SIMD, constant time"

const wholeBlocks = (byteCount: number): number => Math.ceil(byteCount / BLOCK_BYTES) * BLOCK_BYTES

/** One instance of the module. */
class PolyvalMachine {
  readonly #memory: WasmMemory
  readonly #absorb: (end: number) => void
  #bytes: Uint8Array

  constructor(memory: WasmMemory, absorb: (end: number) => void) {
    this.#memory = memory
    this.#absorb = absorb
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

  readonly polyval: Polyval = (key, ...parts) => {
    let paddedBytes = 0
    for (const part of parts) paddedBytes += wholeBlocks(part.length)
    const groupedBytes = Math.ceil(paddedBytes / GROUP_BYTES) * GROUP_BYTES
    const end = DATA_AT + groupedBytes
    // The table also refuses keys of wrong length.
    if (key.length !== BLOCK_BYTES || !this.#reserve(end)) return polyval(key, ...parts)
    const bytes = this.#bytes
    bytes.set(key, KEY_AT)
    // Blocks of zeros before the first one leave the state zero; the memory is zero from the last call.
    let at = end - paddedBytes
    for (const part of parts) {
      bytes.set(part, at)
      at += wholeBlocks(part.length)
    }
    this.#absorb(end)
    const hash = bytes.slice(STATE_AT, STATE_AT + BLOCK_BYTES)
    bytes.fill(0, 0, end)
    return hash
  }
}

const isMemory = (value: unknown): value is WasmMemory =>
  typeof value === "object" && value !== null && "buffer" in value && value.buffer instanceof ArrayBuffer && "grow" in value

const instantiate = (engine: WasmEngine): PolyvalMachine | undefined => {
  const code = polyvalModule({ pagesMin: 1, pagesMax: PAGES_MAX })
  if (!engine.validate(code)) return undefined
  const { absorb, memory } = new engine.Instance(new engine.Module(code)).exports
  return isMemory(memory) && typeof absorb === "function" ? new PolyvalMachine(memory, absorb as (end: number) => void) : undefined
}

const TEST_PATTERN = Uint8Array.from({ length: 300 }, (_, i) => 167 * i + (i >>> 8))
/** No block, every place in a group of blocks, whole and cut ones, several groups; all bits set; a key of zeros. */
const TEST_CASES: ReadonlyArray<readonly [key: Uint8Array, parts: ReadonlyArray<Uint8Array>]> = [
  ...[0, 1, 16, 33, 64, 65, 127, 160, 255].map((byteCount) =>
    [TEST_PATTERN.subarray(byteCount % 7, byteCount % 7 + 16), [TEST_PATTERN.subarray(20, 20 + byteCount), TEST_PATTERN.subarray(3, 19)]] as const),
  [new Uint8Array(16).fill(255), [new Uint8Array(240).fill(255)]],
  [new Uint8Array(16), [TEST_PATTERN]]
]

/** The machine gives what the table gives. */
const passesSelfTest = (machine: PolyvalMachine): boolean =>
  TEST_CASES.every(([key, parts]) => {
    const expected = polyval(key, ...parts)
    return machine.polyval(key, ...parts).every((byte, i) => byte === expected[i])
  })

/**
 * Builds the fastest POLYVAL that works here. The memory of each belongs to the one thread that calls it.
 * @param engine  the runtime's WebAssembly; `undefined`: none. Its exceptions are refusals
 * @cost about ten milliseconds; a backend does it once
 */
export const polyvalEngine = (engine: WasmEngine | undefined = systemWasmEngine()): PolyvalEngine => {
  try {
    const machine = engine === undefined ? undefined : instantiate(engine)
    if (machine !== undefined && passesSelfTest(machine)) return { polyval: machine.polyval, provider: POLYVAL_WASM_PROVIDER }
  } catch {
    // The table does the work.
  }
  return { polyval, provider: POLYVAL_TABLE_PROVIDER }
}
