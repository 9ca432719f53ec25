/**
 * One copy, rows Y… of pigeonhole.md §7.
 *
 * Goal: what is commanded is written or the verdict says which envelope was not and why, whatever replicas and writers do; nothing is retried in a storm.
 * Method: see `copy-bench.ts`; every replica sees every box, questions are answered as the test says.
 *
 * @module
 */
import { Clock, Effect, Fiber } from "effect"
import { describe, expect, it } from "vitest"
import { makeCopyJob } from "../../../../actors/courier/copy-job.ts"
import { newWriteCap, encodeWriteCap, type WriteCap } from "../../../../src/bacap/capability.ts"
import { concatBytes } from "../../../../src/bytes/concat.ts"
import { ByteWriter } from "../../../../src/bytes/writer.ts"
import { seededEntropy } from "../../../../src/crypto/entropy.ts"
import { Epoch } from "../../../../src/params/epoch.ts"
import { encodeCopyStreamElement } from "../../../../src/pigeonhole/copy-stream.ts"
import { type CopyBench, crypto, destinationsOf, indexesOf, pigeonhole, planned, type Reaction, storeStream, withReplicas } from "./copy-bench.ts"

const isRead = (kind: string) => kind === "Read"

/** Runs a job over a stream. */
const run = (bench: CopyBench, writeCap: WriteCap, limitCount?: number) =>
  Effect.gen(function*() {
    const startMs = yield* Clock.currentTimeMillis
    const job = makeCopyJob(bench.setting, encodeWriteCap(writeCap), limitCount)
    const reply = yield* job.run
    return { job, reply, elapsedMs: (yield* Clock.currentTimeMillis) - startMs }
  })

/** Plans and copies two boxes, with the given reactions. */
const copyTwo = (react: CopyBench["react"], prepare: (bench: CopyBench) => void = () => {}) =>
  withReplicas((bench) => Effect.gen(function*() {
    const destinations = destinationsOf(2)
    const plan = planned(bench, destinations)
    bench.react = react
    prepare(bench)
    const { elapsedMs, job, reply } = yield* run(bench, plan.temporary)
    const contents = destinations.map(({ index, writeCap }) => bench.contentOf(writeCap, index))
    const writes = bench.seen.filter(({ message }) => message._tag === "Write")
    return { bench, contents, destinations, elapsedMs, job, plan, reply, writes, waiting: bench.setting.waiters.size }
  }))

const WRITTEN = [Uint8Array.of(1), Uint8Array.of(2)]
const SUCCEEDED = { status: 0, errorCode: 0, failedEnvelopeIndex: 0n }

