/**
 * Goal: the queue link's traffic is the same whatever goes over it, and survives its host.
 * Method: a host in memory, virtual time, every frame noted.
 *
 * @module
 */
import { Clock, Effect, Either, Queue, Stream } from "effect"
import { describe, expect, it } from "vitest"
import { ActorUnavailable } from "../../../src/actor/actor.ts"
import { serveQueueLink, type QueueLinkConfig } from "../../../actors/compute/queue-link.ts"
import { randomFromEntropy, seededEntropy } from "../../../src/crypto/entropy.ts"
import { decodeQueueFrame, encodeQueueFrame, queueFrameBytes, type QueueFrame } from "../../../src/inference/queue-frame.ts"
import { tinyParams } from "../../../src/params/presets.ts"
import { makeGeometry } from "../../../src/sphinx/geometry.ts"
import { runVirtual } from "../session/virtual-time.ts"

const geometry = Either.getOrThrow(makeGeometry(tinyParams.geometry))
const UFPL = geometry.userPayloadBytes
const deliver = (byte: number): Uint8Array =>
  encodeQueueFrame({ _tag: "Deliver", queryId: new Uint8Array(16).fill(byte), dispatch: new Uint8Array(UFPL).fill(byte) }, UFPL)

interface Sent {
  readonly atMs: number
  readonly frame: QueueFrame
  readonly byteLength: number
  readonly endpoint: Uint8Array
}

/** Runs a link for a while; `feed` puts frames on the stream, a stream of `lifeMs` ends by itself. */
const runLink = (options: {
  readonly feed?: (frames: Queue.Queue<Uint8Array>) => Effect.Effect<void>
  readonly answer?: QueueLinkConfig<"gone">["answer"]
  readonly lifeMs?: number
  readonly failStream?: boolean
  readonly forMs?: number
}) =>
  runVirtual(Effect.scoped(Effect.gen(function* () {
    const sent: Array<Sent> = []
    let connections = 0
    const frames = yield* Queue.unbounded<Uint8Array>()
    const unavailable = new ActorUnavailable({ actor: "service-node-0", reason: "closed" })
    const client: QueueLinkConfig<never>["client"] = {
      QueueDeliveries: () => {
        connections += 1
        const open = Stream.interruptAfter(Stream.fromQueue(frames), options.lifeMs ?? 1e9)
        return options.failStream === true ? Stream.concat(open, Stream.fail(unavailable)) : open
      },
      QueueAnswer: ({ endpoint, frame }) => Effect.map(Clock.currentTimeMillis, (atMs) => {
        sent.push({ atMs, frame: Either.getOrThrow(decodeQueueFrame(frame, UFPL)), byteLength: frame.length, endpoint })
      })
    }
    const answer = options.answer ?? ((dispatch) => Effect.succeed(dispatch[0] === 1 ? new Uint8Array(93).fill(1) : undefined))
    const link = serveQueueLink({ params: tinyParams, geometry, client, endpoint: "queue-0", answer })
    if (options.feed !== undefined) yield* Effect.fork(options.feed(frames))
    const end = yield* Effect.raceFirst(Effect.either(link), Effect.as(Effect.sleep(options.forMs ?? 10_000), Either.right("time" as const)))
    return { sent, connections, end }
  })).pipe(Effect.withRandom(randomFromEntropy(seededEntropy(1, "random")))))

describe("the queue link", () => {
  it("sends one frame of one size per tick, decoys when nothing waits", () => {
    const { sent } = runLink({})
    // 250 expected at λR = 0.025/ms, standard deviation 16
    expect(sent.length).toBeGreaterThan(170)
    expect(sent.length).toBeLessThan(330)
    expect(new Set(sent.map(({ byteLength }) => byteLength))).toEqual(new Set([queueFrameBytes(UFPL)]))
    expect(sent.every(({ frame }) => frame._tag === "Decoy")).toBe(true)
    expect(new TextDecoder().decode(sent[0]?.endpoint)).toBe(`queue-0${"\0".repeat(25)}`)
  })

  it("puts answers on the ticks of an idle link, and nothing for what nobody can read", () => {
    const idle = runLink({}).sent
    const busy = runLink({ feed: (frames) => Effect.zipRight(Effect.sleep(1_000), Queue.offerAll(frames, [1, 2, 1].map(deliver))) }).sent
    expect(busy.map(({ atMs }) => atMs)).toEqual(idle.map(({ atMs }) => atMs))
    const answers = busy.filter(({ frame }) => frame._tag === "Answer")
    expect(answers.map(({ frame }) => frame)).toEqual([1, 1].map((byte) =>
      ({ _tag: "Answer", queryId: new Uint8Array(16).fill(byte), reply: new Uint8Array(93).fill(1) })))
  })

  it("ignores decoys, damaged frames and frames of the other direction", () => {
    const asked: Array<number> = []
    const answer = (dispatch: Uint8Array) => Effect.sync(() => void asked.push(dispatch[0] ?? -1)).pipe(Effect.as(undefined))
    const wrong = [
      encodeQueueFrame({ _tag: "Decoy" }, UFPL), new Uint8Array(7), new Uint8Array(queueFrameBytes(UFPL)).fill(9),
      encodeQueueFrame({ _tag: "Answer", queryId: new Uint8Array(16), reply: new Uint8Array(93) }, UFPL), deliver(4)
    ]
    runLink({ answer, feed: (frames) => Queue.offerAll(frames, wrong) })
    expect(asked).toEqual([4])
  })

  it("opens the stream again when it ends or fails, after growing pauses, and the ticks go on", () => {
    for (const failStream of [false, true]) {
      const { connections, sent } = runLink({ lifeMs: 10, failStream, forMs: 20_000 })
      expect(connections).toBeGreaterThan(6)
      expect(connections).toBeLessThan(20)
      expect(sent.length).toBeGreaterThan(350)
    }
  })

  it("is read as fast as it comes while an admission takes its time, and answers in order afterwards", () => {
    let unread = Number.NaN
    const { sent } = runLink({
      answer: (dispatch) => Effect.as(Effect.sleep(500), new Uint8Array(93).fill(dispatch[0] ?? 0)),
      feed: (frames) => Effect.gen(function* () {
        for (const byte of [1, 2, 3, 4, 5, 6]) yield* Effect.zipRight(Queue.offer(frames, deliver(byte)), Effect.sleep(40))
        unread = yield* Queue.size(frames)
      })
    })
    // a reader that waits counts as -1
    expect(unread).toBe(-1)
    expect(sent.flatMap(({ frame }) => (frame._tag === "Answer" ? [frame.reply[0]] : []))).toEqual([1, 2, 3, 4, 5, 6])
  })

  it("ends with the error of an answer that could not be made durable", () => {
    const { end } = runLink({ answer: () => Effect.fail("gone" as const), feed: (frames) => Queue.offer(frames, deliver(1)) })
    expect(end).toEqual(Either.left("gone"))
  })
})
