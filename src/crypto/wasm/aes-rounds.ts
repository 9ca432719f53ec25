/**
 * AES rounds as instructions on vectors, several blocks side by side.
 *
 * Contract: a state is in coordinates, and owes as many ShiftRows as it has had rounds (nibble-aes), so that four rounds end as they started. No
 * branch and no address depends on a block or a key: tables are look-ups by vector permutation, in registers.
 * Knows nothing of: AEZ, where keys are kept.
 * Source: nibble-aes; FIPS 197 §5.1; departures: none.
 *
 * @module
 */
import { sequence, v128, xorAll, type Expression, type FunctionScope, type Local, type Statement } from "./assembler.ts"
import { NIBBLE_TABLES, rotateColumns, shiftRows, SUB_CONSTANT } from "./nibble-aes.ts"

type V128 = Expression<"v128">
type Variable = Local<"v128">

const repeatByte = (byte: number): V128 => v128.const(new Array<number>(16).fill(byte))

export interface Rounds {
  /** Loads the constants; to be run before anything else, once and outside loops. */
  readonly begin: Statement
  /** A raw block in coordinates. */
  readonly enter: (block: V128) => V128
  /** A block in coordinates as a raw one. */
  readonly leave: (block: V128) => V128
  /** A round key with the constant of the S-box. */
  readonly withSubConstant: (key: V128) => V128
  readonly shiftRows: (state: V128, count: number) => V128
  /** A full round for each key, on every state. Key number r, from 1, has r ShiftRows undone and the constant of the S-box in it. */
  readonly apply: (states: ReadonlyArray<Variable>, keys: ReadonlyArray<V128>) => Statement
}

/** Temporary variables of one block. */
interface Temporaries {
  readonly i: Variable
  readonly j: Variable
  readonly k: Variable
  readonly divided: Variable
  readonly p: Variable
  readonly q: Variable
  readonly sub: Variable
  readonly mixed: Variable
}

/** Which byte of its column comes to each place in MixColumns: one row on, three rows on. */
interface Rotations {
  readonly one: Variable
  readonly three: Variable
}

/** @param relaxed  use the relaxed swizzle: all indexes are below 16 or above 127, where it does the same */
export const makeRounds = (scope: FunctionScope, relaxed: boolean): Rounds => {
  const constants: Array<Statement> = []
  /** A constant in a variable, so that a loop need not make it anew. */
  const held = (value: V128): Variable => {
    const variable = scope.local("v128")
    constants.push(variable.set(value))
    return variable
  }
  const lookUp = relaxed ? v128.swizzleRelaxed : v128.swizzle
  const table = (entries: ReadonlyArray<number>): ((nibbles: V128) => V128) => {
    const variable = held(v128.const(entries))
    return (nibbles) => lookUp(variable.get, nibbles)
  }
  const tables = {
    enterLow: table(NIBBLE_TABLES.enterLow), enterHigh: table(NIBBLE_TABLES.enterHigh),
    leaveLow: table(NIBBLE_TABLES.leaveLow), leaveHigh: table(NIBBLE_TABLES.leaveHigh),
    invert: table(NIBBLE_TABLES.invert), divide: table(NIBBLE_TABLES.divide),
    subByP: table(NIBBLE_TABLES.subByP), subByQ: table(NIBBLE_TABLES.subByQ),
    doubleByP: table(NIBBLE_TABLES.doubleByP), doubleByQ: table(NIBBLE_TABLES.doubleByQ)
  }
  const nibbleMask = held(repeatByte(15))
  const subConstant = held(repeatByte(SUB_CONSTANT))
  const rotationsAfter = (shifts: number): Rotations => ({
    one: held(v128.const(rotateColumns(1, shifts))),
    three: held(v128.const(rotateColumns(3, shifts)))
  })
  const rotations = [rotationsAfter(0), rotationsAfter(1), rotationsAfter(2), rotationsAfter(3)] as const
  const low = (block: V128): V128 => v128.and(block, nibbleMask.get)
  const high = (block: V128): V128 => v128.shrUnsigned32(v128.andNot(block, nibbleMask.get), 4)

  const whole = scope.local("v128")
  const byNibbles = (lowTable: (nibbles: V128) => V128, highTable: (nibbles: V128) => V128) => (block: V128): V128 =>
    v128.xor(lowTable(low(whole.tee(block))), highTable(high(whole.get)))

  const temporaries: Array<Temporaries> = []
  const temporariesOf = (lane: number): Temporaries => (temporaries[lane] ??= {
    i: scope.local("v128"), j: scope.local("v128"), k: scope.local("v128"), divided: scope.local("v128"), p: scope.local("v128"), q: scope.local("v128"),
    sub: scope.local("v128"), mixed: scope.local("v128")
  })

  const round = (states: ReadonlyArray<Variable>, number: number, key: V128): Statement => {
    const { one, three } = rotations[number % 4] as Rotations
    const each = (step: (t: Temporaries, state: Variable) => Statement): Statement =>
      sequence(...states.map((state, lane) => step(temporariesOf(lane), state)))
    return sequence(
      each(({ i }, state) => i.set(high(state.get))),
      each(({ k }, state) => k.set(low(state.get))),
      each(({ divided, k }) => divided.set(tables.divide(k.get))),
      each(({ i, j, k }) => j.set(v128.xor(i.get, k.get))),
      each(({ divided, i, p }) => p.set(v128.xor(tables.invert(i.get), divided.get))),
      each(({ divided, j, q }) => q.set(v128.xor(tables.invert(j.get), divided.get))),
      each(({ j, p }) => p.set(v128.xor(tables.invert(p.get), j.get))),
      each(({ i, q }) => q.set(v128.xor(tables.invert(q.get), i.get))),
      each(({ p, q, sub }) => sub.set(v128.xor(tables.subByP(p.get), tables.subByQ(q.get)))),
      // MixColumns: with t = 2·s + (s one row on), t + (t one row on) + (s three rows on).
      each(({ mixed, p, q, sub }) => mixed.set(xorAll(tables.doubleByP(p.get), tables.doubleByQ(q.get), lookUp(sub.get, one.get)))),
      each(({ mixed, sub }, state) =>
        state.set(v128.xor(v128.xor(lookUp(sub.get, three.get), key), v128.xor(mixed.get, lookUp(mixed.get, one.get)))))
    )
  }

  return {
    begin: sequence(...constants),
    enter: byNibbles(tables.enterLow, tables.enterHigh),
    leave: byNibbles(tables.leaveLow, tables.leaveHigh),
    withSubConstant: (key) => v128.xor(key, subConstant.get),
    shiftRows: (state, count) => lookUp(state, v128.const(shiftRows(count))),
    apply: (states, keys) => sequence(...keys.map((key, i) => round(states, i + 1, key)))
  }
}
