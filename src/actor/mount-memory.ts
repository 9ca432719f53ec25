/**
 * The mount inside one process: a call runs the handler in a fiber of the served actor and hands the result over by reference.
 *
 * Contract: that of mount.ts. A handler that gives an `Exit` has answered with that; the effects of others run with the clock, randomness and log annotations
 * of the fiber that served them, not of the caller. Payloads are checked against the protocol's schema as a link would, nothing is copied or encoded, no spans
 * are made.
 * Knows nothing of: roles, packets. Groups with middleware are refused: no protocol of this repository has one.
 * Source: effect-notes.md §2, §3; departures: handlers are called directly instead of through a pair of `RpcServer` and `RpcClient`, which cost
 * several times more per call and end the callers of a closed server by interruption instead of an error.
 *
 * @module
 */
import { Headers } from "@effect/platform"
import { Rpc, type RpcGroup, RpcSchema } from "@effect/rpc"
import { Cause, Context, Effect, Exit, Fiber, FiberId, Layer, Mailbox, Option, Runtime, Schema, type Scope, Stream } from "effect"
import { ActorUnavailable, CALLER_HEADER, CallTimedOut, type Client, isLater, later, type MountError, promptCall } from "./actor.ts"
import { makeCallDeadlines, type CallDeadlines } from "./call-deadlines.ts"
import { CrossingEvent, type Tap } from "./call-tap.ts"
import { reportCrash } from "./crash-report.ts"
import { type Each, isTold, listen, told } from "./told.ts"
import { DEFAULT_LIMIT_MS, Mount, MountFailed, type MountService } from "./mount.ts"

/** Items that a stream's producer may be ahead of its consumer. */
const STREAM_BUFFER_ITEMS = 16

type Handled = Effect.Effect<unknown, unknown> | Stream.Stream<unknown, unknown>

interface HandlerOptions {
  readonly clientId: number
  readonly headers: Headers.Headers
}

/** One call of a served actor, ready to run. */
interface Handler {
  readonly run: (payload: unknown, options: HandlerOptions) => Handled | Rpc.Wrapper<Handled>
  readonly runtime: Runtime.Runtime<never>
}

/** A call or stream that has not ended. */
interface Pending {
  readonly fail: (error: MountError) => void
}

/** One served actor. */
interface Host {
  readonly handlers: ReadonlyMap<string, Handler>
  readonly pending: Set<Pending>
  readonly fibers: Set<Fiber.RuntimeFiber<unknown, unknown>>
}

/** What all calls of one client share. */
interface Connection extends HandlerOptions {
  readonly from: string
  readonly to: string
  /** The actor behind the name right now; undefined when there is none or the connection is closed. */
  readonly host: () => Host | undefined
  readonly pending: Set<Pending>
  readonly deadlines: CallDeadlines
  readonly observe: (call: string, direction: "request" | "reply" | "item", message: unknown) => void
}

interface Target {
  readonly host: Host
  readonly handler: Handler
}

const unavailable = (connection: Connection, reason: ActorUnavailable["reason"]): ActorUnavailable =>
  new ActorUnavailable({ actor: connection.to, reason })

/** The handler for a call, bound as late as possible. */
const targetOf = (connection: Connection, call: string): Target | ActorUnavailable => {
  const host = connection.host()
  if (host === undefined) return unavailable(connection, "not-serving")
  const handler = host.handlers.get(call)
  return handler === undefined ? unavailable(connection, "unknown-call") : { host, handler }
}

const unwrapped = (handled: Handled | Rpc.Wrapper<Handled>): Handled => (Rpc.isWrapper(handled) ? handled.value : handled)

const effectOf = (handler: Handler, payload: unknown, options: HandlerOptions): Effect.Effect<unknown, unknown> => {
  try {
    const handled = handler.run(payload, options)
    const effect = unwrapped(handled) as Effect.Effect<unknown, unknown>
    return Rpc.isWrapper(handled) && handled.uninterruptible ? Effect.uninterruptible(effect) : effect
  } catch (defect) {
    return Exit.die(defect)
  }
}

