/**
 * Goal: a job's streams are fresh and independent, and slot s is box s of its stream.
 * Method: two jobs from one entropy; slot indexes against single steps; counters at the end of a stream.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { nextIndex } from "../../../src/bacap/box-index.ts"
import { sealTombstone } from "../../../src/bacap/box.ts"
import { readCapOf } from "../../../src/bacap/capability.ts"
import { seededEntropy } from "../../../src/crypto/entropy.ts"
import { decodeDispatchedCapabilities, newJobCapabilities, slotBoxIds, slotIndexes, streamHasRoom } from "../../../src/inference/job-capabilities.ts"
import { crypto, flipped, sampleCapabilities, sampleDispatch } from "./sample-job.ts"

describe("job capabilities", () => {
  it("are drawn anew for every job, input and output apart", () => {
    const entropy = seededEntropy(1, "job")
    const [a, b] = [newJobCapabilities(crypto, entropy), newJobCapabilities(crypto, entropy)]
    const keys = [a.jobId, b.jobId, ...[a, b].flatMap((caps) => [caps.inputWriteCap.publicKey, caps.outputWriteCap.publicKey])]
    expect(new Set(keys.map((key) => Buffer.from(key).toString("hex"))).size).toBe(6)
    expect(a.inputReadCap).toEqual(readCapOf(a.inputWriteCap))
    expect(a.outputReadCap).toEqual(readCapOf(a.outputWriteCap))
  })

  it("come back from a dispatch, and are refused when no caps", () => {
    const caps = sampleCapabilities(1)
    const dispatch = sampleDispatch(2)
    expect(Either.getOrThrow(decodeDispatchedCapabilities(crypto, dispatch)))
      .toEqual({ inputReadCap: caps.inputReadCap, outputWriteCap: caps.outputWriteCap })
    expect(Either.isLeft(decodeDispatchedCapabilities(crypto, { ...dispatch, outputWriteCap: flipped(dispatch.outputWriteCap, 40) }))).toBe(true)
  })

  it("give the box of every slot", () => {
    const { index } = sampleCapabilities(1).outputReadCap
    const all = Either.getOrThrow(slotIndexes(crypto, index, 0, 12))
    expect(all[0]).toEqual(index)
    for (let slot = 1; slot < 12; slot++) expect(all[slot]).toEqual(Either.getOrThrow(nextIndex(crypto, all[slot - 1]!)))
    expect(Either.getOrThrow(slotIndexes(crypto, index, 6, 6))).toEqual(all.slice(6))
    expect(Either.getOrThrow(slotIndexes(crypto, index, 3, 0))).toEqual([])
  })

  it("give the id under which the box of every slot is written", () => {
    const { outputReadCap, outputWriteCap } = sampleCapabilities(1)
    const indexes = Either.getOrThrow(slotIndexes(crypto, outputWriteCap.index, 2, 3))
    expect(Either.getOrThrow(slotBoxIds(crypto, outputReadCap, 2, 3))).toEqual(indexes.map((index) => sealTombstone(crypto, outputWriteCap, index).boxId))
    expect(Either.isLeft(slotBoxIds(crypto, { ...outputReadCap, publicKey: Uint8Array.of(2, ...new Uint8Array(31)) }, 0, 1))).toBe(true)
    expect(Either.isLeft(slotBoxIds(crypto, { ...outputReadCap, index: { ...outputReadCap.index, counter: 0xffff_ffff_ffff_ffffn } }, 0, 2))).toBe(true)
  })

  it("end with the stream", () => {
    const index = { ...sampleCapabilities(1).outputReadCap.index, counter: 0xffff_ffff_ffff_fffen }
    expect([0, 1, 2, 3].map((slotCount) => streamHasRoom(index, slotCount))).toEqual([true, true, true, false])
    expect([1, 2, 3].map((slotCount) => Either.isRight(slotIndexes(crypto, index, 0, slotCount)))).toEqual([true, true, false])
  })
})
