/**
 * Goal: every loop is decided once, at the right instant, and the counts of its segments follow.
 * Method: plain calls; instants are arguments.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { EPOCHS_KEPT, lateLoopMs, LoopLedger, type LoopOutcome, LOOPS_OUT_LIMIT, segmentRatio } from "../../../src/mixnet/loop-ledger.ts"
import { EPOCH_ORIGIN_MS, epochAt } from "../../../src/params/epoch.ts"
import { loopSlackMs } from "../../../src/params/mixnet-params.ts"
import { tinyParams } from "../../../src/params/presets.ts"
import { NodeId, SurbId } from "../../../src/sphinx/geometry.ts"

const START_MS = EPOCH_ORIGIN_MS + 10 * tinyParams.epochPeriodMs
const node = (byte: number) => NodeId.unsafe(new Uint8Array(32).fill(byte))
const hex = (byte: number) => byte.toString(16).padStart(2, "0").repeat(32)
const surbIdOf = (number: number) => {
  const bytes = new Uint8Array(16)
  new DataView(bytes.buffer).setUint32(0, number)
  return SurbId.unsafe(bytes)
}

/** A loop over 1 → 2 → 3 and home over 4 → 5, with 400 ms of delays. */
const loop = (number: number) => ({
  surbId: surbIdOf(number), route: { forward: [node(1), node(2), node(3)], back: [node(4), node(5)] }, etaMs: 400, keys: new Uint8Array(64).fill(7)
})

const ledgerWith = () => {
  const outcomes: Array<LoopOutcome> = []
  const ledger = new LoopLedger((_, outcome) => outcomes.push(outcome))
  const send = (number: number, nowMs = START_MS) => ledger.sent(loop(number), tinyParams, nowMs)
  const back = (number: number, nowMs: number, isIntact = true) => {
    const taken = ledger.take(surbIdOf(number))
    return taken === undefined ? undefined : ledger.decide(taken, isIntact, nowMs)
  }
  return { ledger, outcomes, send, back }
}

describe("a loop", () => {
  const lateMs = START_MS + 400 + lateLoopMs(tinyParams, 5)
  const lostMs = START_MS + 400 + loopSlackMs(tinyParams)

  it("is timely up to half a send slack a hop, then late, and lost after the loop slack", () => {
    expect([lateMs, lostMs].map((instantMs) => instantMs - START_MS)).toEqual([400 + 625, 400 + 1500])
    const { back, send } = ledgerWith()
    for (const number of [1, 2, 3, 4]) send(number)
    expect([back(1, lateMs), back(2, lateMs + 1), back(3, lostMs), back(4, lostMs + 1)]).toEqual(["timely", "late", "late", "lost"])
  })
  it("that brings other bytes home is lost", () => {
    const { back, send } = ledgerWith()
    send(1)
    expect(back(1, START_MS + 400, false)).toBe("lost")
  })
  it("that never comes is lost when somebody looks, once, and its late reply is nobody's", () => {
    const { back, ledger, outcomes, send } = ledgerWith()
    send(1)
    ledger.settle(lostMs)
    expect(outcomes).toEqual([])
    ledger.settle(lostMs + 1)
    ledger.settle(lostMs + 2)
    expect(outcomes).toEqual(["lost"])
    expect(back(1, lostMs + 3)).toBeUndefined()
  })
  it("has its keys overwritten when it is decided, forgotten or dropped with all others", () => {
    const { ledger } = ledgerWith()
    const loops = [loop(1), loop(2), loop(3)]
    for (const each of loops) ledger.sent(each, tinyParams, START_MS)
    ledger.decide(ledger.take(surbIdOf(1))!, true, START_MS)
    ledger.settle(Number.POSITIVE_INFINITY)
    ledger.sent({ ...loops[2]!, keys: loops[2]!.keys.fill(9) }, tinyParams, START_MS)
    ledger.clear()
    expect(loops.map(({ keys }) => keys.every((byte) => byte === 0))).toEqual([true, true, true])
  })
  it("is forgotten undecided when too many are out", () => {
    const { back, ledger, outcomes, send } = ledgerWith()
    for (let number = 0; number <= LOOPS_OUT_LIMIT; number++) send(number)
    expect([ledger.size, outcomes.length, back(0, START_MS), back(1, START_MS)]).toEqual([LOOPS_OUT_LIMIT, 0, undefined, "timely"])
  })
})

describe("segments", () => {
  it("are neighbours on the way out and on the way home, without the turn", () => {
    const { back, ledger, send } = ledgerWith()
    send(1)
    send(2)
    back(1, START_MS + 400)
    const segments = [...ledger.segmentsIn(epochAt(tinyParams, START_MS))]
    expect(segments.map(([id]) => id)).toEqual([hex(1) + hex(2), hex(2) + hex(3), hex(4) + hex(5)])
    expect(segments.map(([, count]) => segmentRatio(count))).toEqual([0.5, 0.5, 0.5])
  })
  it("whose loops were all lost have ratio 0, and 1 when none was sent", () => {
    const { ledger, send } = ledgerWith()
    send(1)
    ledger.settle(Number.POSITIVE_INFINITY)
    expect([...ledger.segmentsIn(10).values()].map(segmentRatio)).toEqual([0, 0, 0])
    expect(segmentRatio({ sent: 0, completed: 0 })).toBe(1)
  })
  it("lose what is decided as lost, over the epoch asked for and the one before; loops that are out count for nothing", () => {
    const { back, ledger, send } = ledgerWith()
    for (const number of [1, 2, 3]) send(number)
    send(4, START_MS + tinyParams.epochPeriodMs)
    back(1, START_MS + 400)
    expect(ledger.lossesIn(10)).toEqual([])
    back(2, START_MS + 400, false)
    back(4, START_MS + tinyParams.epochPeriodMs + 400, false)
    const losses = (epoch: number) => ledger.lossesIn(epoch).map(({ decided, from, lost, to }) => [from.slice(0, 2), to.slice(0, 2), lost, decided])
    expect(losses(10)).toEqual([["01", "02", 1, 2], ["02", "03", 1, 2], ["04", "05", 1, 2]])
    expect(losses(11)).toEqual([["01", "02", 2, 3], ["02", "03", 2, 3], ["04", "05", 2, 3]])
    expect(losses(13)).toEqual([])
  })
  it("count under the epoch in which the loop left, for seven epochs", () => {
    const { back, ledger, send } = ledgerWith()
    send(1, START_MS + tinyParams.epochPeriodMs - 1)
    back(1, START_MS + tinyParams.epochPeriodMs + 300)
    expect([10, 11].map((epoch) => ledger.segmentsIn(epoch).size)).toEqual([3, 0])
    for (let ahead = 1; ahead <= EPOCHS_KEPT; ahead++) send(10 + ahead, START_MS + ahead * tinyParams.epochPeriodMs)
    expect([10, 11, 17].map((epoch) => ledger.segmentsIn(epoch).size)).toEqual([0, 3, 3])
  })
})
