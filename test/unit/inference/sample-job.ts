/**
 * One job of a made-up service, for the tests of this folder: keys, capabilities, dispatch, grid.
 *
 * @module
 */
import { Either } from "effect"
import { encodeReadCap, encodeWriteCap } from "../../../src/bacap/capability.ts"
import { seededEntropy } from "../../../src/crypto/entropy.ts"
import { selectBackend } from "../../../src/crypto/select-backend.ts"
import type { AdmissionState } from "../../../src/inference/dispatch-check.ts"
import { withoutTokens } from "../../../src/inference/dispatch-check.ts"
import { jobPrivateKey, openDispatch, sealDispatchPlaintext, type JobPrivateKey } from "../../../src/inference/dispatch-seal.ts"
import { emptyTokenArea, type Dispatch, type DispatchSuite } from "../../../src/inference/dispatch.ts"
import { newJobCapabilities } from "../../../src/inference/job-capabilities.ts"
import type { ServiceProfile } from "../../../src/params/service-profile.ts"

export const crypto = Either.getOrThrow(selectBackend())

export const QUANTUM_MS = 10_000
export const DEADLINES_QUANTA = [3, 6, 10, 20]
/** Inside quantum 100. */
export const NOW_MS = 100 * QUANTUM_MS + 1_234
/** M of these tests: small, so that classes are exercised cheaply. */
export const BOX_BYTES = 256

export const SERVICE_ID = new Uint8Array(32).fill(7)
export const MODEL_ID_HASH = new Uint8Array(32).fill(9)

export const PROFILES: ReadonlyArray<ServiceProfile> = [
  { id: 1, inputClass: 0, outputClass: 1, bucket: 2, staged: false, jobsPerQuantum: 3, coverJobs: 1 },
  { id: 2, inputClass: 0, outputClass: 0, bucket: 1, staged: true, jobsPerQuantum: 1, coverJobs: 0 },
  { id: 3, inputClass: 2, outputClass: 2, bucket: 2, staged: false, jobsPerQuantum: 1, coverJobs: 0 }
]

export const sampleCapabilities = (seed: number) => newJobCapabilities(crypto, seededEntropy(seed, "job"))

/** A dispatch that the sample service admits. */
export const sampleDispatch = (suite: DispatchSuite, change: Partial<Dispatch> = {}, seed = 1): Dispatch => {
  const caps = sampleCapabilities(seed)
  return {
    staged: false, attested: false, bucket: 2, inputClass: 0, outputClass: 1, notAfterMs: 108 * QUANTUM_MS, jobId: caps.jobId,
    modelIdHash: MODEL_ID_HASH, modelVersion: 3, inputReadCap: encodeReadCap(caps.inputReadCap),
    outputWriteCap: encodeWriteCap(caps.outputWriteCap), tokenArea: emptyTokenArea(suite), ...change
  }
}

export const admissionState = (change: Partial<AdmissionState> = {}): AdmissionState => ({
  nowMs: NOW_MS, quantumMs: QUANTUM_MS, deadlinesQuanta: DEADLINES_QUANTA, profiles: PROFILES, draining: false, retryAfterQuanta: 1,
  knownJob: () => undefined,
  findModel: (hash) => (hash.every((byte) => byte === 9) ? { version: 3, profiles: [1, 2] } : undefined),
  checkToken: withoutTokens,
  realJobs: () => 0,
  coverJobs: () => 1,
  cover: false,
  ...change
})

export const sampleJobKey = (suite: DispatchSuite, keyEpoch = 5): JobPrivateKey =>
  jobPrivateKey(crypto, suite, keyEpoch, new Uint8Array(32).fill(keyEpoch + 1))

/** Seals any plaintext and opens it again, as the service would get it. */
export const delivered = (suite: DispatchSuite, plaintext: Uint8Array) => {
  const key = sampleJobKey(suite)
  const target = { suite, jobPublicKey: key.publicKey, serviceId: SERVICE_ID }
  const sealed = Either.getOrThrow(sealDispatchPlaintext(crypto, target, plaintext, seededEntropy(3, "seal")))
  return { ...sealed, opened: Either.getOrThrow(openDispatch(crypto, suite, [key], SERVICE_ID, sealed.message)) }
}

export const leftOf = <A, E>(either: Either.Either<A, E>): E => Either.getOrThrow(Either.flip(either))

/** A copy with one bit of byte `index` flipped. */
export const flipped = (bytes: Uint8Array, index: number, bit = index % 8): Uint8Array => {
  const copy = bytes.slice()
  copy[index] = copy[index]! ^ (1 << bit)
  return copy
}
