/**
 * n − 1, played: somebody on the links into one mix drops everything but one packet at a time, and takes what comes out for it; with the heartbeat policy
 * off, warn and pause.
 *
 * The adversary is granted the choice of the packet: it runs all that lies before the mix, and knows whose packet it lets in. Against it stand the mix's own
 * loops, which leave among the rest, and that loops stop coming home: the mix and the clients notice. Until they do, what passes is exposed: a single
 * packet is found before anybody can know. What a gate can ask for is that it is noticed within the time that the parameters promise, and that
 * with `pause` nothing is found from then on.
 *
 * Contract: one small world for each policy, of the same seed; figures are read where an operator reads them.
 * Knows nothing of: how suspicion is made.
 * Source: Serjantov, Dingledine and Syverson 2002; Danezis and Sassaman 2003; mixnet.md §8; departures: none.
 *
 * @module
 */
import { Effect } from "effect"
import { nMinusOne, type FlushOutcome, type FlushTrial } from "../../../src/anonymity/attacks/n-minus-one.ts"
import { seededDraws } from "../../../src/anonymity/draws.ts"
import type { Figure, RuleRow } from "../../../src/anonymity/findings.ts"
import { atMost, never, type Gate } from "../../../src/anonymity/gate.ts"
import type { Client } from "../../../src/actor/actor.ts"
import type { MountService } from "../../../src/actor/mount.ts"
import { HEARTBEAT_POLICIES, type HeartbeatPolicyName } from "../../../src/mixnet/heartbeat-watch.ts"
import { loopSlackMs } from "../../../src/params/mixnet-params.ts"
import type { World } from "../../simulator/world.ts"
import { blockedNetwork } from "../lab-network.ts"
import { emptyPart, type LabPart, type LabScale, type PartChoice } from "../lab-part.ts"
import { recordWorld, type Recording } from "../recorded-world.ts"

const TOPOLOGY = blockedNetwork()
const VICTIM = TOPOLOGY.mixes.at(-1)?.name ?? ""
const { lambdaMPerMs, muPerMs } = TOPOLOGY.params
const CALM_MS = 10_000
/** Mean delays after which a mix into which nothing comes is empty, and that one packet is waited for. */
const FLUSH_DELAYS = 6
const FLUSH_MS = FLUSH_DELAYS / muPerMs
/** 8 lost loops of the victim's own, the time of a loop, and two looks a second apart. */
const NOTICED_MS = 8 / lambdaMPerMs + 6 / muPerMs + loopSlackMs(TOPOLOGY.params) + 2000
/** How long packets are held back; chance may make loops come slower, so a gate allows for twice the time. */
const ATTACK_MS: Readonly<Record<LabScale, number>> = { test: 2 * NOTICED_MS, quick: 2.5 * NOTICED_MS, large: 20 * NOTICED_MS }
const LOOK_MS = 250

type Packets = ReadonlyArray<Uint8Array>
type Forward = (call: { readonly packets: Packets }) => Effect.Effect<void>

/** Which of the packets for the victim pass now. */
type Admit = (packets: Packets) => Packets

const withBlocker = (mount: MountService, admit: Admit): MountService => ({
  ...mount,
  connect: (from, to, group, options) =>
    Effect.map(mount.connect(from, to, group, options), (client) => {
      if (to !== VICTIM) return client
      const pass = (client as unknown as { readonly Forward: Forward }).Forward
      const Forward: Forward = ({ packets }) => {
        const admitted = admit(packets)
        return admitted.length === 0 ? Effect.void : pass({ packets: admitted })
      }
      return { ...client, Forward } as unknown as Client<never> as typeof client
    })
})

interface Blocked {
  /** When packets began to be held back. */
  readonly startMs: number
  /** When the mix or a client first was suspicious, and when each of both first paused. */
  readonly suspectedMs: number
  readonly mixPausedMs: number
  readonly clientPausedMs: number
}

const CLIENTS = TOPOLOGY.clients.map(({ name }) => name)

