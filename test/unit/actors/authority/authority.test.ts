/**
 * A network of directory authorities.
 *
 * Goal: one document per epoch, the same at all of them, whatever a minority does and whenever one dies; within a second where nothing is there yet.
 * Method: real authorities over the memory mount in virtual time; see authority-rig.
 *
 * @module
 */
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { authority, type AuthorityConfig } from "../../../../actors/authority/authority.ts"
import { memoryAuthorityStore } from "../../../../actors/authority/store.ts"
import { Mount } from "../../../../src/actor/mount.ts"
import { toHex } from "../../../../src/bytes/hex.ts"
import { E, identityAt, nameOf, P, pinned, settingOf, startOf, withRig, type Rig } from "./authority-rig.ts"

const all = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, index) => index)
const startAll = (rig: Rig, indices: ReadonlyArray<number>) => Effect.forEach(indices, (index) => rig.start(index), { discard: true })
/** What each authority serves, as text of the document without signatures; "none" where there is none. */
const served = (rig: Rig, indices: ReadonlyArray<number>, epoch: number) =>
  Effect.forEach(indices, (index) => Effect.map(rig.document(index, epoch), (document) =>
    (document === undefined ? "none" : `${toHex(document.sharedRandomValue)} ${document.computeServices.length + document.replicas.length}`)))
const agreeOn = (texts: ReadonlyArray<string>): void => {
  expect(new Set(texts).size).toBe(1)
  expect(texts[0]).not.toBe("none")
}

describe("a network without a document", { timeout: 60_000 }, () => {
  it.each([1, 3, 5])("of %d authorities has one in well under a second, the same everywhere", (count) => {
    const { result, warnings } = withRig(count, startOf(E) + P / 3, (rig) => Effect.gen(function*() {
      yield* startAll(rig, all(count))
      yield* Effect.sleep(10)
      yield* rig.upload(E)
      yield* Effect.sleep(200)
      return yield* served(rig, all(count), E)
    }))
    agreeOn(result)
    expect(warnings).toEqual([])
  })
  it.each([[3, 1], [5, 2]])("of %d authorities has one with %d of them dead, and none with one more", (count, dead) => {
    const living = all(count).slice(dead)
    const { result } = withRig(count, startOf(E) + P / 3, (rig) => Effect.gen(function*() {
      yield* startAll(rig, living)
      yield* Effect.sleep(10)
      yield* rig.upload(E)
      yield* Effect.sleep(2_500)
      return yield* served(rig, living, E)
    }))
    agreeOn(result)
    const fewer = withRig(count, startOf(E) + P / 3, (rig) => Effect.gen(function*() {
      yield* startAll(rig, living.slice(1))
      yield* Effect.sleep(10)
      yield* rig.upload(E)
      yield* Effect.sleep(60_000)
      return yield* served(rig, living.slice(1), E)
    }))
    expect(new Set(fewer.result)).toEqual(new Set(["none"]))
  })
  it("at the start of a network waits a minute for a node that does not come, and does without it", () => {
    const { result } = withRig(3, startOf(E) + P / 3, (rig) => Effect.gen(function*() {
      yield* startAll(rig, all(3))
      yield* Effect.sleep(10)
      yield* rig.upload(E, all(3), [10])
      yield* Effect.sleep(59_500)
      const before = yield* served(rig, all(3), E)
      yield* Effect.sleep(1_500)
      return { before, after: yield* Effect.forEach(all(3), (index) => rig.document(index, E)) }
    }))
    expect(result.before).toEqual(["none", "none", "none"])
    expect(result.after.map((document) => document?.computeServices.length)).toEqual([0, 0, 0])
    expect(result.after.map((document) => document?.replicas.length)).toEqual([2, 2, 2])
  })
  it("comes together when authorities start half a minute apart, and those who are late get what is there", () => {
    const { result } = withRig(3, startOf(E) + P / 3, (rig) => Effect.gen(function*() {
      yield* rig.start(0)
      yield* Effect.sleep(10)
      yield* rig.upload(E)
      yield* Effect.sleep(30_000)
      yield* rig.start(1)
      yield* Effect.sleep(12_000)
      const two = yield* served(rig, [0, 1], E)
      yield* rig.start(2)
      yield* Effect.sleep(100)
      return { two, three: yield* served(rig, all(3), E) }
    }))
    agreeOn(result.two)
    agreeOn(result.three)
  })
  it.each([P / 3, 0, P - 10_000, 20_000])("agrees with clocks half a minute ahead and behind, %d ms into the epoch", (intoMs) => {
    const { result } = withRig(3, startOf(E) + intoMs, (rig) => Effect.gen(function*() {
      for (const [index, skewMs] of [-30_000, 0, 30_000].entries()) yield* rig.start(index, { skewMs })
      yield* Effect.sleep(10)
      for (const epoch of [E - 1, E, E + 1]) yield* rig.upload(epoch)
      yield* Effect.sleep(61_000)
      const now = intoMs + 61_010 >= P ? E + 1 : E
      return yield* served(rig, all(3), now)
    }))
    agreeOn(result)
  })
  it("takes descriptors from each other's votes: one that reached the threshold is in", () => {
    const { result } = withRig(5, startOf(E) + P / 3, (rig) => Effect.gen(function*() {
      yield* startAll(rig, all(5))
      yield* Effect.sleep(10)
      yield* rig.upload(E, [0, 1, 2])
      yield* Effect.sleep(500)
      return { texts: yield* served(rig, all(5), E), document: yield* rig.document(4, E) }
    }))
    agreeOn(result.texts)
    expect([result.document?.gateways.length, result.document?.computeServices.length]).toEqual([1, 1])
  })
})

