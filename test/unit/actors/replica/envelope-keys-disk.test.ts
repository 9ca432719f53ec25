/**
 * Envelope keys across restarts.
 *
 * Goal: a key that was published opens envelopes after a restart too, through its grace and no longer; no key is made up for the past.
 * Method: instants are arguments; every restart is a new object over the same temporary folder.
 *
 * @module
 */
import { chmodSync, linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Either } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { openEnvelopeKeyVault } from "../../../../actors/replica/envelope-keys-disk.ts"
import { EnvelopeKeys } from "../../../../actors/replica/envelope-keys.ts"
import { nikeX25519 } from "../../../../src/crypto/mkem.ts"
import { systemEntropy } from "../../../../src/crypto/entropy.ts"
import { replicaEpochStartMs, ReplicaEpoch } from "../../../../src/params/epoch.ts"
import { tinyParams } from "../../../../src/params/presets.ts"
import { crypto } from "./sample-box.ts"

const HOUR_MS = 3_600_000
const E = 400
const nike = nikeX25519(crypto)
const startMs = (epoch: number): number => replicaEpochStartMs(tinyParams, ReplicaEpoch(epoch))

let parent = ""
let directory = ""
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "funion-keys-"))
  directory = join(parent, "keys")
})
afterEach(() => rmSync(parent, { recursive: true }))

const openVault = () => Effect.runSync(Effect.either(openEnvelopeKeyVault(directory, nike.privateKeyBytes)))
const restart = (): EnvelopeKeys => new EnvelopeKeys(tinyParams, nike, systemEntropy, Either.getOrThrow(openVault()))
const fileOf = (epoch: number): string => join(directory, `envelope-${epoch}.key`)
const epochsOnDisk = (): ReadonlyArray<string> => readdirSync(directory).sort()
const namesOf = (...epochs: ReadonlyArray<number>): ReadonlyArray<string> => epochs.map((epoch) => `envelope-${epoch}.key`)
const modeOf = (path: string): number => statSync(path).mode & 0o777

describe("envelope keys on disk", () => {
  it("R9: are there again after a restart, the last epoch's too", () => {
    const before = restart()
    expect(before.rotate(startMs(E))).toBe(true)
    before.rotate(startMs(E + 1))
    const after = restart()
    expect(after.rotate(startMs(E + 1) + HOUR_MS)).toBe(true)
    expect(after.publicKeys(E + 1)).toEqual(before.publicKeys(E + 1))
    expect([...after.publicKeys(E + 1).keys()].sort()).toEqual([E, E + 1, E + 2])
    expect(after.candidates(startMs(E + 1)).map(({ privateKey }) => Uint8Array.from(privateKey)))
      .toEqual(before.candidates(startMs(E + 1)).map(({ privateKey }) => Uint8Array.from(privateKey)))
  })
  it("lie one to a file of mode 0600 in a folder of mode 0700, nothing beside them", () => {
    restart().rotate(startMs(E))
    expect(epochsOnDisk()).toEqual(namesOf(E, E + 1))
    expect(modeOf(directory)).toBe(0o700)
    for (const epoch of [E, E + 1]) {
      expect(modeOf(fileOf(epoch))).toBe(0o600)
      expect(statSync(fileOf(epoch)).size).toBe(nike.privateKeyBytes)
    }
  })
  it("R11: are not made for a past epoch: a restart in the next one has no key for it, and no file", () => {
    const keys = restart()
    keys.rotate(startMs(E + 1))
    expect([...keys.publicKeys(E + 1).keys()].sort()).toEqual([E + 1, E + 2])
    expect(epochsOnDisk()).toEqual(namesOf(E + 1, E + 2))
  })
  it("are not made for the past when the clock is set back over a restart", () => {
    restart().rotate(startMs(E))
    const after = restart()
    after.rotate(startMs(E - 1))
    after.rotate(startMs(E - 3))
    expect(epochsOnDisk()).toEqual(namesOf(E, E + 1))
  })
  it("are overwritten and removed three hours after their grace began, also those found at a start", () => {
    restart().rotate(startMs(E))
    linkSync(fileOf(E), join(parent, "witness"))
    linkSync(fileOf(E + 1), join(parent, "second witness"))
    const keys = restart()
    keys.rotate(startMs(E + 2) + 3 * HOUR_MS - 1)
    expect(epochsOnDisk()).toEqual(namesOf(E, E + 1, E + 2, E + 3))
    keys.rotate(startMs(E + 2) + 3 * HOUR_MS)
    expect(epochsOnDisk()).toEqual(namesOf(E + 1, E + 2, E + 3))
    expect(readFileSync(join(parent, "witness"))).toEqual(Buffer.alloc(nike.privateKeyBytes))
    expect(readFileSync(join(parent, "second witness"))).not.toEqual(Buffer.alloc(nike.privateKeyBytes))
    restart().rotate(startMs(E + 9))
    expect(epochsOnDisk()).toEqual(namesOf(E + 9, E + 10))
    expect(readFileSync(join(parent, "second witness"))).toEqual(Buffer.alloc(nike.privateKeyBytes))
  })
  it("that were half written when the process died are destroyed at the next start; other files stay", () => {
    restart().rotate(startMs(E))
    writeFileSync(join(directory, `envelope-${E + 2}.key.new`), new Uint8Array(10).fill(7))
    linkSync(join(directory, `envelope-${E + 2}.key.new`), join(parent, "witness"))
    writeFileSync(join(directory, "notes.txt"), "mine")
    restart().rotate(startMs(E))
    expect(epochsOnDisk()).toEqual([...namesOf(E, E + 1), "notes.txt"])
    expect(readFileSync(join(parent, "witness"))).toEqual(Buffer.alloc(10))
  })
  it("that cannot be kept are not used; the next rotation makes others", () => {
    const keys = restart()
    mkdirSync(`${fileOf(E)}.new`)
    expect(keys.rotate(startMs(E))).toBe(false)
    expect([...keys.publicKeys(E).keys()]).toEqual([E + 1])
    rmSync(`${fileOf(E)}.new`, { recursive: true })
    expect(keys.rotate(startMs(E))).toBe(true)
    expect(restart().publicKeys(E)).toEqual(new Map([...keys.publicKeys(E)].sort()))
  })
  it("of a wrong length, or in a folder that is none, are refused with a sentence that names the place", () => {
    restart().rotate(startMs(E))
    chmodSync(fileOf(E), 0o600)
    writeFileSync(fileOf(E), new Uint8Array(31))
    expect(Either.getOrThrow(Either.flip(openVault())).message)
      .toBe(`${fileOf(E)}: has 31 bytes where a key has 32; remove it: envelopes of that epoch are lost`)
    rmSync(directory, { recursive: true })
    writeFileSync(directory, "")
    expect(Either.getOrThrow(Either.flip(openVault())).message).toContain(`${directory}: the replica's keys cannot be read (`)
  })
})
