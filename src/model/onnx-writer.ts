/**
 * Writes small ONNX files: the part of the format that graphs of float32 operators without attributes need.
 *
 * An ONNX file is one protobuf message; only two protobuf shapes occur, varints and length-delimited fields. Field numbers:
 * Model ir_version 8 = 1, graph = 7, opset_import = 8 {version = 2}; Graph node = 1, name = 2, initializer = 5, input = 11, output = 12;
 * Node input = 1, output = 2, op_type = 4; Tensor dims = 1, data_type = 2, name = 8, raw_data = 9;
 * ValueInfo name = 1, type = 2 {tensor_type = 1 {elem_type = 1, shape = 2 {dim = 1 {dim_value = 1 | dim_param = 2}}}}.
 * Contract: equal graphs give equal bytes, so their hash names them.
 * Knows nothing of: particular models.
 * Source: models/README.md §4, onnx.proto3; departures: none.
 *
 * @module
 */
import { concatBytes, utf8 } from "../bytes/concat.ts"

export interface GraphValue {
  readonly name: string
  /** A number, or the name of a dimension that varies. */
  readonly dims: ReadonlyArray<number | string>
}

export interface GraphConstant {
  readonly name: string
  readonly dims: ReadonlyArray<number>
  readonly values: Float32Array
}

export interface GraphNode {
  readonly operator: string
  readonly inputs: ReadonlyArray<string>
  readonly outputs: ReadonlyArray<string>
}

export interface Graph {
  readonly name: string
  readonly inputs: ReadonlyArray<GraphValue>
  readonly outputs: ReadonlyArray<GraphValue>
  readonly constants: ReadonlyArray<GraphConstant>
  /** In an order in which every input is known before it is used. */
  readonly nodes: ReadonlyArray<GraphNode>
}

const IR_VERSION = 8
const OPSET_VERSION = 17
const FLOAT = 1
const VARINT = 0
const LENGTH_DELIMITED = 2

const varint = (value: number): Uint8Array => {
  const bytes: Array<number> = []
  let rest = value
  while (rest > 127) {
    bytes.push((rest % 128) + 128)
    rest = Math.floor(rest / 128)
  }
  return Uint8Array.from([...bytes, rest])
}

const number = (field: number, value: number): Uint8Array => concatBytes(varint(field * 8 + VARINT), varint(value))
const bytes = (field: number, value: Uint8Array): Uint8Array => concatBytes(varint(field * 8 + LENGTH_DELIMITED), varint(value.length), value)
const text = (field: number, value: string): Uint8Array => bytes(field, utf8(value))
const message = (field: number, ...parts: ReadonlyArray<Uint8Array>): Uint8Array => bytes(field, concatBytes(...parts))

const valueInfo = (field: number, value: GraphValue): Uint8Array => {
  const dims = value.dims.map((dim) => message(1, typeof dim === "number" ? number(1, dim) : text(2, dim)))
  return message(field, text(1, value.name), message(2, message(1, number(1, FLOAT), message(2, ...dims))))
}

const constant = (field: number, value: GraphConstant): Uint8Array => {
  const raw = new Uint8Array(value.values.length * 4)
  const view = new DataView(raw.buffer)
  value.values.forEach((element, index) => view.setFloat32(index * 4, element, true))
  return message(field, ...value.dims.map((dim) => number(1, dim)), number(2, FLOAT), text(8, value.name), bytes(9, raw))
}

const node = (field: number, value: GraphNode): Uint8Array =>
  message(field, ...value.inputs.map((name) => text(1, name)), ...value.outputs.map((name) => text(2, name)), text(4, value.operator))

/** The bytes of an ONNX file (IR version 8, operator set 17) holding this graph. */
export const writeOnnx = (graph: Graph): Uint8Array =>
  concatBytes(
    number(1, IR_VERSION),
    message(
      7,
      ...graph.nodes.map((value) => node(1, value)),
      text(2, graph.name),
      ...graph.constants.map((value) => constant(5, value)),
      ...graph.inputs.map((value) => valueInfo(11, value)),
      ...graph.outputs.map((value) => valueInfo(12, value))
    ),
    message(8, number(2, OPSET_VERSION))
  )
