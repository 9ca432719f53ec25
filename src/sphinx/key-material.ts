/**
 * The key schedule: from the secret that sender and hop share to the keys of that hop.
 *
 *   offset  length  name               used for
 *   0       32      headerMac          HMAC key of the header
 *   32      32      headerEncryption   AES-256-CTR key of the routing information
 *   64      16      headerIv           CTR initial block, and nonce of the payload permutation
 *   80      48      payloadEncryption  key of the payload permutation
 *   128     32      blindingSeed       NIKE mode: seed of the blinding factor
 *
 * Contract: the five keys are views of one 160-byte array, so wiping that array wipes them all.
 * Knows nothing of: where the secret came from.
 * Source: Katzenpost core/sphinx/internal/crypto as in sphinx.md §4 (HKDF-SHA-256, expand only); departures: none.
 *
 * @module
 */
import { zeroed } from "../bytes/allocate.ts"
import { utf8 } from "../bytes/concat.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { zeroize } from "../crypto/zeroize.ts"

const KDF_INFO = utf8("katzenpost-kdf-v0-hkdf-sha256")
const KEY_MATERIAL_BYTES = 160

/** The keys of one hop of one packet. */
export interface PacketKeys {
  readonly headerMac: Uint8Array
  readonly headerEncryption: Uint8Array
  readonly headerIv: Uint8Array
  readonly payloadEncryption: Uint8Array
  readonly blindingSeed: Uint8Array
  /** The memory behind the five keys. */
  readonly material: Uint8Array
}

/** Memory for the keys of one hop, zeros. */
export const blankPacketKeys = (): PacketKeys => {
  const material = zeroed(KEY_MATERIAL_BYTES)
  return {
    headerMac: material.subarray(0, 32),
    headerEncryption: material.subarray(32, 64),
    headerIv: material.subarray(64, 80),
    payloadEncryption: material.subarray(80, 128),
    blindingSeed: material.subarray(128, 160),
    material
  }
}

/**
 * Expands a shared secret, 32 bytes, used as it is.
 * @param keys  where to; by default memory of their own
 */
export const derivePacketKeys = (crypto: CryptoBackend, sharedSecret: Uint8Array, keys: PacketKeys = blankPacketKeys()): PacketKeys => {
  crypto.hkdfSha256Expand(sharedSecret, KDF_INFO, keys.material)
  return keys
}

/** The scalar (32 bytes, not clamped) that blinds the group element for the next hop. */
export const blindingFactorOf = (crypto: CryptoBackend, keys: PacketKeys): Uint8Array => crypto.chacha20Block32(keys.blindingSeed)

/** Overwrites the keys with zeros. */
export const wipePacketKeys = (keys: PacketKeys): void => zeroize(keys.material)
