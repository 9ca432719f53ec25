/**
 * Model manifests: what the operator's `models/<id>/manifest.json` says about a model.
 *
 * Contract: a parsed manifest is complete and consistent (kind fits adapter, every file that the adapter needs is named once, paths stay
 * inside their folder); nothing in it is a default of the runtime. Unknown fields are refused, so a spelling mistake never goes unnoticed.
 * Knows nothing of: file contents, the runtime.
 * Source: models/README.md §8; departures: sizes follow from the bounded shapes instead of being repeated; files have a role.
 *
 * @module
 */
import { Either, Schema } from "effect"
import { type Adapter, ADAPTERS, describeParseError, type ModelCard, ModelId, parseJson, PositiveU32, ProfileIds, Sha256Hex, TensorSpecs } from "./card.ts"
import { checkProviders, EXECUTION_PROVIDERS } from "./execution-provider.ts"
import { ModelLoadFailed } from "./model-load-failed.ts"
import { specBytesLimit } from "./tensor-spec.ts"

/** What a file of a model is for. */
export const FILE_ROLES = ["weights", "config", "tokenizer", "tokenizer-config", "ngrams", "labels", "dictionary"] as const
export type FileRole = (typeof FILE_ROLES)[number]

/** The files that each adapter reads. */
const ROLES_OF: Readonly<Record<Adapter, ReadonlyArray<FileRole>>> = {
  tensor: ["weights"],
  "lang-id": ["weights", "ngrams", "labels"],
  "ocr-line": ["weights", "dictionary"],
  "causal-lm": ["weights", "config", "tokenizer", "tokenizer-config"]
}

const RelativePath = Schema.String.pipe(
  Schema.minLength(1), Schema.maxLength(256),
  Schema.filter((path) => /^[A-Za-z0-9._/-]+$/.test(path) && !path.split("/").some((part) => part === ".." || part === "")
    || "must be a path below the model's folder or the package")
)
const FileEntry = Schema.Struct({
  role: Schema.Literal(...FILE_ROLES),
  path: RelativePath,
  /** npm package whose root `path` starts from; without it the manifest's own folder. */
  package: Schema.optionalWith(Schema.String.pipe(Schema.pattern(/^(@[a-z0-9._-]+\/)?[a-z0-9][a-z0-9._-]*$/)), { exact: true }),
  sha256: Sha256Hex
})
export type ModelFile = typeof FileEntry.Type

const Session = Schema.Struct({
  executionProviders: Schema.optionalWith(Schema.Array(Schema.Literal(...EXECUTION_PROVIDERS)), { default: () => ["cpu" as const] }),
  deviceId: Schema.optionalWith(Schema.Int.pipe(Schema.between(0, 63)), { default: () => 0 }),
  requireGpu: Schema.optionalWith(Schema.Boolean, { default: () => false }),
  threads: Schema.optionalWith(Schema.Int.pipe(Schema.between(1, 256)), { default: () => 1 })
})
/** How the runtime opens the model: ordered execution providers, GPU number, refusal instead of a fall back to the CPU, threads of one run. */
export type SessionSettings = typeof Session.Type

const ManifestSchema = Schema.Struct({
  id: ModelId,
  version: Schema.Int.pipe(Schema.between(0, 0xffffffff)),
  kind: Schema.Literal("tensor", "generate"),
  adapter: Schema.Literal(...ADAPTERS),
  files: Schema.Array(FileEntry).pipe(Schema.minItems(1), Schema.maxItems(16)),
  inputs: TensorSpecs,
  outputs: TensorSpecs,
  limits: Schema.Struct({
    maxComputeMs: PositiveU32,
    maxTokens: Schema.optionalWith(PositiveU32, { exact: true })
  }),
  session: Schema.optionalWith(Session, { default: () => ({ executionProviders: ["cpu" as const], deviceId: 0, requireGpu: false, threads: 1 }) }),
  profiles: ProfileIds,
  licence: Schema.String.pipe(Schema.minLength(1), Schema.maxLength(512)),
  /** Runs on made-up input before the model is reported ready. */
  warmUpRuns: Schema.optionalWith(Schema.Int.pipe(Schema.between(0, 16)), { default: () => 2 })
})
export type ModelManifest = typeof ManifestSchema.Type

/**
 * Reads a manifest.
 * @param modelId  the id asked for, which is also the folder's name
 * @errors ModelLoadFailed `manifest` with a sentence naming the field
 */
export const parseManifest = (modelId: string, bytes: Uint8Array): Either.Either<ModelManifest, ModelLoadFailed> => {
  const value = parseJson(bytes)
  if (value === undefined) return Either.left(refuse(modelId, "not JSON in UTF-8"))
  return checkManifest(modelId, value)
}

/** As `parseManifest`, for a value that is no text. */
export const checkManifest = (modelId: string, value: unknown): Either.Either<ModelManifest, ModelLoadFailed> =>
  Either.flatMap(
    Either.mapLeft(
      Schema.decodeUnknownEither(ManifestSchema, { onExcessProperty: "error" })(value),
      (error) => refuse(modelId, describeParseError(error))
    ),
    (manifest) => {
      const problem = inconsistency(modelId, manifest)
      return problem === undefined ? Either.right(manifest) : Either.left(refuse(modelId, problem))
    }
  )

const refuse = (modelId: string, detail: string): ModelLoadFailed =>
  new ModelLoadFailed({ modelId, reason: "manifest", detail: `the manifest is not valid: ${detail}` })

const inconsistency = (modelId: string, manifest: ModelManifest): string | undefined => {
  if (manifest.id !== modelId) return `id: says "${manifest.id}" in the folder of "${modelId}"`
  const generates = manifest.adapter === "causal-lm"
  if (generates !== (manifest.kind === "generate")) return `kind: "${manifest.kind}" does not go with the adapter "${manifest.adapter}"`
  if (generates && manifest.limits.maxTokens === undefined) return "limits.maxTokens: missing (the model generates text)"
  for (const role of ROLES_OF[manifest.adapter]) {
    const count = manifest.files.filter((file) => file.role === role).length
    if (count !== 1) return `files: the adapter "${manifest.adapter}" needs exactly one file with the role "${role}", found ${count}`
  }
  const extra = manifest.files.find((file) => !ROLES_OF[manifest.adapter].includes(file.role))
  if (extra !== undefined) return `files: the adapter "${manifest.adapter}" has no use for a file with the role "${extra.role}"`
  return checkProviders(manifest.session)
}

/**
 * The public card of a model.
 * @param profiles  ids that the service offers the model under; without it those of the manifest
 */
export const cardOf = (manifest: ModelManifest, profiles?: ReadonlyArray<number>): ModelCard => ({
  id: manifest.id,
  version: manifest.version,
  kind: manifest.kind,
  adapter: manifest.adapter,
  weightsSha256: manifest.files.find((file) => file.role === "weights")?.sha256 ?? "",
  inputs: manifest.inputs,
  outputs: manifest.outputs,
  maxInputBytes: specBytesLimit(manifest.inputs),
  ...(manifest.limits.maxTokens === undefined ? {} : { maxTokens: manifest.limits.maxTokens }),
  maxComputeMs: manifest.limits.maxComputeMs,
  profiles: profiles ?? manifest.profiles
})
