/**
 * Why an inference ended without an answer, in words for the person who waits for it.
 *
 * Contract: one sentence per cause; never capabilities, ids, contents or text that a stranger wrote.
 * Knows nothing of: how the cause was found.
 * Source: funion.md §6.2 (reasons), §6.4 (failure codes); departures: none.
 *
 * @module
 */
import { Data } from "effect"
import type { RejectReason } from "./dispatch-reply.ts"
import type { FailureCode } from "./release-record.ts"

/** plan, upload, dispatch, waiting for the edge, reading the answer. */
export type JobStep = "plan" | "upload" | "dispatch" | "hold" | "fetch"

export type JobFailureReason =
  | "unknown-model" | "input-refused" | "no-such-profile" | "no-directory" | "no-compute-service" | "upload-failed" | "upload-timed-out"
  | "dispatch-timed-out" | "dispatch-rejected" | "service-broke-the-rules" | "output-not-found" | "output-withdrawn" | "output-damaged"
  | "job-failed" | "expired" | "internal"

/** The job is over for this client; `message` is the sentence. */
export class JobFailed extends Data.TaggedError("JobFailed")<{
  readonly step: JobStep
  readonly reason: JobFailureReason
  readonly detail: string
}> {
  override get message(): string {
    return this.detail
  }
}

export const jobFailed = (step: JobStep, reason: JobFailureReason, detail: string): JobFailed => new JobFailed({ step, reason, detail })

const FAILURES: Readonly<Record<FailureCode, string>> = {
  1: "the service could not read the whole input from storage before the job was due",
  2: "the service read an input that is not framed as it must be; the upload was damaged",
  3: "the model takes tensors of another shape or type",
  4: "the model failed on this input",
  5: "the model took longer than its card allows",
  6: "the model's output does not fit the size class of the profile",
  7: "the input was withdrawn from storage before the service read it",
  8: "the service lost the job in a crash"
}

/** What a failure record means. */
export const failureSentence = (code: FailureCode): string => FAILURES[code]

const REJECTIONS: Readonly<Record<RejectReason, string>> = {
  1: "the service does not understand this client's dispatch; one of the two is of another version",
  2: "the service does not host this model in this version any more; plan the job again",
  3: "the service does not offer this profile any more; plan the job again",
  4: "the service asks for an admission token, and this client has none that is valid",
  5: "the admission token was spent before",
  6: "the service's clock and this client's are too far apart",
  7: "the service was full in every quantum that was tried",
  8: "the service takes no new jobs at present",
  9: "the service knows a job of this name with other content; the upload must not be used again",
  15: "the service could not take the job"
}

/** What a rejection means, once nothing more is tried. */
export const rejectionSentence = (reason: RejectReason): string => REJECTIONS[reason]
