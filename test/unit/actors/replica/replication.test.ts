/**
 * Copies to the other shard.
 *
 * Goal: what finds no room is kept, tried again, bounded, and one fellow's outage costs no other.
 * Method: virtual time; queues with as much room as a test says.
 *
 * @module
 */
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { KEPT_LIMIT, makeReplication } from "../../../../actors/replica/replication.ts"
import { BoxId } from "../../../../src/bacap/box-id.ts"
import { decodeLinkFrame } from "../../../../src/node/replica-links.ts"
import type { StoredBox } from "../../../../src/pigeonhole/stored-box.ts"
import { runVirtual } from "../../session/virtual-time.ts"
import { boxAt, pigeonhole, tombstoneAt } from "./sample-box.ts"

const HOUR_MS = 3_600_000
const base = boxAt(0, 1)
const numbered = (number: number): StoredBox => {
  const boxId = base.boxId.slice()
  new DataView(boxId.buffer).setUint32(0, number)
  return { ...base, boxId: BoxId.unsafe(boxId) }
}

interface Queues {
  readonly room: Map<number, number>
  readonly sent: Array<readonly [replicaId: number, frame: Uint8Array]>
}

const replication = ({ room, sent }: Queues) =>
  makeReplication((replicaId, frame) => {
    const left = room.get(replicaId) ?? 0
    if (left > 0) sent.push([replicaId, frame])
    room.set(replicaId, Math.max(0, left - 1))
    return left > 0
  }, pigeonhole.linkCommandBytes, 1_000)

describe("replication", () => {
  it("a copy with room leaves at once, as a write of the link's one length", () => {
    runVirtual(Effect.scoped(Effect.gen(function*() {
      const queues: Queues = { room: new Map([[1, 5]]), sent: [] }
      const { send } = yield* replication(queues)
      yield* send(1, base)
      yield* send(1, tombstoneAt(0))
      expect(queues.sent.map(([, frame]) => frame.length)).toEqual([pigeonhole.linkCommandBytes, pigeonhole.linkCommandBytes])
      const command = decodeLinkFrame(queues.sent[0]?.[1] as Uint8Array, pigeonhole)
      expect(command).toEqual({ _tag: "ReplicaWrite", boxId: base.boxId, payload: base.payload, signature: base.signature })
    })))
  })
  it("a copy without room is delivered when there is some, once, and also after ten minutes (R18)", () => {
    runVirtual(Effect.scoped(Effect.gen(function*() {
      const queues: Queues = { room: new Map(), sent: [] }
      const { send } = yield* replication(queues)
      yield* send(1, base)
      yield* Effect.sleep(600_000)
      expect(queues.sent).toHaveLength(0)
      queues.room.set(1, 5)
      yield* Effect.sleep(10_000)
      expect(queues.sent).toHaveLength(1)
    })))
  })
  it("a copy that found no room for an hour is given up", () => {
    runVirtual(Effect.scoped(Effect.gen(function*() {
      const queues: Queues = { room: new Map(), sent: [] }
      const { send } = yield* replication(queues)
      yield* send(1, base)
      yield* Effect.sleep(HOUR_MS + 2_000)
      queues.room.set(1, 5)
      yield* Effect.sleep(10_000)
      expect(queues.sent).toHaveLength(0)
    })))
  })
  it("one copy is kept per box, the newest: a tombstone replaces its data", () => {
    runVirtual(Effect.scoped(Effect.gen(function*() {
      const queues: Queues = { room: new Map(), sent: [] }
      const { send } = yield* replication(queues)
      yield* send(1, base)
      yield* send(1, tombstoneAt(0))
      queues.room.set(1, 5)
      yield* Effect.sleep(2_000)
      expect(queues.sent.map(([, frame]) => decodeLinkFrame(frame, pigeonhole))).toMatchObject([{ _tag: "ReplicaWrite", payload: new Uint8Array(0) }])
    })))
  })
  it("copies kept are bounded for each fellow, the oldest go first, and the others' stay", () => {
    runVirtual(Effect.scoped(Effect.gen(function*() {
      const queues: Queues = { room: new Map(), sent: [] }
      const { send } = yield* replication(queues)
      yield* send(2, base)
      for (let number = 0; number < KEPT_LIMIT + 1; number++) yield* send(1, numbered(number))
      queues.room.set(1, 2 * KEPT_LIMIT).set(2, 1)
      yield* Effect.sleep(1_500)
      expect(queues.sent.filter(([replicaId]) => replicaId === 2)).toHaveLength(1)
      expect(queues.sent.filter(([replicaId]) => replicaId === 1)).toHaveLength(KEPT_LIMIT)
      expect(decodeLinkFrame(queues.sent.find(([replicaId]) => replicaId === 1)?.[1] as Uint8Array, pigeonhole)).toMatchObject({ boxId: numbered(1).boxId })
    })))
  })
})
