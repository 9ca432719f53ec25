/**
 * POLYVAL as a WebAssembly module: products of polynomials over GF(2) by the integer multiplications of the machine.
 *
 * A word is cut into four parts, each with every fourth bit. In an integer product of two parts at most sixteen bits are summed in one place, and no
 * carry reaches the next bit that counts; what stands between is masked away. Sixteen products make that of two words. Only its low half is exact, so the
 * high half is the low half of the product of the words with their bits reversed, reversed and shifted by one. A block of two words takes three products
 * of words and three reversed ones (Karatsuba).
 *
 * Four blocks are taken together, (Z + A)·H^4 + B·H^3 + C·H^2 + D·H, so that masking, reversing and reducing are done once for all four.
 *
 * Contract: `polyvalModule` gives the bytes of a module with a memory, `absorb(end)`, which hashes the blocks from `DATA_AT` up to `end`, a whole number of
 * groups of four, and leaves the hash at `STATE_AT`. The key is at `KEY_AT`. Branches and addresses depend on the length only. Nothing is wiped: the caller
 * does it. Constant time on machines whose multiplication is.
 * Knows nothing of: engines, memory size, padding.
 * Source: RFC 8452 §3; T. Pornin, BearSSL, constant-time multiplication with holes; departures: none.
 *
 * @module
 */
import {
  call, i32, i64, ModuleBuilder, sequence, v128, whileLoop, type Expression, type FunctionScope, type Local, type Statement
} from "./assembler.ts"

type V128 = Expression<"v128">
type I64 = Expression<"i64">
type Variable = Local<"i64">
type Words = readonly [Variable, Variable, Variable, Variable]

export const KEY_AT = 0
export const STATE_AT = 16
/** Powers of the key that are multiplied with: H^4 first. Each as six words in four parts. */
const POWERS_AT = 256
/** Factors of up to four blocks, six words each. */
const FACTORS_AT = 64
const WORD_BYTES = 8
const FACTOR_BYTES = 4 * WORD_BYTES
const POWER_BYTES = 6 * FACTOR_BYTES
const BLOCK_BYTES = 16
/** Blocks that are taken together. */
export const GROUP_BLOCK_COUNT = 4
export const GROUP_BYTES = GROUP_BLOCK_COUNT * BLOCK_BYTES
export const DATA_AT = 1024 // after the last power

const MASKS = [0x1111111111111111n, 0x2222222222222222n, 0x4444444444444444n, 0x8888888888888888n].map(i64.const)
const QUARTERS = [0, 1, 2, 3] as const
type Quarter = (typeof QUARTERS)[number]
const FACTOR_INDEXES = [0, 1, 2, 3, 4, 5] as const
const SWAPS: ReadonlyArray<readonly [bitCount: number, mask: bigint]> = [
  [1, 0x5555555555555555n], [2, 0x3333333333333333n], [4, 0x0f0f0f0f0f0f0f0fn], [8, 0x00ff00ff00ff00ffn], [16, 0x0000ffff0000ffffn]
]
const powerAt = (exponent: number): number => POWERS_AT + (GROUP_BLOCK_COUNT - exponent) * POWER_BYTES
const xor = (...words: ReadonlyArray<I64>): I64 => words.reduce(i64.xor)
const masked = (word: I64, quarter: Quarter): I64 => i64.and(word, MASKS[quarter] as I64)

/** The low and the high half of a block, each with its bits in the opposite order: nibbles by look-up, bytes by permutation. */
const REVERSED_NIBBLES = [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15]
const reverseHalves = (block: Local<"v128">): V128 => {
  const low = v128.and(block.get, v128.const(new Array<number>(16).fill(15)))
  const high = v128.shrUnsigned32(v128.andNot(block.get, v128.const(new Array<number>(16).fill(15))), 4)
  const reversedBytes = v128.or(
    v128.swizzle(v128.const(REVERSED_NIBBLES.map((nibble) => nibble << 4)), low), v128.swizzle(v128.const(REVERSED_NIBBLES), high))
  return v128.swizzle(reversedBytes, v128.const([7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8]))
}

const swapBits = (word: Variable): Statement =>
  sequence(...SWAPS.map(([bitCount, mask]) => word.set(i64.or(
    i64.shl(i64.and(word.get, i64.const(mask)), bitCount), i64.and(i64.shrUnsigned(word.get, bitCount), i64.const(mask))))),
  word.set(i64.or(i64.shl(word.get, 32), i64.shrUnsigned(word.get, 32))))

/** Writes the six factors of a block: low word, high word, their sum, and the same with reversed bits. */
const storeFactors = (scope: FunctionScope): ((block: V128, to: number) => Statement) => {
  const held = scope.local("v128")
  const nowhere = i32.const(0)
  const storeSum = (at: number): Statement =>
    i64.store(nowhere, i64.xor(i64.load(nowhere, at), i64.load(nowhere, at + WORD_BYTES)), at + 2 * WORD_BYTES)
  return (block, to) => sequence(
    held.set(block),
    v128.store(nowhere, held.get, to), v128.store(nowhere, reverseHalves(held), to + 3 * WORD_BYTES),
    storeSum(to), storeSum(to + 3 * WORD_BYTES)
  )
}

