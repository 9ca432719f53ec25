/**
 * An assembler for WebAssembly modules: typed expressions in, the bytes of a module out.
 *
 * An expression carries the type of the value it leaves on the stack, `"none"` for a statement, so that an ill-typed program does not compile here.
 *
 * Contract: the same program gives the same bytes. Whether an engine can run them is for `validate` to say. One memory, no imports, no tables, no
 * globals, functions of at most one result.
 * Knows nothing of: what is computed; only the instructions that are used somewhere exist.
 * Source: WebAssembly Core Specification 2.0 §5 (binary format), relaxed SIMD proposal; departures: none.
 *
 * @module
 */

export type ValueType = "i32" | "i64" | "v128"

/** Bytes as a string of one character each: engines join long strings without copying them. */
type Code = string

/** Code that leaves a value of type `T`, or none. */
export interface Expression<T extends ValueType | "none"> {
  readonly type: T
  readonly code: Code
}
export type Statement = Expression<"none">

const bytesOf = (...bytes: ReadonlyArray<number>): Code => String.fromCharCode(...bytes)

const TYPE_CODES: Readonly<Record<ValueType, Code>> = { i32: bytesOf(0x7f), i64: bytesOf(0x7e), v128: bytesOf(0x7b) }

/** Unsigned LEB128 of an integer from 0 to 2^32 - 1. */
export const unsignedLeb = (value: number): ReadonlyArray<number> => {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) throw new RangeError("not an unsigned integer of 32 bits")
  const bytes: Array<number> = []
  let rest = value
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80)
    rest = Math.floor(rest / 128)
  }
  return [...bytes, rest]
}

/** Signed LEB128 of an integer from -2^63 to 2^63 - 1. */
export const signedLebWide = (value: bigint): ReadonlyArray<number> => {
  if (value !== BigInt.asIntN(64, value)) throw new RangeError("not a signed integer of 64 bits")
  const bytes: Array<number> = []
  let rest = value
  while (rest < -0x40n || rest > 0x3fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80)
    rest >>= 7n
  }
  return [...bytes, Number(rest & 0x7fn)]
}

/** Signed LEB128 of an integer from -2^31 to 2^31 - 1. */
export const signedLeb = (value: number): ReadonlyArray<number> => {
  if (value !== (value | 0)) throw new RangeError("not a signed integer of 32 bits")
  const bytes: Array<number> = []
  let rest = value
  // Bit 6 of the last byte is the sign.
  while (rest < -0x40 || rest > 0x3f) {
    bytes.push((rest & 0x7f) | 0x80)
    rest >>= 7
  }
  return [...bytes, rest & 0x7f]
}

const unsigned = (value: number): Code => bytesOf(...unsignedLeb(value))

const code = <T extends ValueType | "none">(type: T, text: Code): Expression<T> => ({ type, code: text })

type I32 = Expression<"i32">
type I64 = Expression<"i64">
type V128 = Expression<"v128">

const binaryI32 = (opcode: number): ((a: I32, b: I32) => I32) => {
  const instruction = bytesOf(opcode)
  return (a, b) => code("i32", a.code + b.code + instruction)
}

export const i32 = {
  const: (value: number): I32 => code("i32", bytesOf(0x41, ...signedLeb(value))),
  equal: binaryI32(0x46),
  lessUnsigned: binaryI32(0x49),
  greaterUnsigned: binaryI32(0x4b),
  notLessUnsigned: binaryI32(0x4f),
  add: binaryI32(0x6a),
  sub: binaryI32(0x6b),
  and: binaryI32(0x71),
  shl: binaryI32(0x74),
  shrUnsigned: binaryI32(0x76)
}

const binaryI64 = (opcode: number): ((a: I64, b: I64) => I64) => {
  const instruction = bytesOf(opcode)
  return (a, b) => code("i64", a.code + b.code + instruction)
}
const i64Const = (value: bigint): I64 => code("i64", bytesOf(0x42, ...signedLebWide(BigInt.asIntN(64, value))))
const shiftI64 = (opcode: number): ((a: I64, bitCount: number) => I64) => {
  const shift = binaryI64(opcode)
  return (a, bitCount) => shift(a, i64Const(BigInt(bitCount)))
}

