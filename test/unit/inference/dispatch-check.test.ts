/**
 * Goal: every reason of the table is given for its cause, in the protocol's order; a reply is believed only when its instants are possible.
 * Method: one admissible dispatch, changed in one field or two; look-ups that record whether they were called.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { encodeWriteCap } from "../../../src/bacap/capability.ts"
import { checkReply, type SentDispatch } from "../../../src/inference/reply-check.ts"
import { decideAdmission, replyTo, tokenDigest, type AdmissionState } from "../../../src/inference/dispatch-check.ts"
import type { DispatchReply } from "../../../src/inference/dispatch-reply.ts"
import { contentDigest, encodeDispatch, encodeTokenArea, type Dispatch } from "../../../src/inference/dispatch.ts"
import { admissionState, crypto, delivered, flipped, leftOf, NOW_MS, QUANTUM_MS, sampleCapabilities, sampleDispatch } from "./sample-job.ts"

const decideBytes = (plaintext: Uint8Array, state: Partial<AdmissionState> = {}) =>
  decideAdmission(crypto, delivered(1, plaintext).opened, admissionState(state))
const decide = (change: Partial<Dispatch>, state: Partial<AdmissionState> = {}) => decideBytes(encodeDispatch(1, sampleDispatch(1, change)), state)
const reasonOf = (decision: ReturnType<typeof decide>): number => (decision._tag === "Reject" ? decision.reason : 0)
const tokenArea = Either.getOrThrow(encodeTokenArea(1, { type: 1, value: new Uint8Array(300).fill(5) }))
const patched = (offset: number, value: number) => {
  const bytes = encodeDispatch(1, sampleDispatch(1))
  bytes[offset] = value
  return bytes
}

describe("admission of a dispatch", () => {
  it("admits into the running quantum, with the edges of the bucket", () => {
    const decision = decide({})
    expect(decision).toMatchObject({
      _tag: "Admit", quantumIndex: 100, edgesMs: [107, 111, 121].map((k) => k * QUANTUM_MS),
      acceptance: { acceptedAtMs: 101 * QUANTUM_MS, firstEdgeMs: 107 * QUANTUM_MS, lastEdgeMs: 121 * QUANTUM_MS }
    })
    expect(replyTo(decision)).toMatchObject({ _tag: "Accepted", acceptedAtMs: 101 * QUANTUM_MS })
    expect(decide({ staged: true, bucket: 1, outputClass: 0 })).toMatchObject({ _tag: "Admit", edgesMs: [104, 107, 111, 121].map((k) => k * QUANTUM_MS) })
  })

  it("gives the same edges for every instant of the quantum", () => {
    for (const nowMs of [100 * QUANTUM_MS, 101 * QUANTUM_MS - 1]) expect(decide({}, { nowMs })).toMatchObject({ quantumIndex: 100 })
    expect(decide({}, { nowMs: 101 * QUANTUM_MS })).toMatchObject({ quantumIndex: 101 })
  })

  it.each([
    ["version", 0, 2], ["an unknown flag", 1, 4], ["the byte after the bucket", 3, 1], ["bytes 84..87", 86, 1], ["bytes 392..415", 400, 1],
    ["the last reserved byte", 415, 1]
  ])("rejects a changed %s with reason 1", (_, offset, value) => {
    expect(reasonOf(decideBytes(patched(offset, value)))).toBe(1)
  })

  it("rejects caps that are none, or whose stream would run out, with reason 1", () => {
    const caps = sampleCapabilities(1)
    const bytes = encodeDispatch(1, sampleDispatch(1))
    expect(reasonOf(decideBytes(Uint8Array.from(bytes.with(88, 2)).fill(0xff, 89, 120)))).toBe(1)
    expect(reasonOf(decideBytes(flipped(bytes, 224)))).toBe(1)
    expect(reasonOf(decideBytes(flipped(bytes, 256)))).toBe(1)
    const atTheEnd = (left: bigint) =>
      encodeWriteCap({ ...caps.outputWriteCap, index: { ...caps.outputWriteCap.index, counter: 0xffff_ffff_ffff_ffffn - left } })
    expect(reasonOf(decide({ outputWriteCap: atTheEnd(17n) }))).toBe(0)
    expect(reasonOf(decide({ outputWriteCap: atTheEnd(16n) }))).toBe(1)
  })

  it.each([
    ["passed", 99 * QUANTUM_MS], ["more than 16 quanta ahead", 117 * QUANTUM_MS], ["off the grid", 108 * QUANTUM_MS + 1], ["zero", 0],
    ["beyond 2^53", Number.MAX_SAFE_INTEGER]
  ])("rejects a notAfter that is %s with reason 6", (_, notAfterMs) => {
    expect(reasonOf(decide({ notAfterMs }))).toBe(6)
  })

  it("rejects any flip of the high bytes of notAfter with reason 6", () => {
    for (let index = 8; index < 14; index++) expect(reasonOf(decideBytes(flipped(encodeDispatch(1, sampleDispatch(1)), index)))).toBe(6)
  })

  it("accepts notAfter up to its last instant and up to 16 quanta ahead", () => {
    expect(reasonOf(decide({ notAfterMs: 100 * QUANTUM_MS }, { nowMs: 100 * QUANTUM_MS }))).toBe(0)
    expect(reasonOf(decide({ notAfterMs: 116 * QUANTUM_MS }))).toBe(0)
  })

  it.each([
    ["model hash", { modelIdHash: new Uint8Array(32) }, 2], ["model version", { modelVersion: 4 }, 2],
    ["bucket of no profile", { bucket: 1 }, 3], ["bucket 0", { bucket: 0 }, 3], ["bucket past the deadlines", { bucket: 5 }, 3],
    ["input class", { inputClass: 1 }, 3], ["output class", { outputClass: 2 }, 3], ["class off the ladder", { outputClass: 999 }, 3],
    ["staged profile of no staging", { bucket: 1, staged: true }, 3],
    ["profile, staged only", { bucket: 1, outputClass: 0 }, 3],
    ["profile that the card does not name", { inputClass: 2, outputClass: 2 }, 3],
    ["token where there are none", { tokenArea }, 4]
  ] satisfies ReadonlyArray<readonly [string, Partial<Dispatch>, number]>)("rejects another %s with its reason", (_, change, reason) => {
    expect(reasonOf(decide(change))).toBe(reason)
  })

  it("rejects a staged dispatch with j ≠ 1 with reason 3", () => {
    expect(reasonOf(decideBytes(patched(1, 1)))).toBe(3)
  })

  it("rejects a malformed token area with 4 unasked, a wrong token with 4, a spent one with 5", () => {
    expect(reasonOf(decideBytes(flipped(encodeDispatch(1, sampleDispatch(1)), 927), { checkToken: () => "valid" }))).toBe(4)
    expect(reasonOf(decide({ tokenArea }, { checkToken: () => "invalid" }))).toBe(4)
    expect(reasonOf(decide({ tokenArea }, { checkToken: () => "spent" }))).toBe(5)
    expect(reasonOf(decide({ tokenArea }, { checkToken: () => "valid" }))).toBe(0)
  })

  it("rejects a full quantum with 7 at J − F real jobs and a draining service with 8, both with a wait", () => {
    expect(reasonOf(decide({}, { realJobs: () => 1 }))).toBe(0)
    expect(decide({}, { realJobs: (k, id) => (k === 100 && id === 1 ? 2 : 0) })).toMatchObject({ reason: 7, retryAfterQuanta: 1 })
    expect(decide({}, { draining: true, retryAfterQuanta: 4 })).toMatchObject({ reason: 8, retryAfterQuanta: 4 })
  })

  it("takes the attested flag and any jobId as they are", () => {
    expect(reasonOf(decide({ attested: true }))).toBe(0)
    expect(reasonOf(decideBytes(patched(20, 99)))).toBe(0)
  })
})

describe("order of checks", () => {
  const acceptance = { acceptedAtMs: 1, firstEdgeMs: 2, lastEdgeMs: 3 }
  const known = (dispatch: Dispatch) => ({ contentDigest: contentDigest(crypto, encodeDispatch(1, dispatch)), acceptance })

  it("is form, notAfter, known jobId, model, profile, token, room, draining", () => {
    const bad: Array<readonly [number, (bytes: Uint8Array) => void, Partial<AdmissionState>]> = [
      [1, (bytes) => { bytes[3] = 1 }, {}],
      [6, (bytes) => { bytes.fill(0, 8, 16) }, {}],
      [9, () => undefined, { knownJob: () => ({ contentDigest: new Uint8Array(32), acceptance }) }],
      [2, (bytes) => { bytes[83] = 77 }, {}],
      [3, (bytes) => { bytes[5] = 1 }, {}],
      [4, (bytes) => { bytes[417] = 1 }, {}],
      [7, () => undefined, { realJobs: () => 100 }],
      [8, () => undefined, { draining: true }]
    ]
    const reasons = bad.map((_, first) => {
      const bytes = encodeDispatch(1, sampleDispatch(1))
      const state: Partial<AdmissionState> = {}
      for (const [, change, part] of bad.slice(first)) {
        change(bytes)
        Object.assign(state, part)
      }
      return reasonOf(decideBytes(bytes, state))
    })
    expect(reasons).toEqual([1, 6, 9, 2, 3, 4, 7, 8])
  })

  it("answers a known jobId of the same content with the stored acceptance, whatever else has changed, and asks nothing more", () => {
    const dispatch = sampleDispatch(1)
    const refuse = () => { throw new Error("must not be asked") }
    const state = { knownJob: () => known(dispatch), findModel: refuse, checkToken: refuse, realJobs: refuse, draining: true, profiles: [] }
    for (const change of [{}, { notAfterMs: 112 * QUANTUM_MS }, { tokenArea }]) {
      expect(decide(change, state)).toMatchObject({ _tag: "Repeat", acceptance })
    }
    expect(replyTo(decide({}, state))).toMatchObject({ _tag: "Accepted", ...acceptance })
  })

  it("rejects a known jobId with any other content with 9, and with passed notAfter with 6", () => {
    const state = { knownJob: () => known(sampleDispatch(1)) }
    for (const change of [{ attested: true }, { bucket: 1 }, { inputClass: 1 }, { modelVersion: 4 }, { modelIdHash: new Uint8Array(32) }]) {
      expect(reasonOf(decide(change, state))).toBe(9)
    }
    expect(reasonOf(decide({ inputReadCap: sampleDispatch(1, {}, 2).inputReadCap }, state))).toBe(9)
    expect(reasonOf(decide({ notAfterMs: 99 * QUANTUM_MS }, state))).toBe(6)
  })

  it("names a token by type and value, and no token by nothing", () => {
    const digest = (type: number, value: number) => tokenDigest(crypto, { type, value: Uint8Array.of(value) })
    expect(tokenDigest(crypto, { type: 0, value: new Uint8Array(0) })).toBeUndefined()
    expect(digest(1, 1)).toEqual(digest(1, 1))
    expect(digest(1, 1)).not.toEqual(digest(2, 1))
    expect(digest(1, 1)).not.toEqual(digest(1, 2))
  })
})

describe("check of a reply", () => {
  const q = QUANTUM_MS
  const digest = new Uint8Array(32).fill(1)
  const sent: SentDispatch = {
    contentDigest: digest, firstSentAtMs: NOW_MS, notAfterMs: 108 * q, bucket: 2, quantumMs: q, deadlinesQuanta: [[1, 2], [3, 6, 10, 20]]
  }
  const reply = { _tag: "Accepted", acceptedAtMs: 101 * q, firstEdgeMs: 107 * q, lastEdgeMs: 121 * q, contentDigest: digest } as const
  const check = (change: Partial<typeof reply | Record<string, unknown>>, other: Partial<SentDispatch> = {}) =>
    checkReply({ ...sent, ...other }, { ...reply, ...change } as DispatchReply)

  it("yields every edge of the job from the deadlines that fit", () => {
    expect(Either.getOrThrow(check({}))).toEqual({ _tag: "Accepted", acceptedAtMs: 101 * q, edgesMs: [107 * q, 111 * q, 121 * q] })
    expect(Either.getOrThrow(check({ firstEdgeMs: 103 * q, lastEdgeMs: 103 * q }))).toMatchObject({ edgesMs: [103 * q] })
    expect(Either.getOrThrow(check({ firstEdgeMs: 102 * q }, { deadlinesQuanta: [] }))).toMatchObject({ edgesMs: [102 * q, 121 * q] })
  })

  it.each([
    ["other-content", { contentDigest: new Uint8Array(32) }], ["off-grid", { acceptedAtMs: 101 * q + 1 }], ["off-grid", { firstEdgeMs: 107 * q - 1 }],
    ["off-grid", { lastEdgeMs: 121 * q + 5 }], ["accepted-too-early", { acceptedAtMs: 100 * q }], ["accepted-too-late", { acceptedAtMs: 110 * q }],
    ["edges", { firstEdgeMs: 101 * q }], ["edges", { lastEdgeMs: 106 * q }], ["edges", { firstEdgeMs: 108 * q }], ["edges", { lastEdgeMs: 122 * q }]
  ] as const)("refuses %s", (reason, change) => {
    expect(leftOf(check(change))).toMatchObject({ _tag: "BrokenService", reason })
  })

  it("refuses edges before acceptance or in the wrong order even when no deadlines are known", () => {
    for (const change of [{ firstEdgeMs: 101 * q }, { firstEdgeMs: 122 * q }]) {
      expect(leftOf(check(change, { deadlinesQuanta: [] })).reason).toBe("edges")
    }
  })

  it("takes an acceptance at the last possible quantum, and a rejection of the same content only", () => {
    const late = { acceptedAtMs: 109 * q, firstEdgeMs: 115 * q, lastEdgeMs: 129 * q }
    expect(Either.isRight(check(late))).toBe(true)
    const rejected = { _tag: "Rejected", reason: 7, retryAfterQuanta: 2, contentDigest: digest } as const
    expect(Either.getOrThrow(checkReply(sent, rejected))).toEqual({ _tag: "Rejected", reason: 7, retryAfterQuanta: 2 })
    expect(leftOf(checkReply({ ...sent, contentDigest: new Uint8Array(32) }, rejected)).reason).toBe("other-content")
  })
})
