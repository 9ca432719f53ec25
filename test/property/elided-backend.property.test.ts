/**
 * The backend without cryptography keeps what protocols rely on.
 *
 * Goal: lengths, algebra and the detection of damage are those of a real backend; what it does not keep is secrecy alone.
 * Method: generated inputs; every claim that a real backend can make is made of both.
 *
 * @module
 */
import { Either } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { blindPrivateKey, blindPublicKey, signBlinded } from "../../src/crypto/blinded-ed25519.ts"
import { elidedBackend as elided } from "../../src/crypto/backends/elided.ts"
import { multiplyAdd, reduce } from "../../src/crypto/backends/elided-group.ts"
import { referenceBackend as reference } from "../../src/crypto/backends/reference.ts"
import { seededEntropy } from "../../src/crypto/entropy.ts"
import { decapsulate, encapsulate, nikeX25519, nikeX448, openReply, sealReply } from "../../src/crypto/mkem.ts"
import { selectBackend } from "../../src/crypto/select-backend.ts"
import { clampedResidue, x25519ScalarOf } from "../../src/sphinx/blinded-scalar.ts"

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const some = fc.uint8Array({ minLength: 0, maxLength: 200 })

const flipped = (original: Uint8Array, bit: number): Uint8Array => {
  const copy = original.slice()
  copy[bit >>> 3] = copy[bit >>> 3]! ^ (1 << (bit & 7))
  return copy
}

describe("elided: scalars and points", () => {
  it("numbers modulo L are those of the real backend", () => {
    fc.assert(fc.property(bytes(64), bytes(32), bytes(32), bytes(32), (wide, a, b, c) => {
      expect(reduce(wide)).toEqual(reference.scalarReduce(wide))
      const [x, y, z] = [a, b, c].map(reference.scalarReduce) as [Uint8Array, Uint8Array, Uint8Array]
      expect(reduce(a)).toEqual(x)
      expect(multiplyAdd(x, y, z)).toEqual(reference.scalarMultiplyAdd(x, y, z))
      expect(elided.scalarMultiply(x, y)).toEqual(reference.scalarMultiply(x, y))
    }), { numRuns: 300 })
  })
  it("the largest numbers reduce rightly", () => {
    for (const byte of [0, 1, 0x7f, 0x80, 0xfe, 0xff]) {
      expect(reduce(new Uint8Array(64).fill(byte))).toEqual(reference.scalarReduce(new Uint8Array(64).fill(byte)))
      expect(reduce(new Uint8Array(32).fill(byte))).toEqual(reference.scalarReduce(new Uint8Array(32).fill(byte)))
    }
  })
  it("numbers next to multiples of L and of 2^252 reduce rightly", () => {
    const order = 2n ** 252n + 27742317777372353535851937790883648493n
    const littleEndian = (value: bigint) => Uint8Array.from({ length: 32 }, (_, index) => Number((value >> BigInt(8 * index)) & 255n))
    const near = [order, 2n ** 252n].flatMap((unit) => Array.from({ length: 16 }, (_, count) => BigInt(count) * unit))
    for (const value of near.flatMap((middle) => [-2n, -1n, 0n, 1n, 2n].map((step) => middle + step))) {
      if (value < 0n || value >= 2n ** 256n) continue
      const expected = littleEndian(value % order)
      expect(reduce(littleEndian(value))).toEqual(expected)
      expect(reduce(Uint8Array.of(...littleEndian(value), ...new Uint8Array(32)))).toEqual(expected)
      expect(multiplyAdd(littleEndian(1n), expected, undefined)).toEqual(expected)
      expect(multiplyAdd(littleEndian(order - 1n), expected, expected)).toEqual(new Uint8Array(32))
    }
  })
  it("both sides of an exchange get one secret; a zero point gives none", () => {
    fc.assert(fc.property(bytes(32), bytes(32), (a, b) => {
      expect(elided.x25519(a, elided.x25519PublicKey(b))).toEqual(elided.x25519(b, elided.x25519PublicKey(a)))
    }))
    expect(elided.x25519(new Uint8Array(32).fill(7), new Uint8Array(32))).toBeUndefined()
  })
  it("a chain of blindings is one multiplication by the product, as senders of packets compute it", () => {
    fc.assert(fc.property(bytes(32), bytes(32), bytes(32), (ephemeral, factor, hop) => {
      const product = elided.scalarMultiply(clampedResidue(elided, ephemeral), clampedResidue(elided, factor))
      const element = elided.x25519(factor, elided.x25519PublicKey(ephemeral))!
      expect(elided.x25519PublicKey(x25519ScalarOf(product))).toEqual(element)
      expect(elided.x25519(x25519ScalarOf(product), elided.x25519PublicKey(hop))).toEqual(elided.x25519(hop, element))
    }))
  })
  it("a blinded key signs, and verifies under the blinded public half and no other", () => {
    fc.assert(fc.property(bytes(32), bytes(32), bytes(32), some, (seed, factor, otherFactor, message) => {
      fc.pre(toText(factor) !== toText(otherFactor))
      const key = blindPrivateKey(elided, seed, factor)
      const publicKey = blindPublicKey(elided, elided.ed25519PublicKey(seed), factor)!
      expect(key.publicKey).toEqual(publicKey)
      const signature = signBlinded(elided, key, message)
      expect(elided.ed25519Verify(publicKey, message, signature)).toBe(true)
      expect(elided.ed25519Verify(blindPublicKey(elided, elided.ed25519PublicKey(seed), otherFactor)!, message, signature)).toBe(false)
    }))
  })
  it("a signature with any bit changed, or over another message, does not verify", () => {
    fc.assert(fc.property(bytes(32), some, fc.nat(511), some, (seed, message, bit, other) => {
      fc.pre(toText(message) !== toText(other))
      const [publicKey, signature] = [elided.ed25519PublicKey(seed), elided.ed25519Sign(seed, message)]
      expect(signature).toHaveLength(64)
      expect(elided.ed25519Verify(publicKey, message, signature)).toBe(true)
      expect(elided.ed25519Verify(publicKey, message, flipped(signature, bit))).toBe(false)
      expect(elided.ed25519Verify(publicKey, other, signature)).toBe(false)
    }))
  })
})

