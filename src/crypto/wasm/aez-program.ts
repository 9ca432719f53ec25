/**
 * AEZ v5 with the settings of Sphinx as a WebAssembly module: 48-byte key, 16-byte nonce, no associated data, tau 0, 32 bytes or more.
 *
 * Contract: `aezModule` gives the bytes of a module with a memory and `permute(byteCount, inverse)`, which enciphers (0) or deciphers (1) the data in
 * that memory in place. Branches and addresses depend on the length and the direction only. Blocks in the memory are in coordinates
 * (nibble-aes) between the passes. Nothing is wiped: the caller does it.
 * Knows nothing of: engines, memory size.
 * Source: sphinx.md §5; departures: none.
 *
 * @module
 */
import { makeRounds, type Rounds } from "./aes-rounds.ts"
import {
  call, i32, ModuleBuilder, sequence, v128, when, whileLoop, xorAll, yielding, type Expression, type FunctionHandle, type FunctionScope, type Local,
  type Statement, type ValueType
} from "./assembler.ts"
import { unshiftRows } from "./nibble-aes.ts"

// The memory. Key and nonce are put there by the caller, raw; what is derived from them is in coordinates, except the one marked raw.
export const KEY_AT = 0
export const NONCE_AT = 48
/** 0·L … 7·L. */
const L_AT = 64
const AES4_KEYS_AT = 192
const AES10_KEYS_AT = 256
const I_AT = 416
const I2_AT = 432
/** 2·I, raw and reversed. */
const I2_REVERSED_AT = 448
const J_AT = 464
const J2_AT = 480
const DELTA_AT = 496
export const DATA_AT = 512

/** Pairs of blocks worked on side by side; divides 8. Measured: 1, 2, 4 and 8 gave 223, 330, 426 and 175 MB/s. */
const LANE_COUNT = 4

type V128 = Expression<"v128">
type I32 = Expression<"i32">

const range = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, i) => i)
const loadAt = (address: number): V128 => v128.load(i32.const(0), address)
const storeAt = (address: number, value: V128): Statement => v128.store(i32.const(0), value, address)

const REVERSE = v128.const([15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0])
/** Of reversed blocks: the sign of each half, as a mask, comes to the other half … */
const CROSS_SIGNS = v128.const([12, 13, 14, 15, 12, 13, 14, 15, 4, 5, 6, 7, 4, 5, 6, 7])
/** … where it adds the reduction polynomial below or the carry above. */
const CARRIES = v128.const([0x87, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])

/** 2 · a block of GF(2^128) that is held reversed, that is as a little-endian number. */
const doubleReversed = (block: Local<"v128">): V128 =>
  v128.xor(v128.shl64(block.get, 1), v128.and(v128.swizzle(v128.shrSigned32(block.get, 31), CROSS_SIGNS), CARRIES))

/** i·L of the pair with a number below 8, held in memory. */
const lMultiple = (pairNumber: I32): V128 => v128.load(i32.shl(i32.and(pairNumber, i32.const(7)), i32.const(4)), L_AT)

/** What the functions of the module are made from. */
interface Parts {
  readonly module: ModuleBuilder
  readonly relaxed: boolean
  readonly double: FunctionHandle<"v128">
  readonly aes4: FunctionHandle<"v128">
  readonly aes10: FunctionHandle<"v128">
}

const addParts = (module: ModuleBuilder, relaxed: boolean): Parts => {
  const double = module.addFunction(["v128"], "v128", (scope) => {
    const block = scope.parameter("v128", 0)
    return yielding([block.set(v128.swizzle(block.get, REVERSE))], v128.swizzle(doubleReversed(block), REVERSE))
  })
  const aes4 = module.addFunction(["v128"], "v128", (scope) => {
    const block = scope.parameter("v128", 0)
    const rounds = makeRounds(scope, relaxed)
    return yielding([rounds.begin, rounds.apply([block], range(4).map((i) => loadAt(AES4_KEYS_AT + 16 * i)))], block.get)
  })
  const aes10 = module.addFunction(["v128"], "v128", (scope) => {
    const block = scope.parameter("v128", 0)
    const rounds = makeRounds(scope, relaxed)
    const body = rounds.apply([block], range(10).map((i) => loadAt(AES10_KEYS_AT + 16 * i)))
    // After ten rounds ShiftRows is owed ten times.
    return yielding([rounds.begin, body], rounds.shiftRows(block.get, 10))
  })
  return { module, relaxed, double, aes4, aes10 }
}

