/**
 * Threads that unwrap batches of packets for one node.
 *
 * Contract: a batch comes back whole. Each thread has at most `BATCHES_PER_THREAD` batches, which it works on in order, so a result is later than its
 * unwrapping would have been here by at most the packets of these batches and two hops between threads. A thread that ends is replaced after a pause that
 * grows; its batches come back as dropped (`unwrap-thread-lost`), for one of them may have ended it. Replay tags are nobody's business here.
 * Keys' secrets are lent, not copied: once their owner wipes them they are gone here too.
 * Knows nothing of: epochs, routing, queues.
 * Source: issue 4, point 4; departures: none.
 *
 * @module
 */
import { Deferred, Effect, Exit, type Scope } from "effect"
import type { CryptoBackend } from "../crypto/backend.ts"
import type { Geometry } from "../sphinx/geometry.ts"
import type { MixPrivateKey } from "../sphinx/unwrap.ts"
import { UnwrapBatch } from "./unwrap-batch.ts"
import type { FromUnwrapThread, UnwrapThread } from "./unwrap-message.ts"
import type { UnwrapOutcome } from "./unwrap-outcome.ts"
import type { OpenUnwrapThread } from "./unwrap-thread.ts"

export { BATCH_LIMIT } from "./unwrap-batch.ts"

/** One is worked on while the other waits, so that a thread need not wait for this one. */
export const BATCHES_PER_THREAD = 2
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 5_000

export interface UnwrapPool {
  /** Threads that there shall be. */
  readonly size: number
  /** True while a thread is ready. */
  readonly isUp: () => boolean
  /** True when `submit` takes a batch. */
  readonly hasRoom: () => boolean
  /** Unwraps at most `BATCH_LIMIT` packets; `done` gets one outcome for each. Only while there is room. */
  readonly submit: (packets: ReadonlyArray<Uint8Array>, keys: ReadonlyArray<MixPrivateKey>, done: (outcomes: ReadonlyArray<UnwrapOutcome>) => void) => void
  /** Makes the threads forget what they made of secrets that were overwritten. */
  readonly sweep: () => void
  /** Called when a thread got ready or went. */
  readonly onChange: (listener: () => void) => void
}

/** How many threads a node shall have, at least one, and how one is started. */
export interface UnwrapThreads {
  readonly count: number
  readonly open: OpenUnwrapThread
}

export interface UnwrapPoolConfig {
  readonly crypto: CryptoBackend
  readonly geometry: Geometry
  readonly threads: UnwrapThreads
}

interface UnderWay {
  readonly packetCount: number
  readonly done: (outcomes: ReadonlyArray<UnwrapOutcome>) => void
}

/** Numbers of keys, the same for all threads. */
class KeyNumbers {
  readonly #numbers = new WeakMap<MixPrivateKey, number>()
  #last = 0

  of(key: MixPrivateKey): number {
    const number = this.#numbers.get(key) ?? ++this.#last
    this.#numbers.set(key, number)
    return number
  }
}

/** One thread, from its start to its end. */
class Slots {
  readonly #thread: UnwrapThread
  readonly #batches: ReadonlyArray<UnwrapBatch>
  readonly #underWay: Array<UnderWay | undefined>
  readonly #known = new Set<number>()

  constructor(thread: UnwrapThread, batches: ReadonlyArray<UnwrapBatch>) {
    this.#thread = thread
    this.#batches = batches
    this.#underWay = batches.map(() => undefined)
  }

  get free(): number {
    return this.#underWay.filter((underWay) => underWay === undefined).length
  }

