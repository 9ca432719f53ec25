/**
 * Several real authorities over the memory mount in virtual time, and somebody who uploads for all nodes.
 *
 * Goal: one place that starts, kills and asks authorities, so that each test says only what goes wrong.
 * Method: descriptors of the sample network; every authority has its own clock, store and scope; warnings are collected.
 *
 * @module
 */
import { Clock, Context, Effect, Either, Exit, Layer, Logger, Random, Scope } from "effect"
import { authority } from "../../../../actors/authority/authority.ts"
import type { PinnedIdentity } from "../../../../actors/authority/pinned.ts"
import { Authority } from "../../../../actors/authority/protocol.ts"
import { memoryAuthorityStore, type AuthorityStore } from "../../../../actors/authority/store.ts"
import { layerMountMemory } from "../../../../src/actor/mount-memory.ts"
import { Mount } from "../../../../src/actor/mount.ts"
import { EntropySource, seededEntropy, type Entropy } from "../../../../src/crypto/entropy.ts"
import { Epoch, epochStartMs } from "../../../../src/params/epoch.ts"
import { verifyCertificate } from "../../../../src/pki/certificate.ts"
import type { Descriptor } from "../../../../src/pki/descriptor.ts"
import type { Document } from "../../../../src/pki/document.ts"
import { makeIdentity } from "../../../../src/pki/network-setting.ts"
import { openMessage, type Message } from "../../../../src/pki/vote-message.ts"
import { makeGeometry } from "../../../../src/sphinx/geometry.ts"
import { runVirtual } from "../../session/virtual-time.ts"
import { crypto, epoch as E, network, params, seedOf, signAll } from "../../pki/sample-network.ts"

export { crypto, E, params }
export const P = params.epochPeriodMs
export const startOf = (epoch: number): number => epochStartMs(params, Epoch(epoch))
export const SEED = 101
export const nameOf = (index: number): string => `authority-${index}`
export const identityAt = (index: number) => makeIdentity(crypto, nameOf(index), seedOf(SEED + index))

const geometry = Either.getOrThrow(makeGeometry(params.geometry))

const placeOf = (descriptor: Descriptor): Pick<PinnedIdentity, "place" | "number"> =>
  descriptor.kind === "node" ? { place: descriptor.role, number: descriptor.mixLayer }
    : descriptor.kind === "replica" ? { place: "replica", number: descriptor.replicaId } : { place: "compute", number: -1 }

export const pinned: ReadonlyArray<PinnedIdentity> = network().map(([, descriptor]) =>
  ({ name: descriptor.name, identityKey: descriptor.identityKey, ...placeOf(descriptor) }))

/** An actor of the sample network moved to another epoch. */
export const movedTo = (epoch: number, descriptor: Descriptor): Descriptor => {
  const keys = new Map([[epoch, new Uint8Array(32).fill(epoch % 251)]])
  return descriptor.kind === "node" ? { ...descriptor, epoch: Epoch(epoch), mixKeys: keys }
    : descriptor.kind === "compute" ? { ...descriptor, epoch: Epoch(epoch), jobKeys: keys } : { ...descriptor, epoch: Epoch(epoch) }
}

/** Name and signed descriptor of every actor, for an epoch. */
export const uploadsFor = (epoch: number, without: ReadonlyArray<number> = []): ReadonlyArray<readonly [name: string, bytes: Uint8Array]> =>
  network().filter(([byte]) => !without.includes(byte)).map(([byte, descriptor]) => {
    const moved = movedTo(epoch, descriptor)
    return [moved.name, signAll([[byte, moved]])[0] as Uint8Array]
  })

export const settingOf = (count: number) => ({
  crypto, params, geometry,
  authorityKeys: Array.from({ length: count }, (_, index) => identityAt(index).publicKey),
  authorityThreshold: Math.floor(count / 2) + 1
})

export interface StartChoice {
  readonly skewMs?: number
  readonly entropy?: Entropy
  readonly store?: AuthorityStore
}

export interface Warning {
  readonly text: string
  readonly actor: string
}

const shifted = (clock: Clock.Clock, skewMs: number): Clock.Clock => ({
  ...clock,
  unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis() + skewMs,
  currentTimeMillis: Effect.map(clock.currentTimeMillis, (nowMs) => nowMs + skewMs)
})