/** Derives everything that depends on key and nonce. */
const addPrepare = ({ aes4, double, module, relaxed }: Parts): FunctionHandle<"none"> =>
  module.addFunction([], "none", (scope) => {
    const { begin, enter, withSubConstant } = makeRounds(scope, relaxed)
    const [i, j, l, block] = [scope.local("v128"), scope.local("v128"), scope.local("v128"), scope.local("v128")] as const
    const keyed = (address: number, key: Local<"v128">, round: number): Statement =>
      storeAt(address, withSubConstant(v128.swizzle(key.get, v128.const(unshiftRows(round)))))
    const lAt = (multiple: number): number => L_AT + 16 * multiple
    // Doubling is linear, but not in coordinates: it is done on raw blocks. 2L, 4L; 3L, 6L; 5L and 7L by addition.
    const multiplesOfL = [
      storeAt(lAt(1), enter(l.get)),
      block.set(call(double, l.get)), storeAt(lAt(2), enter(block.get)),
      block.set(call(double, block.get)), storeAt(lAt(4), enter(block.get)),
      storeAt(lAt(3), v128.xor(loadAt(lAt(2)), loadAt(lAt(1)))),
      block.set(call(double, v128.xor(call(double, l.get), l.get))), storeAt(lAt(6), enter(block.get)),
      storeAt(lAt(5), v128.xor(loadAt(lAt(4)), loadAt(lAt(1)))),
      storeAt(lAt(7), v128.xor(loadAt(lAt(6)), loadAt(lAt(1))))
    ]
    return sequence(
      begin,
      i.set(loadAt(KEY_AT)), j.set(loadAt(KEY_AT + 16)), l.set(loadAt(KEY_AT + 32)),
      ...multiplesOfL,
      block.set(call(double, i.get)), storeAt(I2_AT, enter(block.get)), storeAt(I2_REVERSED_AT, v128.swizzle(block.get, REVERSE)),
      block.set(call(double, j.get)), storeAt(J2_AT, enter(block.get)),
      block.set(enter(call(double, block.get))), // 4J
      i.set(enter(i.get)), j.set(enter(j.get)), l.set(enter(l.get)),
      storeAt(I_AT, i.get), storeAt(J_AT, j.get),
      ...[j, i, l].map((key, round) => keyed(AES4_KEYS_AT + 16 * round, key, round + 1)),
      storeAt(AES4_KEYS_AT + 48, withSubConstant(v128.const(new Array<number>(16).fill(0)))),
      ...[i, j, l, i, j, l, i, j, l, i].map((key, round) => keyed(AES10_KEYS_AT + 16 * round, key, round + 1)),
      // Delta = E(3, 1)(0) + E(4, 1)(nonce)
      block.set(call(aes4, xorAll(enter(loadAt(NONCE_AT)), block.get, loadAt(I2_AT), loadAt(lAt(1))))),
      storeAt(DELTA_AT, v128.xor(block.get, call(aes4, xorAll(j.get, loadAt(J2_AT), loadAt(I2_AT), loadAt(lAt(1))))))
    )
  })

/** The local variables of a pass. */
interface Pass {
  readonly rounds: Rounds
  /** Address of the current pair, without `DATA_AT`. */
  readonly address: Local<"i32">
  /** Number of the current pair, from 1. */
  readonly pair: Local<"i32">
  /** 2^ceil(i/8)·I + J, the tweak of E(1, i) without its part of L. */
  readonly tweak: Local<"v128">
  readonly sum: Local<"v128">
  /** AES4 on every state. */
  readonly aes4: (states: ReadonlyArray<Local<"v128">>) => Statement
}

type PassBody = (pass: Pass, laneCount: number) => Statement

