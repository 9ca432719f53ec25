/**
 * The client's workflow against a scripted service.
 *
 * Goal: what storage and queue hosts see of a client is what the rules say, and every way to fail ends in a sentence. Method: whole jobs in
 * virtual time over doubles of storage and exchange.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { describe, expect, it } from "vitest"
import type { CryptoBackend } from "../../../src/crypto/backend.ts"
import { randomFromEntropy, seededEntropy } from "../../../src/crypto/entropy.ts"
import { decodeWriteCap, readCapOf } from "../../../src/bacap/capability.ts"
import { isOnGrid } from "../../../src/inference/bucket.ts"
import { makeClientWorkflow } from "../../../src/inference/client-workflow.ts"
import { dispatchPlaintextBytes } from "../../../src/inference/dispatch.ts"
import { slotIndexes } from "../../../src/inference/job-capabilities.ts"
import { boxesOfClass } from "../../../src/params/size-class.ts"
import { StorageError } from "../../../src/storage/storage-error.ts"
import { runVirtual } from "../session/virtual-time.ts"
import { crypto } from "./sample-job.ts"
import {
  DEADLINES, DOCUMENT, hear, makeLife, OUTPUT, PARAMS, PROFILES, Q, REQUEST, RESULT, SERVICE, START_MS, WINDOW_MS, World, type Behaviour, type Heard,
  type Life, type Script
} from "./client-world.ts"

const inVirtual = <A>(effect: Effect.Effect<A, unknown>): A =>
  runVirtual(Effect.zipRight(Effect.sleep(START_MS), effect).pipe(Effect.withRandom(randomFromEntropy(seededEntropy(4, "random"))), Effect.orDie))

const withLife = <A>(world: World, use: (life: Life) => Effect.Effect<A, unknown>): A =>
  inVirtual(Effect.scoped(Effect.flatMap(makeLife(world), use)))

const inferIn = (script: Script, request = REQUEST): { readonly world: World; readonly heard: Heard } => {
  const world = new World(script)
  return { world, heard: withLife(world, ({ workflow }) => hear((listener) => workflow.infer(request, listener))) }
}

const eventOf = <T extends Heard["events"][number]["_tag"]>(heard: Heard, tag: T) =>
  heard.events.find((event): event is Extract<Heard["events"][number], { readonly _tag: T }> => event._tag === tag)

/** Box ids of the output stream's first slots, by slot. */
const outputBoxes = (world: World, count: number): ReadonlyArray<string> => {
  const cap = readCapOf(Either.getOrThrow(decodeWriteCap(crypto, world.sent[0]!.dispatch.outputWriteCap)))
  return Either.getOrThrow(slotIndexes(crypto, cap.index, 0, count)).map((index) => world.boxOf(cap.publicKey, index))
}
const reads = (world: World) => world.operations.filter(({ kind }) => kind === "read")
const BOXES_OUT = boxesOfClass(PROFILES[0]!.outputClass)
const BOXES_IN = boxesOfClass(PROFILES[0]!.inputClass)
const timesRead = (world: World, releases = 1): ReadonlyArray<number> =>
  outputBoxes(world, releases * BOXES_OUT).map((box) => reads(world).filter((operation) => operation.box === box).length)

