/**
 * A compute service that shuffles nothing: boxes are read, and answers written, in the order in which jobs were accepted; the planted fault by which the
 * attack on linking is shown to work.
 *
 * Contract: in all else the service of the network: it keeps its edges, its window and its rate. A shuffle draws single bytes, so the bytes drawn one by one
 * are all 0, which turns a list by one place and leaves its order; with them the service's other small choices, of replicas and couriers, are fixed as well.
 * All boxes go through the first session, in whose line they keep their order: several sessions would be another shuffle.
 * Knows nothing of: attacks.
 * Source: funion.md §7 (O2, O3), issue "anonymity that is measured" ("a deliberately broken network"); departures: none.
 *
 * @module
 */
import { Effect } from "effect"
import { SessionChoice } from "../../src/session/session-pool.ts"
import type { Variant } from "../simulator/world.ts"

export const unshuffledService: Variant = (life, { around, lifeWith, stock }) => {
  if (stock.role !== "compute") return life
  const entropyOf: typeof around.entropyOf = (label) => {
    const entropy = around.entropyOf(label)
    return label.endsWith("/random") ? (byteCount) => (byteCount === 1 ? new Uint8Array(1) : entropy(byteCount)) : entropy
  }
  const unshuffled = lifeWith({ ...around, entropyOf }, stock)
  return (ready) => Effect.provideService(unshuffled(ready), SessionChoice, ([first]) => Effect.succeed(first))
}