/** A function over all pairs that leaves the sum of the blocks that `bodyOf` adds. */
const addPass = (
  { aes4, module, relaxed }: Parts, parameterTypes: ReadonlyArray<ValueType>, bodyOf: (scope: FunctionScope) => PassBody
): FunctionHandle<"v128"> =>
  module.addFunction(parameterTypes, "v128", (scope) => {
    const left = scope.parameter("i32", 0)
    const rounds = makeRounds(scope, relaxed)
    const keys = range(4).map(() => scope.local("v128"))
    const offset = scope.local("v128")
    const [address, pair, tweak, sum] = [scope.local("i32"), scope.local("i32"), scope.local("v128"), scope.local("v128")] as const
    // The pairs that are left over, fewer than the lanes, are not worth a copy of the rounds.
    const pass: Pass = {
      rounds, address, pair, tweak, sum,
      aes4: (states) => states.length === 1
        ? sequence(...states.map((state) => state.set(call(aes4, state.get))))
        : rounds.apply(states, keys.map(({ get }) => get))
    }
    const setTweak = tweak.set(v128.xor(rounds.enter(v128.swizzle(offset.get, REVERSE)), loadAt(J_AT)))
    const body = bodyOf(scope)
    const step = (laneCount: number): Statement => whileLoop(
      i32.notLessUnsigned(left.get, i32.const(laneCount)),
      body(pass, laneCount),
      left.set(i32.sub(left.get, i32.const(laneCount))),
      address.set(i32.add(address.get, i32.const(32 * laneCount))),
      pair.set(i32.add(pair.get, i32.const(laneCount))),
      when(i32.equal(i32.and(pair.get, i32.const(7)), i32.const(1)), offset.set(doubleReversed(offset)), setTweak)
    )
    return yielding([
      rounds.begin,
      ...keys.map((key, i) => key.set(loadAt(AES4_KEYS_AT + 16 * i))),
      pair.set(i32.const(1)), offset.set(loadAt(I2_REVERSED_AT)), setTweak,
      step(LANE_COUNT), step(1)
    ], sum.get)
  })

const passTweak = ({ pair, tweak }: Pass, lane: number): V128 => v128.xor(tweak.get, lMultiple(i32.add(pair.get, i32.const(lane))))

/** Pass 1: (M, M') becomes (W, X); the sum is that of all X. */
const addPassOne = (parts: Parts): FunctionHandle<"v128"> =>
  addPass(parts, ["i32"], (scope) => {
    const blocks = range(LANE_COUNT).map(() => ({ left: scope.local("v128"), right: scope.local("v128"), state: scope.local("v128") }))
    return (pass, laneCount) => {
      const { address, aes4, rounds, sum } = pass
      const used = blocks.slice(0, laneCount)
      const encrypt = aes4(used.map(({ state }) => state))
      return sequence(
        ...used.flatMap(({ left, right, state }, lane) => [
          left.set(rounds.enter(v128.load(address.get, DATA_AT + 32 * lane))),
          right.set(rounds.enter(v128.load(address.get, DATA_AT + 32 * lane + 16))),
          state.set(v128.xor(right.get, passTweak(pass, lane)))
        ]),
        encrypt,
        ...used.flatMap(({ left, state }, lane) => [
          v128.store(address.get, left.tee(v128.xor(left.get, state.get)), DATA_AT + 32 * lane),
          state.set(v128.xor(left.get, loadAt(I_AT)))
        ]),
        encrypt,
        ...used.flatMap(({ right, state }, lane) => [
          v128.store(address.get, right.tee(v128.xor(right.get, state.get)), DATA_AT + 32 * lane + 16),
          sum.set(v128.xor(sum.get, right.get))
        ])
      )
    }
  })

