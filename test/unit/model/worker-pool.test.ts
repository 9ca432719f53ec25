/**
 * Goal: the model host's line, limits, restarts and closing work whatever its workers do.
 * Method: a scripted worker stands in for threads and processes; no model runs.
 *
 * @module
 */
import { Deferred, Effect, Either, Exit, Fiber, type Scope } from "effect"
import { describe, expect, it } from "vitest"
import { Crypto } from "../../../src/crypto/crypto-service.ts"
import type { ModelFailed, ModelHost } from "../../../src/model/model-host.ts"
import type { ModelLoadFailed } from "../../../src/model/model-load-failed.ts"
import { tensorOf, type Tensor } from "../../../src/model/tensor.ts"
import type { OpenWorker, WorkerLink } from "../../../src/model/worker-link.ts"
import type { FromWorker, ToWorker } from "../../../src/model/worker-message.ts"
import { makeModelHost, type ModelHostOptions } from "../../../src/model/worker-pool.ts"
import { crypto } from "./shipped-model.ts"

const x: ReadonlyArray<Tensor> = [Either.getOrThrow(tensorOf("x", "f32", [1, 4], [1, 2, 3, 4]))]
const y: ReadonlyArray<Tensor> = [Either.getOrThrow(tensorOf("y", "f32", [1, 4], [3, 5, 7, 9]))]
const prompt = [Either.getOrThrow(tensorOf("input_ids", "i64", [1, 1], [0])), Either.getOrThrow(tensorOf("max_tokens", "i32", [1], [9]))]
const partial = [Either.getOrThrow(tensorOf("output_ids", "i64", [1, 2], [5, 6]))]

interface Script {
  readonly log: Array<string>
  opened: number
  /** What the worker does on a message; `say` sends to the host, `die` ends the worker. */
  readonly on: (message: ToWorker, say: (message: FromWorker) => void, die: () => void) => void
}

const scripted = (script: Script, killable: boolean): OpenWorker =>
  Effect.acquireRelease(
    Effect.gen(function*() {
      const exited = yield* Deferred.make<void>()
      let handler: (message: FromWorker) => void = () => undefined
      const die = () => Deferred.unsafeDone(exited, Exit.void)
      script.opened++
      const link: WorkerLink = {
        send: (message) => {
          script.log.push(message.type)
          if (message.type === "start") {
            const models = message.models.map(({ id }) => ({ id, executionProviders: ["cpu"] }))
            handler({ type: "ready", models })
          } else script.on(message, (answer) => handler(answer), die)
        },
        listen: (next) => { handler = next },
        exited,
        kill: killable ? () => { script.log.push("kill"); die() } : undefined
      }
      return link
    }),
    () => Effect.sync(() => { script.log.push("released") })
  )

const within = <A>(
  script: Script,
  use: (host: ModelHost["Type"]) => Effect.Effect<A, ModelFailed | ModelLoadFailed, Scope.Scope>,
  options: Partial<ModelHostOptions> & { readonly killable?: boolean } = {}
): Promise<A> =>
  makeModelHost(scripted(script, options.killable ?? false), { models: [{ id: "affine" }, { id: "tiny-lm" }], graceMs: 20, ...options }).pipe(
    Effect.flatMap(use), Effect.scoped, Effect.provideService(Crypto, crypto), Effect.runPromise
  )
const script = (on: Script["on"]): Script => ({ log: [], opened: 0, on })
const done = (message: ToWorker, outputs = y): FromWorker => ({ type: "done", job: message.type === "run" ? message.job : -1, outputs })
const reasonOf = <A>(run: Effect.Effect<A, ModelFailed>) =>
  Effect.match(run, { onFailure: (error) => `${error.code} ${error.reason}`, onSuccess: () => "done" })

