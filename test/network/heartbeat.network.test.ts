/**
 * Goal: who holds packets back at a mix is noticed within a stated time, by the mix and by clients, and at nominal load nobody is accused; while paused, a
 * client's link looks as before, and nothing real passes the mix.
 * Method: worlds of two layers of two mixes, without cryptography. The adversary sits on the links into one mix and lets every k-th packet pass (n-1), or
 * all of them 5 s late. Figures are read where an operator reads them. Seeds are fixed.
 *
 * @module
 */
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { runWorld, totalsOf, type World } from "../../actors/simulator/world.ts"
import type { Client } from "../../src/actor/actor.ts"
import type { MountService } from "../../src/actor/mount.ts"
import type { HeartbeatPolicyName } from "../../src/mixnet/heartbeat-watch.ts"
import { loopSlackMs } from "../../src/params/mixnet-params.ts"
import { tinyParams } from "../../src/params/presets.ts"
import type { LinkEvent } from "../../src/simulation/link-event.ts"
import { briskTopology } from "./brisk-network.ts"

const params = {
  ...tinyParams, mixLayers: 2, geometry: { ...tinyParams.geometry, hopCount: 4 }, lambdaPPerMs: 0.008, lambdaLPerMs: 0.002, lambdaMPerMs: 0.004,
  lambdaRPerMs: 0.004, answerMs: 2000
}
const topology = briskTopology([], { params, mixLayers: [2, 2], clients: 1, computes: [], serviceNodes: [{ couriers: 1 }, { couriers: 1 }] })
const VICTIM = "mix-1-1"
const CALM_MS = 15_000
/** 32 loops through the mix that are well clear it. */
const RECOVERY_MS = 32_000
/** 8 lost loops of the victim's own, the time of a loop, and two looks a second apart. */
const NOTICED_MS = 8 / params.lambdaMPerMs + 6 / params.muPerMs + loopSlackMs(params) + 2000
/** Chance may make the loops come slower: the claim allows twice the time. */
const ATTACK_MS = 2 * NOTICED_MS

const LIMIT_MS = 300_000

type Packets = ReadonlyArray<Uint8Array>

/** What an adversary on the links into the victim does with the packets that come: hands on some of them, now or later. */
type Interference = (packets: Packets, handOn: (packets: Packets) => Effect.Effect<void>) => Effect.Effect<void>

/** Every k-th packet passes, the others are gone. */
const onlyEvery = (k: number): Interference => {
  let count = 0
  return (packets, handOn) => handOn(packets.filter(() => (count += 1) % k === 0))
}
const lateBy = (delayMs: number): Interference => (packets, handOn) => Effect.asVoid(Effect.forkDaemon(Effect.delay(handOn(packets), delayMs)))

/** A mount on which calls of packets to the victim meet `interfere`, while the adversary is active. */
const withAdversary = (mount: MountService, interfere: () => Interference | undefined): MountService => ({
  ...mount,
  connect: (from, to, group, options) =>
    Effect.map(mount.connect(from, to, group, options), (client) => {
      if (to !== VICTIM) return client
      const { Forward } = client as unknown as { readonly Forward: (call: { readonly packets: Packets }) => Effect.Effect<void> }
      const tampered = (call: { readonly packets: Packets }) => {
        const act = interfere()
        return act === undefined ? Forward(call) : act(call.packets, (packets) => (packets.length === 0 ? Effect.void : Effect.orDie(Forward({ packets }))))
      }
      return { ...client, Forward: tampered } as unknown as Client<never> as typeof client
    })
})

interface Attack {
  readonly interference: Interference
  readonly heartbeat?: HeartbeatPolicyName
  readonly seed?: number
}