/** Pass 2: (W, X) becomes (C, C'), given S; the sum is that of all Y. */
const addPassTwo = (parts: Parts): FunctionHandle<"v128"> =>
  addPass(parts, ["i32", "v128"], (scope) => {
    const s = scope.parameter("v128", 1)
    const blocks = range(LANE_COUNT).map(() => ({ y: scope.local("v128"), z: scope.local("v128"), state: scope.local("v128") }))
    return (pass, laneCount) => {
      const { address, aes4, rounds, sum } = pass
      const used = blocks.slice(0, laneCount)
      const encrypt = aes4(used.map(({ state }) => state))
      return sequence(
        // The tweak of E(2, i) has 2J where that of E(1, i) has J.
        ...used.map(({ state }, lane) => state.set(xorAll(s.get, passTweak(pass, lane), loadAt(J_AT), loadAt(J2_AT)))),
        encrypt,
        ...used.flatMap(({ state, y, z }, lane) => [
          y.set(v128.xor(v128.load(address.get, DATA_AT + 32 * lane), state.get)),
          z.set(v128.xor(v128.load(address.get, DATA_AT + 32 * lane + 16), state.get)),
          sum.set(v128.xor(sum.get, y.get)),
          state.set(v128.xor(z.get, loadAt(I_AT)))
        ]),
        encrypt,
        ...used.flatMap(({ state, y }, lane) => [
          y.set(v128.xor(y.get, state.get)),
          v128.store(address.get, rounds.leave(y.get), DATA_AT + 32 * lane + 16),
          state.set(v128.xor(y.get, passTweak(pass, lane)))
        ]),
        encrypt,
        ...used.map(({ state, z }, lane) => v128.store(address.get, rounds.leave(v128.xor(z.get, state.get)), DATA_AT + 32 * lane))
      )
    }
  })

const BYTE_NUMBERS = v128.const(range(16))
const FINAL_BIT = v128.const(new Array<number>(16).fill(0x80))
/** A mask of the first bytes of a block. */
const firstBytes = (byteCount: I32): V128 => v128.lessUnsignedBytes(BYTE_NUMBERS, v128.splatBytes(byteCount))

/** The part of block number 0 or 1 of a fragment: 0 to 16 bytes. */
const partOf = (byteCount: Local<"i32">, number: number): I32 => {
  if (number === 1) return i32.sub(byteCount.get, i32.const(16))
  // The smaller of it and 16: 16 less what is missing, if anything is.
  const isShort = i32.lessUnsigned(byteCount.get, i32.const(16))
  return i32.sub(i32.const(16), i32.and(i32.sub(i32.const(0), isShort), i32.sub(i32.const(16), byteCount.get)))
}

/** E(0, 4) and E(0, 5) of a fragment of 1 to 31 bytes, padded; parameters: its address without `DATA_AT`, its length. */
const addAbsorb = ({ aes4, module, relaxed }: Parts): FunctionHandle<"v128"> =>
  module.addFunction(["i32", "i32"], "v128", (scope) => {
    const address = scope.parameter("i32", 0)
    const byteCount = scope.parameter("i32", 1)
    const count = scope.local("i32")
    const sum = scope.local("v128")
    const { begin, enter } = makeRounds(scope, relaxed)
    const padded = (number: number): V128 => v128.or(
      v128.and(v128.load(address.get, DATA_AT + 16 * number), firstBytes(count.get)),
      v128.and(v128.equalBytes(BYTE_NUMBERS, v128.splatBytes(count.get)), FINAL_BIT)
    )
    const absorb = (number: number): Statement => sequence(
      count.set(partOf(byteCount, number)),
      sum.set(v128.xor(sum.get, call(aes4, xorAll(enter(padded(number)), loadAt(I2_AT), loadAt(L_AT + 16 * (4 + number))))))
    )
    return yielding([begin, absorb(0), when(i32.notLessUnsigned(byteCount.get, i32.const(16)), absorb(1))], sum.get)
  })

/** XORs a fragment with E(-1, 4) and E(-1, 5) of S; parameters: its address without `DATA_AT`, its length, S. */
const addMask = ({ aes10, module, relaxed }: Parts): FunctionHandle<"none"> =>
  module.addFunction(["i32", "i32", "v128"], "none", (scope) => {
    const address = scope.parameter("i32", 0)
    const byteCount = scope.parameter("i32", 1)
    const s = scope.parameter("v128", 2)
    const { begin, leave } = makeRounds(scope, relaxed)
    const mask = (number: number): Statement => {
      const stream = leave(call(aes10, v128.xor(s.get, loadAt(L_AT + 16 * (4 + number)))))
      const masked = v128.xor(v128.load(address.get, DATA_AT + 16 * number), v128.and(stream, firstBytes(partOf(byteCount, number))))
      return v128.store(address.get, masked, DATA_AT + 16 * number)
    }
    return sequence(begin, mask(0), when(i32.greaterUnsigned(byteCount.get, i32.const(16)), mask(1)))
  })

