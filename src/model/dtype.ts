/**
 * Element types of tensors: their names, their ONNX codes on the wire, their sizes and how one element is read and written.
 *
 * Contract: elements are little-endian. Reading gives a number, or a bigint for i64; writing refuses values that the type cannot hold, but rounds
 * to the nearest (ties to even) for the floating types, as IEEE 754 does.
 * Knows nothing of: tensors, shapes, models.
 * Source: pigeonhole.md §8.2 (codes); departures: none.
 *
 * @module
 */

/** Every element type of the protocol, by name. */
export const DTYPES = ["f32", "u8", "i8", "i32", "i64", "bool", "f16", "f64", "bf16"] as const
export type DType = (typeof DTYPES)[number]

const CODES: Readonly<Record<DType, number>> = { f32: 1, u8: 2, i8: 3, i32: 6, i64: 7, bool: 9, f16: 10, f64: 11, bf16: 16 }
const SIZES: Readonly<Record<DType, number>> = { f32: 4, u8: 1, i8: 1, i32: 4, i64: 8, bool: 1, f16: 2, f64: 8, bf16: 2 }
/** Names that the ONNX runtime uses; it has none for bf16. */
const RUNTIME_NAMES: Readonly<Record<DType, string>> = {
  f32: "float32", u8: "uint8", i8: "int8", i32: "int32", i64: "int64", bool: "bool", f16: "float16", f64: "float64", bf16: "bfloat16"
}

export const dtypeCode = (dtype: DType): number => CODES[dtype]

/** The type with this ONNX code, or nothing when the protocol has no such type. */
export const dtypeOfCode = (code: number): DType | undefined => DTYPES.find((dtype) => CODES[dtype] === code)

/** The type with this name: ours (`f32`) or the ONNX runtime's and NumPy's (`float32`). */
export const dtypeOfName = (name: string): DType | undefined => DTYPES.find((dtype) => dtype === name || RUNTIME_NAMES[dtype] === name)

/** Bytes of one element. */
export const elementBytes = (dtype: DType): number => SIZES[dtype]

/** Name of the type in the ONNX runtime's metadata. */
export const runtimeDtype = (dtype: DType): string => RUNTIME_NAMES[dtype]

/** The nearest half of a number, as its 16 bits. */
export const halfBits = (value: number): number => {
  if (Number.isNaN(value)) return 0x7e00
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  const size = Math.abs(value)
  if (size >= 65520) return sign | 0x7c00
  // spacing of halves around `size`: 2^-24 below 2^-14, else 2^(exponent - 10)
  const exponent = size < 2 ** -14 ? -14 : Math.floor(Math.log2(size))
  const steps = roundHalfEven(size / 2 ** (exponent - 10))
  return sign | (steps + ((exponent + 14) << 10))
}

/** The number that 16 bits of half precision stand for. */
export const halfValue = (bits: number): number => {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25))
}

const roundHalfEven = (value: number): number => {
  const floor = Math.floor(value)
  const over = value - floor
  return over > 0.5 || (over === 0.5 && floor % 2 === 1) ? floor + 1 : floor
}

const scratch = new DataView(new ArrayBuffer(4))

const brainBits = (value: number): number => {
  if (Number.isNaN(value)) return 0x7fc0
  scratch.setFloat32(0, value)
  const bits = scratch.getUint32(0)
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16
}

const brainValue = (bits: number): number => {
  scratch.setUint32(0, bits * 65536)
  return scratch.getFloat32(0)
}

const INTEGER_RANGES: Partial<Record<DType, readonly [number, number]>> = {
  u8: [0, 255], i8: [-128, 127], i32: [-(2 ** 31), 2 ** 31 - 1], bool: [0, 1]
}

/** True when the type has a value for this number: any number for the floating types, a whole number in range for the others. */
export const dtypeHolds = (dtype: DType, value: number | bigint): boolean => {
  if (dtype === "i64") {
    return typeof value === "bigint" ? BigInt.asIntN(64, value) === value : Number.isSafeInteger(value)
  }
  const range = INTEGER_RANGES[dtype]
  if (range === undefined) return true
  const number = Number(value)
  return Number.isInteger(number) && number >= range[0] && number <= range[1]
}

/** Writes one element at a byte offset; the caller has checked `dtypeHolds`. */
export const writeElement = (view: DataView, offset: number, dtype: DType, value: number | bigint): void => {
  switch (dtype) {
    case "f32": return view.setFloat32(offset, Number(value), true)
    case "f64": return view.setFloat64(offset, Number(value), true)
    case "f16": return view.setUint16(offset, halfBits(Number(value)), true)
    case "bf16": return view.setUint16(offset, brainBits(Number(value)), true)
    case "i64": return view.setBigInt64(offset, BigInt(value), true)
    case "i32": return view.setInt32(offset, Number(value), true)
    case "i8": return view.setInt8(offset, Number(value))
    case "u8":
    case "bool": return view.setUint8(offset, Number(value))
  }
}

/** Reads one element at a byte offset. */
export const readElement = (view: DataView, offset: number, dtype: DType): number | bigint => {
  switch (dtype) {
    case "f32": return view.getFloat32(offset, true)
    case "f64": return view.getFloat64(offset, true)
    case "f16": return halfValue(view.getUint16(offset, true))
    case "bf16": return brainValue(view.getUint16(offset, true))
    case "i64": return view.getBigInt64(offset, true)
    case "i32": return view.getInt32(offset, true)
    case "i8": return view.getInt8(offset)
    case "u8":
    case "bool": return view.getUint8(offset)
  }
}
