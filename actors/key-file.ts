/**
 * Key files: `NAME.secret`, which stays on the actor's machine, and `NAME.public`, which every other machine of the network needs.
 *
 * Contract: both are one JSON object of exactly the fields below, bytes in base64. A secret file has mode 0600 and is refused when others may read it;
 * it is never written over. Errors name the file and what to do, and hold nothing of a secret.
 *
 * | file | fields |
 * |---|---|
 * | NAME.public | funion "public-key", version 1, name, identityKey (Ed25519, 32 bytes), linkKey (X-Wing, 1216 bytes) |
 * | NAME.secret | funion "secret-key", version 1, name, identitySeed, linkSeed, storageKey (seals what the actor keeps on disk), each 32 bytes |
 *
 * Knows nothing of: roles, topologies.
 * Source: the list; departures: none.
 *
 * @module
 */
import { constants } from "node:fs"
import { chmod, mkdir, open, readFile, stat } from "node:fs/promises"
import { join } from "node:path"
import { Data, Effect } from "effect"
import type { CryptoBackend } from "../src/crypto/backend.ts"
import type { Entropy } from "../src/crypto/entropy.ts"

export interface PublicHalf {
  readonly name: string
  readonly identityKey: Uint8Array
  readonly linkKey: Uint8Array
}

export interface SecretHalf {
  readonly name: string
  readonly identitySeed: Uint8Array
  readonly linkSeed: Uint8Array
  readonly storageKey: Uint8Array
}

/** A key file is missing, damaged, readable for others, or would have to be written over. */
export class KeyFileFailed extends Data.TaggedError("KeyFileFailed")<{ readonly message: string }> {}

const VERSION = 1
const FILE_BYTES_LIMIT = 8_192
const PUBLIC_FIELDS = { identityKey: 32, linkKey: 1216 } as const
const SECRET_FIELDS = { identitySeed: 32, linkSeed: 32, storageKey: 32 } as const
type Fields = Readonly<Record<string, number>>

const failed = (message: string): KeyFileFailed => new KeyFileFailed({ message })
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64")

export const publicPath = (directory: string, name: string): string => join(directory, `${name}.public`)
export const secretPath = (directory: string, name: string): string => join(directory, `${name}.secret`)

const encode = (kind: string, name: string, fields: Readonly<Record<string, Uint8Array>>): string =>
  `${JSON.stringify({ funion: kind, version: VERSION, name, ...Object.fromEntries(Object.entries(fields).map(([key, bytes]) => [key, base64(bytes)])) })}\n`

/** The byte fields of a key file; undefined for anything that is not exactly one. */
const decode = <F extends Fields>(text: string, kind: string, name: string, fields: F): { readonly [K in keyof F]: Uint8Array } | undefined => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined
  const record = value as Readonly<Record<string, unknown>>
  const expected = ["funion", "version", "name", ...Object.keys(fields)]
  if (Object.keys(record).length !== expected.length || expected.some((key) => !Object.hasOwn(record, key))) return undefined
  if (record["funion"] !== kind || record["version"] !== VERSION || record["name"] !== name) return undefined
  const entries = Object.entries(fields).map(([key, byteLength]) => {
    const shown = record[key]
    const bytes = typeof shown === "string" ? new Uint8Array(Buffer.from(shown, "base64")) : new Uint8Array(0)
    return bytes.length === byteLength && base64(bytes) === shown ? [key, bytes] as const : undefined
  })
  return entries.includes(undefined) ? undefined : Object.fromEntries(entries.filter((entry) => entry !== undefined)) as { readonly [K in keyof F]: Uint8Array }
}

const codeOf = (thrown: unknown): string => (thrown instanceof Error && "code" in thrown ? String(thrown.code) : "")

const readText = (path: string, missing: string): Effect.Effect<string, KeyFileFailed> =>
  Effect.tryPromise({
    try: async () => {
      if ((await stat(path)).size > FILE_BYTES_LIMIT) throw Object.assign(new Error(), { code: "EFBIG" })
      return await readFile(path, "utf8")
    },
    catch: (thrown) => failed(codeOf(thrown) === "ENOENT" ? missing : `${path} can not be read (${codeOf(thrown) || "unknown reason"})`)
  })

/** @errors KeyFileFailed */
export const readPublic = (directory: string, name: string): Effect.Effect<PublicHalf, KeyFileFailed> =>
  Effect.gen(function*() {
    const path = publicPath(directory, name)
    const text = yield* readText(path, `${path} is missing: make it with "funion keygen --name ${name}" on the machine of ${name}, and copy it here`)
    const fields = decode(text, "public-key", name, PUBLIC_FIELDS)
    return fields === undefined ? yield* failed(`${path} is no public key of ${name}: copy it again from the machine of ${name}`) : { name, ...fields }
  })

