/**
 * Goal: the assembler writes what an engine reads as was meant; the nibble tables are the S-box of AES.
 * Method: borders of LEB128 by hand and against a decoder, small modules run by the engine, every truncation of one, FIPS 197's example.
 *
 * @module
 */
import { createCipheriv } from "node:crypto"
import { describe, expect, it } from "vitest"
import { aezModule } from "../../../src/crypto/wasm/aez-program.ts"
import { makeRounds } from "../../../src/crypto/wasm/aes-rounds.ts"
import {
  call, i32, ModuleBuilder, sequence, signedLeb, unsignedLeb, v128, when, whileLoop, xorAll, yielding, type Expression
} from "../../../src/crypto/wasm/assembler.ts"
import { systemWasmEngine, type WasmEngine, type WasmMemory } from "../../../src/crypto/wasm/engine.ts"
import { NIBBLE_TABLES, rotateColumns, shiftRows, SUB_CONSTANT, toCoordinates, unshiftRows } from "../../../src/crypto/wasm/nibble-aes.ts"

const engine = systemWasmEngine() as WasmEngine
const instantiate = (code: Uint8Array) => new engine.Instance(new engine.Module(code)).exports
const range = (count: number): Array<number> => Array.from({ length: count }, (_, i) => i)

/** A module whose `run` maps the vectors at 0, 16, … to one at 256. */
const vectorFunction = (count: number, compute: (vectors: ReadonlyArray<Expression<"v128">>) => Expression<"v128">) => {
  const module = new ModuleBuilder(1, 1)
  module.exportFunction("run", module.addFunction([], "none", () =>
    v128.store(i32.const(256), compute(range(count).map((i) => v128.load(i32.const(0), 16 * i))))))
  const { memory, run } = instantiate(module.assemble()) as { memory: WasmMemory; run: () => void }
  return (...vectors: ReadonlyArray<ReadonlyArray<number>>): Array<number> => {
    const bytes = new Uint8Array(memory.buffer)
    for (const [i, vector] of vectors.entries()) bytes.set(vector, 16 * i)
    run()
    return [...bytes.subarray(256, 272)]
  }
}

const integerFunction = (compute: (a: Expression<"i32">, b: Expression<"i32">) => Expression<"i32">) => {
  const module = new ModuleBuilder(0, 0)
  module.exportFunction("run", module.addFunction(["i32", "i32"], "i32", (scope) => compute(scope.parameter("i32", 0).get, scope.parameter("i32", 1).get)))
  return instantiate(module.assemble())["run"] as (a: number, b: number) => number
}

describe("LEB128", () => {
  it("writes unsigned integers at every border of a byte", () => {
    const cases: ReadonlyArray<readonly [number, ReadonlyArray<number>]> = [
      [0, [0]], [1, [1]], [127, [0x7f]], [128, [0x80, 1]], [16383, [0xff, 0x7f]], [16384, [0x80, 0x80, 1]], [2097151, [0xff, 0xff, 0x7f]],
      [2097152, [0x80, 0x80, 0x80, 1]], [268435455, [0xff, 0xff, 0xff, 0x7f]], [268435456, [0x80, 0x80, 0x80, 0x80, 1]],
      [0xffffffff, [0xff, 0xff, 0xff, 0xff, 0x0f]]
    ]
    for (const [value, expected] of cases) expect(unsignedLeb(value)).toEqual(expected)
  })

  it("writes signed integers at every border of a byte, the sign in bit 6 of the last", () => {
    const cases: ReadonlyArray<readonly [number, ReadonlyArray<number>]> = [
      [0, [0]], [63, [0x3f]], [64, [0xc0, 0]], [-1, [0x7f]], [-64, [0x40]], [-65, [0xbf, 0x7f]], [8191, [0xff, 0x3f]], [8192, [0x80, 0xc0, 0]],
      [-8192, [0x80, 0x40]], [-8193, [0xff, 0xbf, 0x7f]], [2147483647, [0xff, 0xff, 0xff, 0xff, 7]], [-2147483648, [0x80, 0x80, 0x80, 0x80, 0x78]]
    ]
    for (const [value, expected] of cases) expect(signedLeb(value)).toEqual(expected)
  })

  it("refuses what is no integer of 32 bits", () => {
    for (const value of [-1, 0x100000000, 1.5, Number.NaN]) expect(() => unsignedLeb(value)).toThrow(RangeError)
    for (const value of [0x80000000, -0x80000001, 1.5, Number.NaN]) expect(() => signedLeb(value)).toThrow(RangeError)
  })

  it("constants arrive in the engine as they were written", () => {
    for (const shift of range(32)) {
      for (const value of [2 ** shift - 1, 2 ** shift, -(2 ** shift), -(2 ** shift) - 1]) {
        if (value === (value | 0)) expect(integerFunction(() => i32.const(value))(0, 0)).toBe(value)
      }
    }
  })
})

