/**
 * The service that returns what it gets: where loops turn round.
 *
 * Contract: every service node that advertises `echo` is listed once per endpoint; a loop chooses uniformly among them.
 * Knows nothing of: packets, who sends the loop.
 * Source: mixnet.md §2, §8, §10; departures: none.
 *
 * @module
 */
import type { NodeDescriptor } from "../pki/descriptor.ts"
import type { Document } from "../pki/document.ts"
import { recipientId, type RecipientId } from "../sphinx/geometry.ts"

/** The capability of the service that returns what it gets. */
export const ECHO_CAPABILITY = "echo"

export interface EchoService {
  readonly node: NodeDescriptor
  readonly recipient: RecipientId
}

/** All of a document. */
export const echoesOf = ({ serviceNodes }: Pick<Document, "serviceNodes">): ReadonlyArray<EchoService> =>
  serviceNodes.flatMap((node) =>
    node.services.filter(({ capability }) => capability === ECHO_CAPABILITY).map(({ endpoint }) => ({ node, recipient: recipientId(endpoint) })))
