/**
 * What has to run where, taken from a topology with places: one unit per actor, whatever starts it.
 *
 * Contract: pure. Units come in the order of the topology. File names hold no character that a shell or a file system minds.
 * Knows nothing of: compose, systemd, Kubernetes.
 * Source: none needed; departures: none.
 *
 * @module
 */
import { Data, Either } from "effect"
import { actorsOf, type Place, type Role, type Topology } from "./topology.ts"

/** A topology that cannot be deployed. */
export class DeployRefused extends Data.TaggedError("DeployRefused")<{
  /** Path of the field to change. */
  readonly field: string
  /** One sentence: what to add or change. */
  readonly message: string
}> {}

/** One process. */
export interface DeployUnit {
  readonly name: string
  readonly role: Role
  readonly place: Place
  /** Longest time between the signal to stop and the end: what is under way is finished first. */
  readonly graceS: number
  /** Room that its folder may need. */
  readonly diskGiB: number
}

export interface DeployPlan {
  readonly network: string
  readonly units: ReadonlyArray<DeployUnit>
  /** Names of all actors of the network, placed or not: their public keys must be at hand. */
  readonly names: ReadonlyArray<string>
  /** Name of the topology file, without folders. */
  readonly topologyFile: string
  /** Container image. */
  readonly image: string
}

/** One rendered file; the path is relative, with `/`. */
export interface DeployFile {
  readonly path: string
  readonly text: string
}

export interface DeployOptions {
  readonly topologyFile?: string
  readonly image?: string
}

const GRACE_S = 30
/** A replica's database may take 10 GiB, and leaves 500 MiB free. */
const DISK_GIB: Readonly<Partial<Record<Role, number>>> = { replica: 12, compute: 2 }

/** A compute service drains: accepted jobs are released before it ends. */
const graceOf = (topology: Topology, name: string): number => {
  const compute = topology.computes.find((each) => each.name === name)
  if (compute === undefined) return GRACE_S
  return GRACE_S + Math.ceil((Math.max(0, ...compute.deadlinesMs) + compute.releaseWindowMs + topology.params.quantumMs) / 1000)
}

/**
 * The units of a topology.
 * @errors DeployRefused when actors have no place
 */
export const deployPlan = (topology: Topology, options: DeployOptions = {}): Either.Either<DeployPlan, DeployRefused> => {
  const { placement } = topology
  if (placement === undefined) {
    return Either.left(new DeployRefused({
      field: "placement",
      message: "the topology does not say where its actors run: give network({ … }) its machines, "
        + "as machines: [{ name: \"one\", host: \"192.0.2.1\", firstPort: 7000, actors: [\"gateways\", \"mixes\"] }, …]"
    }))
  }
  const actors = actorsOf(topology)
  const placeOf = (name: string): Place | undefined => (Object.hasOwn(placement, name) ? placement[name] : undefined)
  const homeless = actors.find(({ name, role }) => role !== "client" && placeOf(name) === undefined)
  if (homeless !== undefined) return Either.left(new DeployRefused({ field: "placement", message: `${homeless.name} has no place: add it to a machine` }))
  const units = actors.flatMap(({ name, role }): ReadonlyArray<DeployUnit> => {
    const place = placeOf(name)
    return place === undefined ? [] : [{ name, role, place, graceS: graceOf(topology, name), diskGiB: DISK_GIB[role] ?? 1 }]
  })
  return Either.right({
    network: topology.name,
    units,
    names: actors.map(({ name }) => name),
    topologyFile: plainFileName(options.topologyFile ?? "topology.ts"),
    image: options.image ?? "funion:latest"
  })
}

/** The last part of a path; the usual name when that has characters which mean something elsewhere. */
const plainFileName = (path: string): string => {
  const name = path.split(/[\\/]/).at(-1) ?? ""
  return /^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(name) ? name : "topology.ts"
}

/** A word for file names: other characters than letters, digits, dots and hyphens become hyphens. */
export const fileWord = (text: string): string => text.replace(/[^A-Za-z0-9.-]/g, "-").replace(/^[.-]+/, "") || "x"

/** Machines in the order of their first unit, each with its units. */
export const byMachine = ({ units }: DeployPlan): ReadonlyArray<readonly [machine: string, units: ReadonlyArray<DeployUnit>]> => {
  const machines = new Map<string, Array<DeployUnit>>()
  for (const unit of units) {
    const already = machines.get(unit.place.machine)
    if (already === undefined) machines.set(unit.place.machine, [unit])
    else already.push(unit)
  }
  return [...machines]
}

/** The words of `funion run` for a unit, with the given folders. */
export const runWords = (unit: DeployUnit, at: { readonly keys: string; readonly topology: string; readonly data: string }): ReadonlyArray<string> =>
  ["run", "--role", unit.role, "--name", unit.name, "--keys", at.keys, "--topology", at.topology, "--dir", at.data]

/** A command that ends with status 0 when the actor serves (`up`), or when its operator port answers at all (`alive`). */
export const probeWords = ({ place }: DeployUnit, wanted: "up" | "alive"): ReadonlyArray<string> => {
  const host = place.operatorHost ?? "127.0.0.1"
  const url = `http://${host.includes(":") ? `[${host}]` : host}:${place.operatorPort}/health`
  const verdict = wanted === "up" ? "r=>process.exit(r.ok?0:1)" : "()=>process.exit(0)"
  return ["node", "-e", `fetch(${JSON.stringify(url)},{signal:AbortSignal.timeout(4000)}).then(${verdict},()=>process.exit(1))`]
}
