/**
 * The adversary runs some of the mixes: how often does a packet meet no honest one, and what does that give?
 *
 * Contract: which ways are wholly compromised is exact knowledge of the ways, not a guess. Packets that met an honest mix are still subject to the posterior
 * of that mix; `routeBeliefs` with `knownPosterior` for the compromised ones counts both.
 * Knows nothing of: how mixes are chosen. With uniform choice in each layer the share is Π k(l)/n(l) over the layers, printed beside.
 * Source: Piotrowska et al. 2017 (Loopix) §5; departures: none.
 *
 * @module
 */
import { routeOf, type PacketFlow } from "../flow.ts"
import { clopperPearson, type Estimate } from "../metrics/interval.ts"

export interface CompromisedShare {
  /** Share of packets that met compromised mixes only. */
  readonly share: Estimate
  /** What uniform choice in each layer makes of it. */
  readonly expected: number
  readonly packets: number
}

/** @param layers  names of the mixes of each layer */
export const compromisedShare = (
  flow: PacketFlow,
  exits: ReadonlyArray<number>,
  layers: ReadonlyArray<ReadonlyArray<string>>,
  compromised: ReadonlyArray<string>
): CompromisedShare => {
  const taken = new Set(compromised)
  const mixes = new Set(layers.flat())
  const whole = exits.filter((exit) => routeOf(flow, exit).every((node) => {
    const name = flow.names[node] ?? ""
    return !mixes.has(name) || taken.has(name)
  })).length
  return {
    share: { value: whole / Math.max(1, exits.length), interval: clopperPearson(whole, exits.length) },
    expected: layers.reduce((product, layer) => product * layer.filter((name) => taken.has(name)).length / Math.max(1, layer.length), 1),
    packets: exits.length
  }
}
