/**
 * Authorities that are killed, at any instant.
 *
 * Goal: nobody ever says two things: one vote, reveal and certificate per attempt, one signed document per epoch; and the epoch gets its document.
 * Method: two authorities and a third one that only listens, so that both are needed; one is killed right before or right after each write of its store,
 * or both at drawn instants, and started again on what the store holds; everything that the listener heard is compared.
 *
 * @module
 */
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { memoryAuthorityStore, type AuthorityStore } from "../../../../actors/authority/store.ts"
import { toHex } from "../../../../src/bytes/hex.ts"
import { seededEntropy } from "../../../../src/crypto/entropy.ts"
import { sigBody, type Message } from "../../../../src/pki/vote-message.ts"
import { E, listen, nameOf, P, startOf, withRig, type Rig } from "./authority-rig.ts"

/** What was said twice differently; empty when nothing was. */
const contradictions = (heard: ReadonlyArray<Message>): ReadonlyArray<string> => {
  const said = new Map<string, Set<string>>()
  for (const message of heard) {
    const { attempt, author, body, epoch, kind } = message
    const key = kind === "sig" ? `${toHex(author)} sig ${epoch}` : `${toHex(author)} ${kind} ${epoch} ${attempt}`
    const text = kind === "sig" ? toHex(sigBody(message).documentHash) : toHex(body)
    said.set(key, (said.get(key) ?? new Set()).add(text))
  }
  return [...said].flatMap(([key, texts]) => (texts.size > 1 ? [key] : []))
}

/** A store that is cut off before or after write number `at` of what the authority says and signs; `onCut` is told once. */
const cutStore = (kept: AuthorityStore, at: number, after: boolean, onCut: () => void): AuthorityStore => {
  let count = 0
  let isCut = false
  return {
    ...kept,
    keep: (record) => {
      if (isCut) throw new Error("the process is dead")
      if (record.kind !== "own" && record.kind !== "lock" && record.kind !== "document") return kept.keep(record)
      if (count++ !== at) return kept.keep(record)
      isCut = true
      if (after) kept.keep(record)
      onCut()
      throw new Error("the process is dead")
    }
  }
}

/** Runs authority 0 with a cut at a write, and again without; gives what was heard, whether it was cut, and the documents of `epoch`. */
const runWithCut = (epoch: number, atMs: number, forMs: number, at: number, after: boolean) =>
  withRig(3, atMs, (rig: Rig) => Effect.gen(function*() {
    const heard: Array<Message> = []
    let isCut = false
    const cut = yield* Effect.makeLatch(false)
    yield* listen(rig, nameOf(2), heard)
    yield* rig.start(1)
    yield* rig.start(0, {
      store: cutStore(rig.stores[0] as AuthorityStore, at, after, () => {
        isCut = true
        cut.unsafeOpen()
      })
    })
    yield* rig.upload(E)
    yield* rig.upload(E + 1)
    const watch = Effect.gen(function*() {
      yield* cut.await
      yield* rig.kill(0)
      yield* Effect.sleep(300)
      yield* rig.start(0)
      yield* rig.upload(E, [0])
      yield* rig.upload(E + 1, [0])
    })
    yield* Effect.fork(watch)
    yield* Effect.sleep(forMs)
    const documents = yield* Effect.forEach([0, 1], (index) => rig.document(index, epoch))
    return { heard, isCut, documents: documents.map((document) => (document === undefined ? "none" : toHex(document.sharedRandomValue))) }
  })).result

describe("an authority killed at a write of its store", { timeout: 60_000 }, () => {
  it.each([0, 1, 2].flatMap((at) => [[at, false], [at, true]] as const))("number %d (after it: %s) beside the schedule contradicts nothing", (at, after) => {
    const { documents, heard, isCut } = runWithCut(E, startOf(E) + P / 3, 40_000, at, after)
    expect(contradictions(heard)).toEqual([])
    expect(heard.some(({ kind }) => kind === "sig")).toBe(true)
    expect([documents[0] === documents[1], documents.includes("none"), isCut]).toEqual([true, false, true])
  })
  it.each([3, 4, 5, 6, 7].flatMap((at) => [[at, false], [at, true]] as const))("number %d (after it: %s) of the schedule contradicts nothing", (at, after) => {
    const { documents, heard, isCut } = runWithCut(E + 1, startOf(E) + P / 16, (P * 13) / 16, at, after)
    expect(contradictions(heard)).toEqual([])
    expect([documents[0] === documents[1], documents.includes("none"), isCut]).toEqual([true, false, true])
  })
})

describe("authorities killed at drawn instants", { timeout: 60_000 }, () => {
  it("contradict nothing, whoever is killed whenever", () => {
    const draw = seededEntropy(11, "instants")
    for (let run = 0; run < 6; run++) {
      const { result } = withRig(3, startOf(E) + P / 3, (rig) => Effect.gen(function*() {
        const heard: Array<Message> = []
        yield* listen(rig, nameOf(2), heard)
        for (const index of [0, 1]) yield* rig.start(index)
        yield* rig.upload(E)
        for (let kills = 0; kills < 6; kills++) {
          const [victim = 0, high = 0, low = 0] = draw(3)
          yield* Effect.sleep(((high * 256 + low) / 65_536) * 2_500)
          yield* rig.start(victim % 2)
        }
        yield* Effect.sleep(60_000)
        const documents = yield* Effect.forEach([0, 1], (index) => rig.document(index, E))
        return { heard, values: documents.map((document) => (document === undefined ? "none" : toHex(document.sharedRandomValue))) }
      }))
      expect(contradictions(result.heard)).toEqual([])
      expect([result.values[0] === result.values[1], result.values[0] === "none"]).toEqual([true, false])
    }
  })
  it("would be found out: an authority that forgets everything contradicts itself", () => {
    const { result } = withRig(3, startOf(E) + P / 3, (rig) => Effect.gen(function*() {
      const heard: Array<Message> = []
      yield* listen(rig, nameOf(2), heard)
      yield* rig.start(0, { store: memoryAuthorityStore() })
      yield* rig.upload(E, [0])
      yield* Effect.sleep(1_000)
      yield* rig.start(0, { store: memoryAuthorityStore() })
      yield* rig.upload(E, [0])
      yield* Effect.sleep(1_000)
      return heard
    }))
    expect(contradictions(result).length).toBeGreaterThan(0)
  })
})