describe("client workflow: a job", () => {
  it("gives the outputs and tells every step in order", () => {
    const { heard } = inferIn({})
    expect(heard.failure).toBeUndefined()
    expect(heard.events.map(({ _tag }) => _tag)).toEqual([
      "Planned", ...Array<string>(BOXES_IN).fill("BoxWritten"), "Uploaded", "Accepted", "EdgePassed", ...Array<string>(BOXES_OUT).fill("BoxRead"), "Answered"
    ])
    const answered = eventOf(heard, "Answered")!
    expect(answered.outputs).toEqual([OUTPUT])
    const laps = [eventOf(heard, "Uploaded")!.uploadMs, eventOf(heard, "Accepted")!.dispatchMs, eventOf(heard, "EdgePassed")!.heldMs, answered.fetchMs]
    expect(answered.totalMs).toBeCloseTo(laps.reduce((sum, ms) => sum + ms, 0), 3)
    expect(answered.packets).toEqual({ sent: 10, received: 10, decoys: 0 })
  })

  it("warns when the profile has no cover jobs, and only then", () => {
    expect(eventOf(inferIn({}).heard, "Planned")!.warnings).toEqual([expect.stringContaining("no cover jobs")])
    expect(eventOf(inferIn({}, { ...REQUEST, bucket: 2 } as never).heard, "Planned")!.warnings).toEqual([])
  })

  it("writes the manifest when all other boxes are confirmed", () => {
    const { world } = inferIn({ writes: (write) => (write === 1 ? "fails" : "stored") })
    const cap = world.operations.filter(({ kind }) => kind === "write")
    const manifest = cap.at(-1)!
    expect(cap).toHaveLength(BOXES_IN + 1)
    expect(cap.slice(0, -1).every(({ box, atMs }) => box !== manifest.box && atMs + 60 <= manifest.atMs)).toBe(true)
  })

  it("dispatches inside the quantum after the one in which the upload was confirmed", () => {
    const { heard, world } = inferIn({})
    const confirmedMs = START_MS + eventOf(heard, "Uploaded")!.uploadMs
    const quantum = Math.floor(confirmedMs / Q) + 1
    expect(world.sent[0]!.atMs).toBeGreaterThanOrEqual(quantum * Q)
    expect(world.sent[0]!.atMs - 60).toBeLessThan((quantum + 1) * Q)
  })

  it("never reads before the edge and its window, and each box of the release once", () => {
    const { heard, world } = inferIn({})
    const edgeMs = eventOf(heard, "Accepted")!.firstEdgeMs
    expect(reads(world).every(({ atMs }) => atMs >= edgeMs + WINDOW_MS)).toBe(true)
    expect(timesRead(world)).toEqual(Array<number>(BOXES_OUT).fill(1))
  })

  it("leaves the same trace on storage for a result and a failure, and once more the same for an overflow", () => {
    const result = inferIn({})
    const failure = inferIn({ releases: () => ({ _tag: "Failure", code: 4 }) })
    const overflow = inferIn({ releases: (r) => (r === 0 ? { _tag: "Overflow" } : RESULT) })
    const trace = (world: World) => world.operations.map(({ kind, atMs, found }) => [kind, atMs, found])
    expect(trace(failure.world)).toEqual(trace(result.world))
    expect(trace(overflow.world).slice(0, trace(result.world).length)).toEqual(trace(result.world))
    expect(failure.heard.failure).toMatchObject({ step: "fetch", reason: "job-failed", detail: "the model failed on this input" })
    expect(timesRead(overflow.world, 2)).toEqual(Array<number>(2 * BOXES_OUT).fill(1))
    expect(eventOf(overflow.heard, "Answered")!.overflow).toBe(1)
    const secondEdgeMs = eventOf(overflow.heard, "Accepted")!.acceptedAtMs + DEADLINES[1]! * Q
    expect(reads(overflow.world).slice(BOXES_OUT).every(({ atMs }) => atMs >= secondEdgeMs + WINDOW_MS)).toBe(true)
  })
})

