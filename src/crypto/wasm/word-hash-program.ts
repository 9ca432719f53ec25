/**
 * The hash of word-hash.ts as a WebAssembly module: four lanes of 64 bits over little-endian words.
 *
 * Contract: `wordHashModule` gives the bytes of a module with a memory and `hash(seed, byteCount)`, which hashes that many bytes from `DATA_AT` and leaves
 * 16 bytes at `STATE_AT`. The bytes behind them up to a whole block must be zero: the caller sees to it.
 *
 *   start   lane i = (seed ^ byteCount · 2^32 ^ START[i]) · ODD[i]
 *   block   of 32 bytes, words w: lane i = rotl(lane i ^ w[i], TURN[i]) · ODD[i] + lane (i + 3) mod 4, all lanes at once
 *   end     lane i = mixed(lane i ^ lane i - 1), the first with byteCount; state = mixed(lane 0 + lane 3), mixed(lane 1 · ODD[0] + lane 2)
 *   mixed   x ^= x >>> 33; x ·= ODD[1]; x ^= x >>> 29; x ·= ODD[2]; x ^ x >>> 32
 *
 * Knows nothing of: engines, memory size.
 * Source: none (multiply, rotate, add neighbours); departures: none.
 *
 * @module
 */
import { i32, i64, ModuleBuilder, sequence, whileLoop, type Expression, type Local, type Statement } from "./assembler.ts"

type I64 = Expression<"i64">
type Lane = Local<"i64">

export const STATE_AT = 0
export const DATA_AT = 64
export const BLOCK_BYTES = 32
const WORD_BYTES = 8

/** Fractions of square roots and of the golden ratio; odd, half of their bits set. */
const ODD = [0x9e3779b97f4a7c15n, 0xbf58476d1ce4e5b9n, 0x94d049bb133111ebn, 0xd6e8feb86659fd93n] as const
const START = [0x6a09e667f3bcc908n, 0xbb67ae8584caa73bn, 0x3c6ef372fe94f82bn, 0xa54ff53a5f1d36f1n] as const
const TURN = [29, 37, 31, 41] as const

const mixed = (x: Lane): Statement => sequence(
  x.set(i64.mul(i64.xor(x.get, i64.shrUnsigned(x.get, 33)), i64.const(ODD[1]))),
  x.set(i64.mul(i64.xor(x.get, i64.shrUnsigned(x.get, 29)), i64.const(ODD[2]))),
  x.set(i64.xor(x.get, i64.shrUnsigned(x.get, 32)))
)

/** The module's bytes. */
export const wordHashModule = ({ pagesMax, pagesMin }: { readonly pagesMin: number; readonly pagesMax: number }): Uint8Array => {
  const module = new ModuleBuilder(pagesMin, pagesMax)
  const hash = module.addFunction(["i32", "i32"], "none", (scope) => {
    const [seed, byteCount] = [scope.parameter("i32", 0), scope.parameter("i32", 1)]
    const [at, end] = [scope.local("i32"), scope.local("i32")]
    const lanes = [scope.local("i64"), scope.local("i64"), scope.local("i64"), scope.local("i64")] as const
    const [first, second, third, fourth] = lanes
    const [last, length] = [scope.local("i64"), scope.local("i64")]
    const turned = (index: 0 | 1 | 2 | 3, neighbour: I64): Statement => lanes[index].set(i64.add(
      i64.mul(i64.rotl(i64.xor(lanes[index].get, i64.load(at.get, index * WORD_BYTES)), TURN[index]), i64.const(ODD[index])), neighbour))
    return sequence(
      length.set(i64.fromUnsigned(byteCount.get)),
      last.set(i64.xor(i64.fromUnsigned(seed.get), i64.shl(length.get, 32))),
      ...lanes.map((lane, index) => lane.set(i64.mul(i64.xor(last.get, i64.const(START[index] ?? 0n)), i64.const(ODD[index] ?? 0n)))),
      at.set(i32.const(DATA_AT)),
      end.set(i32.add(at.get, byteCount.get)),
      whileLoop(i32.lessUnsigned(at.get, end.get),
        last.set(fourth.get),
        turned(3, third.get), turned(2, second.get), turned(1, first.get), turned(0, last.get),
        at.set(i32.add(at.get, i32.const(BLOCK_BYTES)))),
      first.set(i64.xor(first.get, length.get)), mixed(first),
      second.set(i64.xor(second.get, first.get)), mixed(second),
      third.set(i64.xor(third.get, second.get)), mixed(third),
      fourth.set(i64.xor(fourth.get, third.get)), mixed(fourth),
      last.set(i64.add(first.get, fourth.get)), mixed(last),
      i64.store(i32.const(0), last.get, STATE_AT),
      last.set(i64.add(i64.mul(second.get, i64.const(ODD[0])), third.get)), mixed(last),
      i64.store(i32.const(0), last.get, STATE_AT + WORD_BYTES)
    )
  })
  module.exportFunction("hash", hash)
  return module.assemble()
}