/** Writes the parts of each factor at `FACTORS_AT` to `to`. */
const storeParts = (to: number): Statement =>
  sequence(...FACTOR_INDEXES.flatMap((index) => QUARTERS.map((quarter) =>
    i64.store(i32.const(0), masked(i64.load(i32.const(0), FACTORS_AT + index * WORD_BYTES), quarter), to + index * FACTOR_BYTES + quarter * WORD_BYTES))))

/**
 * The products of the blocks whose factors are at `FACTORS_AT`, summed and reduced into the state: block number i with the power `exponents[i]`.
 */
const makeMultiply = (scope: FunctionScope): ((exponents: ReadonlyArray<number>) => Statement) => {
  const words = (): Words => [scope.local("i64"), scope.local("i64"), scope.local("i64"), scope.local("i64")]
  const [parts, sums, wide] = [words(), words(), words()]
  const products = FACTOR_INDEXES.map(() => scope.local("i64"))
  const [w0, w1, w2, w3] = wide
  const factor = scope.local("i64")
  /** The sum over all blocks of the products of their factors number `index`. */
  const product = (index: number, exponents: ReadonlyArray<number>): Statement => {
    const result = products[index] as Variable
    const addProduct = (exponent: number, blockIndex: number): Statement => sequence(
      factor.set(i64.load(i32.const(0), FACTORS_AT + blockIndex * 6 * WORD_BYTES + index * WORD_BYTES)),
      ...QUARTERS.map((quarter) => parts[quarter].set(masked(factor.get, quarter))),
      ...QUARTERS.flatMap((other) => [
        factor.set(i64.load(i32.const(0), powerAt(exponent) + index * FACTOR_BYTES + other * WORD_BYTES)),
        ...QUARTERS.map((quarter) => {
          const sum = sums[((quarter + other) & 3) as Quarter]
          const added = i64.mul(parts[quarter].get, factor.get)
          return sum.set(blockIndex === 0 && other === 0 ? added : i64.xor(sum.get, added))
        })
      ])
    )
    return sequence(
      ...exponents.map(addProduct),
      result.set(QUARTERS.map((quarter) => masked(sums[quarter].get, quarter)).reduce(i64.or)),
      ...(index < 3 ? [] : [swapBits(result), result.set(i64.shrUnsigned(result.get, 1))])
    )
  }
  /** Adds the multiple of the polynomial that ends `from`, so that it can be left out. */
  const fold = (from: Variable, next: Variable, afterNext: Variable): Statement => sequence(
    next.set(xor(next.get, i64.shl(from.get, 57), i64.shl(from.get, 62), i64.shl(from.get, 63))),
    afterNext.set(xor(afterNext.get, from.get, i64.shrUnsigned(from.get, 7), i64.shrUnsigned(from.get, 2), i64.shrUnsigned(from.get, 1)))
  )
  const [low, high, sum, lowTop, highTop, sumTop] = products.map(({ get }) => get) as [I64, I64, I64, I64, I64, I64]
  return (exponents) => sequence(
    ...FACTOR_INDEXES.map((index) => product(index, exponents)),
    w0.set(low), w1.set(xor(lowTop, sum, low, high)), w2.set(xor(high, sumTop, lowTop, highTop)), w3.set(highTop),
    fold(w0, w1, w2), fold(w1, w2, w3),
    i64.store(i32.const(0), w2.get, STATE_AT), i64.store(i32.const(0), w3.get, STATE_AT + WORD_BYTES)
  )
}

/** The module's bytes. */
export const polyvalModule = ({ pagesMax, pagesMin }: { readonly pagesMin: number; readonly pagesMax: number }): Uint8Array => {
  const module = new ModuleBuilder(pagesMin, pagesMax)
  const loadAt = (address: number): V128 => v128.load(i32.const(0), address)
  const multiplyByKey = module.addFunction([], "none", (scope) => makeMultiply(scope)([1]))
  const prepare = module.addFunction([], "none", (scope) => {
    const factors = storeFactors(scope)
    // H^(n+1) is what hashing H^n under H gives.
    const powers = [2, 3, 4].flatMap((exponent) => [call(multiplyByKey), factors(loadAt(STATE_AT), FACTORS_AT), storeParts(powerAt(exponent))])
    return sequence(
      factors(loadAt(KEY_AT), FACTORS_AT), storeParts(powerAt(1)), ...powers,
      v128.store(i32.const(0), v128.const(new Array<number>(16).fill(0)), STATE_AT)
    )
  })
  const absorb = module.addFunction(["i32"], "none", (scope) => {
    const end = scope.parameter("i32", 0)
    const at = scope.local("i32")
    const factors = storeFactors(scope)
    const block = (index: number): V128 => v128.load(at.get, index * BLOCK_BYTES)
    return sequence(
      call(prepare),
      at.set(i32.const(DATA_AT)),
      whileLoop(i32.lessUnsigned(at.get, end.get),
        ...[0, 1, 2, 3].map((index) =>
          factors(index === 0 ? v128.xor(block(0), loadAt(STATE_AT)) : block(index), FACTORS_AT + index * 6 * WORD_BYTES)),
        makeMultiply(scope)([4, 3, 2, 1]),
        at.set(i32.add(at.get, i32.const(GROUP_BYTES))))
    )
  })
  module.exportFunction("absorb", absorb)
  return module.assemble()
}
