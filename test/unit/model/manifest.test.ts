/**
 * Goal: a manifest with a mistake is refused with a sentence that names it; a file that is not the manifest's is never used.
 * Method: one shipped manifest changed in one place at a time; a copied model folder with one flipped byte.
 *
 * @module
 */
import { Either } from "effect"
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { utf8 } from "../../../src/bytes/concat.ts"
import { toHex } from "../../../src/bytes/hex.ts"
import { checkProviders, providerAttempts } from "../../../src/model/execution-provider.ts"
import { parseManifest } from "../../../src/model/manifest.ts"
import { defaultModelsDirectory, openModel } from "../../../src/model/model-folder.ts"
import { crypto } from "./shipped-model.ts"

const shipped = JSON.parse(readFileSync(join(defaultModelsDirectory, "lang-id", "manifest.json"), "utf8"))
const parse = (value: unknown, id = "lang-id") => parseManifest(id, utf8(JSON.stringify(value)))
const complaint = (value: unknown, id?: string) => Either.match(parse(value, id), { onLeft: (error) => error.message, onRight: () => "accepted" })

const folders: Array<string> = []
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true })))
const copied = (id: string): string => {
  const folder = mkdtempSync(join(tmpdir(), "funion-model-"))
  folders.push(folder)
  cpSync(join(defaultModelsDirectory, id), join(folder, id), { recursive: true })
  return folder
}

describe("a manifest", () => {
  it("fills in the runtime settings that it leaves out: CPU, one thread, no GPU demanded", () => {
    const { session, warmUpRuns, ...rest } = shipped
    expect(session).toBeDefined()
    expect(warmUpRuns).toBeDefined()
    const manifest = Either.getOrThrow(parse(rest))
    expect(manifest.session).toEqual({ executionProviders: ["cpu"], deviceId: 0, requireGpu: false, threads: 1 })
    expect(manifest.warmUpRuns).toBe(2)
  })

  it("is refused with a sentence that names the field", () => {
    expect(complaint({ ...shipped, licnece: "MIT" })).toContain("licnece: unknown field")
    expect(complaint({ ...shipped, limits: {} })).toContain("limits.maxComputeMs")
    expect(complaint({ ...shipped, id: "other" })).toContain('says "other" in the folder of "lang-id"')
    expect(complaint({ ...shipped, kind: "generate" })).toContain("does not go with the adapter")
    expect(complaint({ ...shipped, adapter: "magic" })).toContain("adapter")
    expect(complaint({ ...shipped, files: shipped.files.slice(0, 2) })).toContain('role "labels", found 0')
    expect(complaint({ ...shipped, files: [...shipped.files, { ...shipped.files[0], role: "config" }] })).toContain('no use for a file with the role "config"')
    expect(complaint({ ...shipped, files: [{ ...shipped.files[0], sha256: "00" }, ...shipped.files.slice(1)] })).toContain("sha256")
    expect(complaint({ ...shipped, session: { executionProviders: ["gpu"] } })).toContain("executionProviders")
    expect(complaint({ ...shipped, session: { requireGpu: true } })).toContain("no GPU provider is listed")
    expect(Either.isLeft(parseManifest("lang-id", utf8("{")))).toBe(true)
  })

  it("can not lead out of its folder", () => {
    for (const path of ["../x.onnx", "/etc/passwd", "a//b", "a/../../b", ""]) {
      expect(complaint({ ...shipped, files: [{ ...shipped.files[0], path }, ...shipped.files.slice(1)] })).toContain("path")
    }
    for (const id of ["../models/lang-id", "..", "", "a/b", "Lang-ID"]) {
      expect(Either.flip(openModel(crypto, id))).toMatchObject({ right: { reason: "unknown-model" } })
    }
  })
})

