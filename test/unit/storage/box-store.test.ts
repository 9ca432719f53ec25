/**
 * One box through couriers and replicas, honest and otherwise.
 *
 * Goal: the right content, or a typed error, never a wrong answer; every code has its reaction; envelopes are fresh and cannot be linked.
 * Method: real envelopes and boxes against the fake storage, in virtual time. Ids C… are the rows of pigeonhole.md §7.
 *
 * @module
 */
import { Array, Effect, Either, Fiber, Option } from "effect"
import { describe, expect, it } from "vitest"
import { sealBox, sealTombstone } from "../../../src/bacap/box.ts"
import { nextIndex } from "../../../src/bacap/box-index.ts"
import { readCapOf } from "../../../src/bacap/capability.ts"
import { toHex } from "../../../src/bytes/hex.ts"
import { Epoch } from "../../../src/params/epoch.ts"
import { COURIER_ERROR, REPLICA_ERROR } from "../../../src/pigeonhole/error-code.ts"
import { shardKeyIndexes } from "../../../src/pigeonhole/shard.ts"
import { BoxStore } from "../../../src/storage/box-store.ts"
import { BoxNotFound, isTombstone, StorageError } from "../../../src/storage/storage-error.ts"
import { crypto } from "../session/fake-network.ts"
import { GEOMETRY, readCode, type StorageScript, writeCode } from "./fake-storage.ts"
import { withStore, WRITE_CAP } from "./store-bench.ts"

const INDEX = WRITE_CAP.index
const READ_CAP = readCapOf(WRITE_CAP)
const OTHER_INDEX = Either.getOrThrow(nextIndex(crypto, INDEX))
const CONTENT = new Uint8Array(100).map((_, at) => at)

const write = (content: Uint8Array = CONTENT) => Effect.flatMap(BoxStore, (store) => store.write(WRITE_CAP, INDEX, content))
const read = Effect.flatMap(BoxStore, (store) => store.read(READ_CAP, INDEX))

const runWrite = (script: StorageScript = {}) =>
  withStore({ script }, ({ storage }) => Effect.map(Effect.either(write()), (result) => ({ result, storage })))
/** Writes honestly, then reads under a script that counts rounds from 1. */
const runRead = (script: StorageScript = {}) =>
  withStore({ script }, ({ storage }) => Effect.zipRight(write(), Effect.map(Effect.either(read), (result) => ({ result, storage }))))

const failure = <A>(result: Either.Either<A, unknown>) => Option.getOrUndefined(Either.getLeft(result))

describe("a box", () => {
  it("is stored strictly and read back", () => {
    const { result, storage } = runRead()
    expect(result).toEqual(Either.right(CONTENT))
    expect(storage.boxes.size).toBe(1)
  })

  it("takes exactly M bytes at most; a longer plaintext is refused before anything is sent", () => {
    const { full, tooLong, queries } = withStore({}, ({ storage }) =>
      Effect.gen(function* () {
        const tooLong = yield* Effect.either(write(new Uint8Array(GEOMETRY.maxPlaintextBytes + 1)))
        return { tooLong, queries: storage.queries.length, full: yield* write(new Uint8Array(GEOMETRY.maxPlaintextBytes)) }
      }))
    expect(full).toBe("stored")
    expect(failure(tooLong)).toEqual(new StorageError({ reason: "plaintext-too-long" }))
    expect(queries).toBe(0)
  })

  it("that is not there is reported as such at the first answer", () => {
    const { result, rounds } = withStore({}, ({ storage }) =>
      Effect.map(Effect.either(read), (result) => ({ result, rounds: storage.envelopes.length })))
    expect(failure(result)).toEqual(new BoxNotFound())
    expect(rounds).toBe(1)
  })

  it("C17: written with other content before, is an outcome and not a failure", () => {
    const outcomes = withStore({}, () => Effect.all([write(), write(), write(new Uint8Array(3))]))
    expect(outcomes).toEqual(["stored", "stored", "exists-with-other-content"])
  })

  it("that is deleted is reported after its tombstone was verified", () => {
    const tombstone = sealTombstone(crypto, WRITE_CAP, INDEX)
    const content = withStore({}, ({ storage }) => {
      storage.boxes.set(toHex(tombstone.boxId), tombstone)
      return read
    })
    expect(isTombstone(content)).toBe(true)
  })
})

