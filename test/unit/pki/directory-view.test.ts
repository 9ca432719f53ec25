/**
 * Following the directory, and publishing to it.
 *
 * Goal: only documents with enough signatures, from whoever has them; no epoch's failure delays another's; uploads reach every authority.
 * Method: virtual time that starts within an epoch; a directory that offers what a test says.
 *
 * @module
 */
import { Clock, Effect, Either, Fiber, Option } from "effect"
import { describe, expect, it } from "vitest"
import { Epoch, epochAt, epochStartMs } from "../../../src/params/epoch.ts"
import { DOCUMENT_LIFE_EPOCHS, mergeSignatures, signDocument } from "../../../src/pki/certificate.ts"
import { Directory, DirectoryUnavailable, type DirectoryService } from "../../../src/pki/directory.ts"
import { makeDirectoryView, type DirectoryView } from "../../../src/pki/directory-view.ts"
import { encodeDocument } from "../../../src/pki/document.ts"
import type { Descriptor } from "../../../src/pki/descriptor.ts"
import { publishDescriptors } from "../../../src/pki/publish.ts"
import { runVirtual } from "../session/virtual-time.ts"
import { contents, crypto, epoch as E, identityOf, network, params, seedOf, signAll } from "./sample-network.ts"

const AUTHORITIES = [101, 102, 103]
const authorityKeys = AUTHORITIES.map(identityOf)
const P = params.epochPeriodMs

/** The network's descriptors for another epoch. */
const descriptorsFor = (epoch: number) => signAll(network().map(([byte, descriptor]) => {
  const keys = new Map([[epoch, new Uint8Array(32).fill(1)]])
  const moved = descriptor.kind === "node" ? { ...descriptor, epoch: Epoch(epoch), mixKeys: keys }
    : descriptor.kind === "compute" ? { ...descriptor, epoch: Epoch(epoch), jobKeys: keys } : { ...descriptor, epoch: Epoch(epoch) }
  return [byte, moved as Descriptor] as const
}))
const certificates = new Map<string, Uint8Array>()
/** The certificate of `epoch` signed by the given authorities. */
const certificateOf = (epoch: number, signers: ReadonlyArray<number> = [101, 102]): Uint8Array => {
  const key = `${epoch} ${signers.join()}`
  const known = certificates.get(key)
  if (known !== undefined) return known
  const document = Either.getOrThrow(encodeDocument(crypto, contents({ epoch: Epoch(epoch), descriptors: descriptorsFor(epoch) })))
  const single = signers.map((signer) => signDocument(crypto, seedOf(signer), document, Epoch(epoch + DOCUMENT_LIFE_EPOCHS)))
  const merged = Either.getOrThrow(mergeSignatures(crypto, single, signers.map(identityOf)))
  certificates.set(key, merged)
  return merged
}

type Offer = (epoch: number, nowMs: number) => ReadonlyArray<Uint8Array> | "unavailable" | "dies"

/** Runs a test from `startMs` on with a view over a directory that offers what it is told. */
const withView = <A>(startMs: number, offer: Offer, test: (view: DirectoryView) => Effect.Effect<A>): A =>
  runVirtual(Effect.scoped(Effect.gen(function*() {
    yield* Effect.sleep(startMs)
    const directory: DirectoryService = {
      postDescriptor: () => Effect.succeed(0),
      withdraw: () => Effect.succeed(0),
      getConsensus: (epoch) => Effect.flatMap(Clock.currentTimeMillis, (nowMs) => {
        const offered = offer(epoch, nowMs)
        if (offered === "dies") return Effect.die("planted")
        return offered === "unavailable" ? Effect.fail(new DirectoryUnavailable()) : Effect.succeed(offered)
      })
    }
    const view = yield* Effect.provideService(makeDirectoryView({ crypto, params, authorityKeys, threshold: 2 }), Directory, directory)
    return yield* test(view)
  })))
const startOf = (epoch: number): number => epochStartMs(params, Epoch(epoch))
const published: Offer = (epoch, nowMs) => (nowMs >= startOf(epoch) - (P * 3) / 8 ? [certificateOf(epoch)] : [])
const epochNow = (view: DirectoryView) => Effect.map(Effect.option(view.current), Option.map((document) => document.epoch))

