/**
 * The service's desk: inputs of open runs wait here to be fetched, outputs are put together and checked.
 *
 * Contract: an open run is answered once, by the first whole output whose hash and tensors are right, whichever runner gave it; what comes later is refused as
 * unknown. Only the runners that the topology lists are heard. Memory: one input per open run, and one unfinished output per run and runner.
 * Knows nothing of: the cluster, SQL, who waits for the outcome.
 * Source: effect-notes.md §7 (at least once); departures: none.
 *
 * @module
 */
import { Context, Deferred, Effect, Either, Layer } from "effect"
import { callerOf, type Rpc, type RpcGroup } from "../../../src/actor/actor.ts"
import type { MountService } from "../../../src/actor/mount.ts"
import { constantTimeEqual } from "../../../src/bytes/equal.ts"
import { toHex } from "../../../src/bytes/hex.ts"
import type { CryptoBackend } from "../../../src/crypto/backend.ts"
import { maxOutputBytes, type ModelCard } from "../../../src/model/card.ts"
import { matchSpecs } from "../../../src/model/tensor-spec.ts"
import { InputPart, PartRefused, RunDesk, RunnerModels, RunUnknown } from "./protocol.ts"
import { decodeOutcome, type Outcome, ParcelAssembly, parcelHash, parcelPart, partsFor } from "./run-parcel.ts"

/** A run that waits for its output. */
export interface DeskRun {
  readonly card: ModelCard
  /** H256 of the card. */
  readonly model: Uint8Array
  /** Content of the input's parcel. */
  readonly input: Uint8Array
  readonly limitMs: number
}

interface OpenRun extends DeskRun {
  readonly inputHash: Uint8Array
  readonly outcome: Deferred.Deferred<Outcome>
  /** Unfinished outputs by runner. */
  readonly outputs: Map<string, ParcelAssembly>
}

export interface Desk {
  /** Opens a run; the inner effect waits for its outcome. @param run  16 bytes */
  readonly open: (run: Uint8Array, about: DeskRun) => Effect.Effect<Effect.Effect<Outcome>>
  /** Nobody waits any more. */
  readonly close: (run: Uint8Array) => void
  /** Answers runners for as long as the layer lives. */
  readonly handlers: Layer.Layer<Rpc.ToHandler<RpcGroup.Rpcs<typeof RunDesk>>>
}

/** The desk of a service in this process, for whoever serves it. */
export class RunDeskHost extends Context.Tag("funion/compute/RunDeskHost")<RunDeskHost, Desk>() {}

export interface DeskOptions {
  readonly crypto: Pick<CryptoBackend, "blake2b256">
  /** Actor names. */
  readonly runners: ReadonlyArray<string>
  readonly models: RunnerModels
}

/** The outcome of a whole output. @errors PartRefused */
const outcomeOf = (
  crypto: DeskOptions["crypto"], id: Uint8Array, run: OpenRun, assembly: ParcelAssembly, hash: Uint8Array
): Either.Either<Outcome, PartRefused> => {
  const wrongForm = () => new PartRefused({ reason: "form" })
  return Either.gen(function*() {
    const content = yield* Either.mapLeft(assembly.content, wrongForm)
    if (!constantTimeEqual(parcelHash(crypto, id, "output", content), hash)) return yield* Either.left(new PartRefused({ reason: "hash" }))
    const outcome = yield* Either.mapLeft(decodeOutcome(content), wrongForm)
    if (Either.isLeft(outcome)) return outcome
    return Either.right(yield* Either.mapLeft(matchSpecs(run.card.outputs, outcome.right), wrongForm))
  })
}

export const makeDesk = ({ crypto, models, runners }: DeskOptions): Desk => {
  const runs = new Map<string, OpenRun>()
  const heard = new Set(runners)
  const known = (caller: string, id: Uint8Array): Effect.Effect<OpenRun, RunUnknown> => {
    const run = heard.has(caller) ? runs.get(toHex(id)) : undefined
    return run === undefined ? new RunUnknown() : Effect.succeed(run)
  }
  const open: Desk["open"] = (id, about) => Effect.flatMap(Deferred.make<Outcome>(), (outcome) => {
    runs.set(toHex(id), { ...about, outcome, outputs: new Map(), inputHash: parcelHash(crypto, id, "input", about.input) })
    return Effect.succeed(Deferred.await(outcome))
  })
  const take = (caller: string, id: Uint8Array, part: number) => Effect.flatMap(known(caller, id), ({ card, input, inputHash, limitMs, model }) => {
    const parts = partsFor(card.maxInputBytes)
    if (!Number.isInteger(part) || part < 0 || part >= parts) return new RunUnknown()
    return Effect.succeed(new InputPart({ model, limitMs, parts, hash: inputHash, bytes: parcelPart(input, part) }))
  })
  const give = (caller: string, id: Uint8Array, { bytes, hash, part }: { readonly part: number; readonly hash: Uint8Array; readonly bytes: Uint8Array }) =>
    Effect.flatMap(known(caller, id), (run) => {
      const assembly = run.outputs.get(caller) ?? new ParcelAssembly(partsFor(maxOutputBytes(run.card)))
      run.outputs.set(caller, assembly)
      if (!assembly.add(part, bytes)) return new PartRefused({ reason: "order" })
      if (!assembly.isWhole) return Effect.succeed(false)
      run.outputs.delete(caller)
      return Effect.flatMap(outcomeOf(crypto, id, run, assembly, hash), (outcome) => {
        runs.delete(toHex(id))
        return Effect.as(Deferred.succeed(run.outcome, outcome), true)
      })
    })
  const handlers = RunDesk.toLayer({
    Models: (_, options) => (heard.has(callerOf(options)) ? Effect.succeed(models) : new RunUnknown()),
    TakeInput: ({ part, run }, options) => take(callerOf(options), run, part),
    GiveOutput: ({ run, ...part }, options) => give(callerOf(options), run, part)
  })
  return { open, close: (id) => { runs.delete(toHex(id)) }, handlers }
}

/**
 * A mount on which whoever serves under `name` serves the desk too: an actor has one group of calls, and the compute service need not know of the second.
 */
export const mountWithDesk = (mount: MountService, name: string, desk: Desk): MountService => ({
  ...mount,
  serve: (served, group, handlers) => served === name
    ? mount.serve(served, group.merge(RunDesk), Layer.merge(handlers, desk.handlers))
    : mount.serve(served, group, handlers)
})
