/**
 * Goal: a faulty link does what its scenario says, no more, and fails calls as a real link does; a sound one is left alone.
 * Method: a small protocol over the memory mount under the faulty one, in virtual time; many messages where shares are drawn.
 *
 * @module
 */
import { Clock, Context, Effect, Either, Layer, Schedule, Schema, type Scope, Stream } from "effect"
import { describe, expect, it } from "vitest"
import { Frame, Frames, OneWay, Rpc, RpcGroup } from "../../../src/actor/actor.ts"
import { Mount } from "../../../src/actor/mount.ts"
import { layerMountMemory } from "../../../src/actor/mount-memory.ts"
import { seededEntropy } from "../../../src/crypto/entropy.ts"
import type { Fault } from "../../../src/simulation/fault-plan.ts"
import { FaultSchedule } from "../../../src/simulation/fault-schedule.ts"
import { makeFaultyMount } from "../../../src/simulation/faulty-link.ts"
import type { LinkFaultEvent } from "../../../src/simulation/link-fate.ts"
import { faultyClock } from "../../../src/simulation/faulty-clock.ts"
import { takeEach } from "../../../src/actor/told.ts"
import { carryOut } from "../../../src/simulation/actor-faults.ts"
import { runVirtual } from "../session/virtual-time.ts"

class Post extends RpcGroup.make(
  Rpc.make("Ask", { payload: { n: Schema.Number, body: Frame }, success: Schema.Struct({ body: Frame }) }),
  Rpc.make("Throw", { payload: { packets: Frames } }).annotate(OneWay, true),
  Rpc.make("Follow", { success: Frame, stream: true })
) {}

const LIMIT_MS = 1000

/** What the served actor heard: first bytes of packets, with the instant. */
interface Heard {
  readonly atMs: number
  readonly packet: Uint8Array
}

const rig = (faults: ReadonlyArray<Fault>, seed = 1) =>
  Effect.gen(function*() {
    const heard: Array<Heard> = []
    const faultEvents: Array<LinkFaultEvent> = []
    let asked = 0
    const below = Context.get(yield* Layer.build(layerMountMemory()), Mount)
    const schedule = new FaultSchedule({ name: "sample", about: "", runMs: 1e9, jobs: 0, faults }, ["a", "b"], seededEntropy(seed, "plan"))
    schedule.begin(yield* Clock.currentTimeMillis)
    const mount = makeFaultyMount(below, { schedule, entropyOf: (label) => seededEntropy(seed, label), onFault: (event) => faultEvents.push(event) })
    yield* mount.serve("b", Post, Post.toLayer({
      Ask: ({ body }) => Effect.sync(() => {
        asked += 1
        return { body }
      }),
      Throw: ({ packets }) => Effect.map(Clock.currentTimeMillis, (atMs) => { heard.push(...packets.map((packet) => ({ atMs, packet }))) }),
      Follow: () => Stream.fromSchedule(everyTenMs).pipe(Stream.map((index) => Uint8Array.of(index)), Stream.take(100))
    }))
    const client = yield* mount.connect("a", "b", Post, { limitMs: LIMIT_MS })
    return { below, client, faultEvents, heard, mount, asked: () => asked, schedule }
  })


const everyTenMs = Schedule.spaced(10)

const link = { from: ["a"], to: ["b"], fromMs: 0, untilMs: 1e8 } as const
const back = { from: ["b"], to: ["a"], fromMs: 0, untilMs: 1e8 } as const
const packet = (index: number): Uint8Array => Uint8Array.of(index & 255, index >> 8, 0, 0)
const run = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): A => runVirtual(Effect.scoped(effect))

