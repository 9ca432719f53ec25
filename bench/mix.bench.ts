/**
 * What does a packet cost in a whole mix, beyond unwrapping it?
 *
 * Contract: `us` is processor time, not time on the clock. `mix/memory/2000`: all of one process in which a mix, a sender and a receiver call each
 * other, per packet; `mix/tcp/2000`: the process of a mix that gets its packets over one TCP link and sends them on over another, so one receiving and
 * one sending end per packet, both ends of what a hop adds. Their floor is bare unwrapping of as many packets in the same process, into fresh memory, while
 * the mix unwraps in place. Both sides pay for
 * the garbage they make, and for no other: packets are made before the first round, young garbage is collected at the end of each side, and the old
 * generation has room for all rounds, so that nobody marks the packets made beforehand, which is work that the event loop does and so one side only. Sides take
 * turns at being first. What both passed on is folded, and the folds must agree; the row carries them as its checksum. Allocations are those of the
 * process with the mix, in rounds of their own behind the measured ones.
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
import { checksumOfWords, collectAll, collectYoung, median, processUs, usedBytes, type Bench, type BenchOptions, type BenchRow } from "./harness.ts"
import type { ToMixProcess } from "./mix-process.ts"
import {
  foldOf, makeMixSetting, makePackets, MIX, ownKey, publicKeyNow, RECEIVER, SENDER, startMix, startTraffic, unwrapAll, type MixSetting, type Traffic
} from "./mix-rig.ts"
import { BenchPeers } from "./mix-tcp.ts"

const USER_PAYLOAD_BYTES = 2000

/** As `npm run bench` has it: marking of what the bench itself keeps does not come in between. */
const ROOM_FOR_OLD = "--initial-old-space-size=256"

interface Plan {
  readonly packetsPerRound: number
  readonly warmUpRounds: number
  readonly rounds: number
}
/** A round lasts some 80 ms: long against the grain of processor time; the engine's compiler is done after some twenty thousand packets. */
const FULL: Plan = { packetsPerRound: 768, warmUpRounds: 36, rounds: 15 }
const SMALL: Plan = { packetsPerRound: 64, warmUpRounds: 0, rounds: 1 }

/** One round's microseconds of candidate and floor, per packet, and the fold of what the candidate passed on. */
interface Sample {
  readonly us: number
  readonly floorUs: number
  readonly fold: number
}
type Round = (packets: ReadonlyArray<Uint8Array>, floorFirst: boolean) => Effect.Effect<Sample>
type Measured = Pick<BenchRow, "us" | "floorUs" | "ratio" | "checksum"> & { readonly folds: ReadonlyArray<number> }

/** Packets of one look at what is allocated: enough that timers and calls have their share, too few for a collection. */
const WINDOW_PACKETS = 64
const WINDOW_COUNT = 15

/** Packets of all rounds, and behind them those of the windows. */
const packetsFor = (plan: Plan, setting: MixSetting, publicKey: Uint8Array): ReadonlyArray<Uint8Array> =>
  makePackets(setting, publicKey, (plan.warmUpRounds + plan.rounds) * plan.packetsPerRound + WINDOW_COUNT * WINDOW_PACKETS)

const roundOf = (plan: Plan, made: ReadonlyArray<Uint8Array>, index: number): ReadonlyArray<Uint8Array> =>
  made.slice(index * plan.packetsPerRound, (index + 1) * plan.packetsPerRound)

/** Runs the rounds, each with packets of its own, the two sides first in turn. */
const measure = (plan: Plan, made: ReadonlyArray<Uint8Array>, round: Round): Effect.Effect<Measured> =>
  Effect.gen(function*() {
    const samples: Array<Sample> = []
    collectAll()
    for (let index = 0; index < plan.warmUpRounds + plan.rounds; index++) samples.push(yield* round(roundOf(plan, made, index), index % 2 === 1))
    const measured = samples.slice(plan.warmUpRounds)
    const us = median(measured.map((sample) => sample.us))
    const floorUs = median(measured.map((sample) => sample.floorUs))
    const folds = samples.map(({ fold }) => fold)
    return { us, floorUs, ratio: us / floorUs, checksum: checksumOfWords(folds), folds }
  })

