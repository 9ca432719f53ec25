/**
 * ε_E, the bound, and the report: nothing without its interval, nothing that fails hidden.
 *
 * Goal: what a reader relies on when reading a report, checked on a small one.
 * Method: findings by hand; the JSON parsed back; the pictures as text.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { guessingAttack, scoringAttack } from "../../../src/anonymity/attacks/attack-result.ts"
import { curvePlot } from "../../../src/anonymity/curve-plot.ts"
import { bacapDelta, bucketLeakBits, estimateEpsilon, linkingBound } from "../../../src/anonymity/epsilon.ts"
import { disclosureSeries, joinedRules, rocSeries, type Findings } from "../../../src/anonymity/findings.ts"
import { never } from "../../../src/anonymity/gate.ts"
import { labJson, labMarkdown, labPictures, type LabReport } from "../../../src/anonymity/report.ts"

describe("ε_E and the bound", () => {
  const attacks = [guessingAttack("weak", 510, 1000, 0.5, 20), guessingAttack("strong", 560, 1000, 0.5, 20)]

  it("is that of the best attack, with an interval wider than its own", () => {
    const epsilon = estimateEpsilon(attacks)
    expect(epsilon).toMatchObject({ attack: "strong", attacksTried: 2, trials: 1000 })
    expect(epsilon.value).toBeCloseTo(0.12, 9)
    expect(epsilon.interval.upper).toBeGreaterThan(attacks[1]!.advantage.interval.upper)
    expect(epsilon.interval.lower).toBeLessThan(attacks[1]!.advantage.interval.lower)
  })
  it("of attacks that lose is 0, of none unknown", () => {
    expect(estimateEpsilon([guessingAttack("loses", 480, 1000, 0.5, 20)]).value).toBe(0)
    expect(linkingBound(estimateEpsilon([])).vacuous).toBe(true)
  })
  it("the bound is four times the upper end, and says so when it says nothing", () => {
    const bound = linkingBound(estimateEpsilon(attacks))
    expect(bound.boundAtValue).toBeCloseTo(0.48, 9)
    expect(bound.bound).toBeCloseTo(4 * bound.epsilonE.interval.upper, 9)
    expect(bound.vacuous).toBe(false)
    expect(linkingBound(estimateEpsilon([guessingAttack("wins", 700, 1000, 0.5, 20)]))).toMatchObject({ bound: 1, vacuous: true })
  })
  it("δ is negligible beside what can be measured; four edges tell at most log2 5 bits", () => {
    expect(bacapDelta()).toBeLessThan(2 ** -120)
    expect(bacapDelta(126)).toBeGreaterThan(0.9)
    expect(bucketLeakBits(4)).toBeCloseTo(2.3219, 4)
  })
})

const roc = scoringAttack("shape <of> traffic", [1, 2, 3], [0, 1, 2])
const findings: Findings = {
  part: "jobs",
  figures: [
    {
      group: "linking", name: "IO-U", estimate: { value: 0.04, interval: { lower: -0.1, upper: 0.18, level: 0.95 } }, unit: "advantage",
      adversary: "network + storage", samples: 200, seed: 7, batch: 6.5, note: "a|b"
    },
    {
      group: "rounds", name: "half are named", estimate: { value: 40, interval: { lower: 30, upper: Infinity, level: 0.95 } }, unit: "rounds",
      adversary: "network", samples: 40, seed: 7
    }
  ],
  gates: [never({ name: "jobs/good", meaning: "all is well" }, 0, 10), never({ name: "jobs/bad", meaning: "not so" }, 3, 10)],
  rules: [{
    rule: "O1", adversary: "replicas", attack: "IO-U", level: "network", batch: 3, on: { value: 0, interval: { lower: -0.1, upper: 0.1, level: 0.95 } },
    games: 50, seed: 7
  }],
  planted: [{ name: "zero delay", caughtBy: ["hop/entropy-least"], caught: true, seed: 7 }],
  series: [
    rocSeries(roc),
    disclosureSeries({
      name: "online", targets: 2, clientCount: 50,
      points: [{ rounds: 10, named: { value: 0.5, interval: { lower: 0.1, upper: 0.9, level: 0.95 } }, remainingBits: 3 }]
    })
  ],
  traceHashes: ["abc"]
}
const report: LabReport = {
  command: "npx funion lab --quick --seed 7", seed: 7, findings: [findings], bucketCount: 4,
  linking: linkingBound(estimateEpsilon([guessingAttack("two senders", 550, 1000, 0.5, 20)]))
}

describe("the report", () => {
  const page = labMarkdown(report)

  it("puts what failed first and counts it", () => {
    expect(page).toContain("1 of 2 gates pass, 1 of 1 planted faults are caught")
    expect(page.indexOf("jobs/bad")).toBeLessThan(page.indexOf("jobs/good"))
    expect(page).toContain("| jobs/bad | 3 | [3, 3] | 0 | 10 | **no** | not so |")
  })
  it("stands interval, seed, B and bound beside an advantage of linking", () => {
    const row = page.split("\n").find((line) => line.startsWith("| IO-U |"))!
    for (const part of ["0.04 [-0.1, 0.18]", "network + storage", "| 6.5 |", "| 200 |", "| 7 |", `| ${Number(report.linking.bound.toFixed(3))} |`, "a\\|b"]) {
      expect(row).toContain(part)
    }
    expect(page).toContain("40 [30, ∞]")
  })
  it("a rule whose two sides were played in different worlds is one row, with both notes", () => {
    const half = { rule: "O4", adversary: "replicas", attack: "early looks", level: "network", seed: 7 } as const
    const estimate = (value: number) => ({ value, interval: { lower: value, upper: value, level: 0.95 } })
    const [off, on] = [{ ...half, games: 3, off: estimate(1), note: "without: impatient" }, { ...half, games: 9, on: estimate(0), note: "with: ordinary" }]
    const joined = { ...on, off: estimate(1), note: "with: ordinary; without: impatient (3 games)" }
    const [whole] = findings.rules
    expect(joinedRules([off, { ...whole!, off: estimate(1) }, on])).toEqual([{ ...whole, off: estimate(1) }, joined])
    expect(joinedRules([on, off])).toEqual([joined])
    expect(joinedRules([off])).toEqual([off])
  })
  it("tables have as many cells in each row as in their head", () => {
    for (const block of page.split("\n\n").filter((text) => text.startsWith("|"))) {
      const widths = block.split("\n").map((line) => line.replace(/\\\|/g, "").split("|").length)
      expect(new Set(widths).size).toBe(1)
    }
  })
  it("the JSON survives being written and has the agreed names", () => {
    const parsed = JSON.parse(JSON.stringify(labJson(report))) as Record<string, ReadonlyArray<Record<string, unknown>>>
    expect(Object.keys(parsed)).toEqual(expect.arrayContaining(["gates", "planted", "epsilonE", "bound"]))
    expect(parsed["gates"]![1]).toMatchObject({ name: "jobs/bad", value: 3, interval: [3, 3], bound: 0, pass: false })
    expect(parsed["planted"]![0]).toMatchObject({ name: "zero delay", caughtBy: ["hop/entropy-least"], caught: true })
  })
  it("has one picture for each group, named in the page, with all text escaped", () => {
    const pictures = labPictures(report)
    expect(pictures.map(({ fileName }) => fileName)).toEqual(["roc-curves.svg", "intersection-over-rounds.svg"])
    for (const { fileName, svg } of pictures) {
      expect(page).toContain(`](${fileName})`)
      expect(svg).toMatch(/^<svg /)
      expect(svg).not.toContain("NaN")
      expect(svg).not.toContain("<of>")
    }
    expect(labMarkdown(report)).toBe(page)
  })
  it("a picture of one point, or of values that are no numbers, is still a picture", () => {
    const series = { name: "a", group: "g", xLabel: "x", yLabel: "y", points: [[1, 2], [Number.NaN, 3]] as const, reference: "diagonal" as const }
    expect(curvePlot("one", [series], "")).not.toContain("NaN")
    expect(curvePlot("none", [], "")).toBe("")
  })
})