/** What a test does with `count` authorities. */
export const makeRig = (count: number) =>
  Effect.gen(function*() {
    const mount = Context.get(yield* Layer.build(layerMountMemory()), Mount)
    const setting = settingOf(count)
    const stores = Array.from({ length: count }, () => memoryAuthorityStore())
    const lives = new Map<number, Scope.CloseableScope>()
    const kill = (index: number) =>
      Effect.suspend(() => {
        const life = lives.get(index)
        lives.delete(index)
        return life === undefined ? Effect.void : Scope.close(life, Exit.void)
      })
    yield* Effect.addFinalizer(() => Effect.forEach([...lives.keys()], kill, { discard: true }))
    const start = (index: number, choice: StartChoice = {}) =>
      Effect.gen(function*() {
        yield* kill(index)
        const scope = yield* Scope.make()
        lives.set(index, scope)
        const clock = yield* Effect.clock
        const fellows = Array.from({ length: count }, (_, other) => ({ name: nameOf(other), publicKey: identityAt(other).publicKey }))
        const life = authority({
          ...setting, identity: identityAt(index), pinned, store: choice.store ?? stores[index] ?? memoryAuthorityStore(),
          fellows: fellows.filter((_, other) => other !== index)
        })(Effect.void)
        yield* Effect.forkIn(Effect.scoped(life), scope).pipe(
          Effect.provideService(Mount, mount),
          Effect.provideService(EntropySource, choice.entropy ?? seededEntropy(7, `${nameOf(index)} ${clock.unsafeCurrentTimeMillis()}`)),
          Effect.withRandom(Random.make(index)),
          Effect.withClock(shifted(clock, choice.skewMs ?? 0))
        )
        yield* Effect.sleep(1)
      })
    const callAs = (from: string, index: number) => mount.connect(from, nameOf(index), Authority)
    /** Uploads of an epoch to some authorities; gives the statuses. */
    const upload = (epoch: number, to: ReadonlyArray<number> = stores.map((_, index) => index), without: ReadonlyArray<number> = []) =>
      Effect.forEach(uploadsFor(epoch, without), ([name, descriptor]) => Effect.forEach(to, (index) =>
        Effect.flatMap(callAs(name, index), (client) => Effect.option(client.PostDescriptor({ epoch, descriptor }))))).pipe(Effect.scoped)
    /** Certificate that an authority serves. */
    const certificate = (index: number, epoch: number) =>
      Effect.flatMap(callAs("reader", index), (client) => client.GetConsensus({ epoch })).pipe(
        Effect.scoped, Effect.map(({ certificate: bytes, status }) => (status === 0 ? bytes : undefined)), Effect.catchAll(() => Effect.succeed(undefined))
      )
    const document = (index: number, epoch: number) =>
      Effect.map(certificate(index, epoch), (bytes): Document | undefined => (bytes === undefined ? undefined
        : Either.getOrThrow(verifyCertificate(crypto, bytes, setting.authorityKeys, setting.authorityThreshold, Epoch(epoch)))))
    return { mount, setting, stores, start, kill, callAs, upload, certificate, document }
  })

export type Rig = Effect.Effect.Success<ReturnType<typeof makeRig>>

/** Serves an authority's name, takes whatever comes and says nothing. */
export const listen = (rig: Rig, name: string, heard: Array<Message>) => {
  const take = (kind: "vote" | "reveal" | "cert" | "sig") => ({ message }: { readonly message: Uint8Array }) => Effect.sync(() => {
    heard.push(Either.getOrThrow(openMessage(crypto, kind, message)))
    return { status: { vote: 0, reveal: 8, cert: 14, sig: 20 }[kind] as never }
  })
  return rig.mount.serve(name, Authority, Authority.toLayer({
    PostDescriptor: () => Effect.succeed({ status: 0 as const }),
    Withdraw: () => Effect.succeed({ status: 0 as const }),
    GetConsensus: () => Effect.succeed({ status: 1 as const, certificate: new Uint8Array(0) }),
    Vote: take("vote"), Reveal: take("reveal"), Cert: take("cert"), Sig: take("sig")
  }))
}

/** Runs a test from `atMs` on; gives its result and the warnings. */
export const withRig = <A>(
  count: number, atMs: number, test: (rig: Rig) => Effect.Effect<A, unknown, Scope.Scope>
): { readonly result: A; readonly warnings: ReadonlyArray<string> } => {
  const warnings: Array<string> = []
  const logger = Logger.make(({ annotations, message }) => {
    const actor = [...annotations].find(([name]) => name === "actor")?.[1]
    warnings.push(`${String(actor)}: ${Array.isArray(message) ? message.join(" ") : String(message)}`)
  })
  const result = runVirtual(Effect.scoped(Effect.gen(function*() {
    yield* Effect.sleep(atMs)
    return yield* test(yield* makeRig(count))
  })).pipe(Effect.orDie, Effect.provide(Logger.replace(Logger.defaultLogger, logger))))
  return { result, warnings }
}