describe("directory view", () => {
  it("has the current document soon after the start, and the next one before its epoch", () => {
    withView(startOf(E) + 1000, published, (view) => Effect.gen(function*() {
      expect((yield* view.awaitDocument).epoch).toBe(E)
      yield* Effect.sleep(startOf(E) + (P * 11) / 16 - (yield* Clock.currentTimeMillis))
      expect(Option.isSome(yield* view.forEpoch(Epoch(E + 1)))).toBe(true)
      expect(yield* epochNow(view)).toEqual(Option.some(E))
      yield* Effect.sleep(startOf(E + 1) - (yield* Clock.currentTimeMillis))
      expect(yield* epochNow(view)).toEqual(Option.some(E + 1))
    }))
  })
  it("keeps the last, the current and the next document, no others", () => {
    withView(startOf(E) + 1000, published, (view) => Effect.gen(function*() {
      yield* Effect.sleep(startOf(E + 2) + (P * 3) / 4 - (yield* Clock.currentTimeMillis))
      const held = yield* Effect.forEach([E, E + 1, E + 2, E + 3], (epoch) => Effect.map(view.forEpoch(Epoch(epoch)), Option.isSome))
      expect(held).toEqual([false, true, true, true])
      expect(view.certificateOf(E + 2)).toEqual(certificateOf(E + 2))
    }))
  })
  it.each<readonly [string, Uint8Array]>([
    ["with one signature of three", certificateOf(E, [101])],
    ["with one signature and a stranger's", certificateOf(E, [101, 55])],
    ["of another epoch", certificateOf(E - 1)],
    ["damaged", certificateOf(E).map((byte, at) => (at === 500 ? byte ^ 1 : byte))],
    ["that is garbage", new Uint8Array(1000).fill(7)]
  ])("never accepts a document %s", (_, bytes) => {
    withView(startOf(E) + 1000, (epoch) => (epoch === E ? [bytes] : []), (view) => Effect.gen(function*() {
      yield* Effect.sleep(60_000)
      expect(yield* epochNow(view)).toEqual(Option.none())
      expect(view.certificateOf(E)).toBeUndefined()
    }))
  })
  it("takes the true document among forged ones", () => {
    withView(startOf(E) + 1000, (epoch) => [new Uint8Array(9), certificateOf(epoch, [101]), certificateOf(E - 1), certificateOf(epoch)], (view) =>
      Effect.gen(function*() {
        expect((yield* view.awaitDocument).epoch).toBe(E)
      }))
  })
  it("C10, E3: uses the last document while the current epoch has none, also after a start in such an epoch, and gets the next in time", () => {
    const dead: Offer = (epoch, nowMs) => (epoch === E ? [] : published(epoch, nowMs))
    withView(startOf(E) + 1000, dead, (view) => Effect.gen(function*() {
      yield* Effect.sleep(5000)
      expect(yield* epochNow(view)).toEqual(Option.some(E - 1))
      yield* Effect.sleep(startOf(E + 1) - (yield* Clock.currentTimeMillis))
      expect(yield* epochNow(view)).toEqual(Option.some(E + 1))
    }))
  })
  it("waits through an outage and through calls that die", () => {
    for (const trouble of ["unavailable", "dies"] as const) {
      withView(startOf(E) + 1000, (epoch, nowMs) => (nowMs < startOf(E) + 60_000 ? trouble : published(epoch, nowMs)), (view) => Effect.gen(function*() {
        const waiting = yield* Effect.fork(view.awaitDocument)
        yield* Effect.sleep(30_000)
        expect(Option.isNone(yield* Fiber.poll(waiting))).toBe(true)
        expect((yield* Fiber.join(waiting)).epoch).toBe(E)
        expect(yield* Clock.currentTimeMillis).toBeLessThan(startOf(E) + 65_000)
      }))
    }
  })
})

interface Upload {
  readonly epoch: number
  readonly atMs: number
}

/** Publishes for `forMs` from `startMs` on; `accept` gives how many of three authorities take an upload. */
const uploadsOf = (startMs: number, forMs: number, accept: (upload: Upload, before: ReadonlyArray<Upload>) => number | "fails"): ReadonlyArray<Upload> =>
  runVirtual(Effect.gen(function*() {
    yield* Effect.sleep(startMs)
    const uploads: Array<Upload> = []
    const directory: DirectoryService = {
      getConsensus: () => Effect.succeed([]), withdraw: () => Effect.succeed(0),
      postDescriptor: (epoch, descriptor) => Effect.flatMap(Clock.currentTimeMillis, (atMs) => {
        expect(descriptor).toEqual(new Uint8Array([epoch % 256]))
        const verdict = accept({ epoch, atMs }, uploads)
        uploads.push({ epoch, atMs })
        return verdict === "fails" ? Effect.fail(new DirectoryUnavailable()) : Effect.succeed(verdict)
      })
    }
    const publishing = publishDescriptors(params, 3, (epoch) => Effect.succeed(new Uint8Array([epoch % 256])))
    yield* Effect.timeoutOption(Effect.provideService(publishing, Directory, directory), forMs)
    return uploads
  }))

describe("publishing", () => {
  it("uploads for this and the next epoch at once, then one epoch ahead, early in each", () => {
    const uploads = uploadsOf(startOf(E) + 1000, 2.5 * P, () => 3)
    expect(uploads.map(({ epoch }) => epoch)).toEqual([E, E + 1, E + 2, E + 3])
    for (const { atMs, epoch } of uploads.slice(2)) {
      expect(atMs).toBeGreaterThanOrEqual(startOf(epoch - 1))
      expect(atMs).toBeLessThanOrEqual(startOf(epoch - 1) + P / 16)
    }
  })
  it("repeats an upload until every authority has it, so that all build the same document", () => {
    const uploads = uploadsOf(startOf(E) + 1000, P / 2, (_, before) => (before.length < 8 ? 2 : 3))
    expect(uploads.length).toBe(10)
    expect(new Set(uploads.map(({ epoch }) => epoch))).toEqual(new Set([E, E + 1]))
  })
  it("a refusal for one epoch, or an outage, holds up no other epoch", () => {
    for (const verdict of [2, "fails"] as const) {
      const uploads = uploadsOf(startOf(E) + 1000, 2 * P, ({ epoch }) => (epoch <= E + 1 ? verdict : 3))
      const onTime = uploads.filter(({ atMs, epoch }) => epoch === E + 2 && epochAt(params, atMs) === E + 1)
      expect(onTime).toHaveLength(1)
      expect(uploads.filter(({ epoch }) => epoch === E).every(({ atMs }) => atMs < startOf(E + 1))).toBe(true)
    }
  })
  it("repeats with growing pauses, every 2.5 s at most in the long run", () => {
    const uploads = uploadsOf(startOf(E), P, () => 0)
    expect(uploads.length).toBeGreaterThan(100)
    expect(uploads.length).toBeLessThan(2 * (20 + P / 2500))
  })
})
