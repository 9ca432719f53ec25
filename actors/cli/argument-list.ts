/**
 * The words of commands that take words of the user's, sorted before the command-line library sees them.
 *
 * The library takes `-1` for an option, `--json 1` for the value of `--json`, and a help request anywhere for one. So options are moved to the front,
 * and every other word is marked; `unmarked` takes the mark off again.
 * Contract: words keep their order; after MODEL whatever begins with one dash is input, whatever begins with two must be an option of the command,
 * and after `--` everything is input. Other commands' arguments are left alone.
 * Knows nothing of: what options mean.
 * Source: none needed; departures: none.
 *
 * @module
 */
import { Either } from "effect"

/** Stands before each word of input: no shell passes it by accident, and no option begins with it. */
const MARK = "\u0001"

interface Spelling {
  /** Options with a value. */
  readonly values: ReadonlyArray<string>
  readonly flags: ReadonlyArray<string>
}

const ACCESS = ["--topology", "--keys", "--client", "--backend"]
const INPUT = ["--file", "--dtype", "--shape", "--max-tokens", "--bucket"]

/** The commands whose words are sorted. */
const SORTED: Readonly<Record<string, Spelling>> = {
  infer: { values: [...INPUT, ...ACCESS, "--seed", "--min-anonymity", "--wait"], flags: ["--json", "--in-process"] },
  upload: { values: [...INPUT, "--cap", ...ACCESS], flags: [] },
  dispatch: { values: ["--input", "--cap", ...ACCESS], flags: [] },
  fetch: { values: ACCESS, flags: ["--json"] }
}
const LIBRARY: Spelling = { values: ["--log-level", "--completions"], flags: ["--help", "--version", "--wizard"] }

/** Commands that only have commands of their own, with what those take. */
const PARENTS: Readonly<Record<string, ReadonlyArray<string>>> = { topology: ["check FILE", "show FILE", "render FILE"], bench: ["node"] }

/** What is wrong with the word after such a command; undefined when nothing is. */
const childTrouble = (parent: string, next: string | undefined): string | undefined => {
  const children = Object.hasOwn(PARENTS, parent) ? PARENTS[parent] : undefined
  if (children === undefined || next?.startsWith("-") === true || children.some((child) => child.split(" ", 1)[0] === next)) return undefined
  const use = children.map((child) => `${parent} ${child}`).join(" or ")
  return next === undefined ? `${parent} needs a command: use ${use}` : `${parent} has no command "${next}": use ${use}`
}

const nameOf = (argument: string): string => argument.split("=", 1)[0] ?? ""

/** Index of the command's name: the first word that is neither an option nor its value. */
const commandIndex = (args: ReadonlyArray<string>): number => {
  for (let index = 0; index < args.length; index++) {
    const argument = args[index] ?? ""
    if (!argument.startsWith("-")) return index
    if (LIBRARY.values.includes(argument) || ACCESS.includes(argument)) index += 1
  }
  return -1
}

/**
 * Sorts a command line.
 * @param args  without program and script
 * @errors a sentence for the user: an unknown option, one without its value, one with two values
 */
export const sortArguments = (args: ReadonlyArray<string>): Either.Either<ReadonlyArray<string>, string> => {
  const at = commandIndex(args)
  const command = args[at] ?? ""
  const trouble = childTrouble(command, args[at + 1])
  if (trouble !== undefined) return Either.left(trouble)
  const spelling = Object.hasOwn(SORTED, command) ? SORTED[command] : undefined
  if (spelling === undefined) return Either.right(args)
  return Either.map(sortWords(command, spelling, args.slice(at + 1)), (sorted) => [...args.slice(0, at + 1), ...sorted])
}

const sortWords = (command: string, { flags, values }: Spelling, args: ReadonlyArray<string>): Either.Either<ReadonlyArray<string>, string> => {
  const takesValue = (name: string): boolean => values.includes(name) || LIBRARY.values.includes(name)
  const isFlag = (name: string): boolean => flags.includes(name) || LIBRARY.flags.includes(name)
  const isOption = (argument: string): boolean => takesValue(nameOf(argument)) || isFlag(nameOf(argument))
  const options: Array<string> = []
  const words: Array<string> = []
  const given = new Set<string>()
  for (let index = 0; index < args.length; index++) {
    const argument = args[index] ?? ""
    const name = nameOf(argument)
    if (argument === "--") {
      words.push(...args.slice(index + 1))
      break
    }
    if (argument === "-h") {
      options.push("--help")
    } else if (!argument.startsWith("--")) {
      words.push(argument)
    } else if (isFlag(name)) {
      options.push(argument)
    } else if (!takesValue(name)) {
      return Either.left(`${command} has no option ${name} (options: ${[...values, ...flags].join(", ")}; put -- before input that begins with two dashes)`)
    } else if (given.has(name)) {
      return Either.left(`the option ${name} is given twice`)
    } else if (name !== argument) {
      given.add(name)
      options.push(name, argument.slice(name.length + 1))
    } else {
      index += 1
      const value = args[index]
      if (value === undefined || value === "--" || isOption(value)) return Either.left(`the option ${name} needs a value`)
      given.add(name)
      options.push(name, value)
    }
  }
  return Either.right([...options, ...words.map((word) => `${MARK}${word}`)])
}

/** A word as the user wrote it. */
export const unmarked = (word: string): string => (word.startsWith(MARK) ? word.slice(MARK.length) : word)

/** A message of the library without marks in it. */
export const withoutMarks = (text: string): string => text.replaceAll(MARK, "")