describe("client workflow: answers to a dispatch", () => {
  const answers = (...list: ReadonlyArray<Behaviour>) => ({ answers: (n: number) => list[n] ?? ("accept" as const) })

  it("does not answer filler at once, nor in one rhythm: the next sealing comes after Exp(retransmission slack)", () => {
    const { world } = inferIn({ answers: () => "filler" })
    // of the world: a message and its answer take 60 ms each
    const pausesMs = world.sent.slice(1).map(({ atMs }, index) => atMs - world.sent[index]!.atMs - 120)
    const slackMs = PARAMS.retransmitSlackMs
    expect(pausesMs.length).toBeGreaterThan(5)
    expect(pausesMs.length).toBeLessThan((4 * 24 * Q) / slackMs)
    const meanMs = pausesMs.reduce((sum, pauseMs) => sum + pauseMs, 0) / pausesMs.length
    expect(meanMs).toBeGreaterThan(slackMs / 3)
    expect(meanMs).toBeLessThan(slackMs * 3)
    expect(Math.max(...pausesMs)).toBeGreaterThan(2 * Math.min(...pausesMs) + 60)
  })

  it("asks again after filler and after silence, sealed anew under the same jobId", () => {
    const { heard, world } = inferIn(answers("filler", "lost", "filler"))
    expect(heard.failure).toBeUndefined()
    expect(world.sent).toHaveLength(4)
    expect(new Set(world.sent.map(({ dispatch }) => dispatch.jobId.join())).size).toBe(1)
    expect(new Set(world.sent.map(({ message }) => message)).size).toBe(4)
    expect(world.sent.every(({ atMs, dispatch }) => dispatch.notAfterMs === (Math.floor((atMs - 60) / Q) + 8) * Q)).toBe(true)
  })

  it("leaves neither plaintexts nor reply keys of its transmissions behind", () => {
    const secrets: Array<Uint8Array> = []
    const watching: CryptoBackend = {
      ...crypto,
      chacha20Poly1305Seal: (key, nonce, aad, plaintext) => {
        if (plaintext.length === dispatchPlaintextBytes(1)) secrets.push(plaintext)
        return crypto.chacha20Poly1305Seal(key, nonce, aad, plaintext)
      },
      chacha20Poly1305Open: (key, nonce, aad, sealed) => {
        if (sealed.length === 64 + 16) secrets.push(key)
        return crypto.chacha20Poly1305Open(key, nonce, aad, sealed)
      }
    }
    const world = new World(answers("filler", "accept"))
    withLife(world, ({ setting }) => Effect.scoped(Effect.gen(function* () {
      const workflow = yield* makeClientWorkflow({ ...setting, crypto: watching })
      expect((yield* hear((listener) => workflow.infer(REQUEST, listener))).failure).toBeUndefined()
    })))
    // two plaintexts, and the key that opened the answer
    expect(secrets).toHaveLength(3)
    expect(secrets.filter((bytes) => bytes.some((byte) => byte !== 0))).toEqual([])
  })

  it("draws the queue host anew for every transmission", () => {
    const { world } = inferIn({ answers: (n) => (n < 12 ? "filler" : "accept") })
    expect(new Set(world.sent.map(({ host }) => host))).toEqual(new Set([1, 2]))
  })

  for (const reject of [1, 2, 3, 4, 5, 9] as const) {
    it(`stops at reason ${reject} without touching storage again`, () => {
      const { heard, world } = inferIn(answers({ reject }))
      expect(heard.failure).toMatchObject({ step: "dispatch", reason: "dispatch-rejected" })
      expect(world.sent).toHaveLength(1)
      expect(reads(world)).toHaveLength(0)
    })
  }

  it("sends a later notAfter, in a later quantum, after reason 6", () => {
    const { heard, world } = inferIn(answers({ reject: 6 }))
    expect(heard.failure).toBeUndefined()
    expect(world.sent).toHaveLength(2)
    expect(world.sent[1]!.dispatch.notAfterMs).toBeGreaterThan(world.sent[0]!.dispatch.notAfterMs)
  })

  for (const reject of [7, 8, 15] as const) {
    it(`comes back retryAfter and at most 3 quanta later after reason ${reject}`, () => {
      const { heard, world } = inferIn(answers({ reject, retryAfterQuanta: 2 }))
      const quanta = world.sent.map(({ atMs }) => Math.floor((atMs - 60) / Q))
      expect(heard.failure).toBeUndefined()
      expect(quanta[1]! - quanta[0]!).toBeGreaterThanOrEqual(2)
      expect(quanta[1]! - quanta[0]!).toBeLessThanOrEqual(5)
    })
  }

  it("gives up on a service that stays full, before the first notAfter + 16 q", () => {
    const { heard, world } = inferIn({ answers: () => ({ reject: 7, retryAfterQuanta: 1 }) })
    expect(heard.failure).toMatchObject({ reason: "dispatch-rejected", detail: expect.stringContaining("full") })
    const firstNotAfterMs = world.sent[0]!.dispatch.notAfterMs
    expect(world.sent.length).toBeGreaterThan(3)
    expect(world.sent.every(({ dispatch }) => dispatch.notAfterMs <= firstNotAfterMs + 16 * Q)).toBe(true)
    expect(reads(world)).toHaveLength(0)
  })

  const lies: ReadonlyArray<readonly [string, Behaviour]> = [
    ["edges off the grid", { change: (reply) => ({ ...reply, firstEdgeMs: reply.firstEdgeMs + 1 }) }],
    ["edges of no deadline", { change: (reply) => ({ ...reply, firstEdgeMs: reply.firstEdgeMs + Q }) }],
    ["an acceptance before the sending", { change: (reply) => ({ ...reply, acceptedAtMs: reply.acceptedAtMs - 5 * Q }) }],
    ["an acceptance after notAfter", { change: (reply) => ({ ...reply, acceptedAtMs: reply.acceptedAtMs + 30 * Q }) }],
    ["an answer to another dispatch", { change: (reply) => ({ ...reply, contentDigest: new Uint8Array(32) }) }]
  ]
  for (const [title, behaviour] of lies) {
    it(`refuses ${title}`, () => {
      const { heard, world } = inferIn(answers(behaviour))
      expect(heard.failure).toMatchObject({ step: "dispatch", reason: "service-broke-the-rules" })
      expect(reads(world)).toHaveLength(0)
    })
  }

  it("polls all the same when no answer ever comes, and finds what was accepted", () => {
    const { heard, world } = inferIn({ answers: (n) => (n === 0 ? "accept-silently" : "lost") })
    expect(heard.failure).toBeUndefined()
    expect(eventOf(heard, "Answered")!.outputs).toEqual([OUTPUT])
    const lastNotAfterMs = Math.max(...world.sent.map(({ dispatch }) => dispatch.notAfterMs))
    expect(reads(world).every(({ atMs }) => atMs >= lastNotAfterMs + (1 + DEADLINES[0]!) * Q + WINDOW_MS)).toBe(true)
  })

  it("ends with dispatch-timed-out when nothing was accepted either", () => {
    const { heard, world } = inferIn({ answers: () => "lost" })
    expect(heard.failure).toMatchObject({ reason: "dispatch-timed-out" })
    expect(world.openExchanges).toBe(0)
    const notAfters = world.sent.map(({ dispatch }) => dispatch.notAfterMs)
    expect(Math.max(...notAfters)).toBeLessThanOrEqual(notAfters[0]! + 16 * Q)
    expect(notAfters.every((instant) => isOnGrid(Q, instant))).toBe(true)
  })
})

