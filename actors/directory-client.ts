/**
 * The directory port of an actor: straight to the authorities, or for clients through a gateway.
 *
 * Contract: descriptors and withdrawals go to every authority at once, and after a withdrawal no descriptor any more. Every document that is offered is
 * handed on, so that one liar among the authorities cannot keep the true one away. Nothing is verified here.
 * Knows nothing of: what descriptors and documents hold.
 * Source: mixnet.md §12, §13 (fetching); departures: none.
 *
 * @module
 */
import { Effect, Option, type Scope } from "effect"
import { Mount } from "../src/actor/mount.ts"
import { DirectoryUnavailable, type DirectoryService } from "../src/pki/directory.ts"
import { Authority } from "./authority/protocol.ts"
import { Gateway } from "./gateway/protocol.ts"

const LIMIT_MS = 3_000

interface ConsensusAnswer {
  readonly status: 0 | 1 | 2
  readonly certificate: Uint8Array
}

/** The documents among the answers, none when all said there is none, an error when nobody answered. */
const documentsIn = <E>(answers: ReadonlyArray<Effect.Effect<ConsensusAnswer, E>>): Effect.Effect<ReadonlyArray<Uint8Array>, DirectoryUnavailable> =>
  Effect.gen(function*() {
    const given = yield* Effect.forEach(answers, (answer) => Effect.option(answer), { concurrency: "unbounded" })
    const heard = given.flatMap(Option.toArray)
    if (heard.length === 0) return yield* new DirectoryUnavailable()
    return heard.flatMap(({ certificate, status }) => (status === 0 ? [certificate] : []))
  })

/** How many answers say that something was accepted. */
const countAccepted = <E>(answers: ReadonlyArray<Effect.Effect<{ readonly status: number }, E>>): Effect.Effect<number> =>
  Effect.map(
    Effect.forEach(answers, (answer) => Effect.option(answer), { concurrency: "unbounded" }),
    (given) => given.filter((answer) => Option.isSome(answer) && answer.value.status === 0).length
  )

/** @param from the actor's own name */
export const connectAuthorities = (
  from: string,
  authorities: ReadonlyArray<string>
): Effect.Effect<DirectoryService, never, Mount | Scope.Scope> =>
  Effect.gen(function*() {
    const mount = yield* Mount
    const clients = yield* Effect.forEach(authorities, (name) => mount.connect(from, name, Authority, { limitMs: LIMIT_MS }))
    let isGoing = false
    return {
      postDescriptor: (epoch, descriptor) =>
        Effect.suspend(() => isGoing
          ? Effect.fail(new DirectoryUnavailable())
          : countAccepted(clients.map((client) => client.PostDescriptor({ epoch, descriptor })))),
      withdraw: (withdrawal) =>
        Effect.suspend(() => {
          isGoing = true
          return countAccepted(clients.map((client) => client.Withdraw({ withdrawal })))
        }),
      getConsensus: (epoch) => documentsIn(clients.map((client) => client.GetConsensus({ epoch })))
    }
  })

/** A directory for reading only, as clients use it. */
export const connectThroughGateway = (from: string, gateway: string): Effect.Effect<DirectoryService, never, Mount | Scope.Scope> =>
  Effect.gen(function*() {
    const mount = yield* Mount
    const client = yield* mount.connect(from, gateway, Gateway, { limitMs: LIMIT_MS })
    return {
      postDescriptor: () => Effect.fail(new DirectoryUnavailable()),
      withdraw: () => Effect.fail(new DirectoryUnavailable()),
      getConsensus: (epoch) => documentsIn([client.GetConsensus({ epoch })])
    }
  })