const addPermute = (parts: Parts): FunctionHandle<"none"> => {
  const prepare = addPrepare(parts)
  const passOne = addPassOne(parts)
  const passTwo = addPassTwo(parts)
  const absorb = addAbsorb(parts)
  const mask = addMask(parts)
  return parts.module.addFunction(["i32", "i32"], "none", (scope) => {
    const byteCount = scope.parameter("i32", 0)
    const inverse = scope.parameter("i32", 1)
    const { begin, enter, leave } = makeRounds(scope, parts.relaxed)
    const [pairCount, fragmentAt, fragmentBytes, lastAt] =
      [scope.local("i32"), scope.local("i32"), scope.local("i32"), scope.local("i32")] as const
    const [x, y, s, sum] = [scope.local("v128"), scope.local("v128"), scope.local("v128"), scope.local("v128")] as const
    const addFragment = sum.set(v128.xor(sum.get, call(absorb, fragmentAt.get, fragmentBytes.get)))
    // The direction decides which of L and 2L comes first, and nothing else.
    const lFirst = v128.load(i32.shl(inverse.get, i32.const(4)), L_AT + 16)
    const lSecond = v128.load(i32.shl(i32.sub(i32.const(1), inverse.get), i32.const(4)), L_AT + 16)
    const encryptZero = (block: V128, l: V128): V128 => call(parts.aes4, xorAll(block, loadAt(I2_AT), l))
    const encryptMinusOne = (block: V128, l: V128): V128 => call(parts.aes10, v128.xor(block, l))
    return sequence(
      begin,
      call(prepare),
      fragmentBytes.set(i32.and(byteCount.get, i32.const(31))),
      lastAt.set(i32.sub(byteCount.get, i32.const(32))),
      fragmentAt.set(i32.sub(lastAt.get, fragmentBytes.get)),
      pairCount.set(i32.shrUnsigned(fragmentAt.get, i32.const(5))),

      sum.set(call(passOne, pairCount.get)),
      when(fragmentBytes.get, addFragment),
      x.set(enter(v128.load(lastAt.get, DATA_AT))),
      y.set(enter(v128.load(lastAt.get, DATA_AT + 16))),
      x.set(xorAll(x.get, loadAt(DELTA_AT), sum.get, encryptZero(y.get, lFirst))),
      y.set(v128.xor(y.get, encryptMinusOne(x.get, lFirst))),
      s.set(v128.xor(x.get, y.get)),

      sum.set(call(passTwo, pairCount.get, s.get)),
      when(fragmentBytes.get, call(mask, fragmentAt.get, fragmentBytes.get, s.get), addFragment),
      x.set(v128.xor(x.get, encryptMinusOne(y.get, lSecond))),
      y.set(xorAll(y.get, loadAt(DELTA_AT), sum.get, encryptZero(x.get, lSecond))),
      v128.store(lastAt.get, leave(y.get), DATA_AT),
      v128.store(lastAt.get, leave(x.get), DATA_AT + 16)
    )
  })
}

/** How much memory the module has and which instructions it may use. */
export interface AezModuleOptions {
  /** Pages of 64 KiB at the start, and the most it can grow to. */
  readonly pagesMin: number
  readonly pagesMax: number
  /** Uses the relaxed swizzle, a single instruction on most processors. */
  readonly relaxed: boolean
}

/** The bytes of the module. @cost a few milliseconds: once per process */
export const aezModule = ({ pagesMax, pagesMin, relaxed }: AezModuleOptions): Uint8Array => {
  const module = new ModuleBuilder(pagesMin, pagesMax)
  module.exportFunction("permute", addPermute(addParts(module, relaxed)))
  return module.assemble()
}