type MailboxHandled = Effect.Effect<Mailbox.ReadonlyMailbox<unknown, unknown>, unknown, Scope.Scope>

const handledStream = (handler: Handler, payload: unknown, options: HandlerOptions): Stream.Stream<unknown, unknown> => {
  try {
    const handled = unwrapped(handler.run(payload, options))
    return Effect.isEffect(handled)
      ? Stream.unwrapScoped(Effect.map(handled as unknown as MailboxHandled, (mailbox) => Mailbox.toStream(mailbox)))
      : handled
  } catch (defect) {
    return Stream.die(defect)
  }
}

const streamOf = (handler: Handler, payload: unknown, options: HandlerOptions): Stream.Stream<unknown, unknown> =>
  Stream.suspend(() => handledStream(handler, payload, options))

const answered = (exit: Exit.Exit<unknown, unknown>): boolean => Exit.isSuccess(exit) || Option.isSome(Cause.failureOption(exit.cause))

/** What the caller learns of how a handler ended: declared errors as they are, anything else as `ActorUnavailable`. */
const answerOf = <A>(connection: Connection, call: string, handler: Handler, exit: Exit.Exit<A, unknown>): Exit.Exit<A, unknown> => {
  if (Exit.isSuccess(exit)) return exit
  const failure = Cause.failureOption(exit.cause)
  if (Option.isSome(failure)) return Exit.fail(failure.value)
  if (Cause.isInterruptedOnly(exit.cause)) return Exit.fail(unavailable(connection, "closed"))
  Runtime.runFork(handler.runtime, reportCrash("handler crashed", exit.cause, { actor: connection.to, call }))
  return Exit.fail(unavailable(connection, "crashed"))
}

/** `answered` says that the handler itself ended with a value or a declared error, so that a reply crosses. */
type Done = (exit: Exit.Exit<unknown, unknown>, answered: boolean) => void

/** Runs a handler's effect in a fiber of its actor. @returns interrupts it */
const runIn = (host: Host, handler: Handler, effect: Effect.Effect<unknown, unknown>, onEnd: (exit: Exit.Exit<unknown, unknown>) => void): () => void => {
  const fiber = Runtime.runFork(handler.runtime, effect)
  host.fibers.add(fiber)
  fiber.addObserver((exit) => {
    host.fibers.delete(fiber)
    onEnd(exit)
  })
  return () => fiber.unsafeInterruptAsFork(FiberId.none)
}

/**
 * Starts a handler's effect for one call. `done` is told the end once, from wherever it comes: the handler, the actor's or the connection's
 * closing, the time limit. The function returned ends the call silently, for callers that are gone.
 */
const start = (
  connection: Connection,
  call: string,
  { host, handler }: Target,
  effect: Effect.Effect<unknown, unknown>,
  timed: boolean,
  done: Done
): () => void => {
  let open = true
  let stop: (() => void) | undefined
  const close = (): boolean => {
    if (!open) return false
    open = false
    host.pending.delete(pending)
    connection.pending.delete(pending)
    if (timed) connection.deadlines.remove(pending)
    return true
  }
  const cancel = (): void => {
    if (close()) stop?.()
  }
  const pending = {
    deadlineMs: timed ? connection.deadlines.fromNow() : Number.POSITIVE_INFINITY,
    expire: () => pending.fail(new CallTimedOut({ actor: connection.to, call })),
    fail: (error: MountError) => {
      if (!open) return
      cancel()
      done(Exit.fail(error), false)
    }
  }
  host.pending.add(pending)
  connection.pending.add(pending)
  if (timed) connection.deadlines.add(pending)
  const onEnd = (exit: Exit.Exit<unknown, unknown>): void => {
    if (close()) done(answerOf(connection, call, handler, exit), answered(exit))
  }
  stop = isLater(effect) ? effect.begin(onEnd) : runIn(host, handler, effect, onEnd)
  if (!open) stop()
  return cancel
}

