/**
 * The plan of a job: which service, which profile, and the input framed for it.
 *
 * Contract: everything that can be refused is refused here, before anything is sent. Bucket and size class come from the card and the caller's
 * wish, never from the content (O11). Services and cards come from the signed document alone (O22).
 * Knows nothing of: time, the network.
 * Source: funion.md §2, §4, §6.3, §7 (O1, O11, O22); departures: staged profiles are not planned (staged release is not built).
 *
 * @module
 */
import { Either } from "effect"
import { encodeWriteCap } from "../bacap/capability.ts"
import { constantTimeEqual } from "../bytes/equal.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import type { Entropy } from "../crypto/entropy.ts"
import { decodeCard, modelIdHash, validateInputs, type ModelCard } from "../model/card.ts"
import { dtypeOfName } from "../model/dtype.ts"
import type { Tensor } from "../model/tensor.ts"
import { boxPlaintextBytes } from "../params/mixnet-params.ts"
import type { ServiceProfile } from "../params/service-profile.ts"
import { boxesOfClass } from "../params/size-class.ts"
import { nodeIdOf, type ComputeDescriptor } from "../pki/descriptor.ts"
import type { Document } from "../pki/document.ts"
import { jobFailed, type JobFailed } from "./client-failure.ts"
import { inputSlotsHash, type PlannedJob } from "./client-job.ts"
import { newJobCapabilities } from "./job-capabilities.ts"
import { contentOfTensors, encodeInputSlots, payloadBytesOfClass } from "./slots.ts"

/** What a person asks for. */
export interface JobRequest {
  /** Id on a model card. */
  readonly model: string
  /** Only profiles of this bucket; default: the card's preferred profile. */
  readonly bucket?: number | undefined
  readonly inputs: ReadonlyArray<{
    readonly name: string
    readonly dtype: string
    readonly dims: ReadonlyArray<number>
    readonly data: Uint8Array
  }>
}

/** One model at one service. */
export interface Offer {
  readonly service: ComputeDescriptor
  /** H256(identity key), 32 bytes */
  readonly serviceId: Uint8Array
  readonly card: ModelCard
  readonly cardBytes: Uint8Array
  /** 32 bytes */
  readonly modelIdHash: Uint8Array
  /** Those that the card accepts and the service has, preferred one first. */
  readonly profiles: ReadonlyArray<ServiceProfile>
}

export interface JobPlan {
  readonly offer: Offer
  readonly profile: ServiceProfile
  readonly planned: PlannedJob
  /** What the person should know before going on. */
  readonly warnings: ReadonlyArray<string>
}

/** Every model of every service; cards that do not decode are left out. */
export const offersOf = (crypto: CryptoBackend, document: Document): ReadonlyArray<Offer> =>
  document.computeServices.flatMap((service) =>
    service.models.flatMap((cardBytes) => {
      const card = Either.getOrUndefined(decodeCard(cardBytes))
      if (card === undefined) return []
      const profiles = card.profiles.flatMap((id) => service.profiles.find((profile) => profile.id === id) ?? [])
      return [{ service, serviceId: nodeIdOf(crypto, service.identityKey), card, cardBytes, modelIdHash: modelIdHash(crypto, cardBytes), profiles }]
    }))

/** The service of this id, if the document has it. */
export const findService = (crypto: CryptoBackend, document: Document, serviceId: Uint8Array): ComputeDescriptor | undefined =>
  document.computeServices.find((service) => constantTimeEqual(nodeIdOf(crypto, service.identityKey), serviceId))

/** The model of this hash at the service of this id, if the document has both. */
export const findOffer = (crypto: CryptoBackend, document: Document, serviceId: Uint8Array, hash: Uint8Array): Offer | undefined =>
  offersOf(crypto, document).find((offer) => constantTimeEqual(offer.serviceId, serviceId) && constantTimeEqual(offer.modelIdHash, hash))

const readInputs = (inputs: JobRequest["inputs"]): Either.Either<ReadonlyArray<Tensor>, JobFailed> =>
  Either.all(inputs.map(({ data, dims, dtype, name }) => {
    const known = dtypeOfName(dtype)
    return known === undefined
      ? Either.left(jobFailed("plan", "input-refused", "a tensor of the input has an element type that does not exist"))
      : Either.right({ name, dtype: known, dims, data })
  }))

/** The first profile that fits the wish; `undefined` when there is none. */
const chooseProfile = (offer: Offer, bucket: number | undefined): ServiceProfile | undefined =>
  offer.profiles.find((profile) =>
    !profile.staged && profile.bucket <= offer.service.deadlinesQuanta.length && (bucket === undefined || profile.bucket === bucket))

/** A service that can take a job, and the profile under which it would. */
export interface JobChoice {
  readonly offer: Offer
  readonly profile: ServiceProfile
}

/**
 * The services that can take a job; a plan draws one of them uniformly.
 * @returns at least one
 * @errors JobFailed of step `plan`: `no-compute-service`, `unknown-model`, `no-such-profile`
 */