const toText = (value: Uint8Array): string => value.join()

describe("elided: ciphers and hashes", () => {
  it("a digest is that of the concatenation, and has the real length", () => {
    fc.assert(fc.property(some, some, (a, b) => {
      const whole = Uint8Array.of(...a, ...b)
      for (const name of ["sha256", "sha512", "sha512_256", "blake2b256"] as const) {
        expect(elided[name](a, b)).toEqual(elided[name](whole))
        expect(elided[name](a)).toHaveLength(reference[name](a).length)
      }
      const memory = new Uint8Array(162).fill(7)
      const expanded = elided.hkdfSha256Expand(new Uint8Array(32), a, 160)
      expect(expanded).toHaveLength(160)
      expect(elided.hkdfSha256Expand(new Uint8Array(32), a, memory.subarray(1, 161))).toEqual(expanded)
      expect([memory[0], memory[161]]).toEqual([7, 7])
    }))
  })
  it("a changed bit changes every digest", () => {
    fc.assert(fc.property(fc.uint8Array({ minLength: 1, maxLength: 3000 }), fc.nat(), (input, at) => {
      const other = flipped(input, at % (8 * input.length))
      expect(elided.sha256(other)).not.toEqual(elided.sha256(input))
      expect(elided.hmacSha256(input, input)).not.toEqual(elided.hmacSha256(other, input))
    }))
  })
  it("no two of many short inputs have one digest", () => {
    const digests = new Set(Array.from({ length: 40_000 }, (_, index) => elided.sha256(Uint8Array.of(index, index >>> 8, index >>> 16)).join()))
    expect(digests.size).toBe(40_000)
  })
  it("a wide block comes back, and with any bit changed its head does not", () => {
    fc.assert(fc.property(bytes(48), bytes(16), fc.uint8Array({ minLength: 32, maxLength: 3000 }), fc.nat(), (key, iv, data, at) => {
      const zeroHead = data.slice().fill(0, 0, 32)
      const enciphered = elided.sprpEncipher(key, iv, zeroHead)
      expect(elided.sprpDecipher(key, iv, enciphered)).toEqual(zeroHead)
      const output = new Uint8Array(data.length)
      elided.sprpDecipherInto(key, iv, flipped(enciphered, at % (8 * data.length)), output)
      expect(output.subarray(0, 32).every((byte) => byte === 0)).toBe(false)
    }))
  })
  for (const [seal, open] of [["chacha20Poly1305Seal", "chacha20Poly1305Open"], ["aes256GcmSivSeal", "aes256GcmSivOpen"]] as const) {
    it(`${seal}: opens what it sealed, and nothing that was changed, nor under another key, nonce or context`, () => {
      fc.assert(fc.property(bytes(32), bytes(12), some, some, fc.nat(), (key, nonce, aad, plaintext, at) => {
        const sealed = elided[seal](key, nonce, aad, plaintext)
        expect(sealed).toHaveLength(plaintext.length + 16)
        expect(elided[open](key, nonce, aad, sealed)).toEqual(plaintext)
        expect(elided[open](key, nonce, aad, flipped(sealed, at % (8 * sealed.length)))).toBeUndefined()
        expect(elided[open](flipped(key, at % 256), nonce, aad, sealed)).toBeUndefined()
        expect(elided[open](key, flipped(nonce, at % 96), aad, sealed)).toBeUndefined()
        expect(elided[open](key, nonce, Uint8Array.of(...aad, 0), sealed)).toBeUndefined()
      }))
    })
  }
  it("the keystream undoes itself", () => {
    fc.assert(fc.property(bytes(32), bytes(16), some, (key, iv, data) => {
      const once = elided.aes256Ctr(key, iv, data)
      expect(elided.aes256Ctr(key, iv, once)).toEqual(data)
      elided.aes256CtrInto(key, iv, once, once)
      expect(once).toEqual(data)
    }))
  })
})