  submit(packets: ReadonlyArray<Uint8Array>, keys: ReadonlyArray<MixPrivateKey>, numbers: KeyNumbers, done: UnderWay["done"]): void {
    const slot = this.#underWay.indexOf(undefined)
    const batch = this.#batches[slot]
    if (batch === undefined) throw new RangeError("the thread has no room")
    const keyNumbers = keys.map((key) => numbers.of(key))
    keys.forEach((key, index) => this.#lend(key, keyNumbers[index] as number))
    batch.writePackets(packets)
    this.#underWay[slot] = { packetCount: packets.length, done }
    this.#thread.post({ type: "batch", slot, packetCount: packets.length, keyNumbers })
  }

  take({ slot }: Extract<FromUnwrapThread, { type: "done" }>): void {
    const underWay = this.#underWay[slot]
    const batch = this.#batches[slot]
    if (underWay === undefined || batch === undefined) return
    this.#underWay[slot] = undefined
    underWay.done(Array.from({ length: underWay.packetCount }, (_, index) => batch.readOutcome(index)))
  }

  sweep(): void {
    this.#thread.post({ type: "sweep" })
  }

  /** The thread has gone. */
  lose(): void {
    for (const [slot, underWay] of this.#underWay.entries()) {
      this.#underWay[slot] = undefined
      underWay?.done(Array.from({ length: underWay.packetCount }, () => "unwrap-thread-lost" as const))
    }
    for (const batch of this.#batches) batch.wipe()
  }

  #lend(key: MixPrivateKey, keyNumber: number): void {
    if (this.#known.has(keyNumber)) return
    this.#known.add(keyNumber)
    this.#thread.post({ type: "key", keyNumber, secret: key.lentSecret })
  }
}

/** Starts the threads in the caller's scope; does not wait until they are ready. */
export const makeUnwrapPool = ({ crypto, geometry, threads }: UnwrapPoolConfig): Effect.Effect<UnwrapPool, never, Scope.Scope> =>
  Effect.gen(function*() {
    const ready = new Set<Slots>()
    const numbers = new KeyNumbers()
    const listeners: Array<() => void> = []
    const changed = (): void => listeners.forEach((listener) => listener())

    const liveOnce = (onReady: () => void): Effect.Effect<void> =>
      Effect.scoped(Effect.gen(function*() {
        const exited = yield* Deferred.make<void>()
        const memories = Array.from({ length: BATCHES_PER_THREAD }, () => new SharedArrayBuffer(UnwrapBatch.byteLength(geometry)))
        let slots: Slots | undefined
        const thread = yield* threads.open({
          onMessage: (message) => {
            if (slots === undefined) return
            if (message.type === "done") return slots.take(message)
            ready.add(slots)
            onReady()
            changed()
          },
          onExit: () => Deferred.unsafeDone(exited, Exit.void)
        })
        const opened = new Slots(thread, memories.map((memory) => new UnwrapBatch(geometry, memory)))
        slots = opened
        yield* Effect.addFinalizer(() => Effect.sync(() => {
          slots = undefined
          ready.delete(opened)
          opened.lose()
          changed()
        }))
        thread.post({ type: "start", backend: crypto.name, geometry, memories })
        yield* Deferred.await(exited)
      })).pipe(Effect.zipRight(Effect.logWarning("an unwrap thread ended and is started anew")))

    const live = Effect.suspend(() => {
      let pauseMs = FIRST_PAUSE_MS
      const pause = Effect.suspend(() => {
        const sleep = Effect.sleep(pauseMs)
        pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)
        return sleep
      })
      return Effect.forever(Effect.zipRight(liveOnce(() => { pauseMs = FIRST_PAUSE_MS }), pause))
    })
    yield* Effect.forEach(Array.from({ length: threads.count }), () => Effect.forkScoped(live), { discard: true })

    const freest = (): Slots | undefined => {
      let best: Slots | undefined
      for (const slots of ready) if (slots.free > (best?.free ?? 0)) best = slots
      return best
    }
    return {
      size: threads.count,
      isUp: () => ready.size > 0,
      hasRoom: () => freest() !== undefined,
      submit: (packets, keys, done) => {
        const slots = freest()
        if (slots === undefined) throw new RangeError("the pool has no room")
        slots.submit(packets, keys, numbers, done)
      },
      sweep: () => { for (const slots of ready) slots.sweep() },
      onChange: (listener) => { listeners.push(listener) }
    }
  })
