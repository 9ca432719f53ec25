/**
 * An upload that no model can read: as many boxes as any other of its class, written in the same way, with noise inside.
 *
 * Contract: the record names a real model at the service; nothing but the content of the boxes is wrong, so the job is admitted, its input is found and
 * fails. The uploader's sessions are their own.
 * Knows nothing of: what becomes of the job.
 * Source: funion.md §3 (every error after acceptance is a failure record), §6.4; departures: none.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { encodeWriteCap } from "../../src/bacap/capability.ts"
import type { CryptoBackend } from "../../src/crypto/backend.ts"
import type { Entropy } from "../../src/crypto/entropy.ts"
import { offersOf } from "../../src/inference/client-plan.ts"
import { newJobCapabilities, slotIndexes } from "../../src/inference/job-capabilities.ts"
import { encodeUploadRecord } from "../../src/inference/upload-record.ts"
import { boxPlaintextBytes } from "../../src/params/mixnet-params.ts"
import { boxesOfClass } from "../../src/params/size-class.ts"
import { BoxStore } from "../../src/storage/box-store.ts"
import { windowCountFor, writeSlots } from "../../src/storage/box-stream.ts"
import type { ComputeActor } from "../../src/topology/topology.ts"
import type { LabPerson } from "./lab-session.ts"

export interface GarbageUploader {
  readonly person: LabPerson
  readonly crypto: CryptoBackend
  readonly entropy: Entropy
}

/** Writes the boxes; data first, then what should be the manifest. @returns the upload record */
export const uploadGarbage = ({ crypto, entropy, person }: GarbageUploader, service: ComputeActor): Effect.Effect<Uint8Array> =>
  Effect.gen(function*() {
    const { document, pool, store } = person
    const offer = offersOf(crypto, document).find((each) => each.service.name === service.name)
    const profile = offer?.profiles[0]
    if (offer === undefined || profile === undefined) throw new RangeError("the service offers nothing")
    const { inputWriteCap, jobId, outputWriteCap } = newJobCapabilities(crypto, entropy)
    const slotCount = boxesOfClass(profile.inputClass)
    const indexes = Either.getOrThrow(slotIndexes(crypto, inputWriteCap.index, 0, slotCount))
    const slots = Array.from({ length: slotCount }, (_, slotIndex) => ({ slotIndex, plaintext: entropy(boxPlaintextBytes(document.params)) }))
    const windowCount = windowCountFor(document.params, pool.sessions.length)
    yield* Effect.provideService(writeSlots(inputWriteCap, indexes, slots.slice(1), { windowCount }), BoxStore, store)
    yield* Effect.provideService(writeSlots(inputWriteCap, indexes, slots.slice(0, 1), { windowCount }), BoxStore, store)
    return encodeUploadRecord(crypto, {
      bucket: profile.bucket, profileId: profile.id, inputClass: profile.inputClass, outputClass: profile.outputClass, modelVersion: offer.card.version, jobId,
      serviceId: offer.serviceId, modelIdHash: offer.modelIdHash, inputWriteCap: encodeWriteCap(inputWriteCap), outputWriteCap: encodeWriteCap(outputWriteCap)
    })
  })
