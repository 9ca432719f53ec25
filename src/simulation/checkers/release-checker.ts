/**
 * Outputs appear at their edges: never before, and in a calm network within the release window.
 *
 * Contract: whoever commissioned a job knows where each of its releases will be written and when it is due; the first write of each such box, at any replica,
 * is compared with that. Boxes of releases that are never due are never written. Late ones count only where `mustBeInTime` says so: none may be later than
 * its limit, and of all releases no more later than their window than chance explains. A write is late when storage has not confirmed another one in time, so
 * some are in a sound network; what it takes from the service to a replica has no bound.
 * Knows nothing of: capabilities, jobs.
 * Source: funion.md §3 (Lemma 4.1), §7 (O3); issue 5, part 1 ("no release before its edge"); departures: the instants are the replicas', which a write
 * reaches some time after it left the service.
 *
 * @module
 */
import { type Verdict, verdictOf } from "./checker.ts"
import { binomialAtLeast } from "./statistics.ts"

/** One release of one job. */
export interface ExpectedRelease {
  /** A name for a person: which job, which release. */
  readonly label: string
  /** In hex. */
  readonly boxIds: ReadonlyArray<string>
  readonly edgeMs: number
  /** The last instant at which a box of it appears first, as a rule. */
  readonly lastMs: number
  /** The last instant at which one may. */
  readonly limitMs: number
  /** A clock that lies may lead the service by this much. */
  readonly leadMs: number
}

/** Share of releases of which a box may be late in a sound network. */
const LATE_SHARE = 0.03
/** At which a sound network fails a test of shares. */
const FALSE_ALARM_RATE = 1e-9

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
    let releaseCount = 0
    let lateCount = 0
    for (const { boxIds, edgeMs, label, lastMs, leadMs, limitMs } of this.#expected) {
      const instants = boxIds.flatMap((id) => this.#firstMs.get(id) ?? [])
      writtenCount += instants.length
      const early = instants.filter((instantMs) => instantMs < edgeMs - leadMs)
      const late = instants.filter((instantMs) => instantMs > limitMs)
      if (instants.length > 0) releaseCount += 1
      if (instants.some((instantMs) => instantMs > lastMs)) lateCount += 1
      latestMs = Math.max(latestMs, ...instants.map((instantMs) => instantMs - edgeMs))
      if (early.length > 0) findings.push(`${label}: ${early.length} boxes written before the edge, by up to ${Math.round(edgeMs - Math.min(...early))} ms`)
      if (mustBeInTime && late.length > 0) {
        findings.push(`${label}: ${late.length} boxes written long after the release window, by up to ${Math.round(Math.max(...late) - lastMs)} ms`)
      }
    }
    if (mustBeInTime && binomialAtLeast(lateCount, releaseCount, LATE_SHARE) < FALSE_ALARM_RATE) {
      findings.push(`${lateCount} of ${releaseCount} releases have boxes that were written after the release window`)
    }
    return verdictOf("releases", findings, { releases: this.#expected.length, boxes: writtenCount, latestMs, late: lateCount },
      mustBeInTime ? FALSE_ALARM_RATE : 0)
  }
}