/** A vector instruction: the prefix and its number. */
const simd = (opcode: number): Code => bytesOf(0xfd, ...unsignedLeb(opcode))
const binaryV128 = (opcode: number): ((a: V128, b: V128) => V128) => {
  const instruction = simd(opcode)
  return (a, b) => code("v128", a.code + b.code + instruction)
}
const shiftV128 = (opcode: number): ((a: V128, bitCount: number) => V128) => {
  const instruction = simd(opcode)
  return (a, bitCount) => code("v128", a.code + i32.const(bitCount).code + instruction)
}

/** Any alignment is allowed; a constant offset is added to the address. */
const unaligned = (offsetBytes: number): Code => bytesOf(0, ...unsignedLeb(offsetBytes))

export const i64 = {
  /** Taken modulo 2^64. */
  const: i64Const,
  load: (address: I32, offsetBytes = 0): I64 => code("i64", address.code + bytesOf(0x29) + unaligned(offsetBytes)),
  store: (address: I32, value: I64, offsetBytes = 0): Statement => code("none", address.code + value.code + bytesOf(0x37) + unaligned(offsetBytes)),
  /** An unsigned number of 32 bits. */
  fromUnsigned: (value: I32): I64 => code("i64", value.code + bytesOf(0xad)),
  add: binaryI64(0x7c),
  mul: binaryI64(0x7e),
  and: binaryI64(0x83),
  or: binaryI64(0x84),
  xor: binaryI64(0x85),
  shl: shiftI64(0x86),
  shrUnsigned: shiftI64(0x88),
  rotl: shiftI64(0x89)
}

export const v128 = {
  /** Sixteen bytes, the first at the lowest address. */
  const: (bytes: ReadonlyArray<number>): V128 => {
    if (bytes.length !== 16) throw new RangeError("a vector has 16 bytes")
    return code("v128", simd(0x0c) + bytesOf(...bytes))
  },
  load: (address: I32, offsetBytes = 0): V128 => code("v128", address.code + simd(0x00) + unaligned(offsetBytes)),
  store: (address: I32, value: V128, offsetBytes = 0): Statement => code("none", address.code + value.code + simd(0x0b) + unaligned(offsetBytes)),
  /** Byte i of the result is `table[index[i]]`, 0 for an index above 15. */
  swizzle: binaryV128(0x0e),
  /** As `swizzle` for indexes below 16 and above 127; engines differ on those between. */
  swizzleRelaxed: binaryV128(0x100),
  splatBytes: (value: I32): V128 => code("v128", value.code + simd(0x0f)),
  equalBytes: binaryV128(0x23),
  lessUnsignedBytes: binaryV128(0x26),
  and: binaryV128(0x4e),
  /** `a` and not `b`. */
  andNot: binaryV128(0x4f),
  or: binaryV128(0x50),
  xor: binaryV128(0x51),
  shrSigned32: shiftV128(0xac),
  shrUnsigned32: shiftV128(0xad),
  shl64: shiftV128(0xcb)
}

/** XOR of one vector or more. */
export const xorAll = (first: V128, ...others: ReadonlyArray<V128>): V128 => others.reduce(v128.xor, first)

/** A parameter or local variable. */
export interface Local<T extends ValueType> {
  readonly get: Expression<T>
  readonly set: (value: Expression<T>) => Statement
  /** Sets and leaves the value. */
  readonly tee: (value: Expression<T>) => Expression<T>
}

const joined = (parts: ReadonlyArray<Expression<ValueType | "none">>): Code => parts.reduce((text, part) => text + part.code, "")

/** Statements in turn. */
export const sequence = (...statements: ReadonlyArray<Statement>): Statement => code("none", joined(statements))

/** Statements in turn, then a value. */
export const yielding = <T extends ValueType>(statements: ReadonlyArray<Statement>, value: Expression<T>): Expression<T> =>
  code(value.type, joined(statements) + value.code)

const IF = bytesOf(0x04, 0x40)
const LOOP = bytesOf(0x03, 0x40)
/** To the start of the innermost loop, if the value on the stack is not 0. */
const AGAIN = bytesOf(0x0d, 0)
const END = bytesOf(0x0b)

/** Runs the body if the condition is not 0. */
export const when = (condition: I32, ...body: ReadonlyArray<Statement>): Statement => code("none", condition.code + IF + joined(body) + END)

/** Runs the body as long as the condition holds before it. */
export const whileLoop = (condition: I32, ...body: ReadonlyArray<Statement>): Statement =>
  when(condition, code("none", LOOP + joined(body) + condition.code + AGAIN + END))

