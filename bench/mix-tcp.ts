/**
 * TCP mounts on this machine for the bench of the packet path: who is who, and where.
 *
 * Contract: link keys follow from names, the same in every process. Addresses are learned as mounts begin to listen.
 * Knows nothing of: packets.
 * Source: mount-tcp.ts; departures: none.
 *
 * @module
 */
import { Context, Effect, Layer, type Scope } from "effect"
import { Mount, type MountService } from "../src/actor/mount.ts"
import { layerMountTcp } from "../src/actor/mount-tcp.ts"
import type { TcpAddress } from "../src/actor/tcp-options.ts"
import type { CryptoBackend, XWingPrivateKey } from "../src/crypto/backend.ts"
import { Crypto } from "../src/crypto/crypto-service.ts"
import { seededEntropy } from "../src/crypto/entropy.ts"
import { claimMatches, type PeerClaim } from "../src/link/peer-check.ts"

const HOST = "127.0.0.1"

export class BenchPeers {
  readonly #crypto: CryptoBackend
  readonly #keys: ReadonlyMap<string, XWingPrivateKey>
  readonly addresses = new Map<string, TcpAddress>()

  constructor(crypto: CryptoBackend, names: ReadonlyArray<string>) {
    this.#crypto = crypto
    this.#keys = new Map(names.map((name) => [name, crypto.xwingPrivateKey(seededEntropy("bench link", name)(32))]))
  }

  place(name: string, port: number): void {
    this.addresses.set(name, { host: HOST, port })
  }

  keyOf(name: string): XWingPrivateKey {
    const key = this.#keys.get(name)
    if (key === undefined) throw new RangeError(`no peer ${name}`)
    return key
  }

  hashOf(name: string): Uint8Array {
    return this.#crypto.blake2b256(new TextEncoder().encode(name))
  }

  claimOf(name: string): PeerClaim {
    return { linkKey: this.keyOf(name).publicKey, additionalData: this.hashOf(name) }
  }

  /** The mount of one name in the caller's scope; listens on a free port once it serves. */
  mountOf(name: string): Effect.Effect<MountService, never, Scope.Scope> {
    const layer = layerMountTcp({
      self: { name, linkKey: this.keyOf(name), identityHash: this.hashOf(name) },
      addresses: (other) => this.addresses.get(other),
      peers: {
        accept: (claim) => [...this.#keys.keys()].find((other) => claimMatches(claim, this.claimOf(other))),
        expects: (to, claim) => claimMatches(claim, this.claimOf(to))
      },
      listen: { host: HOST, port: 0 },
      onListening: (address) => this.addresses.set(name, address)
    })
    return Effect.map(Layer.build(Layer.provide(layer, Layer.succeed(Crypto, this.#crypto))), Context.get(Mount))
  }
}
