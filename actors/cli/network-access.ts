/**
 * The way into a network for a command that uses one: a network of the command's own, or the running one that the topology places.
 *
 * Contract: a topology without places is started whole in this process and ends with the command; one with places is joined with a client that has
 * fresh keys and ends with the command. Nothing of a join is written to disk.
 * Knows nothing of: what is done with the network.
 * Source: the list; departures: none.
 *
 * @module
 */
import { Effect, type Scope } from "effect"
import { actorsOf, type Topology } from "../../src/topology/topology.ts"
import { readPublics, readSecret } from "../key-file.ts"
import { attend, type ClientAccess, join, launch, publicsNeeded } from "../launch.ts"
import { type CliFailure, failed, misused } from "./cli-failure.ts"
import type { Progress } from "./progress.ts"

/** Where key files are when nothing else is said. */
export const KEYS_DIRECTORY = "keys"

export interface AccessChoice {
  readonly keys: string | undefined
  /** Start the whole network here even if the topology places its actors. */
  readonly inProcess: boolean
  readonly seed: number | undefined
  /** Name of a client of the topology that runs and whose secret is here; default: a client of the moment. */
  readonly client: string | undefined
  readonly backend: "native" | "reference" | undefined
}

const asFailure = (error: { readonly message: string }): CliFailure => failed(error.message)

/** The client actor that runs under a name of the topology. */
const attendClient = (topology: Topology, name: string, keys: string, { backend }: AccessChoice) =>
  Effect.gen(function*() {
    const known = topology.clients.map((client) => client.name)
    if (!known.includes(name)) return yield* misused(`--client: there is no client "${name.slice(0, 64)}" in ${topology.name}; it has ${known.join(", ")}`)
    const secret = yield* readSecret(keys, name)
    const publics = yield* readPublics(keys, [...publicsNeeded(topology, "", "client"), name])
    return yield* attend(topology, { name, secret, publics, ...(backend === undefined ? {} : { backend }) })
  })

const joinRunning = (topology: Topology, choice: AccessChoice, progress: Progress): Effect.Effect<ClientAccess, CliFailure, Scope.Scope> =>
  Effect.gen(function*() {
    if (choice.seed !== undefined) return yield* misused("--seed is for networks inside this process; a running network draws its own randomness")
    const { client, keys = KEYS_DIRECTORY } = choice
    if (client !== undefined) return yield* attendClient(topology, client, keys, choice)
    const publics = yield* readPublics(keys, publicsNeeded(topology, "", "client"))
    yield* progress.show(`joining the network ${topology.name}`)
    const access = yield* join(topology, { publics, ...(choice.backend === undefined ? {} : { backend: choice.backend }) })
    yield* progress.tell(`network ${topology.name}: joined with fresh keys`)
    return access
  }).pipe(Effect.mapError((error) => (error._tag === "CliFailure" ? error : asFailure(error))))

const startWhole = (topology: Topology, choice: AccessChoice, progress: Progress): Effect.Effect<ClientAccess, CliFailure, Scope.Scope> =>
  Effect.gen(function*() {
    if (choice.client !== undefined) return yield* misused("--client is for running networks; one inside this process uses the first client that it has")
    if (topology.clients.length === 0) return yield* failed(`the network ${topology.name} has no client: add one to clients`)
    yield* progress.show(`starting the network ${topology.name}`)
    const network = yield* Effect.mapError(launch(topology, {
      ...(choice.backend === undefined ? {} : { backend: choice.backend }),
      ...(choice.seed === undefined ? {} : { seed: choice.seed })
    }), asFailure)
    yield* progress.tell(`network ${topology.name}: ${actorsOf(topology).length} actors in this process`)
    return network
  })

/** True when commands join a running network instead of starting one. */
export const isRunningElsewhere = (topology: Topology, { inProcess }: Pick<AccessChoice, "inProcess">): boolean =>
  topology.placement !== undefined && !inProcess

/** Opens a network for the command's life. @errors CliFailure: it does not start, or nobody of it answers */
export const openAccess = (topology: Topology, choice: AccessChoice, progress: Progress): Effect.Effect<ClientAccess, CliFailure, Scope.Scope> =>
  isRunningElsewhere(topology, choice) ? joinRunning(topology, choice, progress) : startWhole(topology, choice, progress)
