/**
 * A network in virtual time is the same network twice.
 *
 * Goal: one seed, one run, to the last bit; a job's answer is right; observers see links and storage.
 * Method: whole worlds of the smallest network for seconds of virtual time.
 *
 * @module
 */
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { inferTensors } from "../../actors/session-api.ts"
import type { StorageEvent } from "../../actors/simulator/storage-event.ts"
import { runWorld, type World, type WorldOptions } from "../../actors/simulator/world.ts"
import type { LinkEvent } from "../../src/simulation/link-event.ts"
import { numbersOf } from "../../src/model/tensor.ts"
import { affineAnswer, affineInput, briskTopology } from "../network/brisk-network.ts"

const ask = ({ network }: World) => Effect.map(inferTensors(network, "affine", [affineInput(5)]), ({ outputs }) => numbersOf(outputs[0]!))

const topology = briskTopology(["affine"])

/**
 * The run of seed 7, wherever it is run: other processors, other versions of Node. Who changes what crosses links, or when, on purpose, says so and puts
 * the new hash here; for anybody else another hash is a finding.
 */
const TRACE_OF_SEED_7 = "d360779ea68524551a3731562c46581d24ab07e65352779032871aaa41883228"

const job = (options: Partial<WorldOptions> = {}) => runWorld({ topology, seed: 7, backend: "elided", ...options }, ask)

describe("a world", () => {
  it("of one seed is one run on every machine: every link event the same", async () => {
    const [first, again] = [await job(), await job()]
    expect(again).toEqual(first)
    expect(first.traceHash).toBe(TRACE_OF_SEED_7)
    expect(first.value).toEqual(affineAnswer(5))
  })
  it("of another seed is another run, with the same answer", async () => {
    const [first, other] = [await job(), await job({ seed: 8 })]
    expect(other.traceHash).not.toBe(first.traceHash)
    expect(other.value).toEqual(first.value)
  })
  it("answers a job rightly with native cryptography too", async () => {
    expect((await job({ backend: "native" })).value).toEqual(affineAnswer(5))
  })
  it("shows its links with instants between milliseconds, and reads and writes of boxes", async () => {
    const links: Array<LinkEvent> = []
    const storage: Array<StorageEvent> = []
    const { linkEvents, virtualMs } = await job({ onLink: (event) => links.push(event), onStorage: (event) => storage.push(event) })
    expect(links).toHaveLength(linkEvents)
    expect(links.some(({ instantMs }) => !Number.isInteger(instantMs))).toBe(true)
    expect(links.every(({ instantMs }, index) => index === 0 || instantMs >= links[index - 1]!.instantMs)).toBe(true)
    expect(virtualMs).toBeGreaterThan(3000)
    const written = storage.filter(({ operation }) => operation === "write").map(({ boxId }) => boxId)
    expect(written.length).toBeGreaterThan(0)
    expect(storage.some(({ boxId, found, operation }) => operation === "read" && found && written.includes(boxId))).toBe(true)
  })
})