type ResultType = ValueType | "none"

/** A function of the module under construction. */
export interface FunctionHandle<R extends ResultType> {
  readonly index: number
  readonly parameterTypes: ReadonlyArray<ValueType>
  readonly result: R
}

export const call = <R extends ResultType>(callee: FunctionHandle<R>, ...parameters: ReadonlyArray<Expression<ValueType>>): Expression<R> => {
  if (parameters.length !== callee.parameterTypes.length || parameters.some(({ type }, i) => type !== callee.parameterTypes[i])) {
    throw new RangeError("the parameters are not those of the function")
  }
  return code(callee.result, joined(parameters) + bytesOf(0x10) + unsigned(callee.index))
}

/** The local variables of one function. */
export class FunctionScope {
  readonly #types: Array<ValueType>
  readonly #parameterCount: number

  constructor(parameterTypes: ReadonlyArray<ValueType>) {
    this.#types = [...parameterTypes]
    this.#parameterCount = parameterTypes.length
  }

  #handle<T extends ValueType>(type: T, index: number): Local<T> {
    const at = unsigned(index)
    const [get, set, tee] = [bytesOf(0x20) + at, bytesOf(0x21) + at, bytesOf(0x22) + at] as const
    return {
      get: code(type, get),
      set: (value) => code("none", value.code + set),
      tee: (value) => code(type, value.code + tee)
    }
  }

  parameter<T extends ValueType>(type: T, index: number): Local<T> {
    if (index >= this.#parameterCount || this.#types[index] !== type) throw new RangeError("the function has no such parameter")
    return this.#handle(type, index)
  }

  /** A new variable, zero at the start. */
  local<T extends ValueType>(type: T): Local<T> {
    return this.#handle(type, this.#types.push(type) - 1)
  }

  /** The declaration of the variables in the binary format. */
  get declaration(): Code {
    return vector(this.#types.slice(this.#parameterCount).map((type) => bytesOf(1) + TYPE_CODES[type]))
  }
}

const vector = (items: ReadonlyArray<Code>): Code => unsigned(items.length) + items.join("")
const sized = (content: Code): Code => unsigned(content.length) + content
const section = (id: number, content: Code): Code => bytesOf(id) + sized(content)
/** Names are ASCII here. */
const name = sized

interface AssembledFunction {
  readonly type: Code
  readonly body: Code
}

const MAGIC_AND_VERSION = bytesOf(0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0)

/** A module with functions and one memory, exported as `memory`. */
export class ModuleBuilder {
  readonly #functions: Array<AssembledFunction> = []
  readonly #exports: Array<Code> = [name("memory") + bytesOf(0x02, 0)]
  readonly #memory: Code

  /** @param pagesMin  pages of 64 KiB at the start; `pagesMax` is as far as the memory can grow */
  constructor(pagesMin: number, pagesMax: number) {
    this.#memory = bytesOf(0x01) + unsigned(pagesMin) + unsigned(pagesMax)
  }

  /** Adds a function; `build` gives its body and may call the functions added before. */
  addFunction<R extends ResultType>(
    parameterTypes: ReadonlyArray<ValueType>, result: R, build: (scope: FunctionScope) => Expression<R>
  ): FunctionHandle<R> {
    const scope = new FunctionScope(parameterTypes)
    const body = build(scope)
    const results = body.type === "none" ? [] : [TYPE_CODES[body.type as ValueType]]
    this.#functions.push({
      type: bytesOf(0x60) + vector(parameterTypes.map((type) => TYPE_CODES[type])) + vector(results),
      body: sized(scope.declaration + body.code + END)
    })
    return { index: this.#functions.length - 1, parameterTypes, result }
  }

  exportFunction(exportName: string, callee: FunctionHandle<ResultType>): void {
    this.#exports.push(name(exportName) + bytesOf(0x00) + unsigned(callee.index))
  }

  /** The module in the binary format. */
  assemble(): Uint8Array {
    const text = MAGIC_AND_VERSION +
      section(1, vector(this.#functions.map(({ type }) => type))) +
      section(3, vector(this.#functions.map((_, index) => unsigned(index)))) +
      section(5, vector([this.#memory])) +
      section(7, vector(this.#exports)) +
      section(10, vector(this.#functions.map(({ body }) => body)))
    const bytes = new Uint8Array(text.length)
    for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i)
    return bytes
  }
}