describe("a copy", () => {
  it("writes every envelope once, in order, and asks a shard of each temporary box once", () => {
    const { bench, contents, plan, reply, waiting, writes } = copyTwo(() => ({}))
    expect(reply).toEqual(SUCCEEDED)
    expect(contents).toEqual(WRITTEN)
    expect(writes).toHaveLength(4)
    const reads = bench.seen.filter(({ message }) => isRead(message._tag))
    const indexes = indexesOf(plan.temporary, plan.elements.length)
    expect(reads.map(({ replicaId }) => replicaId)).toEqual(indexes.map((index) => bench.shardsOf(plan.temporary, index)[0]))
    expect(new Set(bench.seen.map(({ hash }) => hash)).size).toBe(reads.length + 2)
    expect(waiting).toBe(0)
  })

  it("Y2: ends with code 10 at the envelope whose box holds other data; those before it are written, those after it not", () => {
    const { contents, reply } = withReplicas((bench) => Effect.gen(function*() {
      const destinations = destinationsOf(3)
      const plan = planned(bench, destinations)
      const { index, writeCap } = destinations[1]!
      storeStream(bench, { ...writeCap, index }, [Uint8Array.of(77)])
      const { reply } = yield* run(bench, plan.temporary)
      return { reply, contents: destinations.map((one) => bench.contentOf(one.writeCap, one.index)) }
    }))
    expect(reply).toEqual({ status: 2, errorCode: 10, failedEnvelopeIndex: 2n })
    expect(contents).toEqual([Uint8Array.of(1), Uint8Array.of(77), undefined])
  })

  it.each<readonly [string, Reaction]>([["exists", { code: 10 }], ["nothing", { silent: true }], ["a lasting refusal", { earlyCode: 3 }]])(
    "Y3: an envelope counts as written when one replica says so and the other says %s", (_, reaction) => {
      const { contents, elapsedMs, reply } = copyTwo(({ hash, message }, past) =>
        message._tag === "Write" && !past.some((one) => one.hash === hash) ? reaction : { delayMs: 300 })
      expect(reply).toEqual(SUCCEEDED)
      expect(contents).toEqual(WRITTEN)
      expect(elapsedMs).toBeLessThan(2000)
    })

  it("Y2: of two lasting refusals the conflict is told, whichever came first", () => {
    for (const conflictFirst of [true, false]) {
      const { reply } = copyTwo(({ hash, message }, past) =>
        message._tag === "Read" ? {} : past.some((one) => one.hash === hash) === conflictFirst ? { earlyCode: 3 } : { code: 10 })
      expect(reply).toEqual({ status: 2, errorCode: 10, failedEnvelopeIndex: 1n })
    }
  })

  it("Y4: when both replies to a write were lost, the identical write is sent again and succeeds", () => {
    // The boxes are written at the first attempt: replies come after the courier has stopped waiting.
    const { reply, writes } = copyTwo(({ hash, message }, past) =>
      message._tag === "Write" && past.filter((one) => one.hash === hash).length < 2 ? { delayMs: 60_200 } : {})
    expect(reply).toEqual(SUCCEEDED)
    expect(writes).toHaveLength(8)
    expect(new Set(writes.map(({ hash }) => hash)).size).toBe(2)
  })

  it("Y5: passing failures are tried again with growing pauses and do not end the copy", () => {
    const { elapsedMs, reply, writes } = copyTwo(({ hash, message }, past) =>
      message._tag === "Write" && past.filter((one) => one.hash === hash).length < 6 ? { earlyCode: 9 } : {})
    expect(reply).toEqual(SUCCEEDED)
    expect(writes).toHaveLength(16)
    expect(elapsedMs).toBeGreaterThan(2 * (500 + 1000 + 2000))
    expect(elapsedMs).toBeLessThan(10_000)
  })

  it("passing failures without end are reported after ten attempts, with the code and the envelope", () => {
    const { reply, writes } = copyTwo(({ message }) => (message._tag === "Write" ? { earlyCode: 6 } : {}))
    expect(reply).toEqual({ status: 2, errorCode: 6, failedEnvelopeIndex: 1n })
    expect(writes).toHaveLength(20)
  })

  it("Y6: a shard that is down costs one wait; the other shard gives the box, and is asked first from then on", () => {
    const { bench, elapsedMs, plan, reply } = withReplicas((bench) => Effect.gen(function*() {
      const plan = planned(bench, destinationsOf(6))
      const down = bench.shardsOf(plan.temporary, plan.temporary.index)[0]!
      bench.react = ({ message, replicaId }) => (isRead(message._tag) && replicaId === down ? { silent: true } : {})
      return { bench, plan, ...(yield* run(bench, plan.temporary)) }
    }))
    expect(reply).toEqual(SUCCEEDED)
    expect(elapsedMs).toBeLessThan(65_000)
    expect(bench.seen.filter(({ message }) => isRead(message._tag))).toHaveLength(plan.elements.length + 1)
  })

  it("Y7: answers after 40 s are caught, and nothing is asked twice", () => {
    const { bench, contents, plan, reply, writes } = copyTwo(() => ({ delayMs: 40_000 }))
    expect(reply).toEqual(SUCCEEDED)
    expect(contents).toEqual(WRITTEN)
    expect(writes).toHaveLength(4)
    expect(bench.seen).toHaveLength(plan.elements.length + 4)
  })

  it("Y12: answers that come more than once, or when nobody waits any more, change nothing", () => {
    const { contents, reply, waiting } = copyTwo(() => ({ times: 50 }))
    expect(reply).toEqual(SUCCEEDED)
    expect(contents).toEqual(WRITTEN)
    expect(waiting).toBe(0)
  })

  it("K14: a queue without room is tried again, and reported when it stays so", () => {
    const { bench, reply } = withReplicas((bench) => Effect.gen(function*() {
      const plan = planned(bench, destinationsOf(1))
      bench.full = true
      const copying = yield* Effect.fork(run(bench, plan.temporary))
      yield* Effect.sleep(5000)
      bench.full = false
      const { reply } = yield* Fiber.join(copying)
      bench.full = true
      expect((yield* run(bench, plan.temporary)).reply).toEqual({ status: 2, errorCode: 9, failedEnvelopeIndex: 1n })
      return { bench, reply }
    }))
    expect(reply).toEqual(SUCCEEDED)
    expect(bench.setting.waiters.size).toBe(0)
  })

  it("K18: goes on with the last document; without any it waits a while and gives up", () => {
    const replies = withReplicas((bench) => Effect.gen(function*() {
      const plan = planned(bench, destinationsOf(1))
      const { document } = bench
      bench.document = undefined
      const copying = yield* Effect.fork(run(bench, plan.temporary))
      yield* Effect.sleep(3000)
      bench.document = document
      const first = (yield* Fiber.join(copying)).reply
      bench.document = undefined
      return [first, (yield* run(bench, plan.temporary)).reply]
    }))
    expect(replies).toEqual([SUCCEEDED, { status: 2, errorCode: 9, failedEnvelopeIndex: 1n }])
  })
})

