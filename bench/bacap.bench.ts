/**
 * What do writing, checking and enveloping a box cost beyond the primitives that they are made of?
 *
 * Contract: rows for the boxes that fill a Sphinx user payload of 2 000 and 30 000 bytes. `bacap/write`: the step to the next index, its keys, the seal, the
 * signature; `bacap/verify`: a replica's check of a box under a key that it has not seen before; `mkem/encapsulate`: an envelope for two replicas;
 * `mkem/decapsulate`: one replica opens it. The floor is the sum of the primitives, done one after the other on data of the same lengths, with nothing
 * derived and nothing put together: for a write AES-256 by counter over the plaintext and POLYVAL stand for the AEAD; for a check it is the bare
 * signature check of the backend, for the native one with the public key imported beforehand.
 * Knows nothing of: envelopes' fields, replicas, stores.
 * Source: pigeonhole.md §1.2–§1.5, §2.2, §4; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { nextIndex } from "../src/bacap/box-index.ts"
import { PIGEONHOLE_CONTEXT, sealBox, verifyBox, type SealedBox } from "../src/bacap/box.ts"
import { newWriteCap, type WriteCap } from "../src/bacap/capability.ts"
import type { CryptoBackend } from "../src/crypto/backend.ts"
import { opensslChecker } from "../src/crypto/backends/openssl-verify.ts"
import { seededEntropy, type Entropy } from "../src/crypto/entropy.ts"
import { decapsulate, encapsulate, nikeX25519, type Encapsulation } from "../src/crypto/mkem.ts"
import { polyvalEngine } from "../src/crypto/wasm/polyval-engine.ts"
import { pigeonholeGeometry, type PigeonholeGeometry } from "../src/pigeonhole/geometry.ts"
import { compare, type Bench, type BenchOptions, type BenchRow, type Operation } from "./harness.ts"

const BOX_COUNT = 16
const SMALL_BOX_COUNT = 2
const NIKE_PUBLIC_KEY_BYTES = 32
const USER_PAYLOADS = [2000, 30000]
const EMPTY = new Uint8Array(0)

const word = (bytes: Uint8Array, at = 0): number => new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(at)

const geometryOf = (userPayloadBytes: number): PigeonholeGeometry => Either.getOrThrow(pigeonholeGeometry(userPayloadBytes, NIKE_PUBLIC_KEY_BYTES))

interface Stream {
  readonly cap: WriteCap
  readonly plaintext: Uint8Array
}

/** Writes the second box of stream number `inputIndex`; the result is the end of the signature. */
const writeOperation = (crypto: CryptoBackend, streams: ReadonlyArray<Stream>): Operation => (inputIndex) => {
  const { cap, plaintext } = streams[inputIndex] as Stream
  const { signature } = sealBox(crypto, cap, Either.getOrThrow(nextIndex(crypto, cap.index)), plaintext)
  return word(signature, 60)
}

/** The primitives of one write. */
const writeFloor = (crypto: CryptoBackend, streams: ReadonlyArray<Stream>, entropy: Entropy): Operation => {
  const [key, nonce, iv, wide] = [entropy(32), entropy(12), entropy(16), entropy(64)]
  const hashKey = entropy(16)
  const { polyval } = polyvalEngine()
  const [d, scalar] = [crypto.sha512(key), crypto.scalarReduce(wide)]
  const signedBytes = (plaintext: Uint8Array): Uint8Array => entropy(plaintext.length + 16)
  const signed = streams.map(({ plaintext }) => signedBytes(plaintext))
  return (inputIndex) => {
    const { cap, plaintext } = streams[inputIndex] as Stream
    const ciphertext = signed[inputIndex] as Uint8Array
    // The chain and the two keys.
    crypto.hkdfBlake2b512(cap.index.hkdfState, EMPTY, nonce.subarray(0, 8), 96)
    crypto.hkdfBlake2b512(key, PIGEONHOLE_CONTEXT, EMPTY, 32)
    crypto.hkdfBlake2b512(key, PIGEONHOLE_CONTEXT, EMPTY, 32)
    // The blinded key.
    crypto.sha512(key)
    crypto.sha512_256(key)
    crypto.scalarMultiply(scalar, scalar)
    const boxId = crypto.edwardsScalarMultBase(scalar)
    // The AEAD.
    crypto.aes256Ctr(key, iv, plaintext)
    const hash = polyval(hashKey, key, plaintext)
    // The signature.
    crypto.sha512(key)
    crypto.sha512(d, ciphertext)
    const r = crypto.edwardsScalarMultBase(scalar)
    crypto.sha512(r, boxId, ciphertext)
    crypto.scalarReduce(wide)
    crypto.scalarReduce(wide)
    return word(crypto.scalarMultiplyAdd(scalar, scalar, scalar)) ^ word(hash)
  }
}

const streamsOf = (crypto: CryptoBackend, userPayloadBytes: number, count: number, entropy: Entropy): ReadonlyArray<Stream> =>
  Array.from({ length: count }, () => ({ cap: newWriteCap(crypto, entropy), plaintext: entropy(geometryOf(userPayloadBytes).paddedPlaintextBytes) }))

