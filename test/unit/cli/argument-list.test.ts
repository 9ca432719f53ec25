/**
 * Goal: every word after MODEL that is no option reaches the model as the user wrote it, and misspelt options are refused.
 * Method: command lines with the traps of the command-line library: negative numbers, words like true, options after words, dashes.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { sortArguments, unmarked, withoutMarks } from "../../../actors/cli/argument-list.ts"

/** Options and words of a sorted command line, the words as the user wrote them. */
const sorted = (...args: ReadonlyArray<string>) => {
  const all = Either.getOrThrow(sortArguments(["infer", ...args])).slice(1)
  const isWord = (argument: string): boolean => unmarked(argument) !== argument
  return { options: all.filter((argument) => !isWord(argument)), words: all.filter(isWord).map(unmarked) }
}
const refusal = (...args: ReadonlyArray<string>) => Either.getOrThrow(Either.flip(sortArguments(args)))

describe("sorted arguments", () => {
  it("take negative and scientific numbers for input", () => {
    expect(sorted("affine", "-1", "-1.5", "1e3", "-.5e-3")).toEqual({ options: [], words: ["affine", "-1", "-1.5", "1e3", "-.5e-3"] })
  })
  it("move options to the front with their values, wherever they stand", () => {
    expect(sorted("affine", "--json", "1", "--bucket", "2", "3", "--file=a=b c")).toEqual({
      options: ["--json", "--bucket", "2", "--file", "a=b c"], words: ["affine", "1", "3"]
    })
  })
  it("keep everything after -- as input", () => {
    expect(sorted("lang-id", "--json", "--", "--help", "-h", "--", "infer")).toEqual({
      options: ["--json"], words: ["lang-id", "--help", "-h", "--", "infer"]
    })
  })
  it("keep words that look like values of flags, a lone dash and words with one dash", () => {
    expect(sorted("--json", "lang-id", "true", "-", "-Olá", "")).toEqual({ options: ["--json"], words: ["lang-id", "true", "-", "-Olá", ""] })
  })
  it("understand -h as a wish for help", () => {
    expect(sorted("lang-id", "-h").options).toEqual(["--help"])
  })
  it("refuse unknown options by name", () => {
    expect(refusal("infer", "affine", "--tempo", "1")).toContain("no option --tempo")
    expect(refusal("infer", "affine", "--tempo=1")).toContain("no option --tempo ")
  })
  it("refuse an option without its value", () => {
    expect(refusal("infer", "affine", "--seed")).toBe("the option --seed needs a value")
    expect(refusal("infer", "affine", "--file", "--json")).toBe("the option --file needs a value")
    expect(refusal("infer", "affine", "--file", "--", "x")).toBe("the option --file needs a value")
  })
  it("find infer behind options of the library", () => {
    expect(Either.getOrThrow(sortArguments(["--log-level", "debug", "infer", "affine", "-1"])).map(unmarked))
      .toEqual(["--log-level", "debug", "infer", "affine", "-1"])
  })
  it("leave the arguments of other commands alone", () => {
    for (const args of [[], ["models", "--json"], ["conformance", "-1.json", "infer"], ["topology", "check", "x.ts"], ["--help"], ["nope", "--x"]]) {
      expect(Either.getOrThrow(sortArguments(args))).toEqual(args)
    }
  })
  it("name the commands of topology", () => {
    expect(refusal("topology", "shew", "x.ts")).toContain("topology show FILE or topology render FILE")
  })
  it("leave no mark in messages", () => {
    const marked = Either.getOrThrow(sortArguments(["infer", "x"])).join(" ")
    expect(marked).not.toBe("infer x")
    expect(withoutMarks(marked)).toBe("infer x")
  })
})
