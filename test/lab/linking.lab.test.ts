/**
 * Goal: linking is guessed on the shipped actors, and won on a network that links: the gate on it is no ornament.
 * Method: two small worlds in virtual time of one seed, with a compute service that shuffles nothing and without.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { runLinkedWorld } from "../../actors/lab/parts/linked-world.ts"

const SEED = 20_251_201

describe("which answer belongs to which input", () => {
  it("is guessed on a sound network, as are uploader and reader", async () => {
    const { gates } = await runLinkedWorld(SEED, false)
    expect(gates.filter(({ pass }) => !pass)).toEqual([])
  }, 900_000)
  it("is found where the service keeps the order of jobs", async () => {
    const { gates } = await runLinkedWorld(SEED, true)
    expect(gates.filter(({ pass }) => !pass).map(({ name }) => name)).toEqual(["linking/input-output"])
  }, 900_000)
})