describe("the vote on schedule", { timeout: 60_000 }, () => {
  /** A network that has a document of E and descriptors for E + 1, just before P/8. */
  const running = (rig: Rig, count: number) => Effect.gen(function*() {
    yield* startAll(rig, all(count))
    yield* Effect.sleep(10)
    yield* rig.upload(E)
    yield* rig.upload(E + 1)
    yield* sleepUntil(startOf(E) + P / 8 - 1_000)
  })
  const sleepUntil = (instantMs: number) => Effect.flatMap(Effect.clock, (clock) => Effect.sleep(instantMs - clock.unsafeCurrentTimeMillis()))

  it.each([3, 5])("gives the next epoch's document soon after half the epoch: %d authorities", (count) => {
    const { result, warnings } = withRig(count, startOf(E) + 100, (rig) => Effect.gen(function*() {
      yield* running(rig, count)
      yield* sleepUntil(startOf(E) + P / 2 - 1_000)
      const before = yield* served(rig, all(count), E + 1)
      yield* sleepUntil(startOf(E) + (5 * P) / 8)
      const [one, two] = [yield* rig.document(0, E), yield* rig.document(0, E + 1)]
      return { before, after: yield* served(rig, all(count), E + 1), genesis: [one?.genesisEpoch, two?.genesisEpoch], values: [one, two] }
    }))
    expect(new Set(result.before)).toEqual(new Set(["none"]))
    agreeOn(result.after)
    expect(result.genesis).toEqual([E, E])
    expect(result.values[0]?.sharedRandomValue).not.toEqual(result.values[1]?.sharedRandomValue)
    expect(warnings).toEqual([])
  })
  it.each([
    ["descriptors", 0.5 / 8], ["votes", 1.5 / 8], ["reveals", 2.5 / 8], ["certificates", 3.5 / 8], ["signatures", 4.01 / 8]
  ])("survives the death of one authority while it collects %s, and gives it the document when it returns", (_, part) => {
    const { result } = withRig(3, startOf(E) + 100, (rig) => Effect.gen(function*() {
      yield* startAll(rig, all(3))
      yield* Effect.sleep(10)
      yield* rig.upload(E)
      yield* rig.upload(E + 1)
      yield* sleepUntil(startOf(E) + part * P)
      yield* rig.kill(1)
      yield* Effect.sleep(5_000)
      yield* rig.start(1)
      yield* sleepUntil(startOf(E) + (5 * P) / 8)
      return yield* served(rig, all(3), E + 1)
    }))
    agreeOn(result)
  })
  it("that nobody could hold is made good an eighth before the next epoch", () => {
    const { result } = withRig(3, startOf(E) + 100, (rig) => Effect.gen(function*() {
      yield* running(rig, 3)
      yield* rig.kill(0)
      yield* rig.kill(1)
      yield* sleepUntil(startOf(E) + (5.5 * P) / 8)
      yield* rig.start(0)
      yield* rig.start(1)
      yield* sleepUntil(startOf(E) + (6 * P) / 8 + 15_000)
      return yield* served(rig, all(3), E + 1)
    }))
    agreeOn(result)
  })
  it("goes on after an epoch without a document", () => {
    const { result } = withRig(3, startOf(E) + 100, (rig) => Effect.gen(function*() {
      yield* running(rig, 3)
      for (const index of all(3)) yield* rig.kill(index)
      yield* sleepUntil(startOf(E + 2) + 100)
      yield* startAll(rig, all(3))
      yield* Effect.sleep(10)
      yield* rig.upload(E + 2)
      yield* Effect.sleep(1_000)
      const [before, after] = [yield* rig.document(0, E + 1), yield* rig.document(0, E + 2)]
      return { before, genesis: after?.genesisEpoch, texts: yield* served(rig, all(3), E + 2) }
    }))
    agreeOn(result.texts)
    expect([result.before, result.genesis]).toEqual([undefined, E])
  })
})

