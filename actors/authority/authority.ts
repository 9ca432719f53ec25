/**
 * A directory authority: collects descriptors of pinned identities, votes with its fellows on one document per epoch, signs and serves it.
 *
 * Contract: the document of the next epoch comes of the schedule's vote; whenever the current one has none, attempts beside the schedule make it, in
 * about a second when all authorities are there. Any minority of them may be dead or silent. Nothing is served below the threshold of signatures. What
 * is in the store outlives the actor, and nothing that must be is only in memory. Rejections are logged by name.
 * Source: mixnet.md §12, §13; departures: see schedule.ts, election.ts.
 *
 * @module
 */
import { Clock, Data, Effect, Option, Queue, Random } from "effect"
import { callerOf, type Client, type RpcGroup } from "../../src/actor/actor.ts"
import { forkLoop } from "../../src/actor/loop.ts"
import { Mount } from "../../src/actor/mount.ts"
import { constantTimeEqual } from "../../src/bytes/equal.ts"
import { EntropySource } from "../../src/crypto/entropy.ts"
import type { Identity, NetworkSetting } from "../../src/pki/network-setting.ts"
import type { MessageKind } from "../../src/pki/vote-message.ts"
import { Council, type Fellow } from "./council.ts"
import type { Outgoing, Verdict } from "./election.ts"
import type { PinnedIdentity } from "./pinned.ts"
import { Authority } from "./protocol.ts"
import type { Posted } from "./register.ts"
import { makeReporter } from "./rejection.ts"
import type { AuthorityStore } from "./store.ts"

export interface AuthorityConfig extends NetworkSetting {
  readonly identity: Identity
  /** The other authorities. */
  readonly fellows: ReadonlyArray<Fellow>
  readonly pinned: ReadonlyArray<PinnedIdentity>
  /** Handed in, so that it survives a crash of the actor. */
  readonly store: AuthorityStore
}

/** The configuration contradicts itself; `message` names the field. */
export class AuthorityMisconfigured extends Data.TaggedError("AuthorityMisconfigured")<{ readonly message: string }> {}

type FellowClient = Client<RpcGroup.Rpcs<typeof Authority>>

/** Longest that one call to a fellow may take. */
const LIMIT_MS = 5_000
/** Longest sleep between looks at the clock. */
const LOOK_MS = 5_000
/** Pause between questions for documents that are missing. */
const ASK_AGAIN_MS = 1_000
/** How long a starting authority waits for answers before it votes itself. */
const ASK_MS = 1_500
const FIRST_RETRY_MS = 10
const LONGEST_RETRY_MS = 3_000
/** Signatures are offered for the rest of the epoch; a fellow that has them but not enough is asked again after this. */
const FIRST_OFFER_MS = 250
const LONGEST_OFFER_MS = 10_000

const CODES = {
  vote: { ok: 0, late: 1, early: 2, notAuthorised: 3, notSigned: 4, malformed: 5, already: 6 },
  reveal: { ok: 8, late: 13, early: 9, notAuthorised: 10, notSigned: 11, malformed: 11, already: 12 },
  cert: { ok: 14, late: 19, early: 15, notAuthorised: 16, notSigned: 17, malformed: 17, already: 18 },
  sig: { ok: 20, late: 24, early: 23, notAuthorised: 21, notSigned: 22, malformed: 26, already: 25 }
} as const

const WORDS: Readonly<Record<Verdict, keyof (typeof CODES)["vote"]>> = {
  ok: "ok", already: "already", late: "late", early: "early", "not authorised": "notAuthorised", excluded: "notAuthorised",
  "forged signature": "notSigned", malformed: "malformed", equivocation: "already", invalid: "malformed"
}

type CodeOf<Kind extends MessageKind> = (typeof CODES)[Kind][keyof (typeof CODES)[Kind]]

const codeOf = <Kind extends MessageKind>(kind: Kind, verdict: Verdict): CodeOf<Kind> => CODES[kind][WORDS[verdict]] as CodeOf<Kind>

const faultOf = ({ authorityKeys, authorityThreshold, fellows, identity }: AuthorityConfig): string | undefined => {
  const known = (key: Uint8Array): boolean => authorityKeys.some((each) => constantTimeEqual(each, key))
  if (!known(identity.publicKey)) return `identity: the key of ${identity.name} is not among authorityKeys`
  const foreign = fellows.find(({ publicKey }) => !known(publicKey))
  if (foreign !== undefined) return `fellows: the key of ${foreign.name} is not among authorityKeys`
  if (fellows.length + 1 !== authorityKeys.length) return `fellows: ${fellows.length} named, ${authorityKeys.length - 1} have keys in authorityKeys`
  if (2 * authorityThreshold <= authorityKeys.length) return `authorityThreshold: ${authorityThreshold} is not more than half of ${authorityKeys.length}`
  return undefined
}

/** Makes one call and says whether the message is done with: whether it is accepted, or can never be. */
const tell = (client: FellowClient, { bytes, kind }: Outgoing): Effect.Effect<boolean> => {
  const call: Effect.Effect<{ readonly status: number }, unknown> = kind === "vote" ? client.Vote({ message: bytes })
    : kind === "reveal" ? client.Reveal({ message: bytes }) : kind === "cert" ? client.Cert({ message: bytes }) : client.Sig({ message: bytes })
  return call.pipe(
    Effect.map(({ status }) => (kind === "sig" ? status === CODES.sig.already : status !== CODES[kind].early)),
    Effect.catchAllCause(() => Effect.succeed(false))
  )
}

