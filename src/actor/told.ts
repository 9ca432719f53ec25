/**
 * Streams whose items can be told as they come: for who takes each item at once and has no fiber for them.
 *
 * Contract: such a stream is also an ordinary one, with back-pressure; told, it has none, since its listener is done with an item when it returns. A listener
 * that throws ends the stream with that defect. The end is told once, unless the listener has left before; nothing is told after either.
 * Knows nothing of: mounts, what items hold.
 * Source: none needed (an item of an ordinary stream costs two fibers some nine turns between a gateway and a session); departures: none.
 *
 * @module
 */
import { Cause, Effect, Exit, FiberId, Runtime, Stream } from "effect"

export type OnItem<A> = (item: A) => void
export type OnEnd<E> = (exit: Exit.Exit<void, E>) => void

/** @returns leaves */
export type Each<A, E> = (onItem: OnItem<A>, onEnd: OnEnd<E>) => () => void

export type Told<A, E = never> = Stream.Stream<A, E> & { readonly each: Each<A, E> }

/** A stream, and how its items are told. */
export const told = <A, E>(stream: Stream.Stream<A, E>, each: Each<A, E>): Told<A, E> => Object.assign(Stream.suspend(() => stream), { each })

export const isTold = <A, E, R>(stream: Stream.Stream<A, E, R>): stream is Told<A, E> => "each" in stream

/** Listens to a stream, in a fiber where it cannot be told. */
export const listen = <A, E>(runtime: Runtime.Runtime<never>, stream: Stream.Stream<A, E>, onItem: OnItem<A>, onEnd: OnEnd<E>): (() => void) => {
  let isOpen = true
  let leave = (): void => undefined
  const end = (exit: Exit.Exit<void, E>): void => {
    if (!isOpen) return
    isOpen = false
    onEnd(exit)
  }
  if (!isTold(stream)) {
    const fiber = Runtime.runFork(runtime, Stream.runForEach(stream, (item) => Effect.sync(() => { if (isOpen) onItem(item) })))
    fiber.addObserver(end)
    return () => {
      isOpen = false
      fiber.unsafeInterruptAsFork(FiberId.none)
    }
  }
  leave = stream.each((item) => {
    if (!isOpen) return
    try {
      onItem(item)
    } catch (defect) {
      leave()
      end(Exit.failCause(Cause.die(defect)))
    }
  }, end)
  if (!isOpen) leave()
  return () => {
    isOpen = false
    leave()
  }
}

/** Takes every item of a stream at once, to its end. */
export const takeEach = <A, E>(stream: Stream.Stream<A, E>, onItem: OnItem<A>): Effect.Effect<void, E> =>
  isTold(stream)
    ? Effect.flatMap(Effect.runtime<never>(), (runtime) => Effect.async<void, E>((resume) => Effect.sync(listen(runtime, stream, onItem, resume))))
    : Stream.runForEach(stream, (item) => Effect.sync(() => onItem(item)))
