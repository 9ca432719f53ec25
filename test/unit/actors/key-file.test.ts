/**
 * Key files.
 *
 * Goal: secrets are private, are never written over, and nothing that is not exactly a key file is taken for one.
 * Method: real files in a temporary folder; every byte of a file changed once.
 *
 * @module
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Either } from "effect"
import { afterAll, describe, expect, it } from "vitest"
import { makeKeyFiles, makeMissingKeyFiles, publicPath, readPublic, readPublics, readSecret, secretPath } from "../../../actors/key-file.ts"
import { seededEntropy } from "../../../src/crypto/entropy.ts"
import { selectBackend } from "../../../src/crypto/select-backend.ts"

const crypto = Either.getOrThrow(selectBackend())
const root = mkdtempSync(join(tmpdir(), "funion-keys-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

let count = 0
const fresh = () => join(root, `keys-${count++}`)
const entropy = seededEntropy(7, "key files")
const run = <A, E>(effect: Effect.Effect<A, E>) => Effect.runPromise(Effect.either(effect))
const made = async (name = "mix-0-0") => {
  const directory = fresh()
  await run(makeKeyFiles(crypto, directory, name, entropy))
  return directory
}
const refusal = async <A>(effect: Effect.Effect<A, { readonly message: string }>): Promise<string> => {
  const result = await run(effect)
  return Either.isLeft(result) ? result.left.message : "nothing was refused"
}

describe("key files", () => {
  it("come back as they were made, the public half being that of the secret one", async () => {
    const directory = await made()
    const secret = Either.getOrThrow(await run(readSecret(directory, "mix-0-0")))
    const half = Either.getOrThrow(await run(readPublic(directory, "mix-0-0")))
    expect(half.identityKey).toEqual(crypto.ed25519PublicKey(secret.identitySeed))
    expect(half.linkKey).toEqual(crypto.xwingPrivateKey(secret.linkSeed).publicKey)
    expect(new Set([secret.identitySeed, secret.linkSeed, secret.storageKey].map((bytes) => Buffer.from(bytes).toString("hex"))).size).toBe(3)
  })
  it("have mode 0600 for the secret and hold no byte of it in the public half", async () => {
    const directory = await made()
    expect(statSync(secretPath(directory, "mix-0-0")).mode & 0o777).toBe(0o600)
    const secret = JSON.parse(readFileSync(secretPath(directory, "mix-0-0"), "utf8")) as Record<string, string>
    const text = readFileSync(publicPath(directory, "mix-0-0"), "utf8")
    for (const field of ["identitySeed", "linkSeed", "storageKey"]) expect(text).not.toContain(secret[field]!)
  })
  it("are not written over", async () => {
    const directory = await made()
    const before = readFileSync(secretPath(directory, "mix-0-0"))
    expect(await refusal(makeKeyFiles(crypto, directory, "mix-0-0", entropy))).toContain("not written over")
    expect(readFileSync(secretPath(directory, "mix-0-0"))).toEqual(before)
  })
  it("of another machine are not made anew beside their public half", async () => {
    const directory = await made()
    rmSync(secretPath(directory, "mix-0-0"))
    expect(await refusal(makeKeyFiles(crypto, directory, "mix-0-0", entropy))).toContain("another machine")
  })
  it("without their public half, as a crash leaves them, get it", async () => {
    const directory = await made()
    const before = readFileSync(publicPath(directory, "mix-0-0"))
    rmSync(publicPath(directory, "mix-0-0"))
    expect(await run(makeMissingKeyFiles(crypto, directory, ["mix-0-0"], entropy))).toEqual(Either.right(["mix-0-0"]))
    expect(readFileSync(publicPath(directory, "mix-0-0"))).toEqual(before)
    expect(await run(makeMissingKeyFiles(crypto, directory, ["mix-0-0"], entropy))).toEqual(Either.right([]))
  })
  it("that others may read are refused, with the command that mends it", async () => {
    const directory = await made()
    chmodSync(secretPath(directory, "mix-0-0"), 0o644)
    expect(await refusal(readSecret(directory, "mix-0-0"))).toContain("chmod 600")
  })
  it("that are missing say how to make them", async () => {
    expect(await refusal(readSecret(fresh(), "mix-0-0"))).toContain("funion keygen --name mix-0-0")
    expect(await refusal(readPublics(fresh(), ["mix-0-0"]))).toContain("mix-0-0.public is missing")
  })
  it("of another name, with another field, or cut short are refused, and the refusal quotes nothing", async () => {
    const directory = await made()
    const path = secretPath(directory, "mix-0-0")
    const text = readFileSync(path, "utf8")
    const record = JSON.parse(text) as Record<string, unknown>
    const bad = [
      "", "{}", "[]", "null", text.slice(0, -10), text.slice(0, text.length / 2), JSON.stringify({ ...record, name: "mix-0-1" }),
      JSON.stringify({ ...record, more: 1 }), JSON.stringify({ ...record, version: 2 }), JSON.stringify({ ...record, funion: "public-key" }),
      JSON.stringify({ ...record, linkSeed: "AAAA" }), JSON.stringify({ ...record, linkSeed: `${String(record["linkSeed"])}\n` }),
      JSON.stringify({ ...record, linkSeed: 5 }),
      " ".repeat(9_000)
    ]
    for (const each of bad) {
      writeFileSync(path, each, { mode: 0o600 })
      const said = await refusal(readSecret(directory, "mix-0-0"))
      expect(said).toMatch(/is no secret key of mix-0-0|can not be read/)
      expect(said).not.toContain(String(record["identitySeed"]).slice(0, 8))
    }
  })
})
