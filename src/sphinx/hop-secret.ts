/**
 * What the sender of a packet shares with each hop of its path: the element that the hop will find in its header, the secret and the keys.
 *
 * Contract: deterministic in the path and in the ephemeral key (NIKE) or the encapsulations (KEM). The caller wipes the secrets after use.
 * Knows nothing of: routing commands, payloads.
 * Source: sphinx.md §6, §8.1 (NIKE) and §13 (KEM); departures: none.
 *
 * @module
 */
import { Either } from "effect"
import type { CryptoBackend } from "../crypto/backend.ts"
import type { Entropy } from "../crypto/entropy.ts"
import { zeroize } from "../crypto/zeroize.ts"
import { clampedResidue, x25519ScalarOf } from "./blinded-scalar.ts"
import type { Geometry } from "./geometry.ts"
import { blankPacketKeys, blindingFactorOf, derivePacketKeys, wipePacketKeys, type PacketKeys } from "./key-material.ts"
import { invalid, type PacketInvalid } from "./packet-invalid.ts"

/** Private X25519 key of one packet. */
export const EPHEMERAL_KEY_BYTES = 32
/** Coins of one X-Wing encapsulation. */
export const KEM_COINS_BYTES = 64

const X25519_BYTES = 32
const XWING_PUBLIC_KEY_BYTES = 1216

export interface HopSecret {
  /** `elementBytes` bytes: blinded public key, or KEM ciphertext. */
  readonly element: Uint8Array
  /** 32 bytes. */
  readonly sharedSecret: Uint8Array
  readonly keys: PacketKeys
}

/** A ciphertext for one hop and the secret inside it. */
export interface Encapsulation {
  readonly ciphertext: Uint8Array
  readonly sharedSecret: Uint8Array
}

/** Overwrites the secrets and keys of a path with zeros. */
export const wipeHopSecrets = (secrets: ReadonlyArray<HopSecret>): void => {
  for (const { keys, sharedSecret } of secrets) {
    zeroize(sharedSecret)
    wipePacketKeys(keys)
  }
}

/** Element and secret of one hop, from the product of the ephemeral key and all factors before it. */
const hopSecretOf = (crypto: CryptoBackend, product: Uint8Array, publicKey: Uint8Array, keys?: PacketKeys): HopSecret | undefined => {
  const scalar = x25519ScalarOf(product)
  const element = crypto.x25519PublicKey(scalar)
  const sharedSecret = crypto.x25519(scalar, publicKey)
  zeroize(scalar)
  return sharedSecret === undefined ? undefined : { element, sharedSecret, keys: derivePacketKeys(crypto, sharedSecret, keys) }
}

/**
 * Secrets along a path in NIKE mode.
 * @param ephemeral private X25519 key of this packet, 32 bytes, not clamped
 * @param publicKeys mix key of each hop, hop 0 first
 * @param memoryOf where the keys of a hop go; by default memory of their own
 * @errors PacketInvalid `bad-key` for a key of wrong length or low order
 * @cost one scalar multiplication and one with the base point per hop (see blinded-scalar)
 */
export const nikeHopSecrets = (
  crypto: CryptoBackend,
  ephemeral: Uint8Array,
  publicKeys: ReadonlyArray<Uint8Array>,
  memoryOf?: (hopIndex: number) => PacketKeys
): Either.Either<ReadonlyArray<HopSecret>, PacketInvalid> => {
  if (ephemeral.length !== EPHEMERAL_KEY_BYTES || publicKeys.some((key) => key.length !== X25519_BYTES)) return invalid("bad-key")
  const secrets: Array<HopSecret> = []
  let product = clampedResidue(crypto, ephemeral)
  for (const publicKey of publicKeys) {
    const secret = hopSecretOf(crypto, product, publicKey, memoryOf?.(secrets.length))
    if (secret === undefined) break
    secrets.push(secret)
    const factor = blindingFactorOf(crypto, secret.keys)
    const residue = clampedResidue(crypto, factor)
    const next = crypto.scalarMultiply(product, residue)
    zeroize(product, factor, residue)
    product = next
  }
  zeroize(product)
  if (secrets.length === publicKeys.length) return Either.right(secrets)
  wipeHopSecrets(secrets)
  return invalid("bad-key")
}

/** Secrets along a path in KEM mode, from encapsulations made elsewhere (recorded ones, in vectors). Copies the shared secrets. */
export const kemHopSecrets = (crypto: CryptoBackend, encapsulations: ReadonlyArray<Encapsulation>): ReadonlyArray<HopSecret> =>
  encapsulations.map(({ ciphertext, sharedSecret }) => ({
    element: ciphertext,
    sharedSecret: sharedSecret.slice(),
    keys: derivePacketKeys(crypto, sharedSecret)
  }))

const lentKeys: Array<PacketKeys> = []

/** Memory for the keys of a hop, the same at every call: for who is done with one path, and has wiped its keys, before the next one is drawn. */
export const lentKeysOf = (hopIndex: number): PacketKeys => (lentKeys[hopIndex] ??= blankPacketKeys())

/**
 * Draws what a path needs and derives its secrets: in NIKE mode one ephemeral key, in KEM mode the coins of each hop in order.
 * @param memoryOf where the keys of a hop go in NIKE mode; by default memory of their own
 * @errors PacketInvalid `bad-key`
 */
export const drawHopSecrets = (
  crypto: CryptoBackend,
  geometry: Geometry,
  publicKeys: ReadonlyArray<Uint8Array>,
  entropy: Entropy,
  memoryOf?: (hopIndex: number) => PacketKeys
): Either.Either<ReadonlyArray<HopSecret>, PacketInvalid> => {
  if (geometry.scheme.kind === "nike") {
    const ephemeral = entropy(EPHEMERAL_KEY_BYTES)
    const secrets = nikeHopSecrets(crypto, ephemeral, publicKeys, memoryOf)
    zeroize(ephemeral)
    return secrets
  }
  const encapsulations: Array<Encapsulation> = []
  for (const publicKey of publicKeys) {
    const coins = entropy(KEM_COINS_BYTES)
    const encapsulation = publicKey.length === XWING_PUBLIC_KEY_BYTES ? crypto.xwingEncapsulate(publicKey, coins) : undefined
    zeroize(coins)
    if (encapsulation === undefined) break
    encapsulations.push(encapsulation)
  }
  const secrets = kemHopSecrets(crypto, encapsulations)
  zeroize(...encapsulations.map(({ sharedSecret }) => sharedSecret))
  if (secrets.length === publicKeys.length) return Either.right(secrets)
  wipeHopSecrets(secrets)
  return invalid("bad-key")
}
