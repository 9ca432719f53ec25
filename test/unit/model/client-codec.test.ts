/**
 * Goal: users' inputs become the right tensors, or are refused with a sentence they understand; strangers' outputs are checked.
 * Method: every kind of input on every kind of model, right and wrong.
 *
 * @module
 */
import { Either } from "effect"
import { readFileSync } from "node:fs"
import { PNG } from "pngjs"
import { describe, expect, it } from "vitest"
import { type EncodeOptions, makeClientCodec, type ModelInput } from "../../../src/model/client-codec.ts"
import { lineFromPng, scaleGrey } from "../../../src/model/line-image.ts"
import { ngramFrequencies, normaliseText } from "../../../src/model/ngram.ts"
import { numbersOf, type Tensor, tensorOf } from "../../../src/model/tensor.ts"
import { cardOfModel, codec, crypto, digitsImage, pngOf } from "./shipped-model.ts"

const encode = (id: string, input: ModelInput, options?: EncodeOptions) => codec.encodeInput(cardOfModel(id), input, options)
const refusal = (id: string, input: ModelInput, options?: EncodeOptions): string =>
  Either.match(encode(id, input, options), { onLeft: (error) => `${error.reason}: ${error.message}`, onRight: () => "accepted" })
const first = (id: string, input: ModelInput, options?: EncodeOptions): Tensor => Either.getOrThrow(encode(id, input, options))[0]!
const white = (width: number, height: number) => pngOf({ width, height, grey: new Uint8Array(width * height).fill(255) })

describe("numbers", () => {
  it("become rows", () => {
    expect(first("affine", { numbers: [1, 2, 3, 4, 5, 6, 7, 8] })).toMatchObject({ name: "x", dtype: "f32", dims: [2, 4] })
    expect(first("rotate-3", { numbers: Array<number>(256).fill(1) }).dims).toEqual([1, 256])
    expect(first("lang-id", { numbers: Array<number>(620).fill(0) }).dims).toEqual([1, 620])
  })

  it("are refused with a sentence when count, size or value is wrong", () => {
    expect(refusal("affine", { numbers: [1, 2, 3] })).toBe("count: affine takes rows of 4 numbers; got 3")
    expect(refusal("affine", { numbers: [] })).toBe("empty: there are no numbers")
    expect(refusal("affine", { numbers: Array<number>(260).fill(0) })).toBe("too-large: affine takes rows of 4 numbers, at most 64 rows; got 65")
    expect(refusal("lang-id", { numbers: [1] })).toBe("count: lang-id takes 620 numbers; got 1")
    expect(refusal("affine", { numbers: [1, 2, NaN, 4] })).toContain("value: number 3 does not fit")
    expect(refusal("affine", { numbers: [1e39, 2, 3, 4] })).toContain("value: number 1 does not fit")
    expect(refusal("ocr-line", { numbers: [1] })).toBe("kind: ocr-line takes a PNG image of one line of text")
    expect(refusal("tiny-lm", { numbers: [1] })).toBe("kind: tiny-lm takes text")
  })
})

describe("a ready-made tensor", () => {
  const bytes = new Uint8Array(16)
  it("is taken under either name of its type", () => {
    for (const dtype of ["f32", "float32"]) expect(first("affine", { tensor: { dtype, shape: [1, 4], bytes } }).data).toEqual(bytes)
  })

  it("is refused for a wrong type, shape or length", () => {
    expect(refusal("affine", { tensor: { dtype: "f99", shape: [1, 4], bytes } })).toContain('"f99" is no element type')
    expect(refusal("affine", { tensor: { dtype: "i32", shape: [1, 4], bytes } })).toBe("dtype: affine: x must be f32 [1..64, 4], got i32")
    expect(refusal("affine", { tensor: { dtype: "f32", shape: [4], bytes } })).toBe("shape: affine: x must be f32 [1..64, 4], got [4]")
    expect(refusal("affine", { tensor: { dtype: "f32", shape: [2, 4], bytes } })).toContain("needs 32 bytes, got 16")
  })
})

