/**
 * What does a packet cost in a whole mix, beyond unwrapping it?
 *
 * Contract: `us` is processor time, not time on the clock. `mix/memory/2000`: all of one process in which a mix, a sender and a receiver call each
 * other, per packet; `mix/tcp/2000`: the process of a mix that gets its packets over one TCP link and sends them on over another, so one receiving and
 * one sending end per packet, both ends of what a hop adds. Their floor is bare unwrapping of as many packets in the same process. Both sides pay for
 * the garbage they make, and for no other: packets are made before the first round, and young garbage is collected at the end of each side.
 * `mix/workers/2000`: here `us` and `floorUs` are time on the clock per packet with one unwrap thread and with two, so that the ratio is two threads'
 * rate over one's; packets made beforehand, of which as many are under way as the pool takes. `perSecond` is packets per second and core, for threads
 * packets per second with two.
 * Knows nothing of: networks of more than one mix.
 * Source: issue 4, point 4; departures: none.
 *
 * @module
 */
import { fork, type ChildProcess } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Context, Effect, Layer, type Scope } from "effect"
import { CROWDED_FLAGS } from "../src/actor/node-flags.ts"
import { machineClock } from "../src/actor/timer.ts"
import { Mount } from "../src/actor/mount.ts"
import { layerMountMemory } from "../src/actor/mount-memory.ts"
import type { CryptoBackend } from "../src/crypto/backend.ts"
import { BATCH_LIMIT, makeUnwrapPool, type UnwrapPool } from "../src/node/unwrap-pool.ts"
import { isOpened } from "../src/node/unwrap-outcome.ts"
import { openUnwrapThread } from "../src/node/unwrap-thread.ts"
import { checksumOfBytes, collectAll, collectYoung, median, processUs, type Bench, type BenchOptions, type BenchRow } from "./harness.ts"
import type { ToMixProcess } from "./mix-process.ts"
import { makeMixSetting, makePackets, MIX, ownKey, publicKeyNow, RECEIVER, SENDER, startMix, startTraffic, unwrapAll, type MixSetting } from "./mix-rig.ts"
import { BenchPeers } from "./mix-tcp.ts"

const USER_PAYLOAD_BYTES = 2000

interface Plan {
  readonly packetsPerRound: number
  readonly warmUpRounds: number
  readonly rounds: number
}
/** A round lasts some 80 ms: long against the grain of processor time; the engine's compiler is done after some twenty thousand packets. */
const FULL: Plan = { packetsPerRound: 768, warmUpRounds: 36, rounds: 15 }
const SMALL: Plan = { packetsPerRound: 64, warmUpRounds: 0, rounds: 1 }

/** One round's microseconds of candidate and floor, per packet. */
type Round = (packets: ReadonlyArray<Uint8Array>) => Effect.Effect<{ readonly us: number; readonly floorUs: number }>

/** Runs the rounds, each with packets of its own. */
const measure = (plan: Plan, setting: MixSetting, publicKey: Uint8Array, round: Round): Effect.Effect<Pick<BenchRow, "us" | "floorUs" | "ratio">> =>
  Effect.gen(function*() {
    const measured: Array<{ readonly us: number; readonly floorUs: number }> = []
    const roundCount = plan.warmUpRounds + plan.rounds
    const made = makePackets(setting, publicKey, roundCount * plan.packetsPerRound)
    collectAll()
    for (let index = 0; index < roundCount; index++) {
      const sample = yield* round(made.slice(index * plan.packetsPerRound, (index + 1) * plan.packetsPerRound))
      if (index >= plan.warmUpRounds) measured.push(sample)
    }
    const us = median(measured.map((sample) => sample.us))
    const floorUs = median(measured.map((sample) => sample.floorUs))
    return { us, floorUs, ratio: us / floorUs }
  })

/** Processor time so far, the collection of garbage included. */
const usedUs = (): number => {
  collectYoung()
  return processUs()
}

const perCore = ({ us }: Pick<BenchRow, "us">): number => Math.round(1_000_000 / us)

const inMemory = (crypto: CryptoBackend, plan: Plan): Effect.Effect<BenchRow, never, Scope.Scope> =>
  Effect.gen(function*() {
    const setting = makeMixSetting(crypto, USER_PAYLOAD_BYTES)
    const publicKey = publicKeyNow(setting, Date.now())
    const mount = Context.get(yield* Layer.build(layerMountMemory()), Mount)
    yield* Effect.provideService(startMix(setting), Mount, mount)
    const traffic = yield* startTraffic(mount, mount)
    const measured = yield* measure(plan, setting, publicKey, (packets) =>
      Effect.gen(function*() {
        const startUs = usedUs()
        yield* traffic.run(packets)
        const middleUs = usedUs()
        unwrapAll(setting, ownKey(setting, Date.now()), packets)
        return { us: (middleUs - startUs) / packets.length, floorUs: (usedUs() - middleUs) / packets.length }
      }))
    return { id: `mix/memory/${USER_PAYLOAD_BYTES}`, ...measured, perSecond: perCore(measured), checksum: checksumOfBytes([publicKey]) }
  })

