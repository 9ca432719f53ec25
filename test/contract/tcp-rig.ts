/**
 * Small networks over TCP on this machine, for tests.
 *
 * Goal: the suites of the memory mount and of strangers run over real sockets.
 * Method: one mount per name, as one process would have; free ports of 127.0.0.1; names and keys are known to all, as a document would make them.
 * Link keys are made once per name: making them is the dearest part.
 *
 * @module
 */
import { Context, Effect, Either, ExecutionStrategy, Exit, Layer, Scope } from "effect"
import { Mount, type MountService } from "../../src/actor/mount.ts"
import { layerMountTcp, type TcpMountOptions } from "../../src/actor/mount-tcp.ts"
import type { TcpCount } from "../../src/actor/tcp-limits.ts"
import type { TcpAddress } from "../../src/actor/tcp-options.ts"
import type { CryptoBackend, XWingPrivateKey } from "../../src/crypto/backend.ts"
import { Crypto } from "../../src/crypto/crypto-service.ts"
import { seededEntropy } from "../../src/crypto/entropy.ts"
import { selectBackend } from "../../src/crypto/select-backend.ts"
import type { HandshakeIdentity } from "../../src/link/handshake.ts"
import { claimMatches, type PeerClaim } from "../../src/link/peer-check.ts"

export const crypto: CryptoBackend = Either.getOrThrow(selectBackend())

const keys = new Map<string, XWingPrivateKey>()

/** The link key of a name, the same for the whole run. */
export const linkKeyOf = (name: string): XWingPrivateKey => {
  const key = keys.get(name) ?? crypto.xwingPrivateKey(seededEntropy(name, "link key")(32))
  keys.set(name, key)
  return key
}

export const identityHashOf = (name: string): Uint8Array => crypto.blake2b256(new TextEncoder().encode(name))
export const identityOf = (name: string): HandshakeIdentity => ({ linkKey: linkKeyOf(name), additionalData: identityHashOf(name) })
export const claimOf = (name: string): PeerClaim => ({ linkKey: linkKeyOf(name).publicKey, additionalData: identityHashOf(name) })

export interface TcpNetwork {
  readonly addresses: Map<string, TcpAddress>
  readonly counts: Map<string, Map<TcpCount, number>>
  /** The mount of one name, made when first asked for. */
  readonly mountOf: (name: string, more?: Partial<TcpMountOptions>) => Effect.Effect<MountService>
  /** Ends the mount of a name, as the end of its process would. */
  readonly stop: (name: string) => Effect.Effect<void>
}

/** @param known  names that may call and be called */
export const makeTcpNetwork = (known: ReadonlyArray<string>, common: Partial<TcpMountOptions> = {}): Effect.Effect<TcpNetwork, never, Scope.Scope> =>
  Effect.gen(function*() {
    const outer = yield* Effect.scope
    const addresses = new Map<string, TcpAddress>()
    const counts = new Map<string, Map<TcpCount, number>>()
    const mounts = new Map<string, { readonly scope: Scope.CloseableScope; readonly mount: MountService }>()
    const mountOf: TcpNetwork["mountOf"] = (name, more = {}) => Effect.gen(function*() {
      const existing = mounts.get(name)
      if (existing !== undefined) return existing.mount
      const own = counts.get(name) ?? new Map<TcpCount, number>()
      counts.set(name, own)
      const scope = yield* Scope.fork(outer, ExecutionStrategy.sequential)
      const layer = layerMountTcp({
        self: { name, linkKey: linkKeyOf(name), identityHash: identityHashOf(name) },
        addresses: (other) => addresses.get(other),
        peers: {
          accept: (claim) => known.find((other) => claimMatches(claim, claimOf(other))),
          expects: (to, claim) => claimMatches(claim, claimOf(to))
        },
        listen: addresses.get(name) ?? { host: "127.0.0.1", port: 0 },
        onListening: (address) => addresses.set(name, address),
        onCount: (count) => own.set(count, (own.get(count) ?? 0) + 1),
        ...common,
        ...more
      }).pipe(Layer.provide(Layer.succeed(Crypto, crypto)))
      const mount = Context.get(yield* Layer.buildWithScope(layer, scope), Mount)
      mounts.set(name, { scope, mount })
      return mount
    })
    const stop: TcpNetwork["stop"] = (name) => Effect.suspend(() => {
      const existing = mounts.get(name)
      mounts.delete(name)
      return existing === undefined ? Effect.void : Scope.close(existing.scope, Exit.void)
    })
    return { addresses, counts, mountOf, stop }
  })

/** One mount for the suite: every name serves and calls through the mount of its own. */
export const layerTcpNetwork = (known: ReadonlyArray<string>, common: Partial<TcpMountOptions> = {}): Layer.Layer<Mount> =>
  Layer.scoped(Mount, Effect.map(makeTcpNetwork(known, common), (network): MountService => ({
    serve: (name, group, handlers) => Effect.flatMap(network.mountOf(name), (mount) => mount.serve(name, group, handlers)),
    connect: (from, to, group, options) => Effect.flatMap(network.mountOf(from), (mount) => mount.connect(from, to, group, options))
  })))