/** Whether one of some actors shows a figure above 0. */
const shown = (world: World, names: ReadonlyArray<string>, metric: "suspects" | "paused"): Effect.Effect<boolean> =>
  Effect.map(world.readings, (all) => names.some((name) => (all.get(name)?.get(metric)?.get("") ?? 0) > 0))

const attack = (seed: number, heartbeat: HeartbeatPolicyName, attackMs: number): Promise<Recording<Blocked>> => {
  let nowMs = (): number => 0
  let startMs = Number.POSITIVE_INFINITY
  let lastMs = Number.NEGATIVE_INFINITY
  const admit: Admit = (packets) => {
    if (nowMs() < startMs) return packets
    const isTurn = nowMs() >= Math.max(startMs, lastMs) + FLUSH_MS
    if (isTurn) lastMs = nowMs()
    return isTurn ? packets.slice(0, 1) : []
  }
  return recordWorld({
    topology: TOPOLOGY, seed, heartbeat, wrapMount: (mount) => withBlocker(mount, admit), keeps: ({ from, to }) => from === VICTIM || to === VICTIM
  }, (world) => Effect.gen(function*() {
    nowMs = world.nowMs
    yield* Effect.sleep(CALM_MS)
    startMs = world.nowMs()
    const first = { suspectedMs: Number.POSITIVE_INFINITY, mixPausedMs: Number.POSITIVE_INFINITY, clientPausedMs: Number.POSITIVE_INFINITY }
    const look = (key: keyof typeof first, names: ReadonlyArray<string>, metric: "suspects" | "paused") =>
      Effect.map(shown(world, names, metric), (is) => { if (is) first[key] = Math.min(first[key], world.nowMs()) })
    while (world.nowMs() < startMs + attackMs) {
      yield* Effect.sleep(LOOK_MS)
      yield* look("suspectedMs", [VICTIM, ...CLIENTS], "suspects")
      yield* look("mixPausedMs", [VICTIM], "paused")
      yield* look("clientPausedMs", CLIENTS, "paused")
    }
    return { startMs, ...first }
  }))
}

/** Every packet that was let in alone within a span, and what came out while it was waited for. */
const trialsOf = (
  { links, matches }: Recording<Blocked>, noticedMs: number, { sinceMs, untilMs }: { readonly sinceMs: number; readonly untilMs: number }
): ReadonlyArray<FlushTrial> => {
  const forwards = links.filter(({ call, direction }) => call === "Forward" && direction === "request")
  const outOf = new Map(matches.flatMap(({ inDigest, node, outDigest }) => (node === VICTIM && inDigest !== undefined ? [[inDigest, outDigest] as const] : [])))
  const left = forwards.filter(({ from }) => from === VICTIM)
  const lastMs = Math.min(untilMs, (links.at(-1)?.instantMs ?? 0) - FLUSH_MS)
  return forwards.filter(({ instantMs, to }) => to === VICTIM && instantMs >= sinceMs && instantMs < lastMs).map(({ digest, instantMs }) => {
    const exits = left.filter((event) => event.instantMs > instantMs && event.instantMs < instantMs + FLUSH_MS)
    const exit = exits.findIndex((event) => event.digest === outOf.get(digest))
    const cameOutMs = exits[exit]?.instantMs ?? instantMs + FLUSH_MS
    return { entryMs: instantMs, exitMs: exits.map((event) => event.instantMs), exit, noticed: noticedMs <= cameOutMs }
  })
}

/** Packets inside the victim on average, when nothing is held back. */
const poolOf = ({ links, startMs, value }: Recording<Blocked>): number => {
  const came = links.filter(({ call, direction, instantMs, to }) => call === "Forward" && direction === "request" && to === VICTIM && instantMs < value.startMs)
  return Math.max(2, came.length / Math.max(1, value.startMs - startMs) / muPerMs)
}

const LAW = { hopCount: 1, muPerMs, fixedMs: 0 }

interface Played {
  readonly policy: HeartbeatPolicyName
  readonly recording: Recording<Blocked>
  /** All finds, and those of which nobody had noticed anything. */
  readonly found: FlushOutcome
  readonly unnoticed: FlushOutcome
}

