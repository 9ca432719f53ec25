/**
 * Every job that was accepted is answered, and rightly; no job is answered wrongly.
 *
 * Contract: jobs are numbered by the caller and told in the order asked, accepted, then answered or failed. A job that failed before it was accepted is
 * no loss: the person was told. One that is still open when the run ends counts as lost if its last edge and the time for reading are over.
 * Knows nothing of: models, clients.
 * Source: funion.md §8; issue 5, part 1; departures: none.
 *
 * @module
 */
import { type Verdict, verdictOf } from "./checker.ts"

interface Job {
  readonly label: string
  /** Until when its answer may take; undefined while it is not accepted. */
  readableUntilMs: number | undefined
  outcome: "open" | "right" | "wrong" | "failed"
  detail: string
}

export class JobChecker {
  readonly #jobs = new Map<number, Job>()

  asked(job: number, label: string): void {
    this.#jobs.set(job, { label, readableUntilMs: undefined, outcome: "open", detail: "" })
  }

  /** @param readableUntilMs  when whoever reads the answer gives up */
  accepted(job: number, readableUntilMs: number): void {
    const known = this.#jobs.get(job)
    if (known !== undefined) known.readableUntilMs = readableUntilMs
  }

  answered(job: number, isRight: boolean): void {
    const known = this.#jobs.get(job)
    if (known !== undefined) known.outcome = isRight ? "right" : "wrong"
  }

  failed(job: number, detail: string): void {
    const known = this.#jobs.get(job)
    if (known === undefined) return
    known.outcome = "failed"
    known.detail = detail
  }

  verdict(nowMs: number): Verdict {
    const jobs = [...this.#jobs.values()]
    const count = (wanted: (job: Job) => boolean): number => jobs.filter(wanted).length
    const findings = jobs.flatMap(({ detail, label, outcome, readableUntilMs }) => {
      if (outcome === "wrong") return [`${label}: answered wrongly`]
      if (readableUntilMs === undefined) return []
      if (outcome === "failed") return [`${label}: accepted and lost (${detail})`]
      return outcome === "open" && nowMs > readableUntilMs ? [`${label}: accepted and not answered in time`] : []
    })
    return verdictOf("jobs", findings, {
      asked: jobs.length,
      accepted: count(({ readableUntilMs }) => readableUntilMs !== undefined),
      answered: count(({ outcome }) => outcome === "right"),
      failed: count(({ outcome }) => outcome === "failed")
    })
  }
}
