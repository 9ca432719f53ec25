/**
 * ML-KEM-768 of the runtime.
 *
 * Goal: its decapsulation is used where it is right, and nowhere else; encapsulation, whose coins are ours, stays with noble.
 * Method: runtimes made up on noble: one that is right, and some that err in one way each. Whether this machine's runtime has it does not matter.
 *
 * @module
 */
import { sha3_256, shake256 } from "@noble/hashes/sha3.js"
import { describe, expect, it } from "vitest"
import { concatBytes } from "../../../src/bytes/concat.ts"
import { mlKem768Over, type NodeKem } from "../../../src/crypto/backends/node-ml-kem.ts"
import { nobleMlKem768 } from "../../../src/crypto/backends/noble-ml-kem.ts"
import { makeXWing } from "../../../src/crypto/backends/x-wing.ts"
import { referenceBackend } from "../../../src/crypto/backends/reference.ts"

const SEED = Uint8Array.from({ length: 64 }, (_, at) => 5 * at)
const COINS = new Uint8Array(32).fill(7)
/** PKCS #8 of a seed, RFC 9935: the object identifier of id-alg-ml-kem-768 and the tag of the form "seed". */
const OBJECT_ID = "608648016503040402"
const SEED_TAG = "8040"

/** What a made-up runtime gets wrong. */
interface Faults {
  readonly missing?: boolean
  readonly swapsHalves?: boolean
  readonly altersSecret?: boolean
  readonly throwsOnAltered?: boolean
  readonly throwsOnKey?: boolean
}

interface MadeUpKey {
  readonly seed: Uint8Array
}

const runtime = (faults: Faults = {}) => {
  const counts = { keys: 0, decapsulations: 0 }
  const keyOf = (der: Buffer): MadeUpKey => {
    counts.keys++
    if (faults.throwsOnKey === true) throw new Error("unsupported")
    expect(der.length).toBe(86)
    expect(der.toString("hex", 0, 22)).toMatch(new RegExp(`${OBJECT_ID}.*${SEED_TAG}$`))
    const seed = Uint8Array.from(der.subarray(22))
    return { seed: faults.swapsHalves === true ? Uint8Array.from([...seed.subarray(32), ...seed.subarray(0, 32)]) : seed }
  }
  const decapsulate = ({ seed }: MadeUpKey, ciphertext: Uint8Array): Uint8Array => {
    counts.decapsulations++
    const secret = nobleMlKem768.generate(seed).decapsulate(ciphertext)
    // at start the second one is of an altered ciphertext
    if (faults.throwsOnAltered === true && counts.decapsulations === 2) throw new Error("decapsulation failed")
    return Buffer.from(faults.altersSecret === true ? secret.map((byte) => byte ^ 1) : secret)
  }
  const node: NodeKem<MadeUpKey> = { createPrivateKey: ({ key }) => keyOf(key), decapsulate: faults.missing === true ? undefined : decapsulate }
  return { node, counts }
}

describe("ML-KEM-768 of the runtime", () => {
  it("decapsulates when it does as noble does, with a key that is imported once", () => {
    const { counts, node } = runtime()
    const { mlKem768, provider } = mlKem768Over(node)
    expect(provider).toMatch(/^decapsulation OpenSSL .*, encapsulation @noble$/)
    const before = { ...counts }
    const own = mlKem768.generate(SEED)
    const noble = nobleMlKem768.generate(SEED)
    expect(own.publicKey).toEqual(noble.publicKey)
    const made = mlKem768.encapsulate(own.publicKey, COINS)
    expect(made).toEqual(nobleMlKem768.encapsulate(noble.publicKey, COINS))
    const altered = made!.ciphertext.map((byte, at) => (at === 9 ? byte ^ 1 : byte))
    expect(own.decapsulate(made!.ciphertext)).toEqual(made!.sharedSecret)
    expect(own.decapsulate(altered)).toEqual(noble.decapsulate(altered))
    expect(own.decapsulate(altered)).not.toBeInstanceOf(Buffer)
    expect(counts).toEqual({ keys: before.keys + 1, decapsulations: before.decapsulations + 3 })
  })

  it("gives the same X-Wing as noble", () => {
    const { counts, node } = runtime()
    const { mlKem768 } = mlKem768Over(node)
    const { x25519, x25519PublicKey } = referenceBackend
    const xwing = makeXWing({
      x25519, x25519PublicKey, mlKem768,
      sha3_256: (...parts) => sha3_256(concatBytes(...parts)),
      shake256: (input, outputBytes) => shake256(input, { dkLen: outputBytes })
    })
    const key = xwing.xwingPrivateKey(SEED.subarray(0, 32))
    const reference = referenceBackend.xwingPrivateKey(SEED.subarray(0, 32))
    expect(key.publicKey).toEqual(reference.publicKey)
    const made = referenceBackend.xwingEncapsulate(key.publicKey, SEED)!
    const before = counts.decapsulations
    expect(xwing.xwingDecapsulate(key, made.ciphertext)).toEqual(made.sharedSecret)
    expect(counts.decapsulations).toBe(before + 1)
  })

  it.each<Faults>([{ missing: true }, { swapsHalves: true }, { altersSecret: true }, { throwsOnAltered: true }, { throwsOnKey: true }])(
    "is not used when it is missing or wrong: %j", (faults) => {
      expect(mlKem768Over(runtime(faults).node)).toEqual({ mlKem768: nobleMlKem768, provider: "@noble, JavaScript" })
    })
})
