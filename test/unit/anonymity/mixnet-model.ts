/**
 * A mix network on paper: Poisson senders, layers of mixes, a law of delays; it makes recorded runs whose every truth is known.
 *
 * Goal: attacks and metrics are tried on a network that is ideal, and on ones broken on purpose in a single way.
 * Method: no actors, no cryptography; each packet is a list of nodes and delays, drawn from a seed.
 *
 * @module
 */
import { drawExponential, drawIndex, seededDraws, type Draw } from "../../../src/anonymity/draws.ts"
import { flowOf, type PacketFlow } from "../../../src/anonymity/flow.ts"
import type { HopMatch, LinkEvent, RecordedRun } from "../../../src/anonymity/trace.ts"

/** Instants of a Poisson process from start to end. */
export const drawPoissonProcess = (draw: Draw, rate: number, startMs: number, endMs: number): Float64Array => {
  const instants: Array<number> = []
  if (rate > 0) for (let now = startMs + drawExponential(draw, rate); now < endMs; now += drawExponential(draw, rate)) instants.push(now)
  return Float64Array.from(instants)
}

export interface ModelOptions {
  readonly seed: number
  readonly clients: number
  /** Packets per millisecond of each client. */
  readonly ratePerMs: number
  readonly muPerMs: number
  /** Mixes in each layer. */
  readonly layers: ReadonlyArray<number>
  readonly durationMs: number
  /** The delay of one hop; exponential if absent. */
  readonly delayMs?: (draw: Draw, node: string) => number
}

export const mixNames = (layers: ReadonlyArray<number>): ReadonlyArray<string> =>
  layers.flatMap((width, layer) => Array.from({ length: width }, (_, index) => `mix-${layer}-${index}`))

/** The run of a network: clients → one mix of each layer → exit. */
export const modelRun = (options: ModelOptions): RecordedRun => {
  const draw = seededDraws(options.seed)
  const delayOf = options.delayMs ?? (() => drawExponential(draw, options.muPerMs))
  const links: Array<LinkEvent> = []
  const matches: Array<HopMatch> = []
  let digest = 0
  for (let client = 0; client < options.clients; client++) {
    for (const startMs of drawPoissonProcess(draw, options.ratePerMs, 0, options.durationMs)) {
      const route = options.layers.map((width, layer) => `mix-${layer}-${drawIndex(draw, width)}`)
      let instantMs = startMs
      let from = `client-${client}`
      for (const to of [...route, "exit"]) {
        links.push({ instantMs, from, to, call: "Forward", direction: "request", sizeBytes: 2000, digest: digest++ })
        if (to !== "exit") matches.push({ node: to, inDigest: digest - 1, outDigest: digest })
        instantMs += delayOf(draw, to)
        from = to
      }
    }
  }
  return { links: links.sort((one, other) => one.instantMs - other.instantMs), storage: [], matches }
}

export const modelFlow = (options: ModelOptions): PacketFlow => {
  const run = modelRun(options)
  return flowOf(run.links, run.matches, () => true)
}

/** Events that reach the exit in the middle of the run. */
export const exitsOf = (flow: PacketFlow, fromMs: number, toMs: number): ReadonlyArray<number> => {
  const exit = flow.names.indexOf("exit")
  return Array.from(flow.to.keys()).filter((event) => flow.to[event] === exit && flow.instantMs[event]! >= fromMs && flow.instantMs[event]! < toMs)
}