describe("a model host", () => {
  it("gives the worker's outputs, and its cards in the order asked for", async () => {
    const echo = script((message, say) => say(done(message)))
    await within(echo, (host) => Effect.gen(function*() {
      expect(host.cards.map((card) => card.id)).toEqual(["affine", "tiny-lm"])
      expect(yield* host.run("affine", x, 1000)).toEqual(y)
    }))
    expect(echo.log).toEqual(["start", "run", "released"])
  })

  it("refuses unknown models and unfit inputs without troubling a worker", async () => {
    const silent = script(() => undefined)
    const reasons = await within(silent, (host) => Effect.all([reasonOf(host.run("rotate-1", x, 10)), reasonOf(host.run("affine", prompt, 10))]))
    expect(reasons).toEqual(["4 unknown-model", "3 invalid-input"])
    expect(silent.log).not.toContain("run")
  })

  it("maps the worker's failures to the closed codes, and refuses outputs that are not the card's", async () => {
    const answers: ReadonlyArray<(message: ToWorker) => FromWorker> = [
      (m) => ({ ...done(m), type: "failed", reason: "invalid-input" }), (m) => ({ ...done(m), type: "failed", reason: "runtime" }),
      (m) => ({ ...done(m), type: "failed", reason: "time-limit" }), (m) => done(m, x)
    ] as ReadonlyArray<(message: ToWorker) => FromWorker>
    let turn = 0
    const reasons = await within(script((message, say) => say(answers[turn++]!(message))), (host) =>
      Effect.forEach(answers, () => reasonOf(host.run("affine", x, 1000))))
    expect(reasons).toEqual(["3 invalid-input", "4 runtime", "5 time-limit", "4 runtime"])
  })

  it("serves jobs in the order they came, one at a time per worker, and refuses those beyond its queue", async () => {
    const held: Array<() => void> = []
    const order: Array<number> = []
    const slow = script((message, say) => { held.push(() => say(done(message))) })
    await within(slow, (host) => Effect.gen(function*() {
      const submit = (index: number) => Effect.fork(Effect.tap(reasonOf(host.run("affine", x, 60_000)), (outcome) => Effect.sync(() => {
        if (outcome === "done") order.push(index)
        return outcome
      })))
      const fibers = []
      for (let index = 0; index < 5; index++) {
        fibers.push(yield* submit(index))
        yield* Effect.sleep(2)
        expect(held.length).toBe(1)
      }
      const outcomes: Array<string> = []
      for (const fiber of fibers) {
        held.shift()?.()
        outcomes.push(yield* Fiber.join(fiber))
        yield* Effect.sleep(2)
      }
      expect(outcomes).toEqual(["done", "done", "done", "done", "4 queue-full"])
    }), { queueCapacity: 3 })
    expect(order).toEqual([0, 1, 2, 3])
  })

  it("runs as many jobs at once as it has workers", async () => {
    const held: Array<() => void> = []
    await within(script((message, say) => { held.push(() => say(done(message))) }), (host) => Effect.gen(function*() {
      const fibers = yield* Effect.forEach([1, 2, 3], () => Effect.fork(host.run("affine", x, 60_000)))
      yield* Effect.sleep(10)
      expect(held.length).toBe(2)
      while (held.length > 0) {
        held.shift()?.()
        yield* Effect.sleep(2)
      }
      yield* Fiber.joinAll(fibers)
    }), { workers: 2 })
  })

  it("cuts a text at its limit and gives what there is", async () => {
    const text = script((message, say) => {
      if (message.type === "stop") say({ type: "done", job: message.job, outputs: partial })
    })
    expect(await within(text, (host) => host.run("tiny-lm", prompt, 5))).toEqual(partial)
    expect(text.log).toEqual(["start", "run", "stop", "released"])
  })

  it("fails a run over its limit with code 5, hears no late answer, and uses a thread again only when it is free", async () => {
    let answerLate = () => {}
    const late = script((message, say) => {
      if (message.type === "run" && message.job === 0) answerLate = () => say(done(message))
      else if (message.type === "run") say(done(message))
    })
    await within(late, (host) => Effect.gen(function*() {
      expect(yield* reasonOf(host.run("affine", x, 5))).toBe("5 time-limit")
      const next = yield* Effect.fork(host.run("affine", x, 1000))
      yield* Effect.sleep(10)
      expect(late.log).toEqual(["start", "run"])
      answerLate()
      expect(yield* Fiber.join(next)).toEqual(y)
    }))
    expect(late.opened).toBe(1)
  })

  it("kills and replaces a process over its limit", async () => {
    const stuck = script((message, say) => {
      if (message.type === "run" && message.job > 0) say(done(message))
    })
    await within(stuck, (host) => Effect.gen(function*() {
      expect(yield* reasonOf(host.run("affine", x, 5))).toBe("5 time-limit")
      expect(yield* host.run("affine", x, 1000)).toEqual(y)
    }), { killable: true })
    expect(stuck.opened).toBe(2)
  })

  it("fails the job of a worker that dies with code 4 and starts another, also when it dies idle", async () => {
    let killIdle = () => {}
    const mortal = script((message, say, die) => {
      if (message.type === "run" && message.job === 0) die()
      else say(done(message))
      killIdle = die
    })
    await within(mortal, (host) => Effect.gen(function*() {
      expect(yield* reasonOf(host.run("affine", x, 1000))).toBe("4 worker-lost")
      expect(yield* host.run("affine", x, 1000)).toEqual(y)
      killIdle()
      expect(yield* host.run("affine", x, 1000)).toEqual(y)
    }))
    expect(mortal.opened).toBe(3)
  })

  it("forgets a job whose caller goes away, running or waiting", async () => {
    const held: Array<ToWorker> = []
    const slow = script((message, say) => {
      held.push(message)
      if (message.type === "stop") say({ type: "done", job: message.job, outputs: partial })
    })
    await within(slow, (host) => Effect.gen(function*() {
      const running = yield* Effect.fork(host.run("tiny-lm", prompt, 60_000))
      yield* Effect.sleep(2)
      const waiting = yield* Effect.fork(host.run("affine", x, 60_000))
      yield* Effect.sleep(2)
      yield* Fiber.interrupt(waiting)
      yield* Fiber.interrupt(running)
      yield* Effect.sleep(5)
      expect(held.map((message) => message.type)).toEqual(["run", "stop"])
    }))
  })

  it("fails all jobs as closed when its scope closes, then and later", async () => {
    const silent = script(() => undefined)
    let host: ModelHost["Type"] | undefined
    const fibers = await within(silent, (opened) => Effect.gen(function*() {
      host = opened
      const jobs = yield* Effect.forEach([1, 2], () => Effect.forkDaemon(reasonOf(opened.run("affine", x, 60_000))))
      yield* Effect.sleep(5)
      return jobs
    }))
    expect(await Effect.runPromise(Effect.forEach(fibers, Fiber.join))).toEqual(["4 closed", "4 closed"])
    expect(await Effect.runPromise(reasonOf(host!.run("affine", x, 10)))).toBe("4 closed")
    expect(silent.log).toContain("released")
  })

  it("does not start for models it can not have", async () => {
    const start = (options: ModelHostOptions) => makeModelHost(scripted(script(() => undefined), false), options).pipe(
      Effect.scoped, Effect.flip, Effect.map((error) => error.reason), Effect.provideService(Crypto, crypto), Effect.runPromise)
    expect(await start({ models: [{ id: "no-such" }] })).toBe("unknown-model")
    expect(await start({ models: [{ id: "affine", session: { executionProviders: ["gpu" as "cpu"] } }] })).toBe("provider")
    expect(await start({ models: [{ id: "affine", session: { requireGpu: true } }] })).toBe("provider")
  })
})
