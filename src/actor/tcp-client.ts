/**
 * What a caller of a peer holds: calls and streams over a route.
 *
 * Contract: that of mount.ts. A call ends with its answer, a declared error, or a `MountError` within its limit: `CallTimedOut` when the request was sent,
 * `ActorUnavailable` when it was not. Interrupting a caller cancels the call at the peer. At most a window of stream items waits for the consumer.
 * Knows nothing of: links, addresses.
 * Source: mount-memory.ts (the same behaviour in one process); departures: an answer that does not fit the protocol's schema ends the call as `crashed`.
 *
 * @module
 */
import type { Rpc } from "@effect/rpc"
import { Chunk, Effect, Either, Exit, Mailbox, Option, Stream } from "effect"
import { ActorUnavailable, CallTimedOut, type Client, later, type MountError, promptCall } from "./actor.ts"
import type { CallDeadlines } from "./call-deadlines.ts"
import type { CallCodec } from "./tcp-call-codec.ts"
import type { FromResponder, Refusal } from "./tcp-envelope.ts"
import { STREAM_WINDOW_ITEMS } from "./tcp-host.ts"
import type { OpenCall, Route } from "./tcp-route.ts"

/** Consumed items that are told together: half of what the peer may send ahead. */
const CREDIT_ITEMS = STREAM_WINDOW_ITEMS / 2

export interface ClientContext {
  readonly to: string
  readonly codecs: ReadonlyMap<string, CallCodec>
  /** The way to the peer; `undefined` once the connection is closed. */
  readonly route: () => Route | undefined
  readonly deadlines: CallDeadlines
  /** Ends of the calls that have not ended, for the connection's closing. */
  readonly pending: Set<(error: MountError) => void>
}

const refusalOf = (context: ClientContext, call: string, reason: Refusal): MountError =>
  reason === "timed-out" ? new CallTimedOut({ actor: context.to, call }) : new ActorUnavailable({ actor: context.to, reason })

/** How a call ends by a message; `undefined` for the end of a stream. */
const endOf = (context: ClientContext, call: string, codec: CallCodec, message: Exclude<FromResponder, { _tag: "Items" }>): Exit.Exit<unknown, unknown> => {
  const unreadable = (): Exit.Exit<unknown, unknown> => Exit.fail(refusalOf(context, call, "crashed"))
  switch (message._tag) {
    case "Success": return codec.isStream ? Exit.void : Either.match(codec.decodeValue(message.value), { onLeft: unreadable, onRight: Exit.succeed })
    case "Failure": return Either.match(codec.decodeError(message.error), { onLeft: unreadable, onRight: Exit.fail })
    case "Refusal": return Exit.fail(refusalOf(context, call, message.reason))
  }
}

interface Started {
  readonly opened: OpenCall
  readonly route: Route
  /** Ends the call silently, for callers that are gone. */
  readonly cancel: () => void
}

/** Puts a call on its way; `done` is told its end once, `onItems` gives false when there are too many or unreadable ones. */
const start = (
  context: ClientContext,
  call: string,
  codec: CallCodec,
  payload: unknown,
  onItems: (values: ReadonlyArray<unknown>) => boolean,
  done: (exit: Exit.Exit<unknown, unknown>) => void
): Started | undefined => {
  const route = context.route()
  if (route === undefined) {
    done(Exit.fail(refusalOf(context, call, "not-serving")))
    return undefined
  }
  let open = true
  const close = (): boolean => {
    if (!open) return false
    open = false
    context.pending.delete(fail)
    if (!codec.isStream) context.deadlines.remove(timed)
    return true
  }
  const end = (exit: Exit.Exit<unknown, unknown>): void => {
    if (close()) done(exit)
  }
  const fail = (error: MountError): void => {
    route.cancel(opened)
    end(Exit.fail(error))
  }
  const opened: OpenCall = {
    call,
    payload,
    onSent: codec.isOneWay ? () => end(Exit.void) : undefined,
    onMessage: (message) => {
      if (message._tag !== "Items") {
        end(endOf(context, call, codec, message))
        return true
      }
      if (codec.isStream && onItems(message.values)) return true
      end(Exit.fail(refusalOf(context, call, "crashed")))
      return false
    },
    fail: (reason) => end(Exit.fail(refusalOf(context, call, reason))),
    die: (defect) => end(Exit.die(defect))
  }
  const timed = {
    deadlineMs: context.deadlines.fromNow(),
    expire: () => fail(refusalOf(context, call, route.isSent(opened) ? "timed-out" : "not-serving"))
  }
  context.pending.add(fail)
  if (!codec.isStream) context.deadlines.add(timed)
  route.submit(opened)
  return { opened, route, cancel: () => { if (close()) route.cancel(opened) } }
}

/** Puts a call on its way now; a one-way call that could leave at once has ended. */
const callOnce = (context: ClientContext, call: string, codec: CallCodec, payload: unknown): Effect.Effect<unknown, unknown> => {
  let end: Exit.Exit<unknown, unknown> | undefined
  let tell: ((exit: Exit.Exit<unknown, unknown>) => void) | undefined
  const started = start(context, call, codec, payload, () => false, (exit) => {
    end = exit
    tell?.(exit)
  })
  return end ?? later((done) => {
    tell = done
    if (end !== undefined) done(end)
    return () => started?.cancel()
  })
}

const callStream = (context: ClientContext, call: string, codec: CallCodec, payload: unknown): Stream.Stream<unknown, unknown> =>
  Stream.unwrapScoped(Effect.gen(function*() {
    const mailbox = yield* Mailbox.make<unknown, unknown>()
    let held = 0
    let owed = 0
    const onItems = (values: ReadonlyArray<unknown>): boolean => {
      const items = values.map(codec.decodeValue)
      held += items.length
      if (held > STREAM_WINDOW_ITEMS || !items.every(Either.isRight)) return false
      for (const item of items) mailbox.unsafeOffer(item.right)
      return true
    }
    const started = yield* Effect.acquireRelease(
      Effect.sync(() => start(context, call, codec, payload, onItems, (exit) => mailbox.unsafeDone(Exit.asVoid(exit)))),
      (running) => Effect.sync(() => running?.cancel())
    )
    const pull = Effect.suspend(() => {
      if (owed >= CREDIT_ITEMS) {
        started?.route.credit(started.opened, owed)
        held -= owed
        owed = 0
      }
      return mailbox.takeAll
    }).pipe(
      Effect.mapError(Option.some),
      Effect.flatMap(([items, done]) => {
        owed += Chunk.size(items)
        return items.length === 0 && done ? Effect.fail(Option.none()) : Effect.succeed(items)
      })
    )
    return Stream.repeatEffectChunkOption(pull)
  }))

/** A client of the calls that the codecs know. */
export const tcpClient = <Rpcs extends Rpc.Any>(context: ClientContext): Client<Rpcs> => {
  const calls: Record<string, (payload: unknown) => unknown> = {}
  for (const [call, codec] of context.codecs) {
    calls[call] = codec.isStream
      ? (payload) => Stream.suspend(() => callStream(context, call, codec, codec.encodePayload(payload)))
      : promptCall((payload) => callOnce(context, call, codec, codec.encodePayload(payload)))
  }
  return calls as Client<Rpcs>
}