/** One world: calm, an attack, and calm again; `look` is asked at the end of each. */
const attacked = async <A>({ heartbeat = "warn", interference, seed = 3 }: Attack, look: (world: World) => Effect.Effect<A>) => {
  const sentMs: Array<number> = []
  let active: Interference | undefined
  const world = await runWorld({
    topology, seed, backend: "elided", heartbeat, wrapMount: (mount) => withAdversary(mount, () => active),
    onLink: ({ call, from, instantMs }: LinkEvent) => {
      if (call === "Submit" && from === "client-0") sentMs.push(instantMs)
    }
  }, (running) => Effect.gen(function* () {
    yield* Effect.sleep(CALM_MS)
    const calm = yield* look(running)
    active = interference
    yield* Effect.sleep(ATTACK_MS)
    const during = yield* look(running)
    active = undefined
    yield* Effect.sleep(RECOVERY_MS)
    return { calm, during, after: yield* look(running) }
  }))
  return { ...world.value, sentMs, drops: world.dropsByReason }
}

const suspicions = (world: World) =>
  Effect.gen(function* () {
    const all = yield* world.readings
    const suspects = Object.fromEntries([...all].flatMap(([name, figures]) => {
      const count = figures.get("suspects")?.get("") ?? 0
      return count > 0 ? [[name, count]] : []
    }))
    return { suspects, loops: totalsOf(all, "loops_total"), lossySegments: totalsOf(all, "lossy_segments")[""] ?? 0 }
  })

describe("a network whose mix is attacked", () => {
  it.each([["lets one packet in four pass", onlyEvery(4)], ["delays all by 5 s", lateBy(5000)]] as const)(
    "accuses nobody in calm; notices in time an adversary who %s, both the mix and the client; and is calm again afterwards", async (_, interference) => {
      const { after, calm, during } = await attacked({ interference }, suspicions)
      expect(calm.suspects).toEqual({})
      expect(calm.lossySegments).toBe(0)
      expect([calm.loops.lost, calm.loops.late]).toEqual([0, 0])
      expect(calm.loops.timely).toBeGreaterThan(300)
      expect(Object.keys(during.suspects)).toEqual(expect.arrayContaining([VICTIM, "client-0"]))
      // a client's loops tell the mixes of a layer apart
      expect(during.suspects["client-0"]).toBe(1)
      expect(during.lossySegments).toBeGreaterThan(0)
      expect(after.suspects).toEqual({})
    }, LIMIT_MS)
  // with seeds 3, 8, 14 and 22 a neighbour, too, once came under suspicion, paused, and had everybody else pause for good
  const title = "with policy pause, passes nothing real by way of the mix, which alone pauses, and goes on when loops come home"
  it.each([3, 8, 14, 22])(`${title} (seed %i)`, async (seed) => {
    const look = (world: World) =>
      Effect.map(world.readings, (all) => {
        const actors = [...all]
        return {
          paused: actors.flatMap(([name, figures]) => (figures.get("paused")?.get("") === 1 ? [name] : [])).sort(),
          dropping: actors.flatMap(([name, figures]) => ((figures.get("dropped_packets_total")?.get("paused") ?? 0) > 0 ? [name] : []))
        }
      })
    const { after, calm, during, sentMs } = await attacked({ interference: onlyEvery(4), heartbeat: "pause", seed }, look)
    expect(calm).toEqual({ paused: [], dropping: [] })
    expect(during).toEqual({ paused: ["client-0", VICTIM], dropping: [VICTIM] })
    // counts do not fall: nobody else has paused in between
    expect(after).toEqual({ paused: [], dropping: [VICTIM] })
    // the client's link: the rate of its two streams in calm and while paused, within five standard deviations
    const rate = params.lambdaPPerMs + params.lambdaLPerMs
    const startMs = sentMs[0]!
    for (const [fromMs, lengthMs] of [[startMs, CALM_MS], [startMs + CALM_MS + NOTICED_MS, ATTACK_MS - NOTICED_MS]] as const) {
      const sent = sentMs.filter((atMs) => atMs >= fromMs && atMs < fromMs + lengthMs).length
      expect(Math.abs(sent - rate * lengthMs)).toBeLessThan(5 * Math.sqrt(rate * lengthMs))
    }
  }, LIMIT_MS)
  it("with policy off, judges nothing", async () => {
    const { during } = await attacked({ interference: onlyEvery(4), heartbeat: "off" }, suspicions)
    expect(during.suspects).toEqual({})
    expect(during.loops.lost).toBeGreaterThan(10)
  }, LIMIT_MS)
})