describe("a stream", () => {
  const cap = () => newWriteCap(crypto, seededEntropy("copy job", "stream"))
  const element = (start: boolean, final: boolean, data: Uint8Array) => encodeCopyStreamElement({ start, final, data })
  const copyOf = (elements: ReadonlyArray<Uint8Array>, limitCount?: number) =>
    withReplicas((bench) => {
      storeStream(bench, cap(), elements)
      return Effect.map(run(bench, cap(), limitCount), ({ reply }) => ({ reply, bench }))
    })

  it("Y10: without a final flag is given up at the ceiling, with status 2", () => {
    const data = new Uint8Array(pigeonhole.copyElementDataBytes)
    const prefix = new ByteWriter(4).u32(pigeonhole.envelopeBytes).finish()
    const whole = concatBytes(prefix, data).subarray(0, data.length)
    const { bench, reply } = copyOf(Array.from({ length: 9 }, (_, at) => element(at === 0, false, at === 0 ? whole : new Uint8Array(1))), 8)
    expect(reply).toEqual({ status: 2, errorCode: 5, failedEnvelopeIndex: 1n })
    expect(bench.seen).toHaveLength(8)
  })

  it("Y10: that ends before its final flag is given up when the next box stays missing", () => {
    const { bench, reply } = copyOf([element(true, false, new Uint8Array([0, 0]))])
    expect(reply).toEqual({ status: 2, errorCode: 1, failedEnvelopeIndex: 1n })
    expect(bench.seen).toHaveLength(21)
  })

  it.each<readonly [string, Uint8Array]>([
    ["an envelope of 4 GiB", element(true, true, new Uint8Array([255, 255, 255, 255, 0]))],
    ["an envelope longer than a packet", element(true, true, new ByteWriter(5).u32(pigeonhole.userPayloadBytes + 1).u8(0).finish())],
    ["an element of 4 GiB", new Uint8Array([3, 255, 255, 255, 255, 0])],
    ["trailing bytes in an envelope", element(true, true, concatBytes(new ByteWriter(4).u32(200).finish(), new Uint8Array(200)))],
    ["an envelope of other lengths", element(true, true, concatBytes(new ByteWriter(4).u32(141).finish(), new Uint8Array(141)))],
    ["unknown flags", new Uint8Array([7, 0, 0, 0, 0])],
    ["no start", element(false, true, new Uint8Array(4))],
    ["nothing", new Uint8Array(0)]
  ])("Y13: with %s ends with status 2 and nothing is written", (_, plaintext) => {
    const { bench, reply } = copyOf([plaintext])
    expect(reply).toEqual({ status: 2, errorCode: 5, failedEnvelopeIndex: 1n })
    expect(bench.seen.every(({ message }) => isRead(message._tag))).toBe(true)
  })

  it("Y13: a command that holds no write cap ends with status 2, about no envelope", () => {
    const garbage = [new Uint8Array(0), new Uint8Array(168), encodeWriteCap(cap()).slice(1), seededEntropy("copy job", "cap")(168)]
    const replies = withReplicas((bench) => Effect.forEach(garbage, (bytes) => makeCopyJob(bench.setting, bytes).run))
    for (const reply of replies) expect(reply).toEqual({ status: 2, errorCode: 5, failedEnvelopeIndex: 0n })
  })

  it("K4: with an envelope of a far epoch ends with code 8, and replicas hear nothing of it", () => {
    const { bench, reply } = withReplicas((bench) => {
      const document = bench.document!
      const far = document.replicas.map((replica) => ({ ...replica, envelopeKeys: new Map([...replica.envelopeKeys.values()].map((key) => [2, key])) }))
      const params = { ...document.params, replicaEpochPeriodMs: document.params.epochPeriodMs }
      bench.document = { ...document, epoch: Epoch(2), params, replicas: far }
      const plan = planned(bench, destinationsOf(1))
      bench.document = document
      return Effect.map(run(bench, plan.temporary), ({ reply }) => ({ reply, bench }))
    })
    expect(reply).toEqual({ status: 2, errorCode: 8, failedEnvelopeIndex: 1n })
    expect(bench.seen.every(({ message }) => isRead(message._tag))).toBe(true)
  })

  it("whose boxes were changed is not believed, at either shard", () => {
    const changed = withReplicas((bench) => {
      const plan = planned(bench, destinationsOf(1))
      for (const [id, box] of bench.boxes) bench.boxes.set(id, { ...box, ciphertext: box.ciphertext.map((byte, at) => (at === 3 ? byte ^ 1 : byte)) })
      return Effect.map(run(bench, plan.temporary), ({ reply }) => ({ reply, asked: bench.seen.length }))
    })
    expect(changed).toEqual({ reply: { status: 2, errorCode: 3, failedEnvelopeIndex: 1n }, asked: 2 })
  })
})

