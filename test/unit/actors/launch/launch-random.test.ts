/**
 * Goal: in a running network without a seed nobody draws from Effect's own generator, which is predictable: not the handlers of calls, not streams,
 * not forked fibers, not retries, and not an actor that somebody else starts again.
 * Method: a brisk network in virtual time, started by a program that has Effect's default `Random`; the default generator counts its draws.
 *
 * @module
 */
import { Effect, Random } from "effect"
import { PCGRandom } from "effect/Utils"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { launch, type Network } from "../../../../actors/launch.ts"
import { Mix } from "../../../../actors/mix/protocol.ts"
import { affineAnswer, askAffine, briskTopology } from "../../../network/brisk-network.ts"
import { runVirtually } from "../../../network/virtual-run.ts"

let draws = 0
beforeEach(() => {
  draws = 0
  for (const method of ["number", "integer"] as const) {
    const original = PCGRandom.prototype[method]
    vi.spyOn(PCGRandom.prototype, method).mockImplementation(function (this: PCGRandom, ...limits: ReadonlyArray<number>) {
      draws++
      return original.apply(this, limits as [number])
    })
  }
})
afterEach(() => {
  vi.restoreAllMocks()
})

const inBareNetwork = <A, E>(use: (network: Network) => Effect.Effect<A, E>): Promise<A> =>
  runVirtually(Effect.scoped(Effect.flatMap(launch(briskTopology(["affine"])), use)))

describe("without a seed", () => {
  it("a program's own draws are seen by this test", async () => {
    await runVirtually(Effect.zip(Random.next, Random.shuffle([1, 2, 3])))
    expect(draws).toBeGreaterThan(1)
  })

  it("R28: a whole inference draws nothing from Effect's predictable generator", async () => {
    const ending = await inBareNetwork((network) => askAffine(network, 3))
    expect(ending).toMatchObject({ _tag: "Answer", numbers: affineAnswer(3) })
    expect(draws).toBe(0)
  }, 60_000)

  it("nor does an actor that is stopped, started again by somebody else, and crashes", async () => {
    await inBareNetwork((network) => Effect.gen(function* () {
      yield* network.stop("mix-0-0")
      const squatter = network.mount.serve("mix-0-0", Mix, Mix.toLayer({ Forward: () => Effect.void }))
      yield* Effect.scoped(Effect.zipRight(Effect.zipRight(squatter, network.start("mix-0-0")), Effect.sleep(500)))
      expect((yield* network.health).get("mix-0-0")?.restartCount).toBeGreaterThan(0)
    }).pipe(Effect.orDie))
    expect(draws).toBe(0)
  }, 60_000)
})