describe("assembled modules", () => {
  it("integer instructions do what they say", () => {
    const pairs = [[5, 3], [3, 5], [-1, 1], [7, 7], [0, -2147483648], [31, 31]] as const
    for (const [a, b] of pairs) {
      expect(integerFunction(i32.add)(a, b)).toBe((a + b) | 0)
      expect(integerFunction(i32.sub)(a, b)).toBe((a - b) | 0)
      expect(integerFunction(i32.and)(a, b)).toBe(a & b)
      expect(integerFunction(i32.shl)(a, b)).toBe(a << b)
      expect(integerFunction(i32.shrUnsigned)(a, b)).toBe((a >>> b) | 0)
      expect(integerFunction(i32.equal)(a, b)).toBe(a === b ? 1 : 0)
      expect(integerFunction(i32.lessUnsigned)(a, b)).toBe(a >>> 0 < b >>> 0 ? 1 : 0)
      expect(integerFunction(i32.greaterUnsigned)(a, b)).toBe(a >>> 0 > b >>> 0 ? 1 : 0)
      expect(integerFunction(i32.notLessUnsigned)(a, b)).toBe(a >>> 0 >= b >>> 0 ? 1 : 0)
    }
  })

  it("vector instructions do what they say", () => {
    const a = range(16).map((i) => (i * 41 + 130) & 255)
    const b = range(16).map((i) => (i * 23) & 255)
    const words = (bytes: ReadonlyArray<number>): Uint32Array => new Uint32Array(Uint8Array.from(bytes).buffer)
    const ofWords = (map: (word: number) => number): Array<number> => [...new Uint8Array(words(a).map(map).buffer)]
    const halves = new BigUint64Array(Uint8Array.from(a).buffer)
    const binary = (instruction: (x: Expression<"v128">, y: Expression<"v128">) => Expression<"v128">): Array<number> =>
      vectorFunction(2, ([x, y]) => instruction(x!, y!))(a, b)
    expect(binary(v128.xor)).toEqual(a.map((x, i) => x ^ b[i]!))
    expect(binary(v128.or)).toEqual(a.map((x, i) => x | b[i]!))
    expect(binary(v128.and)).toEqual(a.map((x, i) => x & b[i]!))
    expect(binary(v128.andNot)).toEqual(a.map((x, i) => x & ~b[i]!))
    expect(binary(v128.swizzle)).toEqual(b.map((index) => a[index] ?? 0))
    expect(binary(v128.equalBytes)).toEqual(a.map((x, i) => (x === b[i] ? 255 : 0)))
    expect(binary(v128.lessUnsignedBytes)).toEqual(a.map((x, i) => (x < b[i]! ? 255 : 0)))
    expect(vectorFunction(1, ([x]) => v128.shrUnsigned32(x!, 4))(a)).toEqual(ofWords((word) => word >>> 4))
    expect(vectorFunction(1, ([x]) => v128.shrSigned32(x!, 31))(a)).toEqual(ofWords((word) => word >> 31))
    expect(vectorFunction(1, ([x]) => v128.shl64(x!, 1))(a)).toEqual([...new Uint8Array(halves.map((half) => half << 1n).buffer)])
    expect(vectorFunction(0, () => v128.splatBytes(i32.const(300)))()).toEqual(range(16).fill(44))
    expect(vectorFunction(2, ([x, y]) => xorAll(x!, y!, v128.const(b)))(a, b)).toEqual(a)
  })

  it("loops run while their condition holds, branches only when theirs does, calls pass values", () => {
    const module = new ModuleBuilder(0, 0)
    const triple = module.addFunction(["i32"], "i32", (scope) => {
      const value = scope.parameter("i32", 0)
      return i32.add(value.get, i32.add(value.get, value.get))
    })
    module.exportFunction("sum", module.addFunction(["i32"], "i32", (scope) => {
      const left = scope.parameter("i32", 0)
      const total = scope.local("i32")
      const last = scope.local("i32")
      return yielding([whileLoop(left.get,
        when(i32.and(left.get, i32.const(1)), total.set(i32.add(total.get, call(triple, left.get)))),
        left.set(i32.sub(last.tee(left.get), i32.const(1)))
      )], i32.add(total.get, last.get))
    }))
    const sum = instantiate(module.assemble())["sum"] as (count: number) => number
    expect([0, 1, 2, 3, 10].map(sum)).toEqual([0, 4, 4, 13, 76])
  })

  it("its memory grows to its maximum and no further", () => {
    const memory = instantiate(new ModuleBuilder(1, 3).assemble())["memory"] as WasmMemory
    expect(memory.buffer.byteLength).toBe(65536)
    memory.grow(2)
    expect(memory.buffer.byteLength).toBe(3 * 65536)
    expect(() => memory.grow(1)).toThrow(RangeError)
  })

  it("are invalid when cut anywhere, except before a section", () => {
    const module = new ModuleBuilder(1, 1)
    module.exportFunction("run", module.addFunction(["i32"], "none", (scope) =>
      sequence(v128.store(scope.parameter("i32", 0).get, v128.const(range(16))))))
    const code = module.assemble()
    expect(engine.validate(code)).toBe(true)
    // Type section alone, and the empty module, are modules; functions without bodies are not.
    const validLengths = range(code.length).filter((length) => engine.validate(code.slice(0, length)))
    expect(validLengths.length).toBe(2)
    expect(validLengths[0]).toBe(8)
    expect(engine.validate(Uint8Array.from([...code, 0]))).toBe(false)
  })

  it("the module of AEZ is the same every time, and invalid when cut", () => {
    const options = { pagesMin: 1, pagesMax: 2, relaxed: false }
    const code = aezModule(options)
    expect(aezModule(options)).toEqual(code)
    expect(engine.validate(code)).toBe(true)
    for (let length = 9; length < code.length; length += 211) expect(engine.validate(code.slice(0, length))).toBe(false)
    expect(engine.validate(code.slice(0, -1))).toBe(false)
  })

  it("mistakes of the program die when it is assembled", () => {
    const module = new ModuleBuilder(0, 0)
    const callee = module.addFunction(["i32"], "i32", (scope) => scope.parameter("i32", 0).get)
    expect(() => call(callee)).toThrow(RangeError)
    expect(() => call(callee, v128.const(range(16)))).toThrow(RangeError)
    expect(() => v128.const(range(15))).toThrow(RangeError)
    expect(() => module.addFunction(["i32"], "i32", (scope) => scope.parameter("i32", 1).get)).toThrow(RangeError)
    expect(() => module.addFunction(["v128"], "i32", (scope) => scope.parameter("i32", 0).get)).toThrow(RangeError)
  })
})