const mustAgree = (fold: number, floorFold: number): void => {
  if (fold !== floorFold) throw new RangeError("the mix passed on other packets than bare unwrapping gives")
}

/** Bytes that a packet makes a process allocate: the median of windows, without those that a collection made negative. */
const allocatedBy = (plan: Plan, made: ReadonlyArray<Uint8Array>, run: Traffic["run"], used: Effect.Effect<number>): Effect.Effect<number> =>
  Effect.gen(function*() {
    const windows = made.slice((plan.warmUpRounds + plan.rounds) * plan.packetsPerRound)
    const growths: Array<number> = []
    for (let at = 0; at < windows.length; at += WINDOW_PACKETS) {
      const before = yield* used
      yield* run(windows.slice(at, at + WINDOW_PACKETS))
      const growth = (yield* used) - before
      if (growth >= 0) growths.push(growth / WINDOW_PACKETS)
    }
    return Math.round(median(growths))
  })

/** Processor time so far, the collection of garbage included. */
const usedUs = (): number => {
  collectYoung()
  return processUs()
}

const perCore = ({ us }: Pick<BenchRow, "us">): number => Math.round(1_000_000 / us)
const rowOf = (id: string, { checksum, floorUs, ratio, us }: Measured): BenchRow => ({ id: `mix/${id}/${USER_PAYLOAD_BYTES}`, us, floorUs, ratio, checksum })

/** What something takes, and what it gives. */
const timed = <A>(used: Effect.Effect<number>, work: Effect.Effect<A>): Effect.Effect<{ readonly us: number; readonly result: A }> =>
  Effect.gen(function*() {
    const startUs = yield* used
    const result = yield* work
    return { us: (yield* used) - startUs, result }
  })

const inMemory = (crypto: CryptoBackend, plan: Plan): Effect.Effect<BenchRow, never, Scope.Scope> =>
  Effect.gen(function*() {
    const setting = makeMixSetting(crypto, USER_PAYLOAD_BYTES)
    const publicKey = publicKeyNow(setting, Date.now())
    const mount = Context.get(yield* Layer.build(layerMountMemory()), Mount)
    yield* Effect.provideService(startMix(setting), Mount, mount)
    const traffic = yield* startTraffic(setting, mount, mount)
    const made = packetsFor(plan, setting, publicKey)
    const used = Effect.sync(usedUs)
    const measured = yield* measure(plan, made, (packets, floorFirst) =>
      Effect.gen(function*() {
        const bare = timed(used, Effect.sync(() => unwrapAll(setting, ownKey(setting, Date.now()), packets)))
        const early = floorFirst ? yield* bare : undefined
        // a mix in the same memory takes layers off in place: what it gets is its own
        const own = packets.map((packet) => packet.slice())
        const mixed = yield* timed(used, traffic.run(own))
        const floor = early ?? (yield* bare)
        mustAgree(mixed.result, floor.result)
        return { us: mixed.us / packets.length, floorUs: floor.us / packets.length, fold: mixed.result }
      }))
    const allocatedBytes = yield* allocatedBy(plan, made, traffic.run, Effect.sync(usedBytes))
    return { ...rowOf("memory", measured), perSecond: perCore(measured), allocatedBytes }
  })

/** Asks the process of the mix; one question at a time. */
const ask = (child: ChildProcess, message: ToMixProcess): Effect.Effect<number> =>
  Effect.async((resume) => {
    child.once("message", (value: number) => resume(Effect.succeed(value)))
    child.send(message)
  })

const mixProcess = Effect.acquireRelease(
  Effect.sync(() => fork(fileURLToPath(new URL("./mix-process.js", import.meta.url)), { execArgv: [...CROWDED_FLAGS, ROOM_FOR_OLD] })),
  (child) => Effect.sync(() => { child.kill() })
)

