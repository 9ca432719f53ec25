/**
 * Which nodes lose or hold back more of a sender's loops than chance explains.
 *
 * Contract: over the last 32, 128 and 512 loops every node X is held against chance by a ratio of binomial likelihoods: "loops through X fail at the rate
 * seen, all others at `NOMINAL_LOSS`" over "all fail at `NOMINAL_LOSS`". The node that explains best is named when the ratio is above 10^8, and with it those
 * that explain nearly as well (a twentieth): nodes that share all their loops cannot be told apart, and when several fail at once what they share may be
 * named in their place. A node that is named is cleared when of the last 32 loops through it no more fail than the nominal loss explains in 99 of 100 cases.
 *
 *   full loss from one loop to the next  about 8 loops through the node (5, when it never passed one)
 *   false alarms                         at most 2·10^-8 per look, node and window, even when loss is at the nominal rate (Chernoff)
 *
 * Knows nothing of: time, paths, what follows from a suspicion.
 * Source: mixnet.md §8 ("expected ratio 1, binomial noise, ignore small counts"), Danezis and Sassaman, Heartbeat Traffic to Counter (n-1) Attacks
 * (WPES 2003); departures: nodes are judged, not segments, since few loops pass one segment.
 *
 * @module
 */

/** Loops that a healthy network may lose or delay: one in fifty. */
export const NOMINAL_LOSS = 0.02
/** Natural logarithm of the likelihood ratio at which a node is named: 10^8. */
export const ALARM_LOG_RATIO = 8 * Math.LN10
/** With fewer failures no node is named, whichever loops they were: the ratio is largest for one that let nothing pass. */
const FEWEST_FAILURES = ALARM_LOG_RATIO / Math.log(1 / NOMINAL_LOSS)
/** Nodes within this of the best explanation are named with it: a factor of 20. */
const TIE_LOG_RATIO = Math.log(20)
const WINDOWS = [32, 128, 512] as const
const LONGEST_WINDOW = 512
/** Loops through a node that decide whether its suspicion is over, and the most of them that may fail. */
const CLEAR_COUNT = 32
export const CLEAR_FAILURES = 3

interface Decided {
  readonly nodes: ReadonlyArray<string>
  readonly isFailure: boolean
}

interface Tally {
  count: number
  failures: number
}

/** n times the divergence of the failure rate seen from the nominal one, in nats; 0 for a rate that is not above it. */
export const logRatio = ({ count, failures }: Tally): number => {
  const rate = failures / count
  if (!(rate > NOMINAL_LOSS)) return 0
  const passing = count - failures
  return failures * Math.log(rate / NOMINAL_LOSS) + (passing === 0 ? 0 : passing * Math.log((1 - rate) / (1 - NOMINAL_LOSS)))
}

/** Those that fail beyond chance, with as little doubt as it takes to name a node; the worst first. */
export const beyondChance = <A extends Tally>(tallies: ReadonlyArray<A>): ReadonlyArray<A> =>
  tallies.filter((tally) => logRatio(tally) >= ALARM_LOG_RATIO).sort((a, b) => logRatio(b) - logRatio(a))

const talliesOf = (loops: ReadonlyArray<Decided>): ReadonlyMap<string, Tally> => {
  const tallies = new Map<string, Tally>()
  for (const { isFailure, nodes } of loops) {
    for (const id of nodes) {
      const tally = tallies.get(id) ?? { count: 0, failures: 0 }
      tallies.set(id, tally)
      tally.count += 1
      if (isFailure) tally.failures += 1
    }
  }
  return tallies
}

interface Explanation {
  readonly ids: ReadonlyArray<string>
  /** Those of them that no other explains better than. */
  readonly foremost: ReadonlyArray<string>
  readonly logRatio: number
}

const NOTHING: Explanation = { ids: [], foremost: [], logRatio: 0 }

/** The best explanation of what the loops show, if it is good enough, with all nodes that give nearly as good a one. */
const explain = (loops: ReadonlyArray<Decided>): Explanation => {
  let failures = 0
  for (const { isFailure } of loops) if (isFailure) failures += 1
  if (failures < FEWEST_FAILURES) return NOTHING
  const ratios = [...talliesOf(loops)].map(([id, tally]) => [id, logRatio(tally)] as const)
  const best = Math.max(0, ...ratios.map(([, ratio]) => ratio))
  if (best < ALARM_LOG_RATIO) return NOTHING
  const within = (distance: number): ReadonlyArray<string> => ratios.filter(([, ratio]) => ratio >= best - distance).map(([id]) => id)
  return { logRatio: best, ids: within(TIE_LOG_RATIO), foremost: within(0) }
}

export class Heartbeat {
  /** Oldest first. */
  #loops: Array<Decided> = []

  /** Notes a loop that is decided. @param nodes  ids of its hops; each counts once */
  note(nodes: ReadonlyArray<string>, isFailure: boolean): void {
    this.#loops.push({ nodes: nodes.filter((id, index) => nodes.indexOf(id) === index), isFailure })
    if (this.#loops.length > 2 * LONGEST_WINDOW) this.#loops = this.#loops.slice(-LONGEST_WINDOW)
  }

  /** Ids of the nodes to blame now. A look costs some thousand additions while loops fail, and nothing else. */
  suspects(): ReadonlyArray<string> {
    const named = this.#scan().ids
    const cleared = named.filter((id) => this.#clear(id))
    return cleared.length === 0 ? named : this.#scan().ids
  }

  /** True for a node to blame now that no other explains better than. */
  isForemost(id: string): boolean {
    return this.#scan().foremost.includes(id)
  }

  /** Forgets loops through nodes that are not among `ids`. */
  retain(ids: { readonly has: (id: string) => boolean }): void {
    this.#loops = this.#loops.filter(({ nodes }) => nodes.every((id) => ids.has(id)))
  }

  /** Forgets everything: the next judgement is made of loops to come. */
  reset(): void {
    this.#loops = []
  }

  #scan(): Explanation {
    const loops = this.#loops.slice(-LONGEST_WINDOW)
    if (!loops.some(({ isFailure }) => isFailure)) return NOTHING
    const [best] = WINDOWS.map((window) => explain(loops.slice(-window))).sort((a, b) => b.logRatio - a.logRatio)
    return best ?? NOTHING
  }

  /** Forgets what led to a suspicion when the last loops through the node are well. */
  #clear(id: string): boolean {
    let seen = 0
    let failures = 0
    for (let at = this.#loops.length - 1; at >= 0 && seen < CLEAR_COUNT; at--) {
      const loop = this.#loops[at]
      if (loop === undefined || !loop.nodes.includes(id)) continue
      seen += 1
      if (loop.isFailure) failures += 1
      if (seen < CLEAR_COUNT || failures > CLEAR_FAILURES) continue
      this.#loops = this.#loops.filter((other, index) => index >= at || !other.nodes.includes(id))
      return true
    }
    return false
  }
}