/** Repeats a message to one fellow until it is done with or of no use any more. */
const deliver = (client: FellowClient, outgoing: Outgoing) =>
  Effect.gen(function*() {
    const longestMs = outgoing.kind === "sig" ? LONGEST_OFFER_MS : LONGEST_RETRY_MS
    let waitMs = outgoing.kind === "sig" ? FIRST_OFFER_MS : FIRST_RETRY_MS
    while (outgoing.wanted(yield* Clock.currentTimeMillis)) {
      if (yield* tell(client, outgoing)) return
      yield* Effect.sleep(waitMs * (0.8 + 0.4 * (yield* Random.next)))
      waitMs = Math.min(longestMs, waitMs * 2)
    }
  })

/** Asks the fellows for documents that this authority lacks; at its start for the previous one, too. */
const ask = (council: Council, clients: ReadonlyArray<FellowClient>, isFirst: boolean) =>
  Effect.gen(function*() {
    const epochs = council.missing(yield* Clock.currentTimeMillis, isFirst)
    yield* Effect.forEach(epochs, (epoch) =>
      Effect.forEach(clients, (client) =>
        client.GetConsensus({ epoch }).pipe(
          Effect.flatMap(({ certificate, status }) =>
            Effect.map(Clock.currentTimeMillis, (nowMs) => (status === 0 ? council.complement(epoch, certificate, nowMs) : undefined))),
          Effect.catchAllCause(() => Effect.void)
        ), { concurrency: "unbounded", discard: true }), { concurrency: "unbounded", discard: true })
  })

export const authority = (config: AuthorityConfig) => (ready: Effect.Effect<void>) =>
  Effect.gen(function*() {
    const fault = faultOf(config)
    if (fault !== undefined) return yield* new AuthorityMisconfigured({ message: fault })
    const mount = yield* Mount
    const { name } = config.identity
    const report = makeReporter(name)
    const bell = yield* Queue.sliding<void>(1)
    const council = new Council({ ...config, entropy: yield* EntropySource }, yield* Clock.currentTimeMillis)
    const ring = Queue.offer(bell, undefined)
    let asked = false

    const take = <Kind extends MessageKind>(kind: Kind) => ({ message }: { readonly message: Uint8Array }, call: Parameters<typeof callerOf>[0]) =>
      Effect.gen(function*() {
        const { rejection, verdict } = council.receive(kind, message, callerOf(call), yield* Clock.currentTimeMillis)
        if (rejection !== undefined) yield* report(rejection)
        yield* ring
        return { status: codeOf(kind, verdict) }
      })
    const answerPost = (kind: "descriptor" | "withdrawal", epoch: number, caller: string, posted: Posted) =>
      Effect.gen(function*() {
        if (posted.status !== 0) yield* report({ peer: council.peerName(caller), kind, epoch, reason: posted.reason })
        yield* ring
        return { status: posted.status }
      })
    yield* mount.serve(name, Authority, Authority.toLayer({
      PostDescriptor: ({ descriptor, epoch }, call) => Effect.flatMap(Clock.currentTimeMillis, (nowMs) =>
        answerPost("descriptor", epoch, callerOf(call), council.post(epoch, descriptor, callerOf(call), nowMs))),
      Withdraw: ({ withdrawal }, call) => Effect.flatMap(Clock.currentTimeMillis, (nowMs) =>
        answerPost("withdrawal", 0, callerOf(call), council.withdraw(withdrawal, callerOf(call), nowMs))),
      GetConsensus: ({ epoch }) => Effect.map(Clock.currentTimeMillis, (nowMs) => council.consensus(epoch, nowMs)),
      Vote: take("vote"),
      Reveal: take("reveal"),
      Cert: take("cert"),
      Sig: take("sig")
    }))
    const clients = yield* Effect.forEach(config.fellows, (fellow) => mount.connect(name, fellow.name, Authority, { limitMs: LIMIT_MS }))
    yield* ready
    const scope = yield* Effect.scope
    yield* forkLoop("questions", name, Effect.gen(function*() {
      const questions = ask(council, clients, !asked)
      yield* (asked ? questions : Effect.timeoutOption(questions, ASK_MS))
      if (!asked) yield* ring
      asked = true
      yield* Effect.sleep(ASK_AGAIN_MS)
    }))
    return yield* Effect.forever(Effect.gen(function*() {
      const nowMs = yield* Clock.currentTimeMillis
      const { outgoing, rejections } = council.step(nowMs, asked)
      yield* Effect.forEach(rejections, report, { discard: true })
      yield* Effect.forEach(outgoing, (each) =>
        Effect.forEach(clients, (client) => Effect.forkIn(deliver(client, each), scope), { discard: true }), { discard: true })
      const waitMs = Math.min(LOOK_MS, Math.max(1, council.wakeMs(nowMs) - (yield* Clock.currentTimeMillis)))
      yield* Effect.map(Effect.timeoutOption(Queue.take(bell), waitMs), Option.getOrUndefined)
    }))
  })