const overTcp = (crypto: CryptoBackend, plan: Plan): Effect.Effect<BenchRow, never, Scope.Scope> =>
  Effect.gen(function*() {
    const setting = makeMixSetting(crypto, USER_PAYLOAD_BYTES)
    const publicKey = publicKeyNow(setting, Date.now())
    const peers = new BenchPeers(crypto, [SENDER, MIX, RECEIVER])
    const traffic = yield* startTraffic(setting, yield* peers.mountOf(SENDER), yield* peers.mountOf(RECEIVER))
    const child = yield* mixProcess
    const receiverPort = peers.addresses.get(RECEIVER)?.port ?? 0
    peers.place(MIX, yield* ask(child, { type: "start", backend: crypto.name, userPayloadBytes: USER_PAYLOAD_BYTES, receiverPort }))
    const made = packetsFor(plan, setting, publicKey)
    const measured = yield* measure(plan, made, (packets, floorFirst) =>
      Effect.gen(function*() {
        const bare = ask(child, { type: "bare", packetCount: packets.length })
        const early = floorFirst ? yield* bare : undefined
        const mixed = yield* timed(ask(child, { type: "used" }), traffic.run(packets))
        const floorUs = early ?? (yield* bare)
        return { us: mixed.us / packets.length, floorUs: floorUs / packets.length, fold: mixed.result }
      }))
    const allocatedBytes = yield* allocatedBy(plan, made, traffic.run, ask(child, { type: "heap" }))
    // the floor of that process is the first round's packets, every time; the other rounds are unwrapped here, when nothing is measured any more
    mustAgree(measured.folds[0] as number, yield* ask(child, { type: "fold" }))
    measured.folds.forEach((fold, index) => mustAgree(fold, unwrapAll(setting, ownKey(setting, Date.now()), roundOf(plan, made, index))))
    return { ...rowOf("tcp", measured), perSecond: perCore(measured), allocatedBytes }
  })

/** Unwraps all packets in a pool that is kept full; microseconds on the clock per packet, and the fold of what comes out. */
const poolRun = (
  pool: UnwrapPool, setting: MixSetting, packets: ReadonlyArray<Uint8Array>
): Effect.Effect<{ readonly us: number; readonly fold: number }> =>
  Effect.async((resume) => {
    const keys = [ownKey(setting, Date.now())]
    const startMs = performance.now()
    let sent = 0
    let back = 0
    let fold = 0
    const fill = (): void => {
      while (sent < packets.length && pool.hasRoom()) {
        const batch = packets.slice(sent, sent + BATCH_LIMIT)
        sent += batch.length
        pool.submit(batch, keys, (outcomes) => {
          for (const outcome of outcomes) {
            if (!isOpened(outcome) || outcome.unwrapped.next === undefined) throw new RangeError("a bench packet did not open, or ended at its first hop")
            fold = (fold + foldOf(setting.geometry, outcome.unwrapped.next.packet)) | 0
          }
          back += outcomes.length
          if (back === packets.length) resume(Effect.succeed({ us: ((performance.now() - startMs) * 1000) / back, fold }))
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
    const expected = unwrapAll(setting, ownKey(setting, Date.now()), packets)
    const one = yield* threadPool(setting, 1)
    const two = yield* threadPool(setting, 2)
    const measured = yield* measure(plan, [], (_, floorFirst) =>
      Effect.gen(function*() {
        const early = floorFirst ? yield* poolRun(two, setting, packets) : undefined
        const { fold, us } = yield* poolRun(one, setting, packets)
        const floor = early ?? (yield* poolRun(two, setting, packets))
        mustAgree(fold, expected)
        mustAgree(floor.fold, expected)
        return { us, floorUs: floor.us, fold }
      }))
    return { ...rowOf("workers", measured), perSecond: Math.round(1_000_000 / measured.floorUs) }
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
