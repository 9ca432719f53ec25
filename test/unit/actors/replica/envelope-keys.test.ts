/**
 * The life of envelope keys.
 *
 * Goal: keys for now and next only, the last epoch's for its grace, gone and wiped after it, and never one for the past.
 * Method: instants are arguments; the entropy keeps a hold on every private key it gave.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { EnvelopeKeys } from "../../../../actors/replica/envelope-keys.ts"
import { nikeX25519 } from "../../../../src/crypto/mkem.ts"
import { replicaEpochStartMs, ReplicaEpoch } from "../../../../src/params/epoch.ts"
import { tinyParams } from "../../../../src/params/presets.ts"
import { crypto, entropyOf } from "./sample-box.ts"

const HOUR_MS = 3_600_000
const E = 400
const startMs = (epoch: number): number => replicaEpochStartMs(tinyParams, ReplicaEpoch(epoch))

const keysWithSecrets = () => {
  const secrets: Array<Uint8Array> = []
  const entropy = entropyOf("envelope keys")
  const keys = new EnvelopeKeys(tinyParams, nikeX25519(crypto), (byteCount) => {
    const bytes = entropy(byteCount)
    secrets.push(bytes)
    return bytes
  })
  return { keys, secrets }
}
const epochsOf = (keys: EnvelopeKeys, epoch: number): ReadonlyArray<number> => [...keys.publicKeys(epoch).keys()].sort()

describe("envelope keys", () => {
  it("R11: start with the current and the next epoch: a past one has no key and gets none", () => {
    const { keys, secrets } = keysWithSecrets()
    keys.rotate(startMs(E))
    keys.rotate(startMs(E) + HOUR_MS)
    expect(epochsOf(keys, E)).toEqual([E, E + 1])
    expect(secrets).toHaveLength(2)
  })
  it("are not made for the past when the clock is set back", () => {
    const { keys, secrets } = keysWithSecrets()
    keys.rotate(startMs(E))
    keys.rotate(startMs(E - 1))
    keys.rotate(startMs(E - 3))
    expect(secrets).toHaveLength(2)
    expect(epochsOf(keys, E - 1)).toEqual([E])
  })
  it("stay the same while their epoch lasts", () => {
    const { keys } = keysWithSecrets()
    keys.rotate(startMs(E))
    const before = keys.publicKeys(E)
    keys.rotate(startMs(E + 1) - 1)
    expect(keys.publicKeys(E)).toEqual(before)
  })
  it("R9: of the last epoch open envelopes through the next one, those before are wiped three hours after the border", () => {
    const { keys, secrets } = keysWithSecrets()
    keys.rotate(startMs(E))
    keys.rotate(startMs(E + 1))
    keys.rotate(startMs(E + 2))
    expect(keys.candidates(startMs(E + 1)).map(({ publicKey }) => publicKey)).toEqual([E + 1, E, E + 2].map((epoch) => keys.publicKeys(E + 1).get(epoch)))
    keys.rotate(startMs(E + 2) + 3 * HOUR_MS - 1)
    expect(secrets[0]?.some((byte) => byte !== 0)).toBe(true)
    keys.rotate(startMs(E + 2) + 3 * HOUR_MS)
    expect(secrets[0]?.every((byte) => byte === 0)).toBe(true)
    expect(epochsOf(keys, E + 1)).toEqual([E + 1, E + 2])
    expect(secrets[1]?.some((byte) => byte !== 0)).toBe(true)
  })
  it("of a descriptor are those around the replica epoch it stands in, so that the first one of a week fits its document", () => {
    const { keys } = keysWithSecrets()
    keys.rotate(startMs(E - 1))
    keys.rotate(startMs(E))
    expect(epochsOf(keys, E)).toEqual([E - 1, E, E + 1])
    expect(epochsOf(keys, E + 1)).toEqual([E, E + 1])
  })
})
