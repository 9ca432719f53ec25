/**
 * Commands of one constant length.
 *
 * | offset | bytes | field |
 * |---|---|---|
 * | 0 | 1 | id |
 * | 1 | 1 | zero |
 * | 2 | 4 | length of the body, u32 |
 * | 6 | n | body |
 * | 6+n | … | zeros up to the length of the direction |
 *
 * Contract: every command of one direction of a link has the same length, whatever it is; a reserved byte or padding that is not zero, or a body
 * longer than what is there, is refused.
 * Knows nothing of: encryption, what bodies mean.
 * Source: mixnet.md §15, §16; departures: `Segment` is a command of ours; it carries a piece of the byte stream of calls (actor/tcp-envelope).
 *
 * @module
 */
import { Either } from "effect"
import { ByteReader } from "../bytes/reader.ts"
import { ByteWriter } from "../bytes/writer.ts"
import { LinkBroken } from "./handshake-failed.ts"

export const COMMAND_HEADER_BYTES = 6

export const CommandId = { NoOp: 0, Disconnect: 1, Segment: 64 } as const
export type CommandId = typeof CommandId[keyof typeof CommandId]

export interface Command {
  readonly id: CommandId
  readonly body: Uint8Array
}

const KNOWN: ReadonlySet<number> = new Set(Object.values(CommandId))

/** A command of exactly `commandBytes`; a body that does not fit is a mistake of ours and dies. */
export const padCommand = (command: Command, commandBytes: number): Uint8Array =>
  new ByteWriter(commandBytes).u8(command.id).u8(0).u32(command.body.length).bytes(command.body).zeroFill().finish()

/** @errors LinkBroken `malformed-command`, `unexpected-command` for an id that is not ours; only `Segment` has a body */
export const unpadCommand = (bytes: Uint8Array): Either.Either<Command, LinkBroken> => {
  const reader = new ByteReader("link command", bytes)
  const id = reader.u8()
  reader.zeros(1)
  const bodyBytes = reader.u32()
  const body = reader.bytes(bodyBytes, 0)
  reader.zeros(reader.remaining, "padding-not-zero")
  if (Either.isLeft(reader.finish(body))) return Either.left(new LinkBroken({ reason: "malformed-command" }))
  if (!KNOWN.has(id) || (id !== CommandId.Segment && bodyBytes > 0)) return Either.left(new LinkBroken({ reason: "unexpected-command" }))
  return Either.right({ id: id as CommandId, body })
}
