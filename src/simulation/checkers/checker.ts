/**
 * What all checkers have in common: they watch from outside, and in the end say whether a rule held.
 *
 * Contract: `observe` is cheap and called in the order of instants; `verdict` may be asked at any time and changes nothing. A statistical checker states
 * the probability with which a sound network fails it in one run; a logical one has none. Findings are sentences for a person.
 * Knows nothing of: how events are recorded.
 * Source: style.md §2.8 (checkers watch invariants from outside); departures: none.
 *
 * @module
 */
import type { Window } from "../fault-schedule.ts"

export interface Verdict {
  readonly checker: string
  readonly pass: boolean
  /** Why not, most telling first; empty when it passed. */
  readonly findings: ReadonlyArray<string>
  /** What the verdict rests on. */
  readonly figures: Readonly<Record<string, number>>
  /** Probability that a sound network fails, for this run; 0 for rules of logic. */
  readonly falseAlarmRate: number
}

/** Most sentences of one verdict. */
const FINDING_LIMIT = 12

/** A verdict that passes when nothing was found. */
export const verdictOf = (
  checker: string, findings: ReadonlyArray<string>, figures: Readonly<Record<string, number>>, falseAlarmRate = 0
): Verdict => ({
  checker,
  pass: findings.length === 0,
  findings: findings.length <= FINDING_LIMIT ? findings : [...findings.slice(0, FINDING_LIMIT), `and ${findings.length - FINDING_LIMIT} more`],
  figures,
  falseAlarmRate
})

/** Total time that the windows cover. */
export const coveredMs = (windows: ReadonlyArray<Window>): number => merged(windows).reduce((sum, { fromMs, untilMs }) => sum + untilMs - fromMs, 0)

/** The same time as windows that neither touch nor overlap, in their order. */
export const merged = (windows: ReadonlyArray<Window>): ReadonlyArray<Window> => {
  const apart: Array<{ fromMs: number; untilMs: number }> = []
  for (const { fromMs, untilMs } of [...windows].sort((a, b) => a.fromMs - b.fromMs)) {
    const last = apart.at(-1)
    if (untilMs <= fromMs) continue
    if (last !== undefined && fromMs <= last.untilMs) last.untilMs = Math.max(last.untilMs, untilMs)
    else apart.push({ fromMs, untilMs })
  }
  return apart
}

/** The time of `windows` that none of `others` covers. */
export const without = (windows: ReadonlyArray<Window>, others: ReadonlyArray<Window>): ReadonlyArray<Window> => {
  const holes = merged(others)
  return merged(windows).flatMap(({ fromMs, untilMs }) => {
    const left: Array<Window> = []
    let at = fromMs
    for (const hole of holes) {
      if (hole.untilMs <= at || hole.fromMs >= untilMs) continue
      if (hole.fromMs > at) left.push({ fromMs: at, untilMs: hole.fromMs })
      at = Math.max(at, hole.untilMs)
    }
    return at < untilMs ? [...left, { fromMs: at, untilMs }] : left
  })
}
