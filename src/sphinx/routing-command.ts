/**
 * Routing commands: what one hop is told to do, in the block of the header that only this hop can read.
 *
 *   tag  body                        command     fields
 *   00   rest of the block, zeros    (end)
 *   01   64                          NextNode    node id (32), MAC of the next header (32)
 *   02   32                          Recipient   recipient id
 *   03   16                          SurbReply   SURB id
 *   80   4                           NodeDelay   milliseconds, u32
 *
 * Contract: `decodeCommands` of any block gives a list or a DecodeError; fields are copies, never views of the block.
 * Knows nothing of: which commands make sense at which hop, except that NextNode and SurbReply come at most once.
 * Source: Katzenpost core/sphinx/commands as in sphinx.md §7; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import type { DecodeError } from "../bytes/decode-error.ts"
import { ByteReader } from "../bytes/reader.ts"
import { ByteWriter } from "../bytes/writer.ts"
import { MAC_BYTES, NEXT_NODE_BYTES, NODE_ID_BYTES, NodeId, RECIPIENT_BYTES, RecipientId, SURB_ID_BYTES, SURB_REPLY_BYTES, SurbId } from "./geometry.ts"

/** Forward to this node; `mac` (32 bytes) authenticates the header it will get. */
export interface NextNode {
  readonly _tag: "NextNode"
  readonly nodeId: NodeId
  readonly mac: Uint8Array
}
/** Deliver to this endpoint or queue. */
export interface Recipient {
  readonly _tag: "Recipient"
  readonly recipient: RecipientId
}
/** The payload answers the SURB of this id. */
export interface SurbReply {
  readonly _tag: "SurbReply"
  readonly surbId: SurbId
}
/** Hold the packet this long: an integer of milliseconds, below 2^32. */
export interface NodeDelay {
  readonly _tag: "NodeDelay"
  readonly delayMs: number
}
export type RoutingCommand = NextNode | Recipient | SurbReply | NodeDelay

const NULL_TAG = 0x00
const NEXT_NODE_TAG = 0x01
const RECIPIENT_TAG = 0x02
const SURB_REPLY_TAG = 0x03
const NODE_DELAY_TAG = 0x80

const BYTES_BY_TAG = {
  NextNode: NEXT_NODE_BYTES,
  Recipient: 1 + RECIPIENT_BYTES,
  SurbReply: SURB_REPLY_BYTES,
  NodeDelay: 1 + 4
} as const

/** Bytes that the commands take, without terminator. */
export const commandsByteLength = (commands: ReadonlyArray<RoutingCommand>): number =>
  commands.reduce((total, command) => total + BYTES_BY_TAG[command._tag], 0)

/** True for an integer that fits the four bytes of a delay. */
export const isDelayMs = (delayMs: number): boolean => Number.isInteger(delayMs) && delayMs >= 0 && delayMs <= 0xffffffff

const writeCommand = (writer: ByteWriter, command: RoutingCommand): void => {
  switch (command._tag) {
    case "NextNode":
      writer.u8(NEXT_NODE_TAG).bytes(command.nodeId).bytes(command.mac)
      return
    case "Recipient":
      writer.u8(RECIPIENT_TAG).bytes(command.recipient)
      return
    case "SurbReply":
      writer.u8(SURB_REPLY_TAG).bytes(command.surbId)
      return
    case "NodeDelay":
      if (!isDelayMs(command.delayMs)) throw new RangeError("a delay is an integer of milliseconds below 2^32")
      writer.u8(NODE_DELAY_TAG).u32(command.delayMs)
  }
}

/**
 * The commands one behind the other, zeros behind them. Dies when they do not fit or a field is out of range.
 * @param block  how many bytes, or zeros of that length to write into; by default no more than the commands take
 */
export const encodeCommands = (commands: ReadonlyArray<RoutingCommand>, block: number | Uint8Array = commandsByteLength(commands)): Uint8Array => {
  const writer = new ByteWriter(block)
  for (const command of commands) writeCommand(writer, command)
  return writer.zeroFill().finish()
}

const readCommand = (reader: ByteReader, tag: number): RoutingCommand | undefined => {
  switch (tag) {
    case NEXT_NODE_TAG:
      return { _tag: "NextNode", nodeId: NodeId.unsafe(reader.bytes(NODE_ID_BYTES)), mac: reader.bytes(MAC_BYTES) }
    case RECIPIENT_TAG:
      return { _tag: "Recipient", recipient: RecipientId.unsafe(reader.bytes(RECIPIENT_BYTES)) }
    case SURB_REPLY_TAG:
      return { _tag: "SurbReply", surbId: SurbId.unsafe(reader.bytes(SURB_ID_BYTES)) }
    case NODE_DELAY_TAG:
      return { _tag: "NodeDelay", delayMs: reader.u32() }
    default:
      reader.fail("unknown-type")
      return undefined
  }
}

/**
 * The commands of one block, up to its first zero tag or its end.
 * @errors DecodeError `truncated`, `unknown-type`, `padding-not-zero`; `inconsistent` for a second NextNode or SurbReply
 */
export const decodeCommands = (block: Uint8Array): Either.Either<Array<RoutingCommand>, DecodeError> => {
  const reader = new ByteReader("routing commands", block)
  const commands: Array<RoutingCommand> = []
  let nextNodeCount = 0
  let surbReplyCount = 0
  while (reader.remaining > 0 && !reader.failed) {
    const tag = reader.u8()
    if (tag === NULL_TAG) {
      reader.zeros(reader.remaining, "padding-not-zero")
      break
    }
    const command = readCommand(reader, tag)
    if (command === undefined || reader.failed) break
    if (command._tag === "NextNode") nextNodeCount += 1
    if (command._tag === "SurbReply") surbReplyCount += 1
    commands.push(command)
  }
  reader.require(nextNodeCount <= 1 && surbReplyCount <= 1, "inconsistent")
  return reader.finish(commands)
}

/** The first command of a kind, if any. */
export const findCommand = <Tag extends RoutingCommand["_tag"]>(
  commands: ReadonlyArray<RoutingCommand>,
  tag: Tag
): Extract<RoutingCommand, { readonly _tag: Tag }> | undefined =>
  commands.find((command): command is Extract<RoutingCommand, { readonly _tag: Tag }> => command._tag === tag)