/** Asks the process of the mix; one question at a time. */
const ask = (child: ChildProcess, message: ToMixProcess): Effect.Effect<number> =>
  Effect.async((resume) => {
    child.once("message", (value: number) => resume(Effect.succeed(value)))
    child.send(message)
  })

const mixProcess = Effect.acquireRelease(
  Effect.sync(() => fork(fileURLToPath(new URL("./mix-process.js", import.meta.url)), { execArgv: [...CROWDED_FLAGS] })),
  (child) => Effect.sync(() => { child.kill() })
)

const overTcp = (crypto: CryptoBackend, plan: Plan): Effect.Effect<BenchRow, never, Scope.Scope> =>
  Effect.gen(function*() {
    const setting = makeMixSetting(crypto, USER_PAYLOAD_BYTES)
    const publicKey = publicKeyNow(setting, Date.now())
    const peers = new BenchPeers(crypto, [SENDER, MIX, RECEIVER])
    const traffic = yield* startTraffic(yield* peers.mountOf(SENDER), yield* peers.mountOf(RECEIVER))
    const child = yield* mixProcess
    const receiverPort = peers.addresses.get(RECEIVER)?.port ?? 0
    peers.place(MIX, yield* ask(child, { type: "start", backend: crypto.name, userPayloadBytes: USER_PAYLOAD_BYTES, receiverPort }))
    const measured = yield* measure(plan, setting, publicKey, (packets) =>
      Effect.gen(function*() {
        const startUs = yield* ask(child, { type: "used" })
        yield* traffic.run(packets)
        const endUs = yield* ask(child, { type: "used" })
        const floorUs = yield* ask(child, { type: "bare", packetCount: packets.length })
        return { us: (endUs - startUs) / packets.length, floorUs: floorUs / packets.length }
      }))
    return { id: `mix/tcp/${USER_PAYLOAD_BYTES}`, ...measured, perSecond: perCore(measured), checksum: checksumOfBytes([publicKey]) }
  })

/** Unwraps all packets in a pool that is kept full; microseconds on the clock per packet. */
const poolUs = (pool: UnwrapPool, setting: MixSetting, packets: ReadonlyArray<Uint8Array>): Effect.Effect<number> =>
  Effect.async((resume) => {
    const keys = [ownKey(setting, Date.now())]
    const startMs = performance.now()
    let sent = 0
    let back = 0
    const fill = (): void => {
      while (sent < packets.length && pool.hasRoom()) {
        const batch = packets.slice(sent, sent + BATCH_LIMIT)
        sent += batch.length
        pool.submit(batch, keys, (outcomes) => {
          if (!outcomes.every(isOpened)) throw new RangeError("a bench packet did not open")
          back += outcomes.length
          if (back === packets.length) resume(Effect.succeed(((performance.now() - startMs) * 1000) / back))
          else fill()
        })
      }
    }
    fill()
  })

const threadPool = (setting: MixSetting, count: number): Effect.Effect<UnwrapPool, never, Scope.Scope> =>
  Effect.gen(function*() {
    const pool = yield* makeUnwrapPool({ ...setting, threads: { count, open: openUnwrapThread } })
    let ready = 0
    yield* Effect.async<void>((resume) => pool.onChange(() => {
      ready += 1
      if (ready === count) resume(Effect.void)
    }))
    return pool
  })

const withThreads = (crypto: CryptoBackend, plan: Plan): Effect.Effect<BenchRow, never, Scope.Scope> =>
  Effect.gen(function*() {
    const setting = makeMixSetting(crypto, USER_PAYLOAD_BYTES)
    const publicKey = publicKeyNow(setting, Date.now())
    const packets = makePackets(setting, publicKey, plan.packetsPerRound)
    const one = yield* threadPool(setting, 1)
    const two = yield* threadPool(setting, 2)
    const measured = yield* measure({ ...plan, packetsPerRound: 0 }, setting, publicKey, () =>
      Effect.gen(function*() {
        const us = yield* poolUs(one, setting, packets)
        return { us, floorUs: yield* poolUs(two, setting, packets) }
      }))
    return {
      id: `mix/workers/${USER_PAYLOAD_BYTES}`, ...measured, perSecond: Math.round(1_000_000 / measured.floorUs), checksum: checksumOfBytes([publicKey])
    }
  })

const run = ({ crypto, small }: BenchOptions): Promise<ReadonlyArray<BenchRow>> => {
  const plan = small ? SMALL : FULL
  const rows = Effect.forEach([inMemory, overTcp, withThreads], (row) => Effect.scoped(row(crypto, plan)))
  return Effect.runPromise(Effect.withClock(rows, machineClock))
}

export const mixBench: Bench = {
  name: "mix",
  question: "What does a packet cost in a whole mix, in units of bare unwrapping, and what do two unwrap threads gain over one?",
  run
}
