/**
 * The models on this machine: built in code, or a folder `models/<id>` with a manifest and files of its own or of npm packages.
 *
 * Contract: a file is handed out only when its SHA-256 is the manifest's, and the bytes checked are the bytes handed out. Only ids that the
 * caller names are looked at; an id can not lead out of the models folder.
 * Knows nothing of: the runtime, jobs.
 * Source: models/README.md §1, §2, §8; departures: packages are found by looking through the `node_modules` folders upwards from this
 * package, as Node does, instead of `import.meta.resolve` (which test runners do not have, and which only sees files that a package exports).
 *
 * @module
 */
import { Either } from "effect"
import { existsSync, readFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { toHex } from "../bytes/hex.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { builtInModel } from "./built-in-model.ts"
import { type FileRole, type ModelFile, type ModelManifest, parseManifest } from "./manifest.ts"
import { ModelLoadFailed } from "./model-load-failed.ts"

/** A model found, its files not read yet. */
export interface OpenedModel {
  readonly manifest: ModelManifest
  /**
   * Bytes of the file with this role, checked.
   * @errors ModelLoadFailed `missing-file` | `unreadable-file` | `damaged-file`
   */
  readonly file: (role: FileRole) => Either.Either<Uint8Array, ModelLoadFailed>
}

const here = fileURLToPath(import.meta.url)
/** Root folder of this package, whether this file runs as source or compiled into `dist`. */
export const packageRoot = resolve(dirname(here), here.endsWith(".ts") ? "../.." : "../../..")
/** The models that come with the package. */
export const defaultModelsDirectory = join(packageRoot, "models")

/**
 * Finds a model by id.
 * @param modelsDirectory  folder with one folder per model
 * @errors ModelLoadFailed `unknown-model` | `manifest` | `unreadable-file`
 */
export const openModel = (
  crypto: Pick<CryptoBackend, "sha256">, modelId: string, modelsDirectory: string = defaultModelsDirectory
): Either.Either<OpenedModel, ModelLoadFailed> => {
  const built = builtInModel(crypto, modelId)
  if (built !== undefined) return Either.right({ manifest: built.manifest, file: () => Either.right(built.onnx) })
  const folder = join(modelsDirectory, modelId)
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(modelId) || !existsSync(join(folder, "manifest.json"))) {
    const detail = "there is no such model here (built in: affine, rotate-1 to rotate-256; others need models/<id>/manifest.json)"
    return Either.left(new ModelLoadFailed({ modelId, reason: "unknown-model", detail }))
  }
  return readBytes(modelId, join(folder, "manifest.json")).pipe(
    Either.flatMap((bytes) => parseManifest(modelId, bytes)),
    Either.map((manifest) => ({ manifest, file: (role) => checkedFile(crypto, manifest, folder, role) }))
  )
}

const checkedFile = (
  crypto: Pick<CryptoBackend, "sha256">, manifest: ModelManifest, folder: string, role: FileRole
): Either.Either<Uint8Array, ModelLoadFailed> => {
  const file = manifest.files.find((candidate) => candidate.role === role)
  const refused = (reason: ModelLoadFailed["reason"], detail: string) => Either.left(new ModelLoadFailed({ modelId: manifest.id, reason, detail }))
  if (file === undefined) return refused("manifest", `the manifest names no file with the role "${role}"`)
  const path = locate(folder, file)
  if (path === undefined) return refused("missing-file", `the npm package ${file.package} is not installed`)
  return Either.flatMap(readBytes(manifest.id, path), (bytes) =>
    toHex(crypto.sha256(bytes)) === file.sha256
      ? Either.right(bytes)
      : refused("damaged-file", `${path} is a tampered or damaged file: its SHA-256 is not the one in the manifest`))
}

const locate = (folder: string, file: ModelFile): string | undefined => {
  if (file.package === undefined) return join(folder, file.path)
  for (let from = packageRoot; ; from = dirname(from)) {
    const candidate = join(from, "node_modules", file.package)
    if (existsSync(candidate)) return join(candidate, file.path)
    if (from === dirname(from)) return undefined
  }
}

const readBytes = (modelId: string, path: string): Either.Either<Uint8Array, ModelLoadFailed> =>
  Either.try({
    try: () => new Uint8Array(readFileSync(path)),
    catch: (error) => {
      const missing = error instanceof Error && "code" in error && error.code === "ENOENT"
      return new ModelLoadFailed({
        modelId,
        reason: missing ? "missing-file" : "unreadable-file",
        detail: missing ? `${path} is missing` : `${path} can not be read`
      })
    }
  })
