/**
 * The shipped models and pictures of text, for the tests of this folder.
 *
 * @module
 */
import { Either } from "effect"
import { PNG } from "pngjs"
import { selectBackend } from "../../../src/crypto/select-backend.ts"
import type { ModelCard } from "../../../src/model/card.ts"
import { makeClientCodec } from "../../../src/model/client-codec.ts"
import { cardOf } from "../../../src/model/manifest.ts"
import { openModel } from "../../../src/model/model-folder.ts"

export const crypto = Either.getOrThrow(selectBackend())
export const codec = makeClientCodec(crypto)
export const cardOfModel = (id: string): ModelCard => cardOf(Either.getOrThrow(openModel(crypto, id)).manifest)

/** 5x7 dot-matrix digits, one row per number, most significant bit left. */
const DIGITS: ReadonlyArray<ReadonlyArray<number>> = [
  [14, 17, 19, 21, 25, 17, 14], [4, 12, 4, 4, 4, 4, 14], [14, 17, 1, 2, 4, 8, 31], [31, 2, 4, 2, 1, 17, 14], [2, 6, 10, 18, 31, 2, 2],
  [31, 16, 30, 1, 1, 17, 14], [6, 8, 16, 30, 17, 17, 14], [31, 1, 2, 4, 8, 8, 8], [14, 17, 17, 14, 17, 17, 14], [14, 17, 17, 15, 1, 2, 12]
]

/** Digits drawn black on white, 4 pixels a dot, 48 rows, 24 · length + 24 columns. */
export const digitsImage = (digits: string): { readonly width: number; readonly height: number; readonly grey: Uint8Array } => {
  const width = 24 * digits.length + 24
  const grey = new Uint8Array(48 * width).fill(255)
  for (const [place, digit] of [...digits].entries()) {
    for (const [row, bits] of DIGITS[Number(digit)]!.entries()) {
      for (let column = 0; column < 5; column++) {
        if ((bits >> (4 - column)) % 2 === 0) continue
        for (let dot = 0; dot < 16; dot++) grey[(10 + 4 * row + (dot >> 2)) * width + 12 + 24 * place + 4 * column + (dot & 3)] = 0
      }
    }
  }
  return { width, height: 48, grey }
}

/** A PNG file of grey values, as pixels of colour. */
export const pngOf = (image: { readonly width: number; readonly height: number; readonly grey: Uint8Array }, colorType: 0 | 2 | 4 | 6 = 6): Uint8Array => {
  const png = new PNG({ width: image.width, height: image.height })
  image.grey.forEach((value, index) => png.data.set([value, value, value, 255], 4 * index))
  return new Uint8Array(PNG.sync.write(png, { colorType }))
}
