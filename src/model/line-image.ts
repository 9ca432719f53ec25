/**
 * A picture of one line of text as the grey bytes that `ocr-line` takes, made on the client.
 *
 * Contract: a picture 48 pixels high and at most 344 wide keeps every grey value; others are scaled to height 48 in proportion, and squeezed to
 * 344 in width when they would be up to twice as wide. Sizes are checked before any pixel is unpacked, and small enough not to hold up the
 * event loop for long.
 * Knows nothing of: models beyond these sizes.
 * Source: models/README.md §5 (ocr-line); departures: none. Scaling is a triangle filter: bilinear when enlarging, area-weighted when shrinking.
 *
 * @module
 */
import { Either } from "effect"
import { PNG } from "pngjs"
import { ByteReader } from "../bytes/reader.ts"

export const LINE_HEIGHT = 48
export const MIN_LINE_WIDTH = 8
export const MAX_LINE_WIDTH = 344
/** Lines up to this factor too wide are squeezed. */
const MAX_SQUEEZE = 2
const MIN_SIDE = 8
const MAX_SIDE = 4096
const MAX_PIXELS = 1_000_000
const MAX_PNG_BYTES = 4_000_000
const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]

/** Grey values, 0 black … 255 white, row by row. */
export interface GreyImage {
  readonly width: number
  readonly height: number
  readonly grey: Uint8Array
}

/**
 * A PNG file (any colour type and depth; transparency over white) as one line of 48 rows.
 * @errors a sentence for the user: no PNG, damaged, too small, too large, too long
 */
export const lineFromPng = (png: Uint8Array): Either.Either<GreyImage, string> =>
  Either.flatMap(decodePng(png), (image) => {
    const width = Math.round((image.width * LINE_HEIGHT) / image.height)
    if (width < MIN_LINE_WIDTH) {
      return Either.left(`the image is too narrow: ${image.width} x ${image.height} pixels is no line of text`)
    }
    if (width > MAX_SQUEEZE * MAX_LINE_WIDTH) {
      const most = MAX_SQUEEZE * MAX_LINE_WIDTH
      return Either.left(`the line is too long: at ${LINE_HEIGHT} pixels height it is ${width} pixels wide, at most ${most} fit; cut it into shorter pieces`)
    }
    return Either.right(scaleGrey(image, Math.min(width, MAX_LINE_WIDTH), LINE_HEIGHT))
  })

const decodePng = (png: Uint8Array): Either.Either<GreyImage, string> => {
  if (png.length === 0) return Either.left("the image is empty")
  if (png.length > MAX_PNG_BYTES) return Either.left(`the file is too large: ${png.length} bytes, at most ${MAX_PNG_BYTES} are read`)
  const size = pngSize(png)
  if (size === undefined) return Either.left("the file is not a PNG image")
  const { width, height } = size
  if (width < MIN_SIDE || height < MIN_SIDE) {
    return Either.left(`the image is too small: ${width} x ${height} pixels, at least ${MIN_SIDE} x ${MIN_SIDE} are needed`)
  }
  if (width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS) {
    return Either.left(`the image is too large: ${width} x ${height} pixels, at most ${MAX_SIDE} on a side and ${MAX_PIXELS} in all are read`)
  }
  return Either.try({ try: () => greyOf(PNG.sync.read(Buffer.from(png))), catch: () => "the PNG image is damaged" })
}

/** Width and height from the header that every PNG file starts with. */
const pngSize = (png: Uint8Array): { readonly width: number; readonly height: number } | undefined => {
  const reader = new ByteReader("PNG header", png)
  for (const byte of PNG_SIGNATURE) reader.require(reader.u8() === byte, "inconsistent")
  reader.require(reader.u32() === 13, "wrong-length")
  reader.require(reader.u32() === 0x49484452, "unknown-type")
  const size = { width: reader.u32(), height: reader.u32() }
  return reader.failed ? undefined : size
}

/** Luma of BT.601, over white where transparent; exact for pixels that are grey already. */
const greyOf = (image: PNG): GreyImage => {
  const { width, height, data } = image
  const grey = new Uint8Array(width * height)
  for (let i = 0; i < grey.length; i++) {
    const red = data[4 * i] as number
    const green = data[4 * i + 1] as number
    const blue = data[4 * i + 2] as number
    const alpha = data[4 * i + 3] as number
    const luma = (299 * red + 587 * green + 114 * blue) / 1000
    grey[i] = Math.round((luma * alpha + 255 * (255 - alpha)) / 255)
  }
  return { width, height, grey }
}

/** Scales to a size; the identity when it is the image's own. */
export const scaleGrey = (image: GreyImage, width: number, height: number): GreyImage => {
  const columns = filterOf(image.width, width)
  const rows = filterOf(image.height, height)
  const narrowed = new Float64Array(image.height * width)
  for (let y = 0; y < image.height; y++) {
    for (let x = 0; x < width; x++) narrowed[y * width + x] = weigh(columns, x, (from) => image.grey[y * image.width + from] as number)
  }
  const grey = new Uint8Array(height * width)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) grey[y * width + x] = Math.round(weigh(rows, y, (from) => narrowed[from * width + x] as number))
  }
  return { width, height, grey }
}

/** For each place of the result: the first source place and the weights from there on, summing to 1. */
type Filter = ReadonlyArray<{ readonly first: number; readonly weights: ReadonlyArray<number> }>

const filterOf = (from: number, to: number): Filter => {
  const ratio = from / to
  const reach = Math.max(ratio, 1)
  return Array.from({ length: to }, (_, place) => {
    const centre = (place + 0.5) * ratio - 0.5
    const first = Math.max(0, Math.ceil(centre - reach))
    const last = Math.min(from - 1, Math.floor(centre + reach))
    const raw = Array.from({ length: last - first + 1 }, (_, index) => Math.max(0, 1 - Math.abs(first + index - centre) / reach))
    const total = raw.reduce((sum, weight) => sum + weight, 0)
    return { first, weights: raw.map((weight) => weight / total) }
  })
}

const weigh = (filter: Filter, place: number, valueAt: (from: number) => number): number => {
  const entry = filter[place]
  if (entry === undefined) return 0
  return entry.weights.reduce((sum, weight, index) => sum + weight * valueAt(entry.first + index), 0)
}
