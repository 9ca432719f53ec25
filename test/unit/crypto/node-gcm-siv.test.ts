/**
 * AES-256-GCM-SIV of the runtime.
 *
 * Goal: it is used where it is right, and nowhere else.
 * Method: runtimes made up on the reference backend: one that is right, and some that err in one way each. Whether this machine's
 * runtime has the cipher does not matter.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { referenceBackend } from "../../../src/crypto/backends/reference.ts"
import { nodeGcmSiv, type NodeCiphers } from "../../../src/crypto/backends/node-gcm-siv.ts"

const own = referenceBackend
const KEY = new Uint8Array(32).fill(1)
const NONCE = new Uint8Array(12).fill(2)
const AAD = new Uint8Array(20).fill(3)
const TEXT = new Uint8Array(100).fill(4)

/** What a made-up runtime gets wrong. */
interface Faults {
  readonly unlisted?: boolean
  readonly alterTag?: boolean
  readonly ignoresAad?: boolean
  readonly opensAnything?: boolean
  readonly throwsWhenMade?: boolean
}

const runtime = (faults: Faults = {}) => {
  let madeCount = 0
  const aadOf = (aad: Uint8Array) => (faults.ignoresAad === true ? new Uint8Array(0) : aad)
  const make = () => {
    madeCount++
    if (faults.throwsWhenMade === true) throw new Error("no such cipher")
  }
  const node: NodeCiphers = {
    getCiphers: () => ["aes-256-gcm", ...(faults.unlisted === true ? [] : ["aes-256-gcm-siv"])],
    createCipheriv: (_name, key, nonce) => {
      make()
      let aad = new Uint8Array(0)
      let sealed = new Uint8Array(0)
      return {
        setAAD: (bytes) => void (aad = Uint8Array.from(aadOf(bytes))),
        update: (plaintext) => {
          sealed = Uint8Array.from(own.aes256GcmSivSeal(key, nonce, aad, plaintext))
          return sealed.subarray(0, plaintext.length)
        },
        final: () => new Uint8Array(0),
        getAuthTag: () => sealed.slice(-16).map((byte) => (faults.alterTag === true ? byte ^ 1 : byte))
      }
    },
    createDecipheriv: (_name, key, nonce) => {
      make()
      let aad = new Uint8Array(0)
      let tag = new Uint8Array(0)
      let opened: Uint8Array | undefined
      return {
        setAAD: (bytes) => void (aad = Uint8Array.from(aadOf(bytes))),
        setAuthTag: (bytes) => void (tag = Uint8Array.from(bytes)),
        update: (ciphertext) => {
          opened = own.aes256GcmSivOpen(key, nonce, aad, new Uint8Array([...ciphertext, ...tag]))
          return opened ?? new Uint8Array(ciphertext.length)
        },
        final: () => {
          if (opened === undefined && faults.opensAnything !== true) throw new Error("not authentic")
          return new Uint8Array(0)
        }
      }
    }
  }
  return { node, madeCount: () => madeCount }
}

describe("AES-256-GCM-SIV of the runtime", () => {
  it("is used when it does as the own one does", () => {
    const { madeCount, node } = runtime()
    const found = nodeGcmSiv(own, node)!
    const before = madeCount()
    const sealed = found.aes256GcmSivSeal(KEY, NONCE, AAD, TEXT)
    expect(sealed).toEqual(own.aes256GcmSivSeal(KEY, NONCE, AAD, TEXT))
    expect(found.aes256GcmSivOpen(KEY, NONCE, AAD, sealed)).toEqual(TEXT)
    expect(madeCount()).toBe(before + 2)
    expect(found.aes256GcmSivOpen(KEY, NONCE, AAD, sealed.slice(1))).toBeUndefined()
    expect(found.aes256GcmSivOpen(KEY, NONCE, AAD, new Uint8Array(15))).toBeUndefined()
    expect(() => found.aes256GcmSivSeal(KEY.subarray(1), NONCE, AAD, TEXT)).toThrow(RangeError)
  })

  it.each<Faults>([{ unlisted: true }, { alterTag: true }, { ignoresAad: true }, { opensAnything: true }, { throwsWhenMade: true }])(
    "is not used when it is missing or wrong: %j", (faults) => {
      expect(nodeGcmSiv(own, runtime(faults).node)).toBeUndefined()
    })
})
