/**
 * The mount between processes: calls over authenticated links on TCP.
 *
 * Contract: that of mount.ts for the one actor of this process and for calls to others; `callerOf` gives the name that the peer proved. There is one link
 * per caller and callee, dialled when a call needs it; all commands of one direction have one length. Calls to oneself stay in the process.
 * A stranger gets no byte of an answer beyond message 2 of the handshake, and message 2 only within its address' allowance.
 * What an observer of a link learns: when it is up, and the times and numbers of frames, so the sizes of bursts of messages in steps of
 * one command; not what calls they are, nor where one message ends and the next begins. There is no cover traffic here: nodes and clients make their own.
 * Knows nothing of: roles, documents (`PeerDirectory` is a port), what calls mean.
 * Source: mixnet.md §14, §16, §17; effect-notes.md §3; departures: calls instead of the reference's commands, carried in `Segment` commands.
 *
 * @module
 */
import { Context, Effect, FiberSet, Layer, Schedule, type Scope } from "effect"
import type { LinkSizes } from "../link/link-end.ts"
import { type LinkRequirements, linkServices } from "../link/link-services.ts"
import { COMMAND_HEADER_BYTES } from "../link/padding.ts"
import { ActorUnavailable, type MountError } from "./actor.ts"
import { makeCallDeadlines } from "./call-deadlines.ts"
import { layerMountMemory } from "./mount-memory.ts"
import { DEFAULT_LIMIT_MS, Mount, MountFailed, type MountService } from "./mount.ts"
import { codecsOf } from "./tcp-call-codec.ts"
import { tcpClient } from "./tcp-client.ts"
import { servedBy, type Served } from "./tcp-host.ts"
import { DEFAULT_TCP_LIMITS } from "./tcp-limits.ts"
import { makeTcpNode, type TcpNode } from "./tcp-node.ts"
import type { TcpMountOptions } from "./tcp-options.ts"

const DEFAULT_COMMAND_BYTES = 4_096
const DEFAULT_SIZES: LinkSizes = { fromInitiatorBytes: DEFAULT_COMMAND_BYTES, fromResponderBytes: DEFAULT_COMMAND_BYTES }
/** Less than this cannot carry a message's length. */
const LEAST_COMMAND_BYTES = COMMAND_HEADER_BYTES + 4

interface Current {
  served: Served | undefined
}

const makeServe = (options: TcpMountOptions, memory: MountService, node: TcpNode, current: Current, callMs: number): MountService["serve"] =>
  (name, group, handlers) => Effect.gen(function*() {
    if (name !== options.self.name) return yield* new MountFailed({ name, reason: "address-unavailable" })
    const codecs = codecsOf(group)
    yield* node.listening
    yield* memory.serve(name, group, handlers)
    const served = servedBy(memory, name, group, codecs, callMs)
    yield* Effect.acquireRelease(
      Effect.sync(() => { current.served = served }),
      () => Effect.sync(() => { if (current.served === served) current.served = undefined })
    )
  })

const makeConnect = (options: TcpMountOptions, memory: MountService, node: TcpNode): MountService["connect"] => (from, to, group, connectOptions) => {
  if (to === options.self.name) return memory.connect(from, to, group, connectOptions)
  return Effect.gen(function*() {
    const pending = new Set<(error: MountError) => void>()
    const deadlines = yield* makeCallDeadlines(connectOptions?.limitMs ?? DEFAULT_LIMIT_MS)
    const route = node.routeTo(from, to)
    let open = true
    yield* Effect.addFinalizer(() => Effect.sync(() => {
      open = false
      for (const fail of [...pending]) fail(new ActorUnavailable({ actor: to, reason: "closed" }))
    }))
    return tcpClient({ to, codecs: codecsOf(group), route: () => (open ? route : undefined), deadlines, pending })
  })
}

/** The lengths of commands towards `callee`. A length that cannot carry a message is a mistake of ours and dies. */
const sizesFor = ({ sizes }: TcpMountOptions, callee: string): LinkSizes => {
  const chosen = typeof sizes === "function" ? sizes(callee) : sizes ?? DEFAULT_SIZES
  if (Math.min(chosen.fromInitiatorBytes, chosen.fromResponderBytes) < LEAST_COMMAND_BYTES) throw new RangeError("commands of a link are too short")
  return chosen
}

interface Opened {
  readonly mount: MountService
  readonly listening: Effect.Effect<void, MountFailed>
}

const makeMount = (options: TcpMountOptions): Effect.Effect<Opened, never, LinkRequirements | Scope.Scope> =>
  Effect.gen(function*() {
    const limits = { ...DEFAULT_TCP_LIMITS, ...options.limits }
    sizesFor(options, options.self.name)
    const memory = Context.get(yield* Layer.build(layerMountMemory()), Mount)
    const current: Current = { served: undefined }
    const node = yield* makeTcpNode(options, {
      limits,
      sizesOf: (callee) => sizesFor(options, callee),
      services: yield* linkServices,
      clock: yield* Effect.clock,
      scope: yield* Effect.scope,
      runtime: yield* Effect.runtime<never>(),
      fork: yield* FiberSet.makeRuntime<never>(),
      served: () => current.served
    })
    yield* Effect.forkScoped(Effect.schedule(node.sweep, Schedule.spaced(node.sweepMs)))
    const mount = { serve: makeServe(options, memory, node, current, limits.callMs), connect: makeConnect(options, memory, node) }
    return { mount, listening: node.listening }
  })

/** The mount of one process that is one actor of the network. Its links end with the layer's scope; it listens from the first `serve` on. */
export const layerMountTcp = (options: TcpMountOptions): Layer.Layer<Mount, never, LinkRequirements> =>
  Layer.scoped(Mount, Effect.map(makeMount(options), ({ mount }) => mount))

/** The same, listening at once: an address that cannot be had is known before anything runs. @errors MountFailed `address-unavailable` */
export const layerMountTcpListening = (options: TcpMountOptions): Layer.Layer<Mount, MountFailed, LinkRequirements> =>
  Layer.scoped(Mount, Effect.flatMap(makeMount(options), ({ listening, mount }) => Effect.as(listening, mount)))

export type { PeerDirectory, TcpMountOptions } from "./tcp-options.ts"