describe("an envelope", () => {
  it("is polled with the same bytes at the same courier; the next one has a fresh key, hash and intermediates that are no shards", () => {
    const { storage } = runWrite({ replica: (_, round) => (round < 4 ? writeCode(REPLICA_ERROR.internalError) : undefined) })
    const byHash = Object.values(Array.groupBy(storage.queries, ({ hash }) => hash))
    expect(byHash.length).toBe(5)
    for (const queries of byHash) {
      expect(queries.length).toBe(2)
      expect(new Set(queries.map(({ bytes, courier }) => courier + bytes)).size).toBe(1)
    }
    expect(new Set(storage.envelopes.map(({ envelope }) => toHex(envelope.senderPublicKey))).size).toBe(5)
    const shards = Either.getOrThrow(
      shardKeyIndexes(crypto, storage.replicas.map(({ identityKey }) => identityKey), storage.envelopes[0]!.message.boxId))
    const shardIds = shards.map((keyIndex) => storage.replicas[keyIndex]!.replicaId)
    expect(storage.envelopes.flatMap(({ envelope }) => envelope.intermediateReplicas).filter((id) => shardIds.includes(id))).toEqual([])
  })

  it("reads and writes fill the same lengths", () => {
    const { storage } = runRead()
    expect(new Set(storage.queries.map(({ bytes }) => bytes.length))).toEqual(new Set([4000]))
  })

  it("couriers are used about equally", () => {
    const used = withStore({}, ({ storage }) =>
      Effect.map(Effect.forEach(Array.range(1, 40), () => Effect.either(read), { concurrency: 8 }), () => storage.envelopes.map(({ courier }) => courier)))
    const first = used.filter((courier) => courier === "courier-0").length
    expect(first).toBeGreaterThan(8)
    expect(first).toBeLessThan(32)
  })

  it("C19: is replaced after five ACKs", () => {
    const { result, storage } = runWrite({ ackCount: (round) => (round === 0 ? 1000 : 1) })
    expect(result).toEqual(Either.right("stored"))
    expect(Object.values(Array.groupBy(storage.queries, ({ hash }) => hash)).map(({ length }) => length)).toEqual(expect.arrayContaining([5, 2]))
  })

  it("C1: whose courier is silent is replaced; until then the same bytes go to the same courier", () => {
    const { result, storage } = runWrite({ courier: (_, round) => (round === 0 ? "silent" : undefined) })
    expect(result).toEqual(Either.right("stored"))
    const first = storage.queries.filter(({ hash }) => hash === storage.envelopes[0]!.hash)
    expect(first.length).toBe(3)
    expect(new Set(first.map(({ bytes, courier }) => courier + bytes)).size).toBe(1)
    expect(storage.boxes.size).toBe(1)
  })

  it("whose courier leaves the document is replaced by one through a courier that is listed", () => {
    const script: StorageScript = { courier: ({ endpoint }) => (endpoint === "courier-0" ? "silent" : undefined) }
    const { result, couriers } = withStore({ script }, ({ network, storage }) =>
      Effect.gen(function* () {
        const writing = yield* Effect.fork(write())
        yield* Effect.repeat(Effect.sleep(1), { until: () => storage.queries.length > 0 })
        const [first, second] = network.document!.serviceNodes
        network.document = { ...network.document!, serviceNodes: [{ ...first!, services: [{ capability: "echo", endpoint: "echo" }] }, second!] }
        return { result: yield* Fiber.join(writing), couriers: storage.queries.map(({ courier }) => courier) }
      }))
    expect(result).toBe("stored")
    expect(couriers.at(-1)).toBe("courier-1")
    expect(couriers.filter((courier) => courier === "courier-0").length).toBeLessThan(2)
  })

  it("C11: a reply sealed under the keys of the next replica epoch still opens", () => {
    const { result } = runRead({ replyEpochOffset: 1 })
    expect(result).toEqual(Either.right(CONTENT))
  })

  it("C12: key, label and reply key come from one epoch, the document's, whatever the clock says", () => {
    const { content, storage } = withStore({ network: { params: { replicaEpochPeriodMs: 1_200_000 } } }, ({ network, storage }) =>
      Effect.gen(function* () {
        network.document = { ...network.document!, epoch: Epoch(1) }
        yield* write()
        return { storage, content: yield* read }
      }))
    expect(content).toEqual(CONTENT)
    expect(new Set(storage.envelopes.map(({ envelope }) => envelope.epoch))).toEqual(new Set([1n]))
  })

  it("C2: without a document the operation waits and then completes", () => {
    const result = withStore({}, ({ network }) =>
      Effect.gen(function* () {
        const document = network.document
        network.document = undefined
        const writing = yield* Effect.fork(write())
        yield* Effect.sleep(5000)
        network.document = document
        return yield* Fiber.join(writing)
      }))
    expect(result).toBe("stored")
  })
})