describe("elided: key encapsulation", () => {
  it("X-Wing has the real lengths, gives both sides one secret, and another after any change", () => {
    fc.assert(fc.property(bytes(32), bytes(64), fc.nat(), (seed, coins, at) => {
      const key = elided.xwingPrivateKey(seed)
      expect(key.publicKey).toHaveLength(1216)
      const { ciphertext, sharedSecret } = elided.xwingEncapsulate(key.publicKey, coins)!
      expect(ciphertext).toHaveLength(1120)
      expect(elided.xwingDecapsulate(key, ciphertext)).toEqual(sharedSecret)
      expect(elided.xwingDecapsulate(key, flipped(ciphertext, at % 8960))).not.toEqual(sharedSecret)
    }))
  })
  it("MKEM opens for each recipient, and so does a reply, over either exchange", () => {
    for (const nike of [nikeX25519(elided), nikeX448(elided)]) {
      const entropy = seededEntropy(1, nike.name)
      const keys = [entropy(nike.privateKeyBytes), entropy(nike.privateKeyBytes)]
      const message = entropy(500)
      const sent = Either.getOrThrow(encapsulate(elided, nike, keys.map(nike.publicKey), message, entropy))
      for (const [index, key] of keys.entries()) {
        expect(Either.getOrThrow(decapsulate(elided, nike, key, sent.senderPublicKey, sent.deks[index]!, sent.ciphertext))).toEqual(message)
        expect(Either.isLeft(decapsulate(elided, nike, key, sent.senderPublicKey, sent.deks[1 - index]!, sent.ciphertext))).toBe(true)
        const reply = Either.getOrThrow(sealReply(elided, nike, key, sent.senderPublicKey, message, entropy))
        expect(Either.getOrThrow(openReply(elided, nike, sent.senderPrivateKey, nike.publicKey(key), reply))).toEqual(message)
      }
    }
  })
})

describe("the name elided", () => {
  it("is refused to whoever serves somebody", () => {
    expect(Either.getOrThrow(Either.flip(selectBackend("elided"))).message).toContain("no cryptography")
  })
})