describe("a faulty link", () => {
  it("is the link below where the schedule never touches it, and outside of its windows", () => {
    run(Effect.gen(function*() {
      const { below, client, faultEvents, heard, mount } = yield* rig([{ kind: "loss", ...link, fromMs: 5000, untilMs: 6000, share: 1 }])
      expect((yield* mount.connect("x", "b", Post)).Ask.toString()).toBe((yield* below.connect("x", "b", Post)).Ask.toString())
      yield* client.Throw({ packets: [packet(1), packet(2)] })
      yield* Effect.sleep(5500)
      yield* client.Throw({ packets: [packet(3)] })
      yield* Effect.sleep(1000)
      yield* client.Throw({ packets: [packet(4)] })
      expect(heard.map((each) => each.packet[0])).toEqual([1, 2, 4])
      expect(faultEvents.map(({ call, delayMs, message, what }) => ({ call, delayMs, message, what })))
        .toEqual([{ call: "Throw", delayMs: 0, message: { packets: [packet(3)] }, what: "lost" }])
    }))
  })

  it("loses its share of the packets of batches one by one, silently, and the same ones for the same seed", () => {
    const kept = (seed: number) => run(Effect.gen(function*() {
      const { client, heard } = yield* rig([{ kind: "loss", ...link, share: 0.3 }], seed)
      for (let at = 0; at < 2000; at += 50) yield* client.Throw({ packets: Array.from({ length: 50 }, (_, index) => packet(at + index)) })
      return heard.map((each) => (each.packet[0] ?? 0) + 256 * (each.packet[1] ?? 0))
    }))
    const first = kept(1)
    // 2000 draws with 0.7: five standard deviations are 102
    expect(Math.abs(first.length - 1400)).toBeLessThan(103)
    expect(kept(1)).toEqual(first)
    expect(kept(2)).not.toEqual(first)
  })

  it("ends a call whose request or reply is lost with CallTimedOut at the connection's limit, and only then", () => {
    for (const lost of [link, back]) {
      run(Effect.gen(function*() {
        const { asked, client } = yield* rig([{ kind: "loss", ...lost, share: 1 }])
        const failure = yield* Effect.flip(client.Ask({ n: 1, body: packet(1) }))
        expect(failure).toMatchObject({ _tag: "CallTimedOut", actor: "b", call: "Ask" })
        expect(yield* Clock.currentTimeMillis).toBeCloseTo(LIMIT_MS, 3)
        expect(asked()).toBe(lost === link ? 0 : 1)
      }))
    }
  })

  it("delays, doubles, holds back and damages what it is told to", () => {
    run(Effect.gen(function*() {
      const { client, heard } = yield* rig([{ kind: "delay", ...link, share: 1, delayMs: 100 }])
      for (let index = 0; index < 200; index++) yield* client.Throw({ packets: [packet(index)] })
      yield* Effect.sleep(101)
      expect(heard).toHaveLength(200)
      const meanMs = heard.reduce((sum, { atMs }) => sum + atMs, 0) / heard.length
      expect(Math.abs(meanMs - 50)).toBeLessThan(5 * (100 / Math.sqrt(12 * 200)))
    }))
    run(Effect.gen(function*() {
      const { client, heard } = yield* rig([{ kind: "duplication", ...link, share: 1 }])
      yield* client.Throw({ packets: [packet(1)] })
      yield* Effect.sleep(1)
      expect(heard.map((each) => each.packet[0])).toEqual([1, 1])
      // who is handed a packet may write to it
      expect(heard[0]!.packet).not.toBe(heard[1]!.packet)
    }))
    run(Effect.gen(function*() {
      const { client, heard } = yield* rig([{ kind: "reordering", ...link, untilMs: 5, share: 1, delayMs: 50 }])
      yield* client.Throw({ packets: [packet(1)] })
      yield* Effect.sleep(10)
      yield* client.Throw({ packets: [packet(2)] })
      yield* Effect.sleep(100)
      expect(heard.map((each) => each.packet[0])).toEqual([2, 1])
    }))
    run(Effect.gen(function*() {
      const { client, heard } = yield* rig([{ kind: "corruption", ...link, share: 1 }])
      const sent = packet(7)
      const { body } = yield* client.Ask({ n: 1, body: sent })
      yield* client.Throw({ packets: [sent] })
      const bitsApart = (bytes: Uint8Array) => bytes.reduce((sum, byte, at) => sum + (byte ^ (sent[at] ?? 0)).toString(2).split("1").length - 1, 0)
      expect([bitsApart(body), bitsApart(heard[0]!.packet)]).toEqual([1, 1])
      expect(sent).toEqual(packet(7))
    }))
  })

  it("takes items out of a stream, and ends a stream whose request was lost as a dead link would", () => {
    run(Effect.gen(function*() {
      const { client } = yield* rig([{ kind: "loss", ...back, share: 0.5 }])
      const items = yield* Stream.runCollect(client.Follow(undefined))
      expect(items.length).toBeGreaterThan(20)
      expect(items.length).toBeLessThan(80)
    }))
    run(Effect.gen(function*() {
      const { client } = yield* rig([{ kind: "partition", ...link }])
      const ending = yield* Effect.either(Stream.runCollect(client.Follow(undefined)))
      expect(Either.getOrThrow(Either.flip(ending))).toMatchObject({ _tag: "ActorUnavailable", reason: "closed" })
    }))
  })

  it("does the same to items that are told as they come: loses, doubles and delays them, and tells none after its listener has left", () => {
    const told = (faults: ReadonlyArray<Fault>, atMost = 1e9) => run(Effect.gen(function*() {
      const { client } = yield* rig(faults)
      const startMs = yield* Clock.currentTimeMillis
      const clock = yield* Effect.clock
      const atMs: Array<number> = []
      const taking = takeEach(client.Follow(undefined), () => { atMs.push(clock.unsafeCurrentTimeMillis() - startMs) })
      yield* Effect.timeoutOption(taking, atMost)
      yield* Effect.sleep(5000)
      return atMs
    }))
    const sound = told([])
    const lossy = told([{ kind: "loss", ...back, share: 0.5 }])
    expect([sound.length, lossy.length > 20, lossy.length < 80]).toEqual([100, true, true])
    expect(told([{ kind: "duplication", ...back, share: 1 }]).length).toBe(200)
    const late = told([{ kind: "reordering", ...back, share: 1, delayMs: 105 }])
    expect([late[0], late.length < 100]).toEqual([(sound[0] ?? 0) + 105, true])
    expect(told([{ kind: "reordering", ...back, share: 1, delayMs: 300 }], 200)).toEqual([])
  })
  it("keeps what is said to a paused actor at its door, and what it says as well", () => {
    run(Effect.gen(function*() {
      const { client, heard } = yield* rig([{ kind: "pause", actors: ["b"], fromMs: 100, untilMs: 400 }])
      yield* Effect.sleep(200)
      yield* client.Throw({ packets: [packet(1)] })
      yield* client.Ask({ n: 1, body: packet(1) })
      expect(yield* Clock.currentTimeMillis).toBeCloseTo(400, 3)
      expect(heard.map(({ atMs }) => Math.round(atMs))).toEqual([400])
    }))
    run(Effect.gen(function*() {
      const { client } = yield* rig([{ kind: "pause", actors: ["b"], fromMs: 100, untilMs: 4000 }])
      yield* Effect.sleep(200)
      expect(yield* Effect.flip(client.Ask({ n: 1, body: packet(1) }))).toMatchObject({ _tag: "CallTimedOut" })
    }))
  })
})

