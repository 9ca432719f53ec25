/**
 * Capability files.
 *
 * Goal: a capability comes back as it was written, for its own kind and network alone; nothing is ever written over, and a refusal quotes nothing of it.
 * Method: real files in a temporary folder; every truncation, every field changed, random bytes.
 *
 * @module
 */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Either } from "effect"
import { afterAll, describe, expect, it } from "vitest"
import { type Capability, readCapability, refuseUnwritable, writeCapability } from "../../../actors/cli/capability-file.ts"
import { systemEntropy } from "../../../src/crypto/entropy.ts"

const root = mkdtempSync(join(tmpdir(), "funion-capability-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let count = 0
const fresh = (): string => join(root, `${count++}.cap`)

const input: Capability = { kind: "input", network: "mine", model: "affine", bytes: systemEntropy(700) }
const ticket: Capability = { kind: "ticket", network: "mine", model: undefined, bytes: systemEntropy(256) }

const run = <A, E>(effect: Effect.Effect<A, E>) => Effect.runPromise(Effect.either(effect))
const refusal = async <A>(effect: Effect.Effect<A, { readonly message: string }>): Promise<string> => {
  const result = await run(effect)
  return Either.isLeft(result) ? result.left.message : "nothing was refused"
}
const written = async (capability: Capability): Promise<string> => {
  const path = fresh()
  await Effect.runPromise(writeCapability(path, capability))
  return path
}

describe("capability files", () => {
  it.each([input, ticket])("come back as they were written, with mode 0600 whatever the mask (%#)", async (capability) => {
    const mask = process.umask(0)
    const path = await written(capability)
    process.umask(mask)
    expect(await run(readCapability(path, capability.kind, "mine"))).toEqual(Either.right(capability))
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })
  it("are good for one kind and one network", async () => {
    expect(await refusal(readCapability(await written(ticket), "input", "mine"))).toMatch(/is not an uploaded input \(made by funion upload\)$/)
    expect(await refusal(readCapability(await written(input), "ticket", "mine"))).toMatch(/is not a ticket \(made by funion dispatch\)$/)
    expect(await refusal(readCapability(await written(ticket), "ticket", "yours"))).toMatch(/was made for the network mine, not for yours$/)
  })
  it("are not written over, by whichever step", async () => {
    const path = await written(ticket)
    const before = readFileSync(path)
    expect(await refusal(writeCapability(path, input))).toContain("not written over")
    expect(await refusal(refuseUnwritable(path))).toContain("not written over")
    expect(readFileSync(path)).toEqual(before)
  })
  it("that could not be written are refused before any work", async () => {
    const file = await written(ticket)
    for (const folder of [join(root, "nowhere"), file]) {
      expect(await refusal(refuseUnwritable(join(folder, "a.cap")))).toContain("no folder that you may write to")
    }
    expect(await run(refuseUnwritable(fresh()))).toEqual(Either.void)
    expect(await refusal(writeCapability(join(root, "nowhere", "a.cap"), ticket))).toContain("can not be written (ENOENT)")
  })
  it("in a folder that may not be written to are refused before any work", async () => {
    const folder = join(root, "closed")
    mkdirSync(folder)
    chmodSync(folder, 0o500)
    const said = await run(refuseUnwritable(join(folder, "a.cap")))
    // nothing is closed to the superuser
    expect(Either.isLeft(said)).toBe(process.getuid?.() !== 0)
  })
  it("that are missing, folders or too long say so", async () => {
    expect(await refusal(readCapability(fresh(), "ticket", "mine"))).toMatch(/there is no such file$/)
    expect(await refusal(readCapability(root, "ticket", "mine"))).toMatch(/can not be read \(EISDIR\)$/)
    const long = fresh()
    writeFileSync(long, " ".repeat(70_000))
    expect(await refusal(readCapability(long, "ticket", "mine"))).toMatch(/can not be read \(too long\)$/)
  })
})

describe("what is not exactly a capability file is refused, and quoted nowhere:", () => {
  const refusedText = async (text: string | Uint8Array): Promise<void> => {
    const path = fresh()
    writeFileSync(path, text)
    expect(await refusal(readCapability(path, "ticket", "mine"))).toBe(`${path} is not a ticket (made by funion dispatch)`)
  }
  it("any truncation", async () => {
    const text = readFileSync(await written(ticket), "utf8").trimEnd()
    for (let length = 0; length < text.length; length += 1 + Math.floor(length / 40)) await refusedText(text.slice(0, length))
    await refusedText(text.slice(0, -1))
  })
  it("another field, another value, one more, one less", async () => {
    const record = JSON.parse(readFileSync(await written(ticket), "utf8")) as Record<string, unknown>
    const capability = String(record["capability"])
    const changes = [
      { version: 2 }, { version: "1" }, { funion: "secret-key" }, { more: 1 }, { model: "affine" }, { model: null }, { network: 7 }, { capability: 7 },
      { capability: `${capability}\n` }, { capability: capability.slice(0, -3) }, { capability: ` ${capability}` }, { capability: "*" }
    ]
    for (const change of changes) await refusedText(JSON.stringify({ ...record, ...change }))
    for (const field of Object.keys(record)) {
      const { [field]: _, ...rest } = record
      await refusedText(JSON.stringify(rest))
    }
    for (const text of ["null", "[]", "7", "\"\"", "{}", `[${JSON.stringify(record)}]`, `${JSON.stringify(record)}x`]) await refusedText(text)
  })
  it("random bytes", async () => {
    for (let length = 0; length < 60; length++) await refusedText(systemEntropy(length * 7))
  })
})
