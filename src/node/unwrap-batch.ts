/**
 * A batch of packets and what became of them, in memory that two threads share.
 *
 * | offset in a result | bytes | field |
 * |---|---|---|
 * | 0 | 1 | 0 dropped, 1 goes on, 2 ends here |
 * | 1 | 1 | number of the reason, or of the key that fits |
 * | 2 | 2 | length of the commands |
 * | 4 | 4 | length of the body |
 * | 8 | 32 | replay tag |
 * | 40 | n | commands, as in a header |
 * | 40+n | … | body: the next packet, or the payload |
 *
 * Contract: one thread writes packets, the other results; who may touch the memory is agreed elsewhere. What is read is copied, and the result's memory
 * then overwritten.
 * Knows nothing of: threads, keys.
 * Source: none; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import type { DropReason } from "../mixnet/drop-counters.ts"
import { NodeId, type Geometry } from "../sphinx/geometry.ts"
import { commandsByteLength, decodeCommands, encodeCommands, findCommand } from "../sphinx/routing-command.ts"
import { isOpened, type UnwrapOutcome } from "./unwrap-outcome.ts"

/** Packets of one batch, at most. */
export const BATCH_LIMIT = 16

const TAG_BYTES = 32
const TAG_AT = 8
const COMMANDS_AT = TAG_AT + TAG_BYTES
const DROPPED = 0
const GOES_ON = 1
const ENDS_HERE = 2
/** What unwrapping may refuse a packet for. */
const REASONS: ReadonlyArray<DropReason> =
  ["internal-error", "wrong-length", "wrong-version", "bad-element", "bad-mac", "bad-command", "bad-payload", "no-mix-key"]

export class UnwrapBatch {
  readonly #geometry: Geometry
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #resultBytes: number

  /** @param memory  `UnwrapBatch.byteLength(geometry)` bytes */
  constructor(geometry: Geometry, memory: SharedArrayBuffer) {
    this.#geometry = geometry
    this.#bytes = new Uint8Array(memory)
    this.#view = new DataView(memory)
    this.#resultBytes = UnwrapBatch.#resultByteLength(geometry)
  }

  static #resultByteLength({ packetBytes, perHopBytes }: Geometry): number {
    return 8 * Math.ceil((COMMANDS_AT + perHopBytes + packetBytes) / 8)
  }

  /** Bytes of memory that a batch takes. */
  static byteLength(geometry: Geometry): number {
    return BATCH_LIMIT * (UnwrapBatch.#resultByteLength(geometry) + geometry.packetBytes)
  }

  writePackets(packets: ReadonlyArray<Uint8Array>): void {
    packets.forEach((packet, index) => this.packet(index).set(packet))
  }

  /** Packet number `index`, in place. */
  packet(index: number): Uint8Array {
    const { packetBytes } = this.#geometry
    const at = BATCH_LIMIT * this.#resultBytes + index * packetBytes
    return this.#bytes.subarray(at, at + packetBytes)
  }

  writeOutcome(index: number, outcome: UnwrapOutcome): void {
    const at = index * this.#resultBytes
    if (!isOpened(outcome)) {
      this.#bytes[at] = DROPPED
      this.#bytes[at + 1] = Math.max(0, REASONS.indexOf(outcome))
      return
    }
    const { commands, next, payload = new Uint8Array(0), replayTag } = outcome.unwrapped
    const body = next === undefined ? payload : next.packet
    const commandBytes = commandsByteLength(commands)
    this.#bytes[at] = next === undefined ? ENDS_HERE : GOES_ON
    this.#bytes[at + 1] = outcome.keyIndex
    this.#view.setUint16(at + 2, commandBytes)
    this.#view.setUint32(at + 4, body.length)
    this.#bytes.set(replayTag, at + TAG_AT)
    this.#bytes.set(encodeCommands(commands), at + COMMANDS_AT)
    this.#bytes.set(body, at + COMMANDS_AT + commandBytes)
  }

  readOutcome(index: number): UnwrapOutcome {
    const at = index * this.#resultBytes
    const kind = this.#bytes[at]
    const number = this.#bytes[at + 1] as number
    if (kind === DROPPED) return REASONS[number] ?? "internal-error"
    const bodyAt = at + COMMANDS_AT + this.#view.getUint16(at + 2)
    const end = bodyAt + this.#view.getUint32(at + 4)
    const commands = Either.getOrUndefined(decodeCommands(this.#bytes.slice(at + COMMANDS_AT, bodyAt)))
    const replayTag = this.#bytes.slice(at + TAG_AT, at + COMMANDS_AT)
    const body = this.#bytes.slice(bodyAt, end)
    this.#bytes.fill(0, at, end)
    if (commands === undefined) return "internal-error"
    const nodeId = findCommand(commands, "NextNode")?.nodeId
    const next = kind === GOES_ON && nodeId !== undefined ? { nodeId: NodeId.unsafe(nodeId), packet: body } : undefined
    return { keyIndex: number, unwrapped: { replayTag, commands, next, payload: next === undefined ? body : undefined } }
  }

  /** Overwrites everything. */
  wipe(): void {
    this.#bytes.fill(0)
  }
}