describe("answers that prove nothing", () => {
  const garbage: ReadonlyArray<readonly [string, (payload: Uint8Array) => Uint8Array]> = [
    ["zeros", () => new Uint8Array(2000)],
    ["nothing", () => new Uint8Array(0)],
    ["noise", () => crypto.aes256Ctr(new Uint8Array(32), new Uint8Array(16), new Uint8Array(2000))],
    ["the query itself", (payload) => payload],
    ["a copy reply", () => new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])],
    ["a reply to another envelope", () => new Uint8Array([0, ...new Uint8Array(32).fill(3), 0, 0, 0, 0, 0, 0, 0])],
    ["a length beyond the message", () => new Uint8Array([0, ...new Uint8Array(32), 0, 1, 255, 255, 255, 255])]
  ]
  for (const [name, answer] of garbage) {
    it(`C15: ${name} leads to another envelope, never to a result`, () => {
      const { result, storage } = runRead({ courier: ({ payload }, round) => (round === 1 || round === 2 ? answer(payload) : undefined) })
      expect(result).toEqual(Either.right(CONTENT))
      expect(storage.envelopes.length).toBe(4)
    })
  }

  it("garbage without end is a typed error", () => {
    const { result } = runWrite({ courier: () => new Uint8Array(5) })
    expect(failure(result)).toEqual(new StorageError({ reason: "no-valid-answer" }))
  })

  it("a changed box, another box and a write's answer to a read are not believed", () => {
    const other = sealBox(crypto, WRITE_CAP, OTHER_INDEX, new Uint8Array(GEOMETRY.paddedPlaintextBytes))
    const own = sealBox(crypto, WRITE_CAP, INDEX, new Uint8Array(GEOMETRY.paddedPlaintextBytes))
    const flipped = { ...own, ciphertext: own.ciphertext.map((byte, at) => (at === 9 ? byte ^ 1 : byte)) }
    const success = { _tag: "ReadReply", errorCode: REPLICA_ERROR.success } as const
    const [otherReply, flippedReply] = [other, flipped].map((box) => ({ ...success, ...box, payload: box.ciphertext }))
    const lies = [undefined, otherReply, flippedReply, writeCode(0), readCode(0)]
    const { result, storage } = runRead({ replica: (_, round) => lies[round] })
    expect(result).toEqual(Either.right(CONTENT))
    expect(storage.envelopes.length).toBe(6)
  })

  it("C16: a tombstone that does not verify, or of another box, is a forged tombstone", () => {
    const other = sealTombstone(crypto, WRITE_CAP, OTHER_INDEX)
    const { boxId } = sealTombstone(crypto, WRITE_CAP, INDEX)
    const claim = { _tag: "ReadReply", errorCode: REPLICA_ERROR.tombstone, payload: new Uint8Array(0) } as const
    const noise = new Uint8Array(64).fill(1)
    for (const forged of [{ ...claim, boxId, signature: noise }, { ...claim, ...other }, { ...claim, boxId, signature: other.signature }]) {
      const { result } = runRead({ replica: (_, round) => (round === 0 ? undefined : forged) })
      expect(failure(result)).toEqual(new StorageError({ reason: "forged-tombstone" }))
    }
  })

  it("a box that its writer sealed badly is a typed error at once", () => {
    const bad = sealBox(crypto, WRITE_CAP, INDEX, new Uint8Array(GEOMETRY.paddedPlaintextBytes).fill(255))
    const result = withStore({}, ({ storage }) => {
      storage.boxes.set(toHex(bad.boxId), bad)
      return Effect.either(read)
    })
    expect(failure(result)).toEqual(new StorageError({ reason: "box-invalid" }))
  })
})