const play = async (policy: HeartbeatPolicyName, seed: number, attackMs: number): Promise<Played> => {
  const recording = await attack(seed, policy, attackMs)
  const draw = seededDraws(seed)
  // who is let into a mix that has paused plays no game: how many such there are depends on nothing but how long somebody goes on
  const span = { sinceMs: recording.value.startMs, untilMs: recording.value.mixPausedMs }
  const judged = (noticedMs: number): FlushOutcome => nMinusOne(trialsOf(recording, noticedMs, span), LAW, poolOf(recording), draw)
  return { policy, recording, found: judged(Number.POSITIVE_INFINITY), unnoticed: judged(recording.value.suspectedMs) }
}

const figuresOf = ({ found, policy, recording, unnoticed }: Played, seed: number): ReadonlyArray<Figure> => {
  const { startMs, suspectedMs } = recording.value
  const figure = (name: string, { attack: { advantage } }: FlushOutcome, note: string): Figure =>
    ({ group: "n − 1", name, estimate: advantage, unit: "advantage", adversary: "links into a mix", samples: advantage.trials, seed, note })
  const noticed = Number.isFinite(suspectedMs) ? `noticed after ${((suspectedMs - startMs) / 1000).toFixed(1)} s` : "noticed by nobody"
  return [
    figure(`packet found, policy ${policy}`, found, `${found.attack.advantage.wins} packets in all; ${noticed}`),
    figure(`packet found before anybody noticed, policy ${policy}`, unnoticed, `${unnoticed.attack.advantage.wins} packets`)
  ]
}

/** An instant as time since another, in finite milliseconds. */
const since = (instantMs: number, startMs: number): number => Math.min(instantMs - startMs, 1e9)

const within = (name: string, meaning: string, spentMs: number): Gate =>
  atMost({ name, meaning }, { value: spentMs, interval: { lower: spentMs, upper: spentMs, level: 1 } }, 2 * NOTICED_MS, 1)

const gatesOf = ({ recording }: Played): ReadonlyArray<Gate> => {
  const { clientPausedMs, mixPausedMs, startMs, suspectedMs } = recording.value
  const after = trialsOf(recording, Number.POSITIVE_INFINITY, { sinceMs: mixPausedMs, untilMs: Number.POSITIVE_INFINITY })
  return [
    within("n-minus-one/noticed", "milliseconds until the mix or a client suspects somebody who lets in one packet at a time", since(suspectedMs, startMs)),
    within("n-minus-one/client-stops", "milliseconds until a client sends nothing real any more, under policy pause", since(clientPausedMs, startMs)),
    never({ name: "n-minus-one/after-pause", meaning: "packets that the mix lets out, of those let in alone after it paused, under policy pause" },
      after.filter(({ exit }) => exit >= 0).length, after.length, 5)
  ]
}

export const blockingPart = async ({ scale, seed }: PartChoice): Promise<LabPart> => {
  const played: Array<Played> = []
  for (const policy of HEARTBEAT_POLICIES) played.push(await play(policy, seed, ATTACK_MS[scale]))
  const [off, , pause] = played
  const row: ReadonlyArray<RuleRow> = off === undefined || pause === undefined ? [] : [{
    rule: "n − 1", adversary: "links into a mix", attack: "the packet that was let in alone", level: "network",
    games: off.found.attack.advantage.trials, seed,
    on: pause.found.attack.advantage, off: off.found.attack.advantage,
    note: `with: policy pause, the ${pause.found.attack.advantage.trials} packets that were let in before the mix paused, after which nothing comes out; `
      + "without: policy off. The rule bounds how many packets are found, not which share of them"
  }]
  return {
    ...emptyPart("blocking"),
    figures: played.flatMap((each) => figuresOf(each, seed)),
    gates: pause === undefined ? [] : gatesOf(pause),
    rules: row,
    traceHashes: played.map(({ recording }) => recording.traceHash)
  }
}
