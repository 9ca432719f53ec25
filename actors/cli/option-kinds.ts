/**
 * Kinds of options that several commands have, each of which names itself when its value is refused.
 *
 * Contract: what is refused is a wrong command line. The library's own choice says which words there are and not which option they are of.
 * Knows nothing of: commands.
 * Source: the list; departures: none.
 *
 * @module
 */
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import { Effect, Option } from "effect"

/** Refuses a value with a sentence. */
export const refused = (message: string): Effect.Effect<never, ValidationError.ValidationError> =>
  Effect.fail(ValidationError.invalidValue(HelpDoc.p(message)))

export const optional = <A>(option: Options.Options<A>): Options.Options<A | undefined> =>
  Options.map(Options.optional(option), Option.getOrUndefined)

/** One of some words. */
export const choice = <A extends string>(name: string, words: ReadonlyArray<A>): Options.Options<A> =>
  Options.text(name).pipe(
    Options.withPseudoName(words.join("|")),
    Options.mapEffect((text) => {
      const found = words.find((word) => word === text)
      return found === undefined ? refused(`--${name}: "${text}" is none of ${words.join(", ")}`) : Effect.succeed(found)
    })
  )
