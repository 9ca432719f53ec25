/**
 * Outputs appear at their edges: never before, and in a calm network within the release window.
 *
 * Contract: whoever commissioned a job knows where each of its releases will be written and when it is due; the first write of each such box, at any replica,
 * is compared with that. Boxes of releases that are never due are never written. Late ones count only where `mustBeInTime` says so.
 * Knows nothing of: capabilities, jobs.
 * Source: funion.md §3 (Lemma 4.1), §7 (O3); issue 5, part 1 ("no release before its edge"); departures: the instants are the replicas', which a write
 * reaches some time after it left the service.
 *
 * @module
 */
import { type Verdict, verdictOf } from "./checker.ts"

/** One release of one job. */
export interface ExpectedRelease {
  /** A name for a person: which job, which release. */
  readonly label: string
  /** In hex. */
  readonly boxIds: ReadonlyArray<string>
  readonly edgeMs: number
  /** The last instant at which a box of it may appear first. */
  readonly lastMs: number
  /** A clock that lies may lead the service by this much. */
  readonly leadMs: number
}

export class ReleaseChecker {
  /** First write of every box that was ever written. */
  readonly #firstMs = new Map<string, number>()
  readonly #expected: Array<ExpectedRelease> = []

  /** A replica was given a box. */
  written(boxId: string, instantMs: number): void {
    if (!this.#firstMs.has(boxId)) this.#firstMs.set(boxId, instantMs)
  }

  expect(release: ExpectedRelease): void {
    this.#expected.push(release)
  }

  verdict(mustBeInTime: boolean): Verdict {
    const findings: Array<string> = []
    let writtenCount = 0
    let latestMs = 0
    for (const { boxIds, edgeMs, label, lastMs, leadMs } of this.#expected) {
      const instants = boxIds.flatMap((id) => this.#firstMs.get(id) ?? [])
      writtenCount += instants.length
      const early = instants.filter((instantMs) => instantMs < edgeMs - leadMs)
      const late = instants.filter((instantMs) => instantMs > lastMs)
      latestMs = Math.max(latestMs, ...instants.map((instantMs) => instantMs - edgeMs))
      if (early.length > 0) findings.push(`${label}: ${early.length} boxes written before the edge, by up to ${Math.round(edgeMs - Math.min(...early))} ms`)
      if (mustBeInTime && late.length > 0) {
        findings.push(`${label}: ${late.length} boxes written after the release window, by up to ${Math.round(Math.max(...late) - lastMs)} ms`)
      }
    }
    return verdictOf("releases", findings, { releases: this.#expected.length, boxes: writtenCount, latestMs })
  }
}