describe("an actor with faults", () => {
  it("reads a wrong time while its clock lies, and wakes late from a pause", () => {
    run(Effect.gen(function*() {
      const { schedule } = yield* rig([
        { kind: "clock-offset", actors: ["a"], fromMs: 100, untilMs: 200, offsetMs: 5000 }, { kind: "pause", actors: ["b"], fromMs: 100, untilMs: 300 }
      ])
      const base = yield* Effect.clock
      expect(faultyClock(base, schedule, "c")).toBe(base)
      const liar = faultyClock(base, schedule, "a")
      const paused = faultyClock(base, schedule, "b")
      const sleeper = yield* Effect.fork(Effect.withClock(Effect.zipRight(Effect.sleep(150), Clock.currentTimeMillis), paused))
      yield* Effect.sleep(150)
      expect(liar.unsafeCurrentTimeMillis() - base.unsafeCurrentTimeMillis()).toBe(5000)
      expect(yield* sleeper.await.pipe(Effect.map((exit) => exit.toString()))).toContain("300")
      expect(liar.unsafeCurrentTimeMillis()).toBe(base.unsafeCurrentTimeMillis())
    }))
  })

  it("is stopped and started at its instants, once for faults that overlap", () => {
    run(Effect.gen(function*() {
      const { schedule } = yield* rig([
        { kind: "crash", actors: ["a"], fromMs: 100, untilMs: 300 }, { kind: "crash", actors: ["a"], fromMs: 200, untilMs: 500 },
        { kind: "restart", actors: ["b"], fromMs: 250, untilMs: 250 }
      ])
      const done: Array<string> = []
      const note = (word: string) => (name: string) => Effect.map(Clock.currentTimeMillis, (nowMs) => { done.push(`${word} ${name} ${Math.round(nowMs)}`) })
      yield* carryOut(schedule, { stop: note("stop"), start: note("start") })
      expect(done).toEqual(["stop a 100", "stop b 250", "start b 250", "start a 500"])
    }))
  })
})