describe("a model's files", () => {
  it("are handed out when their hashes are the manifest's", () => {
    for (const id of ["lang-id", "ocr-line", "tiny-lm"]) {
      const opened = Either.getOrThrow(openModel(crypto, id))
      for (const file of opened.manifest.files) expect(toHex(crypto.sha256(Either.getOrThrow(opened.file(file.role))))).toBe(file.sha256)
    }
  })

  it("are refused as tampered or damaged after one flipped bit", () => {
    const folder = copied("lang-id")
    const path = join(folder, "lang-id", "lang-id.onnx")
    const bytes = readFileSync(path)
    bytes[1000]! ^= 1
    writeFileSync(path, bytes)
    const opened = Either.getOrThrow(openModel(crypto, "lang-id", folder))
    const refused = opened.file("weights")
    expect(Either.flip(refused)).toMatchObject({ right: { _tag: "ModelLoadFailed", reason: "damaged-file" } })
    expect(Either.match(refused, { onLeft: (error) => error.message, onRight: () => "" })).toContain("tampered or damaged file")
    expect(Either.isRight(opened.file("labels"))).toBe(true)
  })

  it("are told apart as missing and as unreadable", () => {
    const folder = copied("lang-id")
    const path = join(folder, "lang-id", "lang-id.onnx")
    rmSync(path)
    const opened = Either.getOrThrow(openModel(crypto, "lang-id", folder))
    expect(Either.flip(opened.file("weights"))).toMatchObject({ right: { reason: "missing-file" } })
    mkdirSync(path)
    expect(Either.flip(opened.file("weights"))).toMatchObject({ right: { reason: "unreadable-file" } })
    const elsewhere = parse({ ...shipped, files: shipped.files.map((file: object) => ({ ...file, package: "no-such-package" })) })
    writeFileSync(join(folder, "lang-id", "manifest.json"), JSON.stringify(Either.getOrThrow(elsewhere)))
    expect(Either.flip(Either.getOrThrow(openModel(crypto, "lang-id", folder)).file("weights"))).toMatchObject({ right: { reason: "missing-file" } })
  })
})

describe("models built in code", () => {
  it("exist for affine and for rotate-1 to rotate-256 only", () => {
    const exists = (id: string) => Either.isRight(openModel(crypto, id))
    expect(["affine", "rotate-1", "rotate-2", "rotate-3", "rotate-4", "rotate-5", "rotate-8", "rotate-16", "rotate-256"].every(exists)).toBe(true)
    expect(["rotate-0", "rotate-257", "rotate-01", "rotate-", "rotate-1.5", "affine2"].some(exists)).toBe(false)
  })

  it("are the same bytes each time, and the card names them", () => {
    const [one, two] = [openModel(crypto, "rotate-3"), openModel(crypto, "rotate-3")].map((opened) => Either.getOrThrow(opened))
    const bytes = Either.getOrThrow(one!.file("weights"))
    expect(toHex(bytes)).toBe(toHex(Either.getOrThrow(two!.file("weights"))))
    expect(toHex(crypto.sha256(bytes))).toBe(one!.manifest.files[0]?.sha256)
  })
})

describe("execution providers", () => {
  it("are tried in order, ending without a GPU only when none is demanded", () => {
    const known = ["cpu", "cuda", "tensorrt"]
    expect(providerAttempts({ executionProviders: ["cuda", "cpu"], requireGpu: false }, known)).toEqual([["cuda", "cpu"], ["cpu"]])
    expect(providerAttempts({ executionProviders: ["tensorrt", "cuda", "cpu"], requireGpu: true }, known))
      .toEqual([["tensorrt", "cuda", "cpu"], ["cuda", "cpu"]])
  })

  it("that the runtime's build does not know are never tried, since it would drop them silently", () => {
    expect(providerAttempts({ executionProviders: ["dml", "cpu"], requireGpu: true }, ["cpu", "cuda"])).toEqual([])
    expect(providerAttempts({ executionProviders: ["dml", "cpu"], requireGpu: false }, ["cpu", "cuda"])).toEqual([["cpu"]])
  })

  it("are refused when unknown, repeated, none at all, or no GPU though one is demanded", () => {
    expect(checkProviders({ executionProviders: ["cpu"], requireGpu: false })).toBeUndefined()
    expect(checkProviders({ executionProviders: ["quantum" as "cpu"], requireGpu: false })).toContain('"quantum"')
    expect(checkProviders({ executionProviders: ["cpu", "cpu"], requireGpu: false })).toContain("twice")
    expect(checkProviders({ executionProviders: [], requireGpu: false })).toContain("at least one")
    expect(checkProviders({ executionProviders: ["cpu"], requireGpu: true })).toContain("no GPU")
    expect(checkProviders({ executionProviders: ["cpu", "cuda"], requireGpu: true })).toContain("the first provider")
  })
})
