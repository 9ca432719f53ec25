/**
 * A client that sends no decoys while it has a job: its packets then are those of the job.
 *
 * Contract: while one of its person's calls is open, the directory that it sees has no service that returns decoys, so that no decoy can be made. Caught by
 * the emission checker.
 * Source: issue 5 ("a client that stops cover under load"); departures: none.
 *
 * @module
 */
import { Effect, Stream } from "effect"
import type { Wrap } from "../../../src/actor/handler-wrap.ts"
import type { DirectoryView } from "../../../src/pki/directory-view.ts"
import type { Document } from "../../../src/pki/document.ts"
import type { Variant } from "../world.ts"
import { bentMount } from "./bent-mount.ts"
import { Business } from "./life-services.ts"

/** The calls in which a person has a job. */
const JOB_CALLS = new Set(["Infer", "Upload", "Dispatch", "Fetch"])
const STREAMED = new Set(["Infer", "Fetch"])

/** Notes when a client has a job. */
export const watchBusiness = (business: Business): Wrap => (call, payload, handle) => {
  if (!JOB_CALLS.has(call)) return handle(payload)
  const begin = Effect.sync(() => business.begin())
  const end = Effect.sync(() => business.end())
  return STREAMED.has(call)
    ? Stream.fromEffect(begin).pipe(Stream.flatMap(() => handle(payload) as Stream.Stream<unknown, unknown>), Stream.ensuring(end))
    : Effect.acquireUseRelease(begin, () => handle(payload) as Effect.Effect<unknown, unknown>, () => end)
}

const withoutEcho = (document: Document): Document => ({
  ...document,
  serviceNodes: document.serviceNodes.map((node) => ({ ...node, services: node.services.filter(({ capability }) => capability !== "echo") }))
})

export const clientWithoutCover: Variant = (life, { around, lifeWith, stock }) => {
  if (stock.role !== "client") return life
  const business = new Business()
  const bare = new WeakMap<Document, Document>()
  const bareOf = (document: Document): Document => {
    const known = bare.get(document) ?? withoutEcho(document)
    bare.set(document, known)
    return known
  }
  const mount = bentMount(around.mount, { served: () => Effect.succeed(watchBusiness(business)) })
  const onView = (view: DirectoryView): void => {
    const { current, held } = view
    const bent: { current: DirectoryView["current"]; held: DirectoryView["held"] } = view
    const bend = (document: Document): Document => (business.isBusy ? bareOf(document) : document)
    bent.current = Effect.map(current, bend)
    bent.held = () => {
      const document = held()
      return document === undefined ? undefined : bend(document)
    }
  }
  return lifeWith({ ...around, mount, onView }, stock)
}
