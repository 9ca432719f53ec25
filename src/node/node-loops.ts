/**
 * A node's own loops: packets to a service and back to the node, on a Poisson stream that never stops.
 *
 * Contract: on every tick one loop leaves straight to its first hop, to a uniformly chosen `echo`, over fresh paths, delays and reply block; the node's
 * descriptor in the current document says where it stands. A loop is made like a client's packet and its reply, so neither other nodes nor observers of
 * links can tell it from one. The loop of a tick is made right after the tick before it, or on the tick when a new epoch or document has come since.
 * What comes home is recognised by 32 random bytes drawn at the start, opened, counted and forgotten; nothing answers it.
 * Knows nothing of: the packets of others.
 * Source: mixnet.md §2, §8; departures: the SURB id is all random.
 *
 * @module
 */
import { Effect, Either, type Scope } from "effect"
import { forkLoop } from "../actor/loop.ts"
import { showMetric } from "../actor/meter.ts"
import { constantTimeEqual, isAllZero } from "../bytes/equal.ts"
import { EntropySource } from "../crypto/entropy.ts"
import { zeroize } from "../crypto/zeroize.ts"
import { composeLoop, type ComposedRequest } from "../mixnet/compose.ts"
import { type EchoService, echoesOf } from "../mixnet/echo-service.ts"
import { type HeartbeatWatch, makeHeartbeatWatch } from "../mixnet/heartbeat-watch.ts"
import { uniformFrom } from "../mixnet/path.ts"
import { followRate } from "../mixnet/rate-follower.ts"
import { epochAt } from "../params/epoch.ts"
import type { MixnetParams } from "../params/mixnet-params.ts"
import type { NodeDescriptor } from "../pki/descriptor.ts"
import type { Document } from "../pki/document.ts"
import type { Identity, NetworkSetting } from "../pki/network-setting.ts"
import { PkiView } from "../pki/pki-view.ts"
import { RECIPIENT_BYTES, RecipientId } from "../sphinx/geometry.ts"
import { openSurbReply } from "../sphinx/surb.ts"
import type { OutgoingLinks } from "./outgoing-links.ts"
import type { TerminalOrder } from "./pipeline.ts"

export interface NodeLoopsConfig extends Pick<NetworkSetting, "crypto" | "geometry"> {
  readonly identity: Identity
  readonly rateOf: (params: MixnetParams) => number
  readonly links: OutgoingLinks
}

export interface NodeLoops {
  /** True when what ends here is one of this node's loops, or was meant to look like one; it needs nothing more. */
  readonly consume: (order: TerminalOrder, receivedAtMs: number) => boolean
  readonly watch: HeartbeatWatch
}

/** A loop that is ready, and what it was made for. */
interface Ready {
  readonly loop: ComposedRequest
  readonly document: Document
  readonly epoch: number
}

/** What a document says of this node and of where its loops may turn. */
interface Place {
  readonly document: Document
  readonly home: NodeDescriptor | undefined
  readonly echoes: ReadonlyArray<EchoService>
}

const placeIn = (document: Document, identityKey: Uint8Array): Place => ({
  document,
  home: [...document.gateways, ...document.mixLayers.flat(), ...document.serviceNodes].find((node) => constantTimeEqual(node.identityKey, identityKey)),
  echoes: echoesOf(document)
})

/** Starts the loops in the caller's scope. */
export const makeNodeLoops = (config: NodeLoopsConfig): Effect.Effect<NodeLoops, never, PkiView | Scope.Scope> =>
  Effect.gen(function*() {
    const { crypto, geometry, identity, links } = config
    const pki = yield* PkiView
    const clock = yield* Effect.clock
    const entropy = yield* EntropySource
    const uniform = uniformFrom(entropy)
    const recipient = RecipientId.unsafe(entropy(RECIPIENT_BYTES))
    const watch = yield* makeHeartbeatWatch({ crypto, ownIdentityKey: identity.publicKey })
    let place: Place | undefined
    let ready: Ready | undefined
    let unsent = 0

    /** A loop made now; undefined while no document lists this node, or no route has its keys. */
    const compose = (document: Document, nowMs: number): Ready | undefined => {
      if (place?.document !== document) place = placeIn(document, identity.publicKey)
      const { echoes, home } = place
      const echo = echoes[Math.floor(uniform() * echoes.length)]
      if (home === undefined || echo === undefined) return undefined
      const plan = { nowMs, home, serviceNode: echo.node, recipient: echo.recipient, replyRecipient: recipient }
      const made = composeLoop(crypto, geometry, document, document.params, plan, entropy, uniform)
      return Either.isRight(made) ? { loop: made.right, document, epoch: epochAt(document.params, nowMs) } : undefined
    }
    const discard = (): void => {
      if (ready !== undefined) zeroize(ready.loop.surbKeys)
      ready = undefined
    }
    const send = (loop: ComposedRequest, params: MixnetParams, nowMs: number): Effect.Effect<void> | undefined => {
      const [firstHop] = loop.route.forward
      if (firstHop === undefined) return undefined
      watch.sent({ ...loop, keys: loop.surbKeys }, params, nowMs)
      return links.post([{ nodeId: firstHop, packet: loop.packet }])
    }
    const tick = (): Effect.Effect<void> | undefined => {
      const nowMs = clock.unsafeCurrentTimeMillis()
      const document = pki.held()
      if (document === undefined || ready?.document !== document || ready.epoch !== epochAt(document.params, nowMs)) discard()
      const now = document === undefined ? undefined : ready ?? compose(document, nowMs)
      ready = undefined
      if (document === undefined || now === undefined) {
        unsent += 1
        return undefined
      }
      const rest = send(now.loop, document.params, nowMs)
      ready = compose(document, nowMs)
      return rest
    }

    const consume: NodeLoops["consume"] = ({ payload, recipient: wanted, surbId }, receivedAtMs) => {
      if (surbId === undefined || !constantTimeEqual(wanted, recipient)) return false
      const loop = watch.take(surbId)
      if (loop === undefined) return true
      const opened = openSurbReply(crypto, loop.keys, payload)
      watch.decide(loop, Either.isRight(opened) && isAllZero(opened.right), receivedAtMs)
      return true
    }

    yield* Effect.addFinalizer(() => Effect.sync(discard))
    yield* showMetric("loops_total", () => ({ ...watch.counts, unsent }))
    yield* showMetric("suspects", watch.suspectCount)
    yield* showMetric("lossy_segments", watch.lossySegmentCount)
    yield* showMetric("paused", () => (watch.isPaused() ? 1 : 0))
    yield* forkLoop("loops", identity.name, followRate({
      params: () => pki.held()?.params,
      rateOf: config.rateOf,
      onTick: tick,
      onLate: () => { unsent += 1 }
    }))
    return { consume, watch }
  })
