/**
 * Makes the packets of one session from the document that is current at that moment.
 *
 * Contract: requests and decoys are made by the same steps over the same lengths, so that they cost the same. Every packet has a fresh path,
 * fresh delays and a fresh reply block. A decoy asks a uniformly chosen service node that advertises `echo` to return zeros.
 * Knows nothing of: ticks, replies, what a request means.
 * Source: mixnet.md §2, §4.2, §4.3; departures: none.
 *
 * @module
 */
import { Clock, Data, Effect, Either, Random } from "effect"
import { zeroed } from "../bytes/allocate.ts"
import { toHex } from "../bytes/hex.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import { Crypto } from "../crypto/crypto-service.ts"
import { EntropySource } from "../crypto/entropy.ts"
import { composeRequest, type ComposedRequest } from "../mixnet/compose.ts"
import { echoesOf, type EchoService } from "../mixnet/echo-service.ts"
import { uniformFrom } from "../mixnet/path.ts"
import type { MixnetParams } from "../params/mixnet-params.ts"
import { nodeIdOf, type NodeDescriptor } from "../pki/descriptor.ts"
import type { Document } from "../pki/document.ts"
import { type NoDocument, PkiView } from "../pki/pki-view.ts"
import { type Geometry, makeGeometry, type RecipientId } from "../sphinx/geometry.ts"
import type { PacketPortService } from "./packet-port.ts"
import type { PacketRequest } from "./transmission-queue.ts"

/** A packet that is ready to leave, and what is needed to read its reply. Whoever holds it overwrites the keys when it does not leave. */
export type ComposedPacket = ComposedRequest

/** No packet could be made: there is no document, it has no such service node, or its nodes give no path. */
export class ComposeFailed extends Data.TaggedError("ComposeFailed")<{
  readonly reason: "no-document" | "no-service-node" | "no-path"
}> {}

export interface Composer {
  /** Parameters of the current document. */
  readonly params: Effect.Effect<MixnetParams, NoDocument>
  readonly request: (request: PacketRequest) => Effect.Effect<ComposedPacket, ComposeFailed>
  readonly decoy: Effect.Effect<ComposedPacket, ComposeFailed>
}

/** What is derived once per document. */
interface DocumentView {
  readonly document: Document
  readonly geometry: Geometry
  readonly serviceNodes: ReadonlyMap<string, NodeDescriptor>
  readonly echoes: ReadonlyArray<EchoService>
}

const viewOf = (crypto: CryptoBackend, document: Document): DocumentView | undefined => {
  const geometry = makeGeometry(document.params.geometry)
  if (Either.isLeft(geometry)) return undefined
  const serviceNodes = new Map(document.serviceNodes.map((node) => [toHex(nodeIdOf(crypto, node.identityKey)), node]))
  return { document, geometry: geometry.right, serviceNodes, echoes: echoesOf(document) }
}

/** The composer of one session, for the gateway and the reply queue of its port. */
export const makeComposer = (port: Pick<PacketPortService, "gateway" | "queueId">): Effect.Effect<Composer, never, PkiView | Crypto> =>
  Effect.gen(function* () {
    const crypto = yield* Crypto
    const pki = yield* PkiView
    const entropy = yield* EntropySource
    const uniform = uniformFrom(entropy)
    let latest: DocumentView | undefined

    const view: Effect.Effect<DocumentView, ComposeFailed> = pki.current.pipe(
      Effect.mapError(() => new ComposeFailed({ reason: "no-document" })),
      Effect.flatMap((document) => {
        if (latest?.document !== document) latest = viewOf(crypto, document)
        return latest === undefined ? Effect.fail(new ComposeFailed({ reason: "no-document" })) : Effect.succeed(latest)
      })
    )

    const compose = ({ document, geometry }: DocumentView, serviceNode: NodeDescriptor, recipient: RecipientId, userPayload: Uint8Array) =>
      Effect.flatMap(Clock.currentTimeMillis, (nowMs) =>
        Either.mapLeft(
          composeRequest(
            crypto,
            geometry,
            document,
            document.params,
            { nowMs, gateway: port.gateway, serviceNode, recipient, replyRecipient: port.queueId, userPayload },
            entropy,
            uniform
          ),
          () => new ComposeFailed({ reason: "no-path" })
        )
      )

    return {
      params: Effect.map(pki.current, ({ params }) => params),
      request: ({ payload, recipient, serviceNode }) =>
        Effect.flatMap(view, (seen) => {
          const node = seen.serviceNodes.get(toHex(serviceNode))
          return node === undefined ? Effect.fail(new ComposeFailed({ reason: "no-service-node" })) : compose(seen, node, recipient, payload)
        }),
      decoy: Effect.flatMap(view, (seen) =>
        Effect.flatMap(Random.nextIntBetween(0, seen.echoes.length), (echoIndex) => {
          const echo = seen.echoes[echoIndex]
          return echo === undefined
            ? Effect.fail(new ComposeFailed({ reason: "no-service-node" }))
            : compose(seen, echo.node, echo.recipient, zeroed(seen.geometry.userPayloadBytes))
        })
      )
    }
  })