export const choicesFor = (
  crypto: CryptoBackend, document: Document, request: Pick<JobRequest, "model" | "bucket">
): Either.Either<ReadonlyArray<JobChoice>, JobFailed> => {
  const offers = offersOf(crypto, document)
  if (document.computeServices.length === 0) return Either.left(jobFailed("plan", "no-compute-service", "no compute service is in the directory"))
  const hosting = offers.filter(({ card }) => card.id === request.model)
  if (hosting.length === 0) {
    const known = [...new Set(offers.map(({ card }) => card.id))].join(", ")
    return Either.left(jobFailed("plan", "unknown-model", `no service hosts this model; there are: ${known === "" ? "none" : known}`))
  }
  const choices = hosting.flatMap((offer) => {
    const profile = chooseProfile(offer, request.bucket)
    return profile === undefined ? [] : [{ offer, profile }]
  })
  if (choices.length > 0) return Either.right(choices)
  const buckets = [...new Set(hosting.flatMap(({ profiles }) => profiles.filter(({ staged }) => !staged).map(({ bucket }) => bucket)))].sort((a, b) => a - b)
  return Either.left(jobFailed("plan", "no-such-profile", `the model is offered in the buckets: ${buckets.length === 0 ? "none" : buckets.join(", ")}`))
}

/** What the person should know about the anonymity set. */
const warningsFor = (profile: ServiceProfile): ReadonlyArray<string> =>
  profile.coverJobs > 0
    ? []
    : ["no cover jobs: a job that is alone in its quantum can be linked to its output by whoever watches storage"]

/**
 * The job of one input: fresh caps, and the input framed for the profile. The same for a person's job and for a service's own.
 * @param boxBytes  M
 * @param tensors   of the card, checked
 * @param entropy   for jobId and both caps
 * @errors JobFailed `input-refused`
 */
export const frameJob = (
  crypto: CryptoBackend,
  boxBytes: number,
  { card, modelIdHash, serviceId }: Pick<Offer, "card" | "modelIdHash" | "serviceId">,
  profile: ServiceProfile,
  tensors: ReadonlyArray<Tensor>,
  entropy: Entropy
): Either.Either<PlannedJob, JobFailed> =>
  Either.gen(function* () {
    const refused = (detail: string) => jobFailed("plan", "input-refused", detail)
    const content = yield* Either.mapLeft(contentOfTensors(tensors), () => refused("the tensors of the input cannot be encoded"))
    const roomBytes = Math.min(card.maxInputBytes, payloadBytesOfClass(boxBytes, profile.inputClass))
    const { length } = content.payload
    if (length > roomBytes) return yield* Either.left(refused(`the input has ${length} bytes, at most ${roomBytes} are allowed`))
    const capabilities = newJobCapabilities(crypto, entropy)
    const frame = { boxBytes, classId: profile.inputClass, jobId: capabilities.jobId }
    const inputSlots = yield* Either.mapLeft(encodeInputSlots(crypto, frame, content), ({ message }) => refused(message))
    return {
      jobId: capabilities.jobId, serviceId, modelIdHash, modelVersion: card.version, bucket: profile.bucket,
      inputClass: profile.inputClass, outputClass: profile.outputClass, staged: false, attested: false,
      inputWriteCap: encodeWriteCap(capabilities.inputWriteCap), outputWriteCap: encodeWriteCap(capabilities.outputWriteCap),
      payloadHash: inputSlotsHash(crypto, inputSlots), inputSlots
    }
  })

/**
 * Plans one job.
 * @param uniform  in [0, 1): chooses among the services that fit
 * @param entropy  for jobId and both caps
 * @errors JobFailed of step `plan`: `no-compute-service`, `unknown-model`, `no-such-profile`, `input-refused`
 */
export const planJob = (
  crypto: CryptoBackend,
  document: Document,
  request: JobRequest,
  uniform: number,
  entropy: Entropy
): Either.Either<JobPlan, JobFailed> =>
  Either.gen(function* () {
    const refused = (detail: string) => jobFailed("plan", "input-refused", detail)
    const choices = yield* choicesFor(crypto, document, request)
    const choice = choices[Math.min(Math.floor(uniform * choices.length), choices.length - 1)]
    if (choice === undefined) throw new RangeError("there is at least one service to choose")
    const { offer, profile } = choice
    const tensors = yield* readInputs(request.inputs)
    const ordered = yield* Either.mapLeft(validateInputs(offer.card, tensors), (mismatch) => refused(mismatch.detail))
    const planned = yield* frameJob(crypto, boxPlaintextBytes(document.params), offer, profile, ordered, entropy)
    return { offer, profile, planned, warnings: warningsFor(profile) }
  })

/** Boxes of the input and of one release. */
export const boxCountsOf = (planned: Pick<PlannedJob, "inputClass" | "outputClass">) =>
  ({ boxesIn: boxesOfClass(planned.inputClass), boxesOut: boxesOfClass(planned.outputClass) })
