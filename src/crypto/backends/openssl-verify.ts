/**
 * Ed25519 verification by the Go rule, on OpenSSL.
 *
 * OpenSSL checks that the encoding of S·B − k·A equals R, which is the Go rule. Newer releases of Node first refuse public keys and R of low
 * order; Go does not, so these few encodings are decided by the noble arithmetic.
 *
 * Contract: as `ed25519Verify` of `CryptoBackend`, the same on every release of Node and OpenSSL.
 * Source: pigeonhole.md §1.4; RFC 8032 §5.1.7 without the cofactor; nodejs/node pull request 64026; departures: none.
 *
 * @module
 */
import { createPublicKey, verify, type JsonWebKeyInput } from "node:crypto"
import { isCanonicalScalar } from "./length.ts"
import { ed25519VerifyGo } from "./noble-edwards.ts"

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex")

/** The y coordinates of all points of order 1, 2, 4 and 8, reduced or not, without the sign bit. */
const LOW_ORDER_Y = new Set([
  "0100000000000000000000000000000000000000000000000000000000000000",
  "0000000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"
])

const isLowOrder = (encoded: Uint8Array): boolean => {
  const y = encoded.slice()
  y[31] = (y[31] as number) & 0x7f
  return LOW_ORDER_Y.has(hexOf(y))
}

/** As a JSON web key: importing that takes a tenth of the time of DER. */
const keyInput = (publicKey: Uint8Array): JsonWebKeyInput => ({
  key: { kty: "OKP", crv: "Ed25519", x: Buffer.from(publicKey.buffer, publicKey.byteOffset, 32).toString("base64url") },
  format: "jwk"
})

/** OpenSSL's check alone, the key imported beforehand and no rule but OpenSSL's own: what `opensslVerify` is measured by. */
export const opensslChecker = (publicKey: Uint8Array): ((message: Uint8Array, signature: Uint8Array) => boolean) => {
  const key = createPublicKey(keyInput(publicKey))
  return (message, signature) => verify(null, message, key, signature)
}

export const opensslVerify = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean => {
  if (publicKey.length !== 32 || signature.length !== 64 || !isCanonicalScalar(signature.subarray(32))) return false
  if (isLowOrder(publicKey) || isLowOrder(signature.subarray(0, 32))) return ed25519VerifyGo(publicKey, message, signature)
  try {
    return verify(null, message, keyInput(publicKey), signature)
  } catch {
    return false
  }
}

const fromHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"))

// A key with a part of order 8 over itself as the message: one signature fulfils the equation, one only its multiple by the cofactor.
const MIXED_KEY = fromHex("b9dce5337091c9074d08ea2dd0e2193e94bcd79d7179774ea2d6e548536cca22")
const WITHOUT_COFACTOR = fromHex(
  "7c61a1560daa2f213db96805c77499a77d575fe3f05c751389914f48bc1042c2a36bdd1f018e9888a1839781a7f7335f4ebd0aa758c6a04fb5eebfff60510d05"
)
const WITH_COFACTOR_ONLY = fromHex(
  "5c0c9c44a868c1fd977193e6668801245d542b1f38f4cad5473392afa0f7832cc6413b459495ab418238a1abca619d42356be9223f9fc13904d556c3ab6cf601"
)

/** True when the OpenSSL of this process decides by the equation without cofactor, and does not ask for keys of prime order. */
export const opensslFollowsGo = (): boolean =>
  opensslVerify(MIXED_KEY, MIXED_KEY, WITHOUT_COFACTOR) && !opensslVerify(MIXED_KEY, MIXED_KEY, WITH_COFACTOR_ONLY)
