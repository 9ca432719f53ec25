/**
 * A person of the lab's who joins a network beside its actors, with sessions and a box store of their own, made of the parts that clients are made of.
 *
 * Contract: sessions send at the network's rates from when they are opened until the scope closes. Draws are the caller's: whoever wants the store to make
 * its choices without chance runs its operations with another `Random`; the ticks of the sessions do not change with that.
 * Knows nothing of: jobs.
 * Source: mixnet.md §4; departures: none.
 *
 * @module
 */
import { Effect, type Scope } from "effect"
import { Mount } from "../../src/actor/mount.ts"
import { Crypto } from "../../src/crypto/crypto-service.ts"
import { Directory } from "../../src/pki/directory.ts"
import { nodeIdOf } from "../../src/pki/descriptor.ts"
import { makeDirectoryView } from "../../src/pki/directory-view.ts"
import type { Document } from "../../src/pki/document.ts"
import { PkiView } from "../../src/pki/pki-view.ts"
import { makeSessionPool, SessionPool, type SessionPoolService } from "../../src/session/session-pool.ts"
import { makeBoxStore, type BoxStoreService } from "../../src/storage/box-store.ts"
import { connectThroughGateway } from "../directory-client.ts"
import type { Network } from "../launch.ts"
import { openPacketPort } from "../packet-port.ts"

export interface LabPerson {
  readonly document: Document
  readonly pool: SessionPoolService
  readonly store: BoxStoreService
}

/** Told where every exchange of a person goes: the endpoint behind the service node. */
export type OnExchange = (recipient: Uint8Array) => void

/** Joins under a name, through all gateways in turn. */
export const joinNetwork = (
  network: Network, name: string, sessionCount: number, onExchange: OnExchange = () => undefined
): Effect.Effect<LabPerson, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { gateways } = network.topology
    const directory = yield* connectThroughGateway(name, gateways[0]?.name ?? "")
    const view = yield* Effect.provideService(
      makeDirectoryView({ ...network.setting, threshold: network.setting.authorityThreshold }), Directory, directory)
    const document = yield* view.awaitDocument
    const ports = yield* Effect.forEach(Array.from({ length: sessionCount }, (_, index) => document.gateways[index % document.gateways.length]), (gateway) =>
      gateway === undefined
        ? Effect.die(new RangeError("a document without gateways"))
        : openPacketPort(name, { name: gateway.name, nodeId: nodeIdOf(network.setting.crypto, gateway.identityKey) }))
    const sessions = yield* Effect.provideService(makeSessionPool(ports), PkiView, view)
    const pool: SessionPoolService = {
      ...sessions,
      exchange: (request) => {
        if ("recipient" in request) onExchange(request.recipient)
        return sessions.exchange(request)
      }
    }
    const store = yield* makeBoxStore.pipe(Effect.provideService(SessionPool, pool), Effect.provideService(PkiView, view))
    return { document, pool, store }
  }).pipe(Effect.provideService(Mount, network.mount), Effect.provideService(Crypto, network.setting.crypto))