/** Makes a call now; a handler that gives an `Exit` has answered and costs no fiber. */
const callOnce = (connection: Connection, call: string, payload: unknown): Effect.Effect<unknown, unknown> => {
  const target = targetOf(connection, call)
  if (target instanceof ActorUnavailable) return Exit.fail(target)
  const { handler } = target
  const ended = (exit: Exit.Exit<unknown, unknown>, crossed: boolean): Exit.Exit<unknown, unknown> => {
    if (crossed) connection.observe(call, "reply", Exit.isSuccess(exit) ? exit.value : Cause.squash(exit.cause))
    return exit
  }
  connection.observe(call, "request", payload)
  const effect = effectOf(handler, payload, connection)
  if (Exit.isExit(effect)) return ended(answerOf(connection, call, handler, effect), answered(effect))
  return later((done) => start(connection, call, target, effect, true, (exit, crossed) => done(ended(exit, crossed))))
}

const callStream = (connection: Connection, call: string, payload: unknown): Stream.Stream<unknown, unknown> =>
  Stream.unwrapScoped(Effect.gen(function*() {
    const mailbox = yield* Mailbox.make<unknown, unknown>(STREAM_BUFFER_ITEMS)
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        const target = targetOf(connection, call)
        if (target instanceof ActorUnavailable) {
          mailbox.unsafeDone(Exit.fail(target))
          return () => undefined
        }
        connection.observe(call, "request", payload)
        const produce = Stream.runForEachChunk(streamOf(target.handler, payload, connection), (chunk) => {
          for (const item of chunk) connection.observe(call, "item", item)
          return mailbox.offerAll(chunk)
        })
        return start(connection, call, target, produce, false, (exit, crossed) => {
          if (crossed && Exit.isFailure(exit)) connection.observe(call, "reply", Cause.squash(exit.cause))
          mailbox.unsafeDone(Exit.asVoid(exit))
        })
      }),
      (cancel) => Effect.sync(cancel)
    )
    return Mailbox.toStream(mailbox)
  }))

/** As `callStream`, for a caller that takes every item at once: without a fiber where the handler's stream can be told. */
const callTold = (connection: Connection, call: string, payload: unknown): Each<unknown, unknown> => (onItem, onEnd) => {
  const target = targetOf(connection, call)
  if (target instanceof ActorUnavailable) {
    onEnd(Exit.fail(target))
    return () => undefined
  }
  const { handler } = target
  const pass = (item: unknown): void => {
    connection.observe(call, "item", item)
    onItem(item)
  }
  const stream = handledStream(handler, payload, connection)
  const produce = isTold(stream)
    ? later<void, unknown>((done) => listen(handler.runtime, stream, pass, done))
    : Stream.runForEach(stream, (item) => Effect.sync(() => pass(item)))
  connection.observe(call, "request", payload)
  return start(connection, call, target, produce, false, (exit, crossed) => {
    if (crossed && Exit.isFailure(exit)) connection.observe(call, "reply", Cause.squash(exit.cause))
    onEnd(Exit.asVoid(exit))
  })
}

/** Payloads as the protocol's schema constructs them: defaults filled in, types checked. One that needs nothing filled in costs a look. */
const constructorOf = ({ payloadSchema }: Rpc.AnyWithProps): (payload: unknown) => unknown => {
  const { make } = payloadSchema as { readonly make?: (payload: unknown) => unknown }
  if (make === undefined) return (payload) => payload
  const isWhole = Schema.is(payloadSchema)
  return (payload) => (isWhole(payload) ? payload : make(payload))
}