/** @errors KeyFileFailed, also when somebody else than the owner may read the file */
export const readSecret = (directory: string, name: string): Effect.Effect<SecretHalf, KeyFileFailed> =>
  Effect.gen(function*() {
    const path = secretPath(directory, name)
    const text = yield* readText(path, `${path} is missing: make it with "funion keygen --name ${name}"`)
    const { mode } = yield* Effect.tryPromise({ try: () => stat(path), catch: () => failed(`${path} can not be read`) })
    if (process.platform !== "win32" && (mode & 0o077) !== 0) {
      return yield* failed(`${path} may be read by others (mode ${(mode & 0o777).toString(8)}): change it with "chmod 600 ${path}"`)
    }
    const fields = decode(text, "secret-key", name, SECRET_FIELDS)
    return fields === undefined ? yield* failed(`${path} is no secret key of ${name}: restore it, or remove it and make new keys`) : { name, ...fields }
  })

const alreadyThere = (path: string): string => `${path} is already there and is not written over: keep it, or move it away to make new keys`

const writeNew = (path: string, text: string, mode: number): Effect.Effect<void, KeyFileFailed> =>
  Effect.tryPromise({
    try: async () => {
      const file = await open(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, mode)
      try {
        await file.chmod(mode)
        await file.writeFile(text)
        await file.sync()
      } finally {
        await file.close()
      }
    },
    catch: (thrown) => failed(codeOf(thrown) === "EEXIST"
      ? alreadyThere(path)
      : `${path} can not be written (${codeOf(thrown) || "unknown reason"})`)
  })

const exists = (path: string): Effect.Effect<boolean> =>
  Effect.promise(() => stat(path).then(() => true, () => false))

const publicOf = (crypto: CryptoBackend, { identitySeed, linkSeed, name }: SecretHalf): PublicHalf =>
  ({ name, identityKey: crypto.ed25519PublicKey(identitySeed), linkKey: crypto.xwingPrivateKey(linkSeed).publicKey })

const writePublic = (crypto: CryptoBackend, directory: string, secret: SecretHalf): Effect.Effect<PublicHalf, KeyFileFailed> =>
  Effect.suspend(() => {
    const half = publicOf(crypto, secret)
    const { identityKey, linkKey, name } = half
    return Effect.as(writeNew(publicPath(directory, name), encode("public-key", name, { identityKey, linkKey }), 0o644), half)
  })

const makeDirectory = (directory: string): Effect.Effect<void, KeyFileFailed> =>
  Effect.tryPromise({
    try: async () => {
      if (await mkdir(directory, { recursive: true, mode: 0o700 }) !== undefined) await chmod(directory, 0o700)
    },
    catch: (thrown) => failed(["EEXIST", "ENOTDIR"].includes(codeOf(thrown))
      ? `${directory} can not be made: something else than a folder is in its place`
      : `${directory} can not be made (${codeOf(thrown) || "unknown reason"})`)
  })

/** Refuses, before anything is written, a name whose keys are made. @errors KeyFileFailed as `makeKeyFiles` */
export const refuseMadeKeys = (directory: string, name: string): Effect.Effect<void, KeyFileFailed> =>
  Effect.gen(function*() {
    if (!(yield* exists(publicPath(directory, name)))) return
    if (yield* exists(secretPath(directory, name))) return yield* failed(alreadyThere(secretPath(directory, name)))
    return yield* failed(`${publicPath(directory, name)} is here without its secret half, which another machine has: move it away to make new keys`)
  })

/**
 * Makes both halves of a name. A secret without its public half, left by a crash, gets it.
 * @errors KeyFileFailed when both halves are there, or the public one alone: then the secret is on another machine
 */
export const makeKeyFiles = (crypto: CryptoBackend, directory: string, name: string, entropy: Entropy): Effect.Effect<PublicHalf, KeyFileFailed> =>
  Effect.gen(function*() {
    yield* makeDirectory(directory)
    yield* refuseMadeKeys(directory, name)
    if (yield* exists(secretPath(directory, name))) return yield* writePublic(crypto, directory, yield* readSecret(directory, name))
    const secret: SecretHalf = { name, identitySeed: entropy(32), linkSeed: entropy(32), storageKey: entropy(32) }
    const { identitySeed, linkSeed, storageKey } = secret
    yield* writeNew(secretPath(directory, name), encode("secret-key", name, { identitySeed, linkSeed, storageKey }), 0o600)
    return yield* writePublic(crypto, directory, secret)
  })

/** Makes the keys of those names that have none. @returns the names whose keys were made @errors KeyFileFailed */
export const makeMissingKeyFiles = (
  crypto: CryptoBackend, directory: string, names: ReadonlyArray<string>, entropy: Entropy
): Effect.Effect<ReadonlyArray<string>, KeyFileFailed> =>
  Effect.filter(names, (name) =>
    Effect.gen(function*() {
      if ((yield* exists(publicPath(directory, name))) && (yield* exists(secretPath(directory, name)))) return false
      yield* makeKeyFiles(crypto, directory, name, entropy)
      return true
    }))

/** The public halves of all names. @errors KeyFileFailed for the first that is missing or damaged */
export const readPublics = (directory: string, names: ReadonlyArray<string>): Effect.Effect<ReadonlyMap<string, PublicHalf>, KeyFileFailed> =>
  Effect.map(Effect.forEach(names, (name) => readPublic(directory, name)), (halves) => new Map(halves.map((half) => [half.name, half])))