describe("text for lang-id", () => {
  it("becomes 620 frequencies: the documented 54 are not zero and the first is 0.177778", () => {
    const frequencies = numbersOf(first("lang-id", { text: "Where is the nearest railway station, please?" }))
    expect(frequencies.length).toBe(620)
    expect(frequencies.filter((value) => value !== 0).length).toBe(54)
    expect(frequencies[0]).toBeCloseTo(0.177778, 6)
  })

  it("is normalised: letters, marks and single blanks, lower case", () => {
    expect(normaliseText("Well--known:\t  42 THINGS!")).toBe(" well known things ")
    expect(normaliseText("12 + 3")).toBe(" ")
    expect(ngramFrequencies([" ", "a", "aa", "aaaa", "b"], "aaa")).toEqual([2 / 5, 3 / 5, 2 / 4, 0, 0])
  })

  it("is refused when empty or without letters, since the model would name a language all the same", () => {
    expect(refusal("lang-id", { text: "  \n" })).toBe("empty: the text is empty")
    expect(refusal("lang-id", { text: "12:30 + 5 = ?" })).toBe("text: there are no letters in the text")
  })
})

describe("text for tiny-lm", () => {
  it("becomes ids behind the start id, with 32 tokens unless said otherwise", () => {
    const [ids, limit] = Either.getOrThrow(encode("tiny-lm", { text: "Fellow-Citizens of the Senate" }))
    expect(numbersOf(ids!)).toEqual([0, 71, 102, 1013, 46, 68, 720, 514, 268, 260, 1617])
    expect(numbersOf(limit!)).toEqual([32])
    expect(numbersOf(Either.getOrThrow(encode("tiny-lm", { text: "The whale" }, { maxTokens: 7 }))[1]!)).toEqual([7])
  })

  it("is refused when empty or too long, and with an impossible number of tokens", () => {
    expect(refusal("tiny-lm", { text: "" })).toBe("empty: the text is empty")
    expect(refusal("tiny-lm", { text: "word ".repeat(400) })).toMatch(/^too-large: the text is too long: \d+ tokens; tiny-lm takes at most 254$/)
    expect(refusal("tiny-lm", { text: "x".repeat(1e6) })).toContain("too-large: the text is too long: 1000000 characters")
    for (const maxTokens of [0, -1, 1.5, 256, NaN]) expect(refusal("tiny-lm", { text: "a" }, { maxTokens })).toContain("from 1 to 255")
    expect(refusal("affine", { text: "1 2 3 4" })).toBe("kind: affine takes numbers or a tensor")
    expect(refusal("ocr-line", { text: "hello" })).toBe("kind: ocr-line takes a PNG image of one line of text")
  })

  it("is refused for a model whose tokenizer is not on this machine", () => {
    const elsewhere = makeClientCodec(crypto, "/nonexistent")
    expect(Either.flip(elsewhere.encodeInput(cardOfModel("tiny-lm"), { text: "a" }))).toMatchObject({ right: { reason: "unavailable" } })
  })
})

