/**
 * The long run (O16): clients come and go, and somebody who sees who is online in the rounds in which a certain thing happens learns in the end whose it is.
 *
 * Three kinds of people over the same rounds: one who runs the client day and night, one whose client comes and goes like the others', and one who is online
 * only when the thing happens. No mix network prevents this attack; it depends on who is there, and on nothing that packets could hide.
 *
 * Contract: who is online is read off the links of real clients that start and stop. Things happen in rounds that are drawn, to people who are online then.
 * Knows nothing of: what happens.
 * Source: funion.md §7 O16; Berthold, Pfitzmann and Standtke 2000, Danezis 2003; departures: none.
 *
 * @module
 */
import { Effect } from "effect"
import { disclosure, type Disclosure, type TargetHistory } from "../../../src/anonymity/attacks/intersection.ts"
import { seededDraws, type Draw } from "../../../src/anonymity/draws.ts"
import { disclosureSeries, type Figure, type RuleRow } from "../../../src/anonymity/findings.ts"
import { advantageOf } from "../../../src/anonymity/metrics/advantage.ts"
import type { LinkEvent } from "../../../src/anonymity/trace.ts"
import { mixingNetwork } from "../lab-network.ts"
import { emptyPart, type LabPart, type LabScale, type PartChoice } from "../lab-part.ts"
import { recordWorld } from "../recorded-world.ts"

const CLIENTS = 16
/** The first clients never stop. */
const ALWAYS = 8
const ROUND_MS = 30_000
/** A packet every five seconds says who is online for little time of the machine's; the service's cover needs as long a quantum. */
const SLOW_QUANTUM_MS = 600_000
/** Share of rounds in which a client that comes and goes is there, and in which the thing happens to a person. */
const PRESENCE = 0.7
const EVENT_SHARE = 0.3
const ROUNDS: Readonly<Record<LabScale, number>> = { test: 12, quick: 40, large: 200 }
/** People of each kind that histories are made of, each with things of their own. */
const TARGETS = 64

/** Which clients sent anything in each round: row by row, 1 where online. */
const presenceOf = (links: ReadonlyArray<LinkEvent>, names: ReadonlyArray<string>, startMs: number, rounds: number): Uint8Array => {
  const online = new Uint8Array(rounds * names.length)
  const placeOf = new Map(names.map((name, place) => [name, place]))
  for (const { from, instantMs } of links) {
    const place = placeOf.get(from)
    const round = Math.floor((instantMs - startMs) / ROUND_MS)
    if (place !== undefined && round >= 0 && round < rounds) online[round * names.length + place] = 1
  }
  return online
}

type Kind = "always online" | "comes and goes" | "online only when it happens"

/** Somebody of a kind: a client, the rounds in which the thing happens, and who is seen online. */
const historyOf = (kind: Kind, online: Uint8Array, rounds: number, draw: Draw): TargetHistory => {
  const client = kind === "always online" ? Math.floor(draw() * ALWAYS) : ALWAYS + Math.floor(draw() * (CLIENTS - ALWAYS))
  const isThere = (round: number): boolean => online[round * CLIENTS + client] === 1
  const event = Uint8Array.from({ length: rounds }, (_, round) => (isThere(round) && draw() < EVENT_SHARE ? 1 : 0))
  const seen = Uint8Array.from(online)
  if (kind === "online only when it happens") for (let round = 0; round < rounds; round++) seen[round * CLIENTS + client] = event[round] ?? 0
  return { event, online: seen, clientCount: CLIENTS, client }
}

const disclosed = (kind: Kind, online: Uint8Array, rounds: number, draw: Draw): Disclosure => {
  const checkpoints = [1, 2, 4, 8, 12, 20, 40, 80, 120, 200].filter((checkpoint) => checkpoint <= rounds)
  return disclosure(kind, Array.from({ length: TARGETS }, () => historyOf(kind, online, rounds, draw)), checkpoints, draw)
}

const lastPoint = ({ points }: Disclosure) => points.at(-1)

const figureOf = (curve: Disclosure, seed: number): ReadonlyArray<Figure> => {
  const point = lastPoint(curve)
  return point === undefined ? [] : [{
    group: "intersection over rounds", name: `named, ${curve.name}`, estimate: point.named, unit: "share", adversary: "network", samples: curve.targets, seed,
    note: `after ${point.rounds} rounds among ${CLIENTS} clients; blind guessing names ${(1 / CLIENTS).toFixed(2)}; intersection alone leaves `
      + `${point.remainingBits.toFixed(1)} bits`
  }]
}

const asRow = (on: Disclosure, off: Disclosure, rounds: number, seed: number): RuleRow => {
  const named = (curve: Disclosure) => advantageOf(Math.round((lastPoint(curve)?.named.value ?? 0) * curve.targets), curve.targets, 1 / CLIENTS)
  return {
    rule: "O16", adversary: "network", attack: "who is always online when it happens", level: "network", games: on.targets, seed,
    on: named(on), off: named(off), note: `after ${rounds} rounds; with: a client that never stops; without: one that is online for its jobs only`
  }
}

export const onlinePart = async ({ scale, seed }: PartChoice): Promise<LabPart> => {
  const rounds = ROUNDS[scale]
  const topology = mixingNetwork({
    clients: CLIENTS,
    mixesPerLayer: 1,
    params: { lambdaPPerMs: 0.0002, lambdaLPerMs: 0.0001, lambdaMPerMs: 0.00001, lambdaGPerMs: 0.00001, quantumMs: SLOW_QUANTUM_MS },
    service: { sessions: 4, deadlinesMs: [2 * SLOW_QUANTUM_MS, 4 * SLOW_QUANTUM_MS], models: [{ id: "affine", profiles: [0] }] }
  })
  const names = topology.clients.map(({ name }) => name)
  const draw = seededDraws(seed)
  const recording = await recordWorld({ topology, seed, keeps: ({ call }) => call === "Submit" }, ({ network }) => Effect.gen(function*() {
    const stopped = new Set<string>()
    for (let round = 0; round < rounds; round++) {
      for (const name of names.slice(ALWAYS)) {
        const isWanted = draw() < PRESENCE
        if (isWanted && stopped.delete(name)) yield* network.start(name)
        if (!isWanted && !stopped.has(name)) {
          stopped.add(name)
          yield* network.stop(name)
        }
      }
      yield* Effect.sleep(ROUND_MS)
    }
  }))
  const online = presenceOf(recording.links, names, recording.startMs, rounds)
  const curves = (["always online", "comes and goes", "online only when it happens"] as const).map((kind) => disclosed(kind, online, rounds, draw))
  const [always, , only] = curves
  return {
    ...emptyPart("online"),
    figures: curves.flatMap((curve) => figureOf(curve, seed)),
    rules: always === undefined || only === undefined ? [] : [asRow(always, only, rounds, seed)],
    series: curves.map(disclosureSeries),
    traceHashes: [recording.traceHash]
  }
}
