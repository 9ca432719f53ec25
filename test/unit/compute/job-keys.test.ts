/**
 * Goal: job keys live exactly as long as funion.md §6.2 says.
 * Method: one object across several epochs, asked at chosen instants.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { makeJobKeys } from "../../../actors/compute/job-keys.ts"
import { seededEntropy } from "../../../src/crypto/entropy.ts"
import { selectBackend } from "../../../src/crypto/select-backend.ts"
import { Epoch, epochStartMs } from "../../../src/params/epoch.ts"
import { tinyParams } from "../../../src/params/presets.ts"

const crypto = Either.getOrThrow(selectBackend())
const startMs = (epoch: number) => epochStartMs(tinyParams, Epoch(epoch))
const make = (suite: 1 | 2 = 1) => makeJobKeys(crypto, tinyParams, suite, seededEntropy(1, "keys"))

describe("job keys", () => {
  it("are published for an epoch and the next one, and stay the same however often they are asked for", () => {
    const keys = make()
    const first = keys.publicKeys(10, startMs(10))
    expect([...first.keys()]).toEqual([10, 11])
    const next = keys.publicKeys(11, startMs(10) + 5)
    expect([...next.keys()]).toEqual([11, 12])
    expect(next.get(11)).toEqual(first.get(11))
    expect(keys.publicKeys(10, startMs(10) + 9)).toEqual(first)
  })

  it("are tried in the order c, c − 1, c + 1", () => {
    const keys = make()
    keys.publicKeys(10, startMs(10))
    keys.publicKeys(11, startMs(10))
    expect(keys.candidates(startMs(10)).map(({ keyEpoch }) => keyEpoch)).toEqual([10, 11])
    expect(keys.candidates(startMs(11)).map(({ keyEpoch }) => keyEpoch)).toEqual([11, 10, 12])
  })

  it("are destroyed when the epoch after theirs ends, and never made again", () => {
    const keys = make()
    keys.publicKeys(10, startMs(10))
    const [held] = keys.candidates(startMs(10))
    if (held?.suite !== 1) throw new Error("no key")
    expect(keys.candidates(startMs(12) - 1)).toContain(held)
    expect(keys.candidates(startMs(12)).map(({ keyEpoch }) => keyEpoch)).toEqual([11])
    expect(held.scalar).toEqual(new Uint8Array(32))
    expect([...keys.publicKeys(10, startMs(12)).keys()]).toEqual([])
  })

  it("have the length of the suite and show no secrets", () => {
    expect(make(2).publicKeys(1, 0).get(1)).toHaveLength(1216)
    expect(JSON.stringify(make())).toBe('{"epochs":[],"secrets":"<redacted>"}')
  })
})
