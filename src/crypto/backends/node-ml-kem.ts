/**
 * ML-KEM-768 decapsulation by node:crypto where the runtime has it (OpenSSL 3.5, Node 24), else by noble.
 *
 * Encapsulation stays with noble: node:crypto draws its own coins, this project passes them.
 *
 * Contract: as `MlKem768`. The runtime's version is used only after it agreed with noble on a fixed key, for a true and for an altered ciphertext.
 * Source: FIPS 203; RFC 9935 (private key as a seed in PKCS #8); departures: none.
 *
 * @module
 */
import * as nodeCrypto from "node:crypto"
import { concatBytes } from "../../bytes/concat.ts"
import { constantTimeEqual } from "../../bytes/equal.ts"
import { plainBytes } from "./native-hash.ts"
import { nobleMlKem768 } from "./noble-ml-kem.ts"
import type { MlKem768 } from "./x-wing.ts"

/** The part of node:crypto that is needed here, for a function that its types do not know; `Key` is the runtime's own. */
export interface NodeKem<Key> {
  readonly createPrivateKey: (input: { readonly key: Buffer; readonly format: "der"; readonly type: "pkcs8" }) => Key
  /** Absent in older runtimes. */
  readonly decapsulate?: ((key: Key, ciphertext: Uint8Array) => Uint8Array) | undefined
}

const runtimeKem: NodeKem<nodeCrypto.KeyObject> = {
  createPrivateKey: nodeCrypto.createPrivateKey,
  decapsulate: (nodeCrypto as Pick<NodeKem<nodeCrypto.KeyObject>, "decapsulate">).decapsulate
}

/** PKCS #8 for algorithm id-alg-ml-kem-768 with a private key of the form "seed", up to the 64 bytes of the seed. */
const PKCS8_PREFIX = Uint8Array.of(
  0x30, 0x54, 2, 1, 0, 0x30, 0x0b, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 4, 2, 0x04, 0x42, 0x80, 0x40
)

const overNode = <Key>(createPrivateKey: NodeKem<Key>["createPrivateKey"], decapsulate: NonNullable<NodeKem<Key>["decapsulate"]>): MlKem768 => ({
  generate: (seed) => {
    const encoded = concatBytes(PKCS8_PREFIX, seed)
    const key = createPrivateKey({ key: Buffer.from(encoded.buffer, encoded.byteOffset, encoded.length), format: "der", type: "pkcs8" })
    encoded.fill(0)
    return {
      publicKey: nobleMlKem768.generate(seed).publicKey,
      decapsulate: (ciphertext) => plainBytes(decapsulate(key, ciphertext))
    }
  },
  encapsulate: nobleMlKem768.encapsulate
})

/** True when `candidate` decapsulates as noble does. */
const agrees = (candidate: MlKem768): boolean => {
  try {
    const seed = Uint8Array.from({ length: 64 }, (_, i) => 3 * i + 1)
    const own = candidate.generate(seed)
    const noble = nobleMlKem768.generate(seed)
    const made = nobleMlKem768.encapsulate(noble.publicKey, seed.subarray(0, 32))
    if (made === undefined) return false
    const altered = made.ciphertext.slice()
    altered[500] = (altered[500] as number) ^ 4
    return constantTimeEqual(own.decapsulate(made.ciphertext), made.sharedSecret)
      && constantTimeEqual(own.decapsulate(altered), noble.decapsulate(altered))
  } catch {
    return false
  }
}

/** The faster ML-KEM-768 that this runtime offers, and its provider for `funion doctor`. */
export const nodeMlKem768 = (): { readonly mlKem768: MlKem768; readonly provider: string } => mlKem768Over(runtimeKem)

/** As `nodeMlKem768`, over any runtime. */
export const mlKem768Over = <Key>({ createPrivateKey, decapsulate }: NodeKem<Key>): { readonly mlKem768: MlKem768; readonly provider: string } => {
  if (decapsulate !== undefined) {
    const candidate = overNode(createPrivateKey, decapsulate)
    if (agrees(candidate)) return { mlKem768: candidate, provider: `decapsulation OpenSSL ${process.versions.openssl}, encapsulation @noble` }
  }
  return { mlKem768: nobleMlKem768, provider: "@noble, JavaScript" }
}