describe("after a restart of everything in one epoch", { timeout: 60_000 }, () => {
  it("the same document is served again", () => {
    const { result } = withRig(3, startOf(E) + P / 3, (rig) => Effect.gen(function*() {
      yield* startAll(rig, all(3))
      yield* Effect.sleep(10)
      yield* rig.upload(E)
      yield* Effect.sleep(500)
      const before = yield* Effect.forEach(all(3), (index) => rig.certificate(index, E))
      for (const index of all(3)) yield* rig.kill(index)
      yield* startAll(rig, all(3))
      yield* Effect.sleep(100)
      return { before, after: yield* Effect.forEach(all(3), (index) => rig.certificate(index, E)) }
    }))
    expect(result.after).toEqual(result.before)
    expect(result.before[0]).toBeDefined()
  })
})

describe("a configuration", { timeout: 60_000 }, () => {
  it.each<readonly [string, Partial<AuthorityConfig>]>([
    ["identity:", { identity: identityAt(7) }],
    ["fellows: the key of authority-1", { fellows: [1, 2].map((index) => ({ name: nameOf(index), publicKey: identityAt(index + 6).publicKey })) }],
    ["fellows: 1 named, 2 have keys", { fellows: [{ name: nameOf(1), publicKey: identityAt(1).publicKey }] }],
    ["authorityThreshold: 1 is not more than half of 3", { authorityThreshold: 1 }]
  ])("that is wrong is refused by its field: %s", (start, change) => {
    const fellows = [1, 2].map((index) => ({ name: nameOf(index), publicKey: identityAt(index).publicKey }))
    const config = { ...settingOf(3), identity: identityAt(0), fellows, pinned, store: memoryAuthorityStore(), ...change }
    const { result } = withRig(1, startOf(E), (rig) => authority(config)(Effect.void).pipe(
      Effect.provideService(Mount, rig.mount), Effect.map((): string => ""), Effect.catchAll((error) => Effect.succeed(error.message))
    ))
    expect(result.startsWith(start)).toBe(true)
  })
})
