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
import { Data, Effect, Either } from "effect"
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
import { PkiView } from "../pki/pki-view.ts"
import { type Geometry, makeGeometry, type RecipientId } from "../sphinx/geometry.ts"
import type { PacketPortService } from "./packet-port.ts"
import type { PacketRequest } from "./transmission-queue.ts"

/** A packet that is ready to leave, and what is needed to read its reply. Whoever holds it overwrites the keys when it does not leave. */
export type ComposedPacket = ComposedRequest

/** No packet could be made: there is no document, it has no such service node, or its nodes give no path. */
export class ComposeFailed extends Data.TaggedError("ComposeFailed")<{
  readonly reason: "no-document" | "no-service-node" | "no-path"
}> {}

/** A packet that is made, or will be. */
export type Composing = Either.Either<ComposedPacket, ComposeFailed> | Effect.Effect<ComposedPacket, ComposeFailed>

/** True when nothing has to be waited for. */
export const isMade = (composing: Composing): composing is Either.Either<ComposedPacket, ComposeFailed> => Either.isEither(composing)

export interface Composer {
  /** Parameters of the current document; undefined while there is none. */
  readonly paramsNow: () => MixnetParams | undefined
  readonly request: (request: PacketRequest) => Composing
  readonly decoy: () => Composing
}

/** What is derived once per document. */
interface DocumentView {
  readonly document: Document
  readonly geometry: Geometry
  readonly serviceNodes: ReadonlyMap<string, NodeDescriptor>
  readonly echoes: ReadonlyArray<EchoService>
  /** What decoys carry; nobody writes to it. */
  readonly zeros: Uint8Array
}

const viewOf = (crypto: CryptoBackend, document: Document): DocumentView | undefined => {
  const geometry = makeGeometry(document.params.geometry)
  if (Either.isLeft(geometry)) return undefined
  const serviceNodes = new Map(document.serviceNodes.map((node) => [toHex(nodeIdOf(crypto, node.identityKey)), node]))
  return { document, geometry: geometry.right, serviceNodes, echoes: echoesOf(document), zeros: new Uint8Array(geometry.right.userPayloadBytes) }
}

/** The composer of one session, for the gateway and the reply queue of its port. */
export const makeComposer = (port: Pick<PacketPortService, "gateway" | "queueId">): Effect.Effect<Composer, never, PkiView | Crypto> =>
  Effect.gen(function* () {
    const crypto = yield* Crypto
    const pki = yield* PkiView
    const clock = yield* Effect.clock
    const entropy = yield* EntropySource
    const uniform = uniformFrom(entropy)
    let latest: DocumentView | undefined

    const view = (): DocumentView | undefined => {
      const document = pki.held()
      if (document !== undefined && latest?.document !== document) latest = viewOf(crypto, document)
      return document === undefined ? undefined : latest
    }
    const failed = (reason: ComposeFailed["reason"]): Either.Either<never, ComposeFailed> => Either.left(new ComposeFailed({ reason }))

    const compose = ({ document, geometry }: DocumentView, serviceNode: NodeDescriptor, recipient: RecipientId, userPayload: Uint8Array) => {
      const plan = { nowMs: clock.unsafeCurrentTimeMillis(), gateway: port.gateway, serviceNode, recipient, replyRecipient: port.queueId, userPayload }
      const composed = composeRequest(crypto, geometry, document, document.params, plan, entropy, uniform)
      return Either.isRight(composed) ? Either.right(composed.right) : failed("no-path")
    }
    const request = ({ payload, recipient, serviceNode }: PacketRequest): Either.Either<ComposedPacket, ComposeFailed> => {
      const seen = view()
      if (seen === undefined) return failed("no-document")
      const node = seen.serviceNodes.get(toHex(serviceNode))
      return node === undefined ? failed("no-service-node") : compose(seen, node, recipient, payload)
    }
    const decoy = (): Either.Either<ComposedPacket, ComposeFailed> => {
      const seen = view()
      if (seen === undefined) return failed("no-document")
      const echo = seen.echoes[Math.floor(uniform() * seen.echoes.length)]
      return echo === undefined ? failed("no-service-node") : compose(seen, echo.node, echo.recipient, seen.zeros)
    }
    return {
      paramsNow: () => pki.held()?.params,
      request,
      decoy
    }
  })
