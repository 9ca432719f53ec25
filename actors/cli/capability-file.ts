/**
 * Capability files: an uploaded input that can be commissioned, or a ticket that reads one answer.
 *
 * Contract: one JSON object of exactly the fields `funion`, `version`, `network`, `capability` and, with an uploaded input, `model`; mode 0600; a file
 * that is there is never written over, since the capability in it might be the only way to an answer. Errors name the file and hold nothing of it.
 * Knows nothing of: what capabilities hold.
 * Source: the list, funion.md §6.4; departures: none.
 *
 * @module
 */
import { accessSync, constants, existsSync, statSync } from "node:fs"
import { open, readFile, stat } from "node:fs/promises"
import { dirname } from "node:path"
import { Effect } from "effect"
import { type CliFailure, failed } from "./cli-failure.ts"

export type CapabilityKind = "input" | "ticket"

export interface Capability {
  readonly kind: CapabilityKind
  /** Name of the network it is good for. */
  readonly network: string
  /** Of an uploaded input: the model that it was made for. */
  readonly model: string | undefined
  readonly bytes: Uint8Array
}

const VERSION = 1
const FILE_BYTES_LIMIT = 65_536
const KINDS: Readonly<Record<CapabilityKind, string>> = { input: "an uploaded input (made by funion upload)", ticket: "a ticket (made by funion dispatch)" }

const codeOf = (thrown: unknown): string => (thrown instanceof Error && "code" in thrown ? String(thrown.code) : "unknown reason")

const isWritableFolder = (path: string): boolean => {
  try {
    accessSync(path, constants.W_OK)
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}

/** Refuses, before any work, a file that is already there or that could not be written afterwards. */
export const refuseUnwritable = (path: string): Effect.Effect<void, CliFailure> =>
  Effect.suspend(() => {
    if (existsSync(path)) return failed(`${path} is already there and is not written over, since it may be the only way to an answer: choose another name`)
    return isWritableFolder(dirname(path)) ? Effect.void : failed(`${path} can not be written: ${dirname(path)} is no folder that you may write to`)
  })

/** Writes a new file. @errors CliFailure: it is there, or cannot be written */
export const writeCapability = (path: string, { bytes, kind, model, network }: Capability): Effect.Effect<void, CliFailure> =>
  Effect.tryPromise({
    try: async () => {
      const file = await open(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600)
      try {
        await file.chmod(0o600)
        const named = model === undefined ? {} : { model }
        await file.writeFile(`${JSON.stringify({ funion: kind, version: VERSION, network, ...named, capability: Buffer.from(bytes).toString("base64") })}\n`)
        await file.sync()
      } finally {
        await file.close()
      }
    },
    catch: (thrown) => failed(codeOf(thrown) === "EEXIST" ? `${path} is already there and is not written over: choose another name`
      : `${path} can not be written (${codeOf(thrown)})`)
  })

const decode = (text: string, kind: CapabilityKind): Capability | undefined => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== "object" || value === null) return undefined
  const { capability, funion, model, network, version, ...rest } = value as Readonly<Record<string, unknown>>
  if (funion !== kind || version !== VERSION || typeof network !== "string" || typeof capability !== "string" || Object.keys(rest).length > 0) return undefined
  if (kind === "input" ? typeof model !== "string" : model !== undefined) return undefined
  const bytes = new Uint8Array(Buffer.from(capability, "base64"))
  if (Buffer.from(bytes).toString("base64") !== capability) return undefined
  return { kind, network, model: typeof model === "string" ? model : undefined, bytes }
}

/** Reads a file of one kind, made for one network. @errors CliFailure */
export const readCapability = (path: string, kind: CapabilityKind, network: string): Effect.Effect<Capability, CliFailure> =>
  Effect.gen(function*() {
    const text = yield* Effect.tryPromise({
      try: async () => {
        if ((await stat(path)).size > FILE_BYTES_LIMIT) throw Object.assign(new Error(), { code: "too long" })
        return await readFile(path, "utf8")
      },
      catch: (thrown) => failed(codeOf(thrown) === "ENOENT" ? `${path}: there is no such file` : `${path} can not be read (${codeOf(thrown)})`)
    })
    const capability = decode(text, kind)
    if (capability === undefined) return yield* failed(`${path} is not ${KINDS[kind]}`)
    if (capability.network !== network) return yield* failed(`${path} was made for the network ${capability.network.slice(0, 32)}, not for ${network}`)
    return capability
  })
