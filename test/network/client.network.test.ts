/**
 * The client actor on a mount, its gateway silent.
 *
 * Goal: what the person beside a client gets from it: models, counters, typed refusals, and an end to every call when the actor ends. Method: the
 * real actor over a memory mount and a port that swallows packets; nothing here waits for the network.
 *
 * @module
 */
import { Context, Deferred, Effect, Either, Exit, Fiber, Layer, Option, Scope, Stream } from "effect"
import { describe, expect, it } from "vitest"
import { client } from "../../actors/client/client.ts"
import { Client } from "../../actors/client/protocol.ts"
import { Mount } from "../../src/actor/mount.ts"
import { layerMountMemory } from "../../src/actor/mount-memory.ts"
import { Crypto } from "../../src/crypto/crypto-service.ts"
import { JournalFile, memoryJournal } from "../../src/inference/journal-file.ts"
import { decodeCard } from "../../src/model/card.ts"
import type { Document } from "../../src/pki/document.ts"
import { PkiView } from "../../src/pki/pki-view.ts"
import type { PacketPortService } from "../../src/session/packet-port.ts"
import { makeGeometry, NodeId, recipientId } from "../../src/sphinx/geometry.ts"
import { crypto } from "../unit/inference/sample-job.ts"
import { CARD, DOCUMENT, PARAMS, PROFILES, REQUEST } from "../unit/inference/client-world.ts"

const PORT: PacketPortService = {
  gateway: NodeId.unsafe(new Uint8Array(32)), queueId: recipientId("queue"), send: () => true, receive: () => Effect.never
}

const running = Effect.gen(function* () {
  const mount = Context.get(yield* Layer.build(layerMountMemory()), Mount)
  const document = yield* Deferred.make<Document>()
  const ready = yield* Deferred.make<void>()
  const life = yield* Scope.make()
  yield* client({
    crypto, params: PARAMS, geometry: Either.getOrThrow(makeGeometry(PARAMS.geometry)), authorityKeys: [], authorityThreshold: 0, name: "client-0",
    openPort: Effect.succeed(PORT), awaitDocument: Deferred.await(document), journalKey: new Uint8Array(32)
  })(Effect.asVoid(Deferred.succeed(ready, undefined))).pipe(
    Scope.extend(life),
    Effect.provideService(Mount, mount),
    Effect.provideService(PkiView, { current: Effect.succeed(DOCUMENT), held: () => DOCUMENT, forEpoch: () => Effect.succeed(Option.none()) }),
    Effect.provideService(Crypto, crypto),
    Effect.provideService(JournalFile, memoryJournal()),
    Effect.forkIn(life)
  )
  const calls = yield* mount.connect("person", "client-0", Client)
  return { calls, document, ready, stop: Scope.close(life, Exit.void) }
})

const onNetwork = <A>(use: (net: Effect.Effect.Success<typeof running>) => Effect.Effect<A, unknown>): Promise<A> =>
  Effect.runPromise(Effect.scoped(Effect.flatMap(running, (net) => Effect.ensuring(use(net), net.stop))))

const started = ({ document, ready }: Effect.Effect.Success<typeof running>) =>
  Effect.zipRight(Deferred.succeed(document, DOCUMENT), Deferred.await(ready))

describe("client actor", () => {
  it("is up when the document is there, and not before", () =>
    onNetwork((net) => Effect.gen(function* () {
      yield* Effect.sleep(20)
      expect(yield* Deferred.isDone(net.ready)).toBe(false)
      yield* started(net)
    })))

  it("lists the models of the directory with the profiles that their cards accept", () =>
    onNetwork((net) => Effect.gen(function* () {
      yield* started(net)
      const models = yield* net.calls.Models(undefined)
      expect(models.map(({ card, service }) => [service, Either.getOrThrow(decodeCard(card)).id])).toEqual([["compute-0", CARD.id]])
      expect(models[0]!.profiles.map(({ id }) => id)).toEqual(PROFILES.map(({ id }) => id))
      expect(yield* net.calls.Counters(undefined)).toMatchObject({ received: 0 })
    })))

  it("refuses in the protocol's own words", () =>
    onNetwork((net) => Effect.gen(function* () {
      yield* started(net)
      const refusals = [
        net.calls.Upload({ ...REQUEST, model: "other" }), net.calls.Dispatch({ input: new Uint8Array(3) }),
        Stream.runDrain(net.calls.Infer({ ...REQUEST, inputs: [] })), Stream.runDrain(net.calls.Fetch({ ticket: new Uint8Array(256) }))
      ]
      const reasons = yield* Effect.forEach(refusals, (refusal) => Effect.flip(refusal as Effect.Effect<unknown, { readonly reason: string }>))
      expect(reasons.map(({ reason }) => reason)).toEqual(["unknown-model", "input-refused", "input-refused", "input-refused"])
    })))

  it("tells the plan at once, ends calls when it ends, and lets a caller leave", () =>
    onNetwork((net) => Effect.gen(function* () {
      yield* started(net)
      const head = yield* Stream.runHead(net.calls.Infer(REQUEST))
      expect(Option.getOrThrow(head)).toMatchObject({ _tag: "Planned", model: CARD.id, boxesIn: 4 })
      const call = yield* Effect.fork(Effect.either(Stream.runDrain(net.calls.Infer(REQUEST))))
      yield* Effect.sleep(50)
      yield* net.stop
      expect(yield* Fiber.join(call)).toMatchObject({ _tag: "Left", left: { _tag: "ActorUnavailable" } })
    })))
})
