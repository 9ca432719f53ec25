/**
 * Goal: a model card has one encoding of at most 2 KiB, and inputs are checked against it as the service will.
 * Method: cards of all shipped models; each field damaged; inputs wrong in one way each.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { utf8 } from "../../../src/bytes/concat.ts"
import { toHex } from "../../../src/bytes/hex.ts"
import { decodeCard, encodeCard, MAX_CARD_BYTES, maxOutputBytes, modelIdHash, type ModelCard, validateInputs } from "../../../src/model/card.ts"
import { type Tensor, tensorOf } from "../../../src/model/tensor.ts"
import { cardOfModel, crypto } from "./shipped-model.ts"

const affine = cardOfModel("affine")
const text = (card: ModelCard) => new TextDecoder().decode(Either.getOrThrow(encodeCard(card)))
const refusal = (json: string) => Either.match(decodeCard(utf8(json)), { onLeft: (error) => error.detail, onRight: () => "decoded" })
const tensor = (name: string, dtype: Tensor["dtype"], dims: ReadonlyArray<number>) =>
  Either.getOrThrow(tensorOf(name, dtype, dims, Array<number>(dims.reduce((a, b) => a * b, 1)).fill(1)))

describe("a model card", () => {
  it("comes back from its bytes and fits 2 KiB for every shipped model", () => {
    for (const id of ["affine", "rotate-1", "rotate-256", "lang-id", "ocr-line", "tiny-lm"]) {
      const bytes = Either.getOrThrow(encodeCard(cardOfModel(id)))
      expect(bytes.length).toBeLessThanOrEqual(MAX_CARD_BYTES)
      expect(Either.getOrThrow(decodeCard(bytes))).toEqual(cardOfModel(id))
    }
  })

  it("has its keys in a fixed order, whatever order the value was made in", () => {
    const reversed = Object.fromEntries(Object.entries(affine).reverse()) as unknown as ModelCard
    expect(text(reversed)).toBe(text(affine))
    expect(text(affine).startsWith('{"id":"affine","version":1,"kind":"tensor","adapter":"tensor","weightsSha256":"')).toBe(true)
  })

  it("is refused in any other spelling of the same content", () => {
    const json = text(affine)
    expect(refusal(json.replace(":1,", ": 1,"))).toContain("spelling")
    expect(refusal(json.replace('"version":1', '"version":1.0'))).toContain("spelling")
    expect(refusal(json.replace('{"id":"affine","version":1', '{"version":1,"id":"affine"'))).toContain("spelling")
    expect(refusal(`${json} `)).toContain("spelling")
  })

  it("is refused with unknown, missing and impossible fields", () => {
    const json = text(affine)
    expect(refusal(json.replace('"version":1', '"version":1,"extra":0'))).toContain("unknown field")
    expect(refusal(json.replace('"version":1,', ""))).toContain("version")
    expect(refusal(json.replace('"id":"affine"', '"id":"../affine"'))).toContain("id")
    expect(refusal(json.replace("batch:1..64", "batch:65..64"))).toContain("inputs")
    expect(refusal(json.replace("batch:1..64", "anything"))).toContain("inputs")
    expect(refusal(json.replace('"f32"', '"string"'))).toContain("dtype")
    expect(refusal(json.replace('"profiles":[0]', '"profiles":[0,0]'))).toContain("profiles")
    expect(refusal("[]")).not.toBe("decoded")
    expect(refusal("{")).toContain("JSON")
    expect(refusal(" ".repeat(MAX_CARD_BYTES + 1))).toContain("2048")
  })

  it("is named by a hash that every byte changes", () => {
    const bytes = Either.getOrThrow(encodeCard(affine))
    const hash = modelIdHash(crypto, bytes)
    expect(hash.length).toBe(32)
    expect(toHex(modelIdHash(crypto, Either.getOrThrow(encodeCard({ ...affine, version: 2 }))))).not.toBe(toHex(hash))
  })

  it("states sizes that fit the boxes planned for each model", () => {
    expect(cardOfModel("rotate-8").maxInputBytes).toBeLessThanOrEqual(3 * 1669)
    expect(cardOfModel("affine").maxInputBytes).toBeLessThanOrEqual(1669)
    expect(cardOfModel("lang-id").maxInputBytes).toBeLessThanOrEqual(3 * 1669)
    expect(cardOfModel("tiny-lm").maxInputBytes).toBeLessThanOrEqual(3 * 1669)
    expect(cardOfModel("ocr-line").maxInputBytes).toBeLessThanOrEqual(10 * 1669)
    for (const id of ["affine", "rotate-8", "lang-id", "tiny-lm", "ocr-line"]) expect(maxOutputBytes(cardOfModel(id))).toBeLessThanOrEqual(3 * 1669)
  })
})

describe("the check of a job's inputs", () => {
  const reason = (card: ModelCard, inputs: ReadonlyArray<Tensor>) =>
    Either.match(validateInputs(card, inputs), { onLeft: (error) => error.reason, onRight: () => "fits" })

  it("accepts every allowed batch and refuses the ones around", () => {
    expect([0, 1, 64, 65].map((batch) => reason(affine, [tensor("x", "f32", [batch, 4])]))).toEqual(["dimension", "fits", "fits", "dimension"])
  })

  it("names what does not fit", () => {
    expect(reason(affine, [])).toBe("names")
    expect(reason(affine, [tensor("z", "f32", [1, 4])])).toBe("names")
    expect(reason(affine, [tensor("x", "f32", [1, 4]), tensor("x", "f32", [1, 4])])).toBe("names")
    expect(reason(affine, [tensor("x", "f64", [1, 4])])).toBe("dtype")
    expect(reason(affine, [tensor("x", "f32", [4])])).toBe("rank")
    expect(reason(affine, [tensor("x", "f32", [1, 5])])).toBe("dimension")
    expect(reason(affine, [{ ...tensor("x", "f32", [1, 4]), data: new Uint8Array(15) }])).toBe("length")
  })

  it("puts tensors in the card's order and holds the token limit", () => {
    const lm = cardOfModel("tiny-lm")
    const tokens = (count: number) => Either.getOrThrow(tensorOf("max_tokens", "i32", [1], [count]))
    const ids = tensor("input_ids", "i64", [1, 5])
    expect(Either.getOrThrow(validateInputs(lm, [tokens(3), ids])).map((value) => value.name)).toEqual(["input_ids", "max_tokens"])
    expect([-1, 0, 255, 256].map((count) => reason(lm, [ids, tokens(count)]))).toEqual(["value", "value", "fits", "value"])
  })
})
