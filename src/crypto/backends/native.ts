/**
 * The native backend: libsodium through sodium-native, OpenSSL through node:crypto, and TypeScript where neither has the primitive.
 *
 * Contract: as `CryptoBackend`; identical to the reference backend on all inputs. Before it is handed out it is compared with the reference on
 * fixed inputs, one per primitive, so that a library that changed its mind is found at start and not by two replicas that disagree.
 * Not constant time: AEZ, POLYVAL, X448, ML-KEM, and the refusals decided by noble.
 * Source: backend.ts; sphinx.md §16; departures: none.
 *
 * @module
 */
import { shake256 } from "@noble/hashes/sha3.js"
import { Either } from "effect"
import { createHash } from "node:crypto"
import { constantTimeEqual } from "../../bytes/equal.ts"
import { sprpDecipher, sprpEncipher } from "../aez.ts"
import { BackendUnavailable } from "../backend-unavailable.ts"
import type { CryptoBackend } from "../backend.ts"
import { nativeCiphers } from "./native-aead.ts"
import { nativeCurves } from "./native-curves.ts"
import { nativeHashes, plainBytes } from "./native-hash.ts"
import { nodeMlKem768 } from "./node-ml-kem.ts"
import { ed25519VerifyGo } from "./noble-edwards.ts"
import { opensslFollowsGo, opensslVerify } from "./openssl-verify.ts"
import { referenceBackend } from "./reference.ts"
import { loadSodium, type Sodium } from "./sodium.ts"
import { makeXWing } from "./x-wing.ts"

const sha3_256 = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const hash = createHash("sha3-256")
  for (const part of parts) hash.update(part)
  return plainBytes(hash.digest())
}

const assemble = (sodium: Sodium, version: string): CryptoBackend => {
  const curves = nativeCurves(sodium)
  const { mlKem768, provider } = nodeMlKem768()
  const verifyByOpenssl = opensslFollowsGo()
  const bySodium = `sodium-native ${version}`
  const byOpenssl = `OpenSSL ${process.versions.openssl}`
  const byNoble = "@noble, JavaScript"
  return {
    name: "native",
    providers: {
      hashes: `${bySodium}, ${byOpenssl}`, hmac: `${bySodium}, ${byOpenssl}`, hkdf: bySodium, "aes-256-ctr": byOpenssl, chacha20: bySodium,
      "chacha20-poly1305": bySodium, "aes-256-gcm-siv": `AES ${byOpenssl}, POLYVAL funion, JavaScript`, sprp: "funion AEZ v5, JavaScript",
      x25519: bySodium, x448: byNoble, "ml-kem-768": provider, ed25519: bySodium,
      "ed25519 verification": verifyByOpenssl ? byOpenssl : byNoble, edwards25519: bySodium
    },
    ...nativeHashes(sodium),
    ...nativeCiphers(sodium),
    sprpEncipher,
    sprpDecipher,
    ...curves,
    ...makeXWing({
      x25519: curves.x25519,
      x25519PublicKey: curves.x25519PublicKey,
      mlKem768,
      sha3_256,
      shake256: (input, outputBytes) => shake256(input, { dkLen: outputBytes })
    }),
    ed25519Verify: verifyByOpenssl ? opensslVerify : ed25519VerifyGo
  }
}

const PATTERN = Uint8Array.from({ length: 2048 }, (_, i) => 167 * i + 11)

/** One output of every primitive that a library computes, on fixed inputs. */
const samples = (crypto: CryptoBackend): ReadonlyArray<readonly [string, Uint8Array | undefined]> => {
  const key = PATTERN.subarray(0, 32)
  const nonce = PATTERN.subarray(40, 52)
  const short = PATTERN.subarray(100, 177)
  const scalar = crypto.scalarReduce(PATTERN.subarray(200, 264))
  const publicKey = crypto.ed25519PublicKey(key)
  const signature = crypto.ed25519Sign(key, short)
  return [
    ["sha256", crypto.sha256(short)], ["sha256", crypto.sha256(PATTERN)], ["sha512", crypto.sha512(short)], ["sha512", crypto.sha512(PATTERN)],
    ["sha512-256", crypto.sha512_256(short)], ["blake2b", crypto.blake2b256(short, PATTERN)], ["hmac", crypto.hmacSha256(key, short)],
    ["hmac", crypto.hmacSha256(key, PATTERN)], ["hkdf", crypto.hkdfSha256Expand(key, short, 160)],
    ["hkdf-blake2b", crypto.hkdfBlake2b512(key, nonce, short, 96)], ["aes-256-ctr", crypto.aes256Ctr(key, key.subarray(0, 16), PATTERN)],
    ["chacha20", crypto.chacha20Block32(key)], ["chacha20-poly1305", crypto.chacha20Poly1305Seal(key, nonce, short, PATTERN)],
    ["aes-256-gcm-siv", crypto.aes256GcmSivSeal(key, nonce, short, PATTERN)], ["x25519", crypto.x25519(key, crypto.x25519PublicKey(short.subarray(0, 32)))],
    ["x25519", crypto.x25519(key, new Uint8Array(32))], ["ed25519", publicKey], ["ed25519", signature],
    ["ed25519 verification", Uint8Array.of(crypto.ed25519Verify(publicKey, short, signature) ? 1 : 0)],
    ["edwards25519", crypto.edwardsScalarMult(scalar, publicKey)], ["edwards25519", crypto.edwardsScalarMultBase(scalar)],
    ["scalars", crypto.scalarMultiplyAdd(scalar, scalar, scalar)]
  ]
}

const sameBytes = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a === undefined || b === undefined ? a === b : constantTimeEqual(a, b)

/** The first primitive on which `backend` and the reference differ, or why it could not be found out. */
const failedCheck = (backend: CryptoBackend): string | undefined => {
  const expected = samples(referenceBackend)
  return samples(backend).find(([, output], i) => !sameBytes(output, expected[i]?.[1]))?.[0]
}

const build = (): Either.Either<CryptoBackend, BackendUnavailable> =>
  Either.flatMap(loadSodium(), ({ sodium, version }) => {
    const selfTestFailed = (detail: string) => new BackendUnavailable({ backend: "native", reason: "self-test-failed", detail })
    return Either.flatMap(
      Either.try({
        try: () => {
          const backend = assemble(sodium, version)
          return { backend, failed: failedCheck(backend) }
        },
        catch: (cause) => selfTestFailed(cause instanceof Error ? cause.message : "unknown")
      }),
      ({ backend, failed }) => (failed === undefined ? Either.right(backend) : Either.left(selfTestFailed(failed)))
    )
  })

let built: Either.Either<CryptoBackend, BackendUnavailable> | undefined

/** The native backend, built and checked once per process. @errors BackendUnavailable `library-missing` | `self-test-failed` */
export const nativeBackend = (): Either.Either<CryptoBackend, BackendUnavailable> => (built ??= build())