/** The signature check alone. */
const bareCheck = (crypto: CryptoBackend, boxes: ReadonlyArray<SealedBox>): Operation => {
  if (crypto.name === "reference") {
    return (inputIndex) => {
      const { boxId, ciphertext, signature } = boxes[inputIndex] as SealedBox
      return Number(crypto.ed25519Verify(boxId, ciphertext, signature))
    }
  }
  const checkers = boxes.map(({ boxId }) => opensslChecker(boxId))
  return (inputIndex) => {
    const { ciphertext, signature } = boxes[inputIndex] as SealedBox
    return Number(checkers[inputIndex]?.(ciphertext, signature))
  }
}

const bacapRows = ({ crypto, small }: BenchOptions, userPayloadBytes: number): ReadonlyArray<BenchRow> => {
  const inputCount = small ? SMALL_BOX_COUNT : BOX_COUNT
  const entropy = seededEntropy("bench", `bacap/${userPayloadBytes}`)
  const streams = streamsOf(crypto, userPayloadBytes, inputCount, entropy)
  const boxes = streams.map(({ cap, plaintext }) => sealBox(crypto, cap, cap.index, plaintext))
  const check: Operation = (inputIndex) => {
    const { boxId, ciphertext, signature } = boxes[inputIndex] as SealedBox
    if (!verifyBox(crypto, boxId, ciphertext, signature)) throw new RangeError("a bench box does not verify")
    return word(signature)
  }
  const side = { inputCount, small }
  return [
    compare({ id: `bacap/write/${userPayloadBytes}`, candidate: writeOperation(crypto, streams), floor: writeFloor(crypto, streams, entropy), ...side }),
    compare({ id: `bacap/verify/${userPayloadBytes}`, candidate: check, floor: bareCheck(crypto, boxes), ...side })
  ]
}

const mkemRows = ({ crypto, small }: BenchOptions, userPayloadBytes: number): ReadonlyArray<BenchRow> => {
  const inputCount = small ? SMALL_BOX_COUNT : BOX_COUNT
  const entropy = seededEntropy("bench", `mkem/${userPayloadBytes}`)
  const nike = nikeX25519(crypto)
  const privateKeys = [entropy(32), entropy(32)] as const
  const recipients = privateKeys.map((key) => crypto.x25519PublicKey(key))
  const messages = Array.from({ length: inputCount }, () => entropy(geometryOf(userPayloadBytes).innerPaddedBytes))
  const draws = messages.map(() => [entropy(32), entropy(32), entropy(12), entropy(12), entropy(12)])
  /** Randomness of envelope number `inputIndex`, fresh copies because it is wiped after use. */
  const drawn = (inputIndex: number): Entropy => {
    let next = 0
    return () => (draws[inputIndex]?.[next++] as Uint8Array).slice()
  }
  const seal = (inputIndex: number): Encapsulation =>
    Either.getOrThrow(encapsulate(crypto, nike, recipients, messages[inputIndex] as Uint8Array, drawn(inputIndex)))
  const envelopes = messages.map((_, inputIndex) => seal(inputIndex))
  const [key, nonce, publicKey] = [entropy(32), entropy(12), recipients[1] as Uint8Array]
  const sealedKey = crypto.chacha20Poly1305Seal(key, nonce, EMPTY, key)
  const sealedMessages = messages.map((message) => crypto.chacha20Poly1305Seal(key, nonce, EMPTY, message))

  const encapsulateFloor: Operation = (inputIndex) => {
    crypto.x25519PublicKey(key)
    for (const recipient of recipients) {
      crypto.blake2b256(crypto.x25519(key, recipient) ?? EMPTY)
      crypto.chacha20Poly1305Seal(key, nonce, EMPTY, key)
    }
    return word(crypto.chacha20Poly1305Seal(key, nonce, EMPTY, messages[inputIndex] as Uint8Array))
  }
  const open: Operation = (inputIndex) => {
    const { ciphertext, deks, senderPublicKey } = envelopes[inputIndex] as Encapsulation
    return word(Either.getOrThrow(decapsulate(crypto, nike, privateKeys[0], senderPublicKey, deks[0] as Uint8Array, ciphertext)))
  }
  const openFloor: Operation = (inputIndex) => {
    crypto.blake2b256(crypto.x25519(key, publicKey) ?? EMPTY)
    crypto.chacha20Poly1305Open(key, nonce, EMPTY, sealedKey)
    return word(crypto.chacha20Poly1305Open(key, nonce, EMPTY, sealedMessages[inputIndex] as Uint8Array) ?? EMPTY)
  }
  const side = { inputCount, small }
  return [
    compare({ id: `mkem/encapsulate/${userPayloadBytes}`, candidate: (i) => word(seal(i).ciphertext, 12), floor: encapsulateFloor, ...side }),
    compare({ id: `mkem/decapsulate/${userPayloadBytes}`, candidate: open, floor: openFloor, ...side })
  ]
}

const run = (options: BenchOptions): Promise<ReadonlyArray<BenchRow>> =>
  Promise.resolve([...USER_PAYLOADS.flatMap((bytes) => bacapRows(options, bytes)), ...mkemRows(options, 2000)])

export const bacapBench: Bench = {
  name: "bacap",
  question: "What do writing, checking and enveloping a box cost, in units of the primitives in them?",
  run
}
