/**
 * Goal: each attack on a rule that the lab plays on the functions of the rule wins when the rule is left out, and guesses when it is there.
 * Method: pure games from a seed.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { gridRules } from "../../actors/lab/rules/grid-rules.ts"

const SEED = 20_251_201
const ROUNDS = 600
/** Above chance by more than this, with the rule: a leak. */
const LEAK = 0.1
/** Below it, without the rule: an attack that proves nothing. */
const WIN = 0.4

describe("rules that tear apart what a client does", () => {
  it.each(gridRules(SEED, ROUNDS).map((row) => [row.rule, row] as const))("%s", (_, { off, on }) => {
    expect(on?.interval.lower ?? 1).toBeLessThan(LEAK)
    expect(off?.interval.lower ?? 0).toBeGreaterThan(WIN)
  })
})