describe("codes of a replica", () => {
  const reactions: ReadonlyArray<readonly [code: number, write: string, read: string]> = [
    [1, "refused", "not-found"], [2, "refused", "refused"], [3, "refused", "refused"], [4, "retried", "retried"], [5, "refused", "refused"],
    [6, "refused", "refused"], [7, "retried", "retried"], [8, "retried", "retried"], [9, "retried", "retried"], [10, "exists", "refused"],
    [11, "refused", "forged"], [12, "refused", "refused"], [255, "refused", "refused"]
  ]
  const verdict = (result: Either.Either<unknown, unknown>, rounds: number): string => {
    if (Either.isRight(result)) return result.right === "exists-with-other-content" ? "exists" : "accepted"
    if (result.left instanceof BoxNotFound) return "not-found"
    const error = result.left as StorageError
    return error.reason === "forged-tombstone" ? "forged" : rounds === 1 ? "refused" : rounds === 5 ? "retried" : `${rounds} rounds`
  }
  for (const [code, onWrite, onRead] of reactions) {
    it(`${code}: a write is ${onWrite}, a read is ${onRead}`, () => {
      const written = runWrite({ replica: () => writeCode(code) })
      expect(verdict(written.result, written.storage.envelopes.length)).toBe(onWrite)
      const found = runRead({ replica: (_, round) => (round === 0 ? undefined : readCode(code)) })
      expect(verdict(found.result, found.storage.envelopes.length - 1)).toBe(onRead)
      const error = failure(written.result)
      if (error instanceof StorageError) expect([error.reason, error.replicaCode, error.courierCode]).toEqual(["replica-refused", code, undefined])
    })
  }

  it("a code that goes away leads to the result", () => {
    const { result } = runRead({ replica: (_, round) => [undefined, readCode(4), readCode(9), readCode(8)][round] })
    expect(result).toEqual(Either.right(CONTENT))
  })
})

describe("codes of a courier", () => {
  for (const code of [1, 2, 3, 4, 77]) {
    it(`C9: ${code} is retried through fresh envelopes and then reported as the courier's, not a replica's`, () => {
      const { result, storage } = runWrite({ courierCode: () => code })
      const error = failure(result) as StorageError
      expect([error.reason, error.courierCode, error.replicaCode]).toEqual(["courier-refused", code, undefined])
      expect(storage.envelopes.length).toBe(5)
    })
  }

  it("that go away lead to the result", () => {
    const { result } = runWrite({ courierCode: (round) => (round < 2 ? COURIER_ERROR.invalidEpoch : undefined) })
    expect(result).toEqual(Either.right("stored"))
  })
})

describe("documents that allow no storage", () => {
  it("fewer than two replicas, or no courier, are typed errors", () => {
    const alone = withStore({ replicaCount: 1 }, () => Effect.either(write()))
    expect(failure(alone)).toEqual(new StorageError({ reason: "too-few-replicas" }))
    const echo = [{ capability: "echo", endpoint: "echo" }]
    const none = withStore({ network: { services: [echo, echo] } }, () => Effect.either(write()))
    expect(failure(none)).toEqual(new StorageError({ reason: "no-courier" }))
  })
})

describe("interruption", () => {
  it("at any instant leaves no exchange open and no further query", () => {
    for (let cancelAtMs = 0; cancelAtMs < 900; cancelAtMs += 60) {
      const { later, open } = withStore({ seed: cancelAtMs, script: { ackCount: () => 3 } }, ({ network, pool }) =>
        Effect.gen(function* () {
          const writing = yield* Effect.fork(write())
          yield* Effect.sleep(cancelAtMs)
          yield* Fiber.interrupt(writing)
          const before = network.arrivals.length
          yield* Effect.sleep(1000)
          return { later: network.arrivals.length - before, open: yield* pool.sessions[0]!.statistics }
        }))
      expect(later).toBe(0)
      expect([open.exchangesOpen, open.waiting]).toEqual([0, 0])
    }
  })
})