describe("clearing up", () => {
  it("Y9: afterwards the temporary boxes are verified tombstones, and the destination is as it was", () => {
    const { contents, destination } = withReplicas((bench) => Effect.gen(function*() {
      const [one] = destinationsOf(1)
      const plan = planned(bench, [one!])
      const { job } = yield* run(bench, plan.temporary)
      yield* job.clear
      return {
        contents: indexesOf(plan.temporary, plan.elements.length).map((index) => bench.contentOf(plan.temporary, index)),
        destination: bench.contentOf(one!.writeCap, one!.index)
      }
    }))
    expect(contents.length).toBeGreaterThan(1)
    expect(contents.every((content) => content === "tombstone")).toBe(true)
    expect(destination).toEqual(Uint8Array.of(1))
  })

  it("Y15: a tombstone goes to the shard that can be asked when the other has no key", () => {
    const contents = withReplicas((bench) => Effect.gen(function*() {
      const plan = planned(bench, destinationsOf(1))
      const { job } = yield* run(bench, plan.temporary)
      const [without] = bench.shardsOf(plan.temporary, plan.temporary.index)
      bench.document = { ...bench.document!, replicas: bench.document!.replicas.map((replica) =>
        (replica.replicaId === without ? { ...replica, envelopeKeys: new Map([[0, new Uint8Array(32)]]) } : replica)) }
      yield* job.clear
      return indexesOf(plan.temporary, plan.elements.length).map((index) => bench.contentOf(plan.temporary, index))
    }))
    expect(contents.every((content) => content === "tombstone")).toBe(true)
  })

  it("boxes of a copy that failed for a passing reason stay, so that another courier can finish it; those of a lasting failure go", () => {
    const after = (earlyCode: number) => withReplicas((bench) => Effect.gen(function*() {
      const plan = planned(bench, destinationsOf(1))
      bench.react = ({ message }) => (message._tag === "Write" && message.payload.length > 0 ? { earlyCode } : {})
      const { job } = yield* run(bench, plan.temporary)
      yield* job.clear
      return bench.contentOf(plan.temporary, plan.temporary.index)
    }))
    expect(after(9)).toBeInstanceOf(Uint8Array)
    expect(after(10)).toBe("tombstone")
  })

  it("a copy done again by another courier writes the same boxes", () => {
    const replies = withReplicas((bench) => {
      const plan = planned(bench, destinationsOf(3))
      return Effect.map(Effect.all([run(bench, plan.temporary), run(bench, plan.temporary)], { concurrency: 2 }), (all) => all.map(({ reply }) => reply))
    })
    expect(replies).toEqual([SUCCEEDED, SUCCEEDED])
  })

  it("the write cap is overwritten", () => {
    const bytes = withReplicas((bench) => Effect.gen(function*() {
      const plan = planned(bench, destinationsOf(1))
      const own = encodeWriteCap(plan.temporary)
      const job = makeCopyJob(bench.setting, own)
      yield* job.run
      yield* job.clear
      return own
    }))
    expect(bytes.every((byte) => byte === 0)).toBe(true)
  })
})
