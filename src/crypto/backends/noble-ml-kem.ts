/**
 * ML-KEM-768 by @noble/post-quantum, in the form X-Wing needs.
 *
 * Contract: as `MlKem768`; the matrix of a key pair is expanded once.
 * Source: FIPS 203; departures: none.
 *
 * @module
 */
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js"
import type { MlKem768 } from "./x-wing.ts"

export const nobleMlKem768: MlKem768 = {
  generate: (seed) => {
    const { publicKey, secretKey } = ml_kem768.keygen(seed.slice())
    const prepared = ml_kem768.prepare(publicKey)
    return { publicKey, decapsulate: (ciphertext) => prepared.decapsulate(ciphertext, secretKey) }
  },
  encapsulate: (publicKey, coins) => {
    try {
      const { cipherText, sharedSecret } = ml_kem768.encapsulate(publicKey, coins.slice())
      return { ciphertext: cipherText, sharedSecret }
    } catch {
      return undefined
    }
  }
}
