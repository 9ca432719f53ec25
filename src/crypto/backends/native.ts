/**
 * The native backend: libsodium through sodium-native, OpenSSL through node:crypto, WebAssembly or TypeScript where neither has the primitive.
 *
 * Contract: as `CryptoBackend`; identical to the reference backend on all inputs. Before it is handed out it passes the self-test, so that a library
 * that changed its mind is found at start and not by two replicas that disagree.
 * Not constant time: X448, ML-KEM, the refusals decided by noble, and AEZ and POLYVAL where there is no WebAssembly SIMD (`providers` says so).
 * Source: backend.ts; sphinx.md §16; departures: none.
 *
 * @module
 */
import { shake256 } from "@noble/hashes/sha3.js"
import { Either } from "effect"
import { createHash } from "node:crypto"
import { BackendUnavailable } from "../backend-unavailable.ts"
import type { ServingBackend } from "../backend.ts"
import { aezEngine } from "../wasm/aez-engine.ts"
import { polyvalEngine } from "../wasm/polyval-engine.ts"
import { nativeCiphers } from "./native-aead.ts"
import { nativeCurves } from "./native-curves.ts"
import { nativeHashes, plainBytes } from "./native-hash.ts"
import { nodeGcmSiv } from "./node-gcm-siv.ts"
import { nodeMlKem768 } from "./node-ml-kem.ts"
import { ed25519VerifyGo } from "./noble-edwards.ts"
import { opensslFollowsGo, opensslVerify } from "./openssl-verify.ts"
import { failedCheck } from "./self-test.ts"
import { loadSodium, type Sodium } from "./sodium.ts"
import { makeXWing } from "./x-wing.ts"

const sha3_256 = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const hash = createHash("sha3-256")
  for (const part of parts) hash.update(part)
  return plainBytes(hash.digest())
}

const assemble = (sodium: Sodium, version: string): ServingBackend => {
  const curves = nativeCurves(sodium)
  const { mlKem768, provider } = nodeMlKem768()
  const verifyByOpenssl = opensslFollowsGo()
  const aez = aezEngine()
  const { polyval, provider: polyvalProvider } = polyvalEngine()
  const ciphers = nativeCiphers(sodium, polyval)
  const runtimeGcmSiv = nodeGcmSiv(ciphers)
  const bySodium = `sodium-native ${version}`
  const byOpenssl = `OpenSSL ${process.versions.openssl}`
  const byNoble = "@noble, JavaScript"
  return {
    name: "native",
    providers: {
      hashes: `${bySodium}, ${byOpenssl}`, hmac: `${bySodium}, ${byOpenssl}`, hkdf: bySodium, "aes-256-ctr": byOpenssl, chacha20: bySodium,
      "chacha20-poly1305": bySodium, aez: aez.provider,
      "aes-256-gcm-siv": runtimeGcmSiv === undefined ? `AES ${byOpenssl}, POLYVAL ${polyvalProvider}` : byOpenssl,
      x25519: bySodium, x448: byNoble, "ml-kem-768": provider, ed25519: bySodium,
      "ed25519 verification": verifyByOpenssl ? byOpenssl : byNoble, edwards25519: bySodium
    },
    ...nativeHashes(sodium),
    ...ciphers,
    ...runtimeGcmSiv,
    sprpEncipher: aez.sprpEncipher,
    sprpDecipher: aez.sprpDecipher,
    sprpEncipherInto: aez.sprpEncipherInto,
    sprpDecipherInto: aez.sprpDecipherInto,
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

const build = (): Either.Either<ServingBackend, BackendUnavailable> =>
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

let built: Either.Either<ServingBackend, BackendUnavailable> | undefined

/** The native backend, built and checked once per process. @errors BackendUnavailable `library-missing` | `self-test-failed` */
export const nativeBackend = (): Either.Either<ServingBackend, BackendUnavailable> => (built ??= build())
