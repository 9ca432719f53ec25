/**
 * AES-256-GCM-SIV by node:crypto where the runtime offers it (OpenSSL has it since 3.2), else this project's own.
 *
 * Contract: as in `CryptoBackend`. The runtime's version is used only after it agreed with the own one at start, at several lengths, for true and for altered
 * data; whatever it throws there counts as a refusal.
 * Source: RFC 8452; departures: none.
 *
 * @module
 */
import * as nodeCrypto from "node:crypto"
import { zeroed } from "../../bytes/allocate.ts"
import { constantTimeEqual } from "../../bytes/equal.ts"
import type { CryptoBackend } from "../backend.ts"
import { requireLength } from "./length.ts"
import { plainBytes } from "./native-hash.ts"

export type GcmSiv = Pick<CryptoBackend, "aes256GcmSivSeal" | "aes256GcmSivOpen">

const CIPHER = "aes-256-gcm-siv"
const TAG_BYTES = 16
const OPTIONS = { authTagLength: TAG_BYTES } as const
/** Empty, one byte, one block, a block and a byte, many blocks. */
const TRIED_LENGTHS = [0, 1, 16, 17, 1681]

interface Sealer {
  readonly setAAD: (aad: Uint8Array, options: { readonly plaintextLength: number }) => unknown
  readonly update: (data: Uint8Array) => Uint8Array
  readonly final: () => Uint8Array
}

/** The part of node:crypto that is needed here, for a cipher that its types do not know. */
export interface NodeCiphers {
  readonly getCiphers: () => ReadonlyArray<string>
  readonly createCipheriv: (name: string, key: Uint8Array, nonce: Uint8Array, options: typeof OPTIONS) => Sealer & { readonly getAuthTag: () => Uint8Array }
  readonly createDecipheriv: (
    name: string, key: Uint8Array, nonce: Uint8Array, options: typeof OPTIONS
  ) => Sealer & { readonly setAuthTag: (tag: Uint8Array) => unknown }
}

const runtimeCiphers: NodeCiphers = {
  getCiphers: nodeCrypto.getCiphers,
  createCipheriv: (name, key, nonce, options) => nodeCrypto.createCipheriv(name as nodeCrypto.CipherGCMTypes, key, nonce, options),
  createDecipheriv: (name, key, nonce, options) => nodeCrypto.createDecipheriv(name as nodeCrypto.CipherGCMTypes, key, nonce, options)
}

const checkLengths = (key: Uint8Array, nonce: Uint8Array): void => {
  requireLength("AEAD key", key, 32)
  requireLength("AEAD nonce", nonce, 12)
}

const overNode = ({ createCipheriv, createDecipheriv }: NodeCiphers): GcmSiv => ({
  aes256GcmSivSeal: (key, nonce, aad, plaintext) => {
    checkLengths(key, nonce)
    const cipher = createCipheriv(CIPHER, key, nonce, OPTIONS)
    cipher.setAAD(aad, { plaintextLength: plaintext.length })
    const sealed = zeroed(plaintext.length + TAG_BYTES)
    sealed.set(cipher.update(plaintext))
    cipher.final()
    sealed.set(cipher.getAuthTag(), plaintext.length)
    return sealed
  },
  aes256GcmSivOpen: (key, nonce, aad, sealed) => {
    checkLengths(key, nonce)
    if (sealed.length < TAG_BYTES) return undefined
    const textBytes = sealed.length - TAG_BYTES
    const decipher = createDecipheriv(CIPHER, key, nonce, OPTIONS)
    decipher.setAAD(aad, { plaintextLength: textBytes })
    decipher.setAuthTag(sealed.subarray(textBytes))
    try {
      const plaintext = plainBytes(decipher.update(sealed.subarray(0, textBytes)))
      decipher.final()
      return plaintext
    } catch {
      return undefined
    }
  }
})

const pattern = (byteCount: number, step: number): Uint8Array => Uint8Array.from({ length: byteCount }, (_, at) => (step * at + 1) & 255)

/** True when `candidate` does as the own one does. */
const agrees = (candidate: GcmSiv, own: GcmSiv): boolean => {
  const [key, nonce, aad] = [pattern(32, 3), pattern(12, 5), pattern(20, 7)] as const
  try {
    return TRIED_LENGTHS.every((byteCount) => {
      const plaintext = pattern(byteCount, 11)
      const sealed = own.aes256GcmSivSeal(key, nonce, aad, plaintext)
      const opened = candidate.aes256GcmSivOpen(key, nonce, aad, sealed)
      const refusesAltered = [0, sealed.length - 1].every((at) =>
        candidate.aes256GcmSivOpen(key, nonce, aad, sealed.map((byte, index) => (index === at ? byte ^ 1 : byte))) === undefined)
      return constantTimeEqual(candidate.aes256GcmSivSeal(key, nonce, aad, plaintext), sealed)
        && opened !== undefined && constantTimeEqual(opened, plaintext) && refusesAltered
    })
  } catch {
    return false
  }
}

/** The runtime's AES-256-GCM-SIV; undefined where there is none that agrees with `own`. */
export const nodeGcmSiv = (own: GcmSiv, node: NodeCiphers = runtimeCiphers): GcmSiv | undefined => {
  if (!node.getCiphers().includes(CIPHER)) return undefined
  const candidate = overNode(node)
  return agrees(candidate, own) ? candidate : undefined
}