describe("client workflow: what fails before and after", () => {
  it("refuses what the card or the directory does not allow, before anything is sent", () => {
    const cases: ReadonlyArray<readonly [object, string]> = [
      [{ ...REQUEST, model: "other" }, "unknown-model"],
      [{ ...REQUEST, bucket: 3 }, "no-such-profile"],
      [{ ...REQUEST, inputs: [] }, "input-refused"],
      [{ ...REQUEST, inputs: [{ ...REQUEST.inputs[0], dtype: "complex" }] }, "input-refused"],
      [{ ...REQUEST, inputs: [{ ...REQUEST.inputs[0], dims: [5] }] }, "input-refused"]
    ]
    for (const [request, reason] of cases) {
      const { heard, world } = inferIn({}, request as typeof REQUEST)
      expect(heard.failure).toMatchObject({ step: "plan", reason })
      expect(world.operations).toHaveLength(0)
    }
    expect(inferIn({ documentAt: () => undefined }).heard.failure).toMatchObject({ reason: "no-directory" })
    expect(inferIn({ documentAt: () => ({ ...DOCUMENT, computeServices: [] }) }).heard.failure).toMatchObject({ reason: "no-compute-service" })
  })

  it("chooses among services uniformly", () => {
    const other = { ...SERVICE, name: "compute-1" }
    const world = new World({ documentAt: () => ({ ...DOCUMENT, computeServices: [SERVICE, other] }) })
    const names = withLife(world, ({ workflow }) => Effect.replicateEffect(
      Effect.map(hear((listener) => workflow.infer(REQUEST, listener)), (heard) => eventOf(heard, "Planned")!.service), 24))
    expect(new Set(names)).toEqual(new Set(["compute-0", "compute-1"]))
  })

  it("never dispatches an upload that met other content, and writes the other boxes all the same", () => {
    const { heard, world } = inferIn({ writes: (write) => (write === 0 ? "exists-with-other-content" : "stored") })
    expect(heard.failure).toMatchObject({ step: "upload", reason: "upload-failed" })
    expect(world.operations).toHaveLength(BOXES_IN - 1)
    expect(world.sent).toHaveLength(0)
  })

  it("ends an upload that storage does not confirm with upload-timed-out", () => {
    const { heard, world } = inferIn({ writes: (write) => (write === 2 ? "hangs" : "stored") })
    expect(heard.failure).toMatchObject({ step: "upload", reason: "upload-timed-out" })
    expect(world.sent).toHaveLength(0)
  })

  it("ends with output-not-found at the end of polling when the service writes nothing", () => {
    const { heard, world } = inferIn({ releases: () => undefined })
    expect(heard.failure).toMatchObject({ step: "fetch", reason: "output-not-found" })
    const accepted = eventOf(heard, "Accepted")!
    expect(reads(world).every(({ atMs }) => atMs <= accepted.lastEdgeMs + WINDOW_MS + 8 * Q)).toBe(true)
    expect(new Set(reads(world).map(({ box }) => box)).size).toBe(1)
  })

  const tampers: ReadonlyArray<readonly [string, NonNullable<Script["tamper"]>]> = [
    ["a manifest of another class", (slot, bytes) => (slot === 0 ? bytes.fill(9, 66, 68) : bytes)],
    ["a manifest with another tag", (slot, bytes) => (slot === 0 ? bytes.fill(9, 104, 120) : bytes)],
    ["a manifest of a huge payload", (slot, bytes) => (slot === 0 ? bytes.fill(0x7f, 42, 48) : bytes)],
    ["a manifest of another release", (slot, bytes) => (slot === 0 ? bytes.fill(1, 120, 121) : bytes)],
    ["a chunk of other bytes", (slot, bytes) => (slot === 1 ? bytes.fill(1, 8, 12) : bytes)],
    ["a filler that is none", (slot, bytes) => (slot === BOXES_OUT - 1 ? bytes.fill(1, 40, 41) : bytes)],
    ["a box that is too short", (slot, bytes) => (slot === 2 ? bytes.subarray(1) : bytes)]
  ]
  for (const [title, tamper] of tampers) {
    it(`reads ${title} as often as an answer, and ends with output-damaged`, () => {
      const { heard, world } = inferIn({ tamper })
      expect(heard.failure).toMatchObject({ step: "fetch", reason: "output-damaged" })
      expect(timesRead(world)).toEqual(Array<number>(BOXES_OUT).fill(1))
    })
  }

  it("reads a release once more, whole, when storage refused one of its slots", () => {
    const world = new World()
    const heard = withLife(world, ({ setting }) => Effect.scoped(Effect.gen(function* () {
      let refused = false
      const read: typeof setting.store.read = (readCap, index) => {
        if (refused || !reads(world).some(({ found }) => found)) return setting.store.read(readCap, index)
        refused = true
        return Effect.fail(new StorageError({ reason: "replica-refused" }))
      }
      const workflow = yield* makeClientWorkflow({ ...setting, store: { ...setting.store, read } })
      return yield* hear((listener) => workflow.infer(REQUEST, listener))
    })))
    expect(heard.failure).toBeUndefined()
    expect([...timesRead(world)].sort()).toEqual([1, ...Array<number>(BOXES_OUT - 1).fill(2)])
  })

  it("ends with output-damaged when the tensors are not those of the card", () => {
    const content = { ...(RESULT as { content: object }).content, shape: { dtype: "f32", dims: [2, 2] } }
    const { heard } = inferIn({ releases: () => ({ _tag: "Result", content } as never) })
    expect(heard.failure).toMatchObject({ step: "fetch", reason: "output-damaged" })
  })

  it("ends with output-withdrawn at a tombstone, all boxes read", () => {
    const { heard, world } = inferIn({ tamper: (slot, bytes) => (slot === 0 ? undefined : bytes) })
    expect(heard.failure).toMatchObject({ step: "fetch", reason: "output-withdrawn" })
    expect(timesRead(world)).toEqual(Array<number>(BOXES_OUT).fill(1))
  })

  it("has its own sentence for every failure code", () => {
    const codes = [1, 2, 3, 4, 5, 6, 7, 8] as const
    const sentences = codes.map((code) => inferIn({ releases: () => ({ _tag: "Failure", code }) }).heard.failure!.detail)
    expect(new Set(sentences).size).toBe(codes.length)
  })
})