const clientOf = <Rpcs extends Rpc.Any>(connection: Connection, group: RpcGroup.RpcGroup<Rpcs>): Client<Rpcs> => {
  const calls: Record<string, (payload: unknown) => unknown> = {}
  for (const rpc of (group.requests as unknown as ReadonlyMap<string, Rpc.AnyWithProps>).values()) {
    if (rpc.middlewares.size > 0) throw new RangeError(`call ${rpc._tag} has middleware`)
    const constructed = constructorOf(rpc)
    calls[rpc._tag] = RpcSchema.isStreamSchema(rpc.successSchema)
      ? (payload) => told(
        Stream.suspend(() => callStream(connection, rpc._tag, constructed(payload))),
        (onItem, onEnd) => callTold(connection, rpc._tag, constructed(payload))(onItem, onEnd)
      )
      : promptCall((payload) => callOnce(connection, rpc._tag, constructed(payload)))
  }
  return calls as Client<Rpcs>
}

/** Reads the handlers out of a built layer; each runs in the context that its layer was built with. */
const hostOf = <Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>,
  built: Context.Context<Rpc.ToHandler<Rpcs>>,
  runtime: Runtime.Runtime<never>
): Host => {
  const handlers = new Map<string, Handler>()
  for (const rpc of (group.requests as unknown as ReadonlyMap<string, Rpc.AnyWithProps>).values()) {
    const entry = built.unsafeMap.get(rpc.key) as Rpc.Handler<string> | undefined
    if (entry === undefined) continue
    const runtimeFlags = Runtime.defaultRuntime.runtimeFlags
    handlers.set(rpc._tag, {
      run: entry.handler as Handler["run"],
      runtime: Runtime.make({ context: Context.merge(runtime.context, entry.context), fiberRefs: runtime.fiberRefs, runtimeFlags })
    })
  }
  return { handlers, pending: new Set(), fibers: new Set() }
}

const endPending = (pending: Set<Pending>, error: MountError): void => {
  for (const call of [...pending]) call.fail(error)
}

const makeServe = (hosts: Map<string, Host>): MountService["serve"] => (name, group, handlers) => {
  const refuseTaken = Effect.suspend(() => hosts.has(name) ? Effect.fail(new MountFailed({ name, reason: "name-taken" })) : Effect.void)
  return Effect.gen(function*() {
    yield* refuseTaken
    const built = yield* Layer.build(handlers)
    const host = hostOf(group, built, yield* Effect.runtime<never>())
    yield* Effect.acquireRelease(
      Effect.zipRight(refuseTaken, Effect.sync(() => hosts.set(name, host))),
      () => Effect.suspend(() => {
        hosts.delete(name)
        endPending(host.pending, new ActorUnavailable({ actor: name, reason: "closed" }))
        return Fiber.interruptAll([...host.fibers])
      })
    )
  })
}

const makeConnect = (hosts: Map<string, Host>, tap: Tap | undefined): MountService["connect"] => {
  let connectionCount = 0
  return (from, to, group, options) =>
    Effect.gen(function*() {
      const clock = yield* Effect.clock
      const deadlines = yield* makeCallDeadlines(options?.limitMs ?? DEFAULT_LIMIT_MS)
      let open = true
      const connection: Connection = {
        from,
        to,
        clientId: connectionCount++,
        headers: Headers.unsafeFromRecord({ [CALLER_HEADER]: from }),
        host: () => open ? hosts.get(to) : undefined,
        pending: new Set(),
        deadlines,
        observe: tap === undefined
          ? () => undefined
          : (call, direction, message) =>
            tap(new CrossingEvent(from, to, call, direction, message, clock.unsafeCurrentTimeMillis()))
      }
      yield* Effect.addFinalizer(() => Effect.sync(() => {
        open = false
        endPending(connection.pending, new ActorUnavailable({ actor: to, reason: "closed" }))
      }))
      return clientOf(connection, group)
    })
}

/** One process's mount; actors of one program must share one instance of the layer. */
export const layerMountMemory = (options: { readonly tap?: Tap | undefined } = {}): Layer.Layer<Mount> =>
  Layer.sync(Mount, () => {
    const hosts = new Map<string, Host>()
    return { serve: makeServe(hosts), connect: makeConnect(hosts, options.tap) }
  })