describe("AES by nibbles", () => {
  const lookUp = (table: ReadonlyArray<number>, index: number): number => table[index] ?? 0
  const leave = (byte: number): number => NIBBLE_TABLES.leaveLow[byte & 15]! ^ NIBBLE_TABLES.leaveHigh[byte >>> 4]!
  const timesTwo = (byte: number): number => ((byte << 1) ^ ((byte >>> 7) * 0x11b)) & 255

  const substitute = (byte: number): { readonly sub: number; readonly double: number } => {
    const coordinates = NIBBLE_TABLES.enterLow[byte & 15]! ^ NIBBLE_TABLES.enterHigh[byte >>> 4]!
    expect(coordinates).toBe(toCoordinates(byte))
    expect(leave(coordinates)).toBe(byte)
    const i = coordinates >>> 4
    const k = coordinates & 15
    const divided = lookUp(NIBBLE_TABLES.divide, k)
    const { doubleByP, doubleByQ, invert, subByP, subByQ } = NIBBLE_TABLES
    const p = lookUp(invert, lookUp(invert, i) ^ divided) ^ i ^ k
    const q = lookUp(invert, lookUp(invert, i ^ k) ^ divided) ^ i
    return { sub: leave(lookUp(subByP, p) ^ lookUp(subByQ, q)), double: leave(lookUp(doubleByP, p) ^ lookUp(doubleByQ, q)) }
  }

  it("every index stays below 16 or above 127, so that the relaxed swizzle does the same", () => {
    const { divide, invert } = NIBBLE_TABLES
    for (const byte of range(256)) {
      const [i, k] = [byte >>> 4, byte & 15] as const
      const first = [lookUp(invert, i) ^ lookUp(divide, k), lookUp(invert, i ^ k) ^ lookUp(divide, k)] as const
      const second = [lookUp(invert, first[0]) ^ i ^ k, lookUp(invert, first[1]) ^ i] as const
      for (const index of [...first, ...second]) expect(index < 16 || index > 127).toBe(true)
    }
  })

  it("substitute every byte as FIPS 197 does, and double it", () => {
    const boxes = range(256).map((byte) => substitute(byte).sub ^ leave(SUB_CONSTANT))
    expect(new Set(boxes).size).toBe(256)
    expect(boxes.slice(0, 8)).toEqual([0x63, 0x7c, 0x77, 0x7b, 0xf2, 0x6b, 0x6f, 0xc5])
    expect([boxes[0x53], boxes[0xff], boxes[0x52]]).toEqual([0xed, 0x16, 0])
    for (const byte of range(256)) expect(substitute(byte).double).toBe(timesTwo(substitute(byte).sub))
  })

  it("rotations read rows where ShiftRows left off", () => {
    const apply = (permutation: ReadonlyArray<number>, block: ReadonlyArray<number>): Array<number> => permutation.map((index) => block[index]!)
    const block = range(16)
    expect(apply(shiftRows(1), block)).toEqual([0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11])
    expect(apply(rotateColumns(1, 0), block)).toEqual([1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12])
    for (const count of range(4)) {
      expect(apply(unshiftRows(count), apply(shiftRows(count), block))).toEqual(block)
      expect(apply(shiftRows(count), apply(rotateColumns(3, count), block))).toEqual(apply(rotateColumns(3, 0), apply(shiftRows(count), block)))
    }
  })

  it("nine rounds and OpenSSL's last one are AES-128", () => {
    const module = new ModuleBuilder(1, 1)
    module.exportFunction("run", module.addFunction([], "none", (scope) => {
      const block = scope.local("v128")
      const rounds = makeRounds(scope, false)
      const keys = range(9).map((i) =>
        rounds.withSubConstant(v128.swizzle(rounds.enter(v128.load(i32.const(0), 16 * (i + 2))), v128.const(unshiftRows(i + 1)))))
      return sequence(
        rounds.begin,
        block.set(rounds.enter(v128.xor(v128.load(i32.const(0), 0), v128.load(i32.const(0), 16)))),
        rounds.apply([block], keys),
        v128.store(i32.const(256), rounds.leave(rounds.shiftRows(block.get, 9)))
      )
    }))
    const { memory, run } = instantiate(module.assemble()) as { memory: WasmMemory; run: () => void }
    const inside = new Uint8Array(memory.buffer)
    const key = Uint8Array.from(range(16), (i) => 31 * i + 5)
    const plaintext = Uint8Array.from(range(16), (i) => 77 * i + 1)
    const box = range(256).map((byte) => substitute(byte).sub ^ 0x63)
    // Key expansion of FIPS 197 §5.2 for 16 bytes.
    const schedule = [...key]
    for (let i = 16, rcon = 1; i < 176; i += 4) {
      let word = schedule.slice(i - 4, i)
      if (i % 16 === 0) {
        word = [box[word[1]!]! ^ rcon, box[word[2]!]!, box[word[3]!]!, box[word[0]!]!]
        rcon = timesTwo(rcon)
      }
      for (const [n, byte] of word.entries()) schedule.push(byte ^ schedule[i - 16 + n]!)
    }
    inside.set(plaintext, 0)
    inside.set(schedule, 16)
    run()
    const state = [...inside.subarray(256, 272)]
    const last = shiftRows(1).map((index, i) => box[state[index]!]! ^ schedule[160 + i]!)
    const cipher = createCipheriv("aes-128-ecb", key, null).setAutoPadding(false)
    expect(last).toEqual([...cipher.update(plaintext)])
  })
})
