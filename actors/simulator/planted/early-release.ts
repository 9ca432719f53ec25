/**
 * A compute service that releases small outputs before their edge.
 *
 * Contract: when a model has given little, the service's clock goes ahead for as long as that job has to wait, so that its edge comes sooner than it should;
 * then it is right again. Caught by the release checker.
 * Source: issue 5 ("a compute that releases early on small outputs"); departures: none.
 *
 * @module
 */
import { Effect } from "effect"
import { offsetClock } from "../../../src/actor/timer.ts"
import type { Variant } from "../world.ts"

/** Outputs below it are small. */
const SMALL_BYTES = 256
/** How far ahead the clock is then, as a share of the quantum, and for how many quanta. */
const LEAD_QUANTA = 0.9
const HASTE_QUANTA = 3

export const earlyRelease: Variant = (life, { around, knowledge, lifeWith, stock }) => {
  if (stock.role !== "compute") return life
  const fullLeadMs = Math.round(LEAD_QUANTA * knowledge.setting.params.quantumMs)
  const hasteMs = HASTE_QUANTA * knowledge.setting.params.quantumMs
  let hastyUntilMs = Number.NEGATIVE_INFINITY
  return (ready) => Effect.clockWith((clock) => {
    const { modelHost } = stock
    const run: typeof modelHost.run = (modelId, inputs, limitMs) =>
      Effect.tap(modelHost.run(modelId, inputs, limitMs), (outputs) =>
        Effect.sync(() => {
          const isSmall = outputs.reduce((sum, { data }) => sum + data.length, 0) < SMALL_BYTES
          if (isSmall) hastyUntilMs = clock.unsafeCurrentTimeMillis() + hasteMs
        }))
    const leadMs = (): number => (clock.unsafeCurrentTimeMillis() < hastyUntilMs ? fullLeadMs : 0)
    return Effect.withClock(lifeWith(around, { ...stock, modelHost: { ...modelHost, run } })(ready), offsetClock(clock, leadMs))
  })
}
