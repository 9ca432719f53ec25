/**
 * Goal: what the user gives becomes the kind of input that the model takes, and what cannot is refused in words.
 * Method: files in a folder of their own; every combination of words, file, type and shape that makes no sense.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { type GivenInput, numbersOfText, parseShape, readInput } from "../../../actors/cli/given-input.ts"
import type { Adapter } from "../../../src/model/card.ts"

const folder = mkdtempSync(join(tmpdir(), "funion-given-"))
afterAll(() => rmSync(folder, { recursive: true }))
const fileOf = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}
const none: GivenInput = { words: [], file: undefined, dtype: undefined, shape: undefined }
const read = (adapter: Adapter, given: Partial<GivenInput>) => Effect.runPromise(readInput(adapter, { ...none, ...given }))
const refusal = (adapter: Adapter, given: Partial<GivenInput>) =>
  Effect.runPromise(Effect.flip(readInput(adapter, { ...none, ...given }))).then(({ exitStatus, message }) => `${exitStatus} ${message}`)
const PNG = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 1)

describe("words", () => {
  it("are joined by blanks for text models", async () => {
    expect(await read("lang-id", { words: ["Onde", "fica", "a estação?"] })).toEqual({ text: "Onde fica a estação?" })
  })
  it("are numbers for tensor models, apart by blanks or commas", async () => {
    expect(await read("tensor", { words: ["1,-2", "+.5", "1e3 -1.5E-2", "7."] })).toEqual({ numbers: [1, -2, 0.5, 1000, -0.015, 7] })
  })
  it("that are no numbers are named", async () => {
    for (const word of ["x", "1.2.3", "0x10", "NaN", "Infinity", "1e", "--", "١"]) {
      expect(await refusal("tensor", { words: ["1", word] })).toBe(`1 "${word}" is not a number`)
    }
  })
  it("are refused for pictures, with the way to give one", async () => {
    expect(await refusal("ocr-line", { words: ["hello"] })).toContain("--file PATH")
  })
})

describe("files", () => {
  it("hold text, which loses one line break at its end", async () => {
    expect(await read("causal-lm", { file: fileOf("a.txt", "Once upon\na time\n\n") })).toEqual({ text: "Once upon\na time\n" })
    expect(await read("causal-lm", { file: fileOf("b.txt", "Once\r\n") })).toEqual({ text: "Once" })
  })
  it("hold numbers for tensor models", async () => {
    expect(await read("tensor", { file: fileOf("n.txt", "1 2\n3,4\n") })).toEqual({ numbers: [1, 2, 3, 4] })
  })
  it("hold pictures, known by the model or by their first bytes", async () => {
    expect(await read("ocr-line", { file: fileOf("p.png", PNG) })).toEqual({ png: PNG })
    expect(await read("lang-id", { file: fileOf("q.png", PNG) })).toEqual({ png: PNG })
    expect(await read("ocr-line", { file: fileOf("r.png", "no picture") })).toHaveProperty("png")
  })
  it("hold raw tensors when type and shape are given", async () => {
    const bytes = Uint8Array.of(1, 2, 3, 4)
    expect(await read("lang-id", { file: fileOf("t.bin", bytes), dtype: "f32", shape: "[1, 1]" })).toEqual({ tensor: { dtype: "f32", shape: [1, 1], bytes } })
  })
  it("that are missing, folders or no text are refused by name", async () => {
    expect(await refusal("lang-id", { file: join(folder, "nowhere") })).toMatch(/^1 .*nowhere: there is no such file$/)
    expect(await refusal("lang-id", { file: folder })).toMatch(/this is a folder$/)
    expect(await refusal("lang-id", { file: fileOf("bad.txt", Uint8Array.of(0x41, 0xff, 0xfe)) })).toMatch(/no text in UTF-8$/)
  })
})

describe("combinations", () => {
  it("without sense are misuse, status 2", async () => {
    const file = fileOf("x", "x")
    expect(await refusal("lang-id", {})).toMatch(/^2 there is no input/)
    expect(await refusal("lang-id", { words: ["a"], file })).toMatch(/^2 input is given twice/)
    expect(await refusal("tensor", { file, dtype: "f32" })).toMatch(/^2 --dtype and --shape go together/)
    expect(await refusal("tensor", { file, shape: "1" })).toMatch(/^2 --dtype and --shape go together/)
    expect(await refusal("tensor", { words: ["1"], dtype: "f32", shape: "1" })).toMatch(/^2 --dtype and --shape describe a raw tensor/)
    expect(await refusal("tensor", { file, dtype: "f32", shape: "1,b" })).toMatch(/^2 --shape: "1,b" is no shape/)
  })
  it("an empty text is given on, for the model's own refusal", async () => {
    expect(await read("lang-id", { words: [""] })).toEqual({ text: "" })
    expect(Either.getOrThrow(numbersOfText(" "))).toEqual([])
  })
})

describe("a shape", () => {
  it("has dimensions apart by commas or x, with or without brackets", () => {
    for (const text of ["1,48,320", "1x48x320", "[1, 48, 320]", " 1 x 48 x 320 "]) expect(parseShape(text)).toEqual([1, 48, 320])
    expect(parseShape("[]")).toEqual([])
  })
  it("of other form is none", () => {
    for (const text of ["", "a", "1,", ",1", "-1", "1.5", "1;2", "[1", "12345678901"]) expect(parseShape(text)).toBeUndefined()
  })
})
