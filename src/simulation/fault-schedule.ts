/**
 * A scenario with its lots drawn: which fault is in force where and when in one run.
 *
 * Contract: the same scenario, names and source of draws give the same schedule. Before `begin` nothing is in force. All questions are answered from
 * tables that are small and made once per link or actor.
 * Knows nothing of: mounts, effects.
 * Source: fault-plan.ts; departures: none.
 *
 * @module
 */
import type { Entropy } from "../crypto/entropy.ts"
import { uniformFrom } from "../link/link-services.ts"
import { type ActorFault, type Fault, isLinkFault, type LinkFault, matches, type Scenario } from "./fault-plan.ts"

/** A time in the run, in milliseconds after its beginning. */
export interface Window {
  readonly fromMs: number
  readonly untilMs: number
}

/** A fault of one actor. */
export interface Affliction extends Window {
  readonly kind: ActorFault["kind"]
  readonly actor: string
  /** Of a clock that lies; else 0. */
  readonly offsetMs: number
}

/** A fault of one direction of one link. */
export type LinkCondition = Window & (
  | { readonly kind: "loss" | "duplication" | "corruption"; readonly share: number }
  | { readonly kind: "delay" | "reordering"; readonly share: number; readonly delayMs: number }
  | { readonly kind: "partition" }
)

const drawn = <A>(among: ReadonlyArray<A>, wanted: number, entropy: Entropy): ReadonlyArray<A> => {
  const left = [...among]
  const taken: Array<A> = []
  while (taken.length < wanted && left.length > 0) taken.push(...left.splice(Math.floor(uniformFrom(entropy) * left.length), 1))
  return taken
}

const shifted = ({ fromMs, shiftMs, untilMs }: Scenario["faults"][number], entropy: Entropy): Window => {
  const laterMs = shiftMs === undefined ? 0 : uniformFrom(entropy) * shiftMs
  return { fromMs: fromMs + laterMs, untilMs: untilMs + laterMs }
}

/** A fault of which nothing is left to chance but what its own fields say. */
const withoutLots = <A extends Fault>(fault: A): A => {
  const { pick: _pick, shiftMs: _shiftMs, ...rest } = fault as A & { readonly pick?: number; readonly shiftMs?: number }
  return rest as unknown as A
}

const conditionOf = (fault: LinkFault, window: Window): LinkCondition => {
  switch (fault.kind) {
    case "partition": return { ...window, kind: "partition" }
    case "delay":
    case "reordering": return { ...window, kind: fault.kind, share: fault.share, delayMs: fault.delayMs }
    case "loss":
    case "duplication":
    case "corruption": return { ...window, kind: fault.kind, share: fault.share }
  }
}

export class FaultSchedule {
  /** The scenario with its lots drawn: names instead of patterns for actors, windows that do not shift. It gives this schedule whatever the seed. */
  readonly settled: Scenario
  /** In the order of their beginnings. */
  readonly afflictions: ReadonlyArray<Affliction>
  readonly #links: ReadonlyArray<{ readonly fault: LinkFault; readonly condition: LinkCondition }>
  readonly #known = new Map<string, ReadonlyArray<LinkCondition>>()
  #startMs = Number.POSITIVE_INFINITY

  /** @param actors  names of all actors of the network */
  constructor(scenario: Scenario, actors: ReadonlyArray<string>, entropy: Entropy) {
    const faults: Array<Fault> = []
    const links: Array<{ readonly fault: LinkFault; readonly condition: LinkCondition }> = []
    const afflictions: Array<Affliction> = []
    for (const fault of scenario.faults) {
      const window = shifted(fault, entropy)
      if (isLinkFault(fault)) {
        links.push({ fault, condition: conditionOf(fault, window) })
        faults.push({ ...withoutLots(fault), ...window })
        continue
      }
      const able = actors.filter((name) => matches(fault.actors, name))
      const offsetMs = fault.kind === "clock-offset" ? fault.offsetMs : 0
      const [first, ...others] = drawn(able, fault.pick ?? able.length, entropy)
      if (first === undefined) continue
      for (const actor of [first, ...others]) afflictions.push({ ...window, kind: fault.kind, actor, offsetMs })
      faults.push({ ...withoutLots(fault), ...window, actors: [first, ...others] })
    }
    this.settled = { ...scenario, faults }
    this.#links = links
    this.afflictions = afflictions.sort((a, b) => a.fromMs - b.fromMs)
  }

  /** The network is up: faults come by their instants after `startMs`. */
  begin(startMs: number): void {
    this.#startMs = startMs
  }

  /** Milliseconds since the beginning; negative infinity before it. */
  elapsedMs(nowMs: number): number {
    return nowMs - this.#startMs
  }

  /** Every fault that what travels from one actor to another ever meets. */
  conditionsOf(from: string, to: string): ReadonlyArray<LinkCondition> {
    const key = `${from}>${to}`
    const known = this.#known.get(key) ?? this.#links.flatMap(({ condition, fault }) => {
      const forth = matches(fault.from, from) && matches(fault.to, to)
      const back = fault.kind === "partition" && matches(fault.from, to) && matches(fault.to, from)
      return forth || back ? [condition] : []
    })
    this.#known.set(key, known)
    return known
  }

  /** Every time at which an actor is paused. */
  pausesOf(actor: string): ReadonlyArray<Window> {
    return this.afflictions.filter((each) => each.kind === "pause" && each.actor === actor)
  }

  /** Every time at which an actor's clock lies. */
  liesOf(actor: string): ReadonlyArray<Affliction> {
    return this.afflictions.filter((each) => each.kind === "clock-offset" && each.actor === actor)
  }

  /** Every time at which something is wrong with an actor or with what travels from one to another of these. */
  troublesOf(actors: ReadonlyArray<string>): ReadonlyArray<Window> {
    const among = new Set(actors)
    return [
      ...this.afflictions.filter(({ actor }) => among.has(actor)),
      ...actors.flatMap((from) => actors.flatMap((to) => (from === to ? [] : this.conditionsOf(from, to))))
    ]
  }
}

/** Whether a window is open, and one that is open at any time of a span. */
export const isOpen = ({ fromMs, untilMs }: Window, atMs: number): boolean => atMs >= fromMs && atMs < untilMs
export const opensWithin = ({ fromMs, untilMs }: Window, fromAtMs: number, toAtMs: number): boolean => fromMs <= toAtMs && untilMs > fromAtMs

/** When the last of the windows that hold something up at an instant is over; the instant itself when nothing does. */
export const heldUntilMs = (windows: ReadonlyArray<Window>, atMs: number): number => {
  let untilMs = atMs
  for (let moved = true; moved;) {
    moved = false
    for (const window of windows) {
      if (isOpen(window, untilMs)) {
        untilMs = window.untilMs
        moved = true
      }
    }
  }
  return untilMs
}
