/**
 * Goal: each planted fault makes a gate fail that a sound network of the same size and seed passes.
 * Method: small worlds in virtual time, seed fixed; broken variants of single actors.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { soundWorld, tryFault } from "../../actors/lab/parts/planted-part.ts"
import { PLANTED_FAULTS } from "../../actors/simulator/planted/planted.ts"

const SEED = 20_251_201

describe("planted faults", () => {
  const sound = new Map<boolean, ReturnType<typeof soundWorld>>()
  it.each(PLANTED_FAULTS.map((fault) => [fault.name, fault] as const))("%s is caught by a gate", async (_, fault) => {
    const isMix = fault.role === "mix"
    sound.set(isMix, sound.get(isMix) ?? soundWorld(fault, SEED))
    const { caughtBy } = await tryFault(fault, SEED, await sound.get(isMix)!)
    expect(caughtBy).not.toEqual([])
  }, 900_000)
})