describe("a picture for ocr-line", () => {
  it("of height 48 keeps every grey value, whatever the PNG's colour type", () => {
    const grey = Uint8Array.from({ length: 48 * 50 }, (_, index) => (index * 7) % 256)
    for (const colorType of [0, 2, 4, 6] as const) {
      const tensor = first("ocr-line", { png: pngOf({ width: 50, height: 48, grey }, colorType) })
      expect(tensor).toMatchObject({ name: "image", dtype: "u8", dims: [1, 48, 50] })
      expect(tensor.data).toEqual(grey)
    }
  })

  it("is white where it is transparent, and grey by luma", () => {
    const png = new PNG({ width: 48, height: 48 })
    png.data.fill(0)
    png.data.set([255, 0, 0, 255], 0)
    const { data } = first("ocr-line", { png: new Uint8Array(PNG.sync.write(png)) })
    expect([data[0], data[1]]).toEqual([76, 255])
  })

  it("is scaled to height 48 in proportion and squeezed up to twice", () => {
    const widths = [[100, 96], [25, 24], [700, 48], [688, 48], [344, 48]].map(([width, height]) =>
      Either.match(lineFromPng(white(width!, height!)), { onLeft: () => 0, onRight: (image) => image.width }))
    expect(widths).toEqual([50, 50, 0, 344, 344])
    const image = Either.getOrThrow(lineFromPng(pngOf(digitsImage("31415926535"))))
    expect(image.width).toBe(288)
  })

  it("keeps the mean grey when shrunk and enlarged", () => {
    const image = { width: 40, height: 40, grey: Uint8Array.from({ length: 1600 }, (_, index) => (index % 40 < 20 ? 0 : 200)) }
    const mean = (grey: Uint8Array) => grey.reduce((sum, value) => sum + value, 0) / grey.length
    expect(mean(scaleGrey(image, 10, 10).grey)).toBeCloseTo(100, 0)
    expect(mean(scaleGrey(image, 100, 90).grey)).toBeCloseTo(100, 0)
    expect(scaleGrey(image, 40, 40)).toEqual(image)
  })

  it("is refused with a sentence when it is none, damaged, too small, too large or too long", () => {
    expect(refusal("ocr-line", { png: new Uint8Array() })).toBe("image: the image is empty")
    expect(refusal("ocr-line", { png: Uint8Array.of(1, 2, 3) })).toBe("image: the file is not a PNG image")
    expect(refusal("ocr-line", { png: new Uint8Array(readFileSync(new URL(import.meta.url))) })).toBe("image: the file is not a PNG image")
    expect(refusal("ocr-line", { png: white(40, 48).slice(0, -20) })).toBe("image: the PNG image is damaged")
    expect(refusal("ocr-line", { png: white(7, 48) })).toContain("too small: 7 x 48 pixels")
    expect(refusal("ocr-line", { png: white(8, 96) })).toContain("too narrow: 8 x 96")
    expect(refusal("ocr-line", { png: white(700, 48) })).toContain("too long: at 48 pixels height it is 700 pixels wide")
    expect(refusal("affine", { png: white(48, 48) })).toBe("kind: affine takes numbers or a tensor")
  })

  it("that only claims to be huge is refused before it is unpacked", () => {
    const png = white(48, 48)
    new DataView(png.buffer, png.byteOffset).setUint32(16, 0x7fffffff)
    expect(refusal("ocr-line", { png })).toContain("too large: 2147483647 x 48")
  })
})

describe("an output", () => {
  const decode = (id: string, outputs: ReadonlyArray<Tensor>) => codec.decodeOutput(cardOfModel(id), outputs)
  const ids = (...values: ReadonlyArray<number>) => [Either.getOrThrow(tensorOf("output_ids", "i64", [1, values.length], values))]

  it("of tiny-lm becomes the continuation only, and says why it ended", () => {
    const text = Either.getOrThrow(decode("tiny-lm", ids(284, 1969, 268, 1053, 576, 1513, 59, 351, 478, 268, 260, 530, 459)))
    expect(text).toMatchObject({
      text: " and House of Representatives: The Government of the United States", finishReason: "length", tokenCount: 13
    })
    expect(Either.getOrThrow(decode("tiny-lm", ids(284, 0)))).toMatchObject({ text: " and", finishReason: "stop", tokenCount: 2 })
    expect(Either.getOrThrow(decode("tiny-lm", ids(0)))).toMatchObject({ text: "", finishReason: "stop" })
  })

  it("that is not as the card says is refused", () => {
    expect(Either.isLeft(decode("tiny-lm", ids(2048)))).toBe(true)
    expect(Either.isLeft(decode("tiny-lm", ids(-1)))).toBe(true)
    expect(Either.isLeft(decode("tiny-lm", []))).toBe(true)
    expect(Either.isLeft(decode("affine", ids(1)))).toBe(true)
    const confidence = Either.getOrThrow(tensorOf("confidence", "f32", [1], [1]))
    const badText = Either.getOrThrow(tensorOf("text", "u8", [256], Array<number>(256).fill(0xff)))
    expect(Either.isLeft(decode("ocr-line", [badText, confidence]))).toBe(true)
  })
})
