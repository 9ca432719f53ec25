/**
 * Frames: commands of one length, sealed, with a new key after each.
 *
 * | offset | bytes | content |
 * |---|---|---|
 * | 0 | 4+16 | sealed length of the second part, tag included, u32 |
 * | 20 | n+16 | sealed command of n bytes |
 *
 * Contract: `FrameSealer` and `FrameOpener` of one direction stay in step only while every byte arrives once and in order; anything else breaks the
 * link for good. The opener holds at most one frame, in memory allocated once, however the bytes are cut; a length that is not that of the
 * direction is refused before the command is read.
 * Knows nothing of: what commands are, sockets.
 * Source: mixnet.md §14 (frames, rekeying), §16 (constant length); departures: one length per direction instead of a maximum.
 *
 * @module
 */
import { Either } from "effect"
import { concatBytes } from "../bytes/concat.ts"
import { ByteWriter } from "../bytes/writer.ts"
import { type CipherState, TAG_BYTES } from "./cipher-state.ts"
import { LinkBroken, type LinkBreak } from "./handshake-failed.ts"

const LENGTH_BYTES = 4
const SEALED_LENGTH_BYTES = LENGTH_BYTES + TAG_BYTES

/** Length of a frame on the wire for commands of `commandBytes`. */
export const frameBytes = (commandBytes: number): number => SEALED_LENGTH_BYTES + commandBytes + TAG_BYTES

export class FrameSealer {
  readonly commandBytes: number
  readonly #cipher: CipherState
  readonly #length: Uint8Array

  constructor(cipher: CipherState, commandBytes: number) {
    this.commandBytes = commandBytes
    this.#cipher = cipher
    this.#length = new ByteWriter(LENGTH_BYTES).u32(commandBytes + TAG_BYTES).finish()
  }

  /** A frame; a command of another length is a mistake of ours and dies. @errors LinkBroken `nonce-exhausted` */
  seal(command: Uint8Array): Either.Either<Uint8Array, LinkBroken> {
    if (command.length !== this.commandBytes) throw new RangeError(`commands of this direction are ${this.commandBytes} bytes`)
    const length = this.#cipher.seal(this.#length)
    const body = this.#cipher.seal(command)
    if (length === undefined || body === undefined) return Either.left(new LinkBroken({ reason: "nonce-exhausted" }))
    this.#cipher.rekey()
    return Either.right(concatBytes(length, body))
  }

  /** Overwrites the key. */
  wipe(): void {
    this.#cipher.wipe()
  }
}

export class FrameOpener {
  readonly #commandBytes: number
  readonly #cipher: CipherState
  readonly #frame: Uint8Array
  #filled = 0
  #lengthOpened = false
  #broken: LinkBreak | undefined

  constructor(cipher: CipherState, commandBytes: number) {
    this.#commandBytes = commandBytes
    this.#cipher = cipher
    this.#frame = new Uint8Array(frameBytes(commandBytes))
  }

  /** Bytes of a frame that has not arrived in full. */
  get pendingBytes(): number {
    return this.#filled
  }

  /**
   * Takes the next bytes of the connection, any number of them, and gives the commands that are complete now (fresh memory).
   * @errors LinkBroken `bad-seal`, `wrong-command-length`; the same again for every later call. Commands complete before it are lost with the link
   */
  push(chunk: Uint8Array): Either.Either<ReadonlyArray<Uint8Array>, LinkBroken> {
    const commands: Array<Uint8Array> = []
    let offset = 0
    while (offset < chunk.length && this.#broken === undefined) {
      const wanted = this.#lengthOpened ? this.#frame.length : SEALED_LENGTH_BYTES
      const taken = Math.min(chunk.length - offset, wanted - this.#filled)
      this.#frame.set(chunk.subarray(offset, offset + taken), this.#filled)
      this.#filled += taken
      offset += taken
      if (this.#filled < wanted) break
      if (this.#lengthOpened) this.#openCommand(commands)
      else this.#openLength()
    }
    return this.#broken === undefined ? Either.right(commands) : Either.left(new LinkBroken({ reason: this.#broken }))
  }

  /** Overwrites the key. */
  wipe(): void {
    this.#cipher.wipe()
  }

  #openLength(): void {
    const length = this.#cipher.open(this.#frame.subarray(0, SEALED_LENGTH_BYTES))
    if (length === undefined) this.#broken = "bad-seal"
    else if (new DataView(length.buffer, length.byteOffset).getUint32(0) !== this.#commandBytes + TAG_BYTES) this.#broken = "wrong-command-length"
    this.#lengthOpened = true
  }

  #openCommand(commands: Array<Uint8Array>): void {
    const command = this.#cipher.open(this.#frame.subarray(SEALED_LENGTH_BYTES))
    if (command === undefined) {
      this.#broken = "bad-seal"
      return
    }
    this.#cipher.rekey()
    this.#filled = 0
    this.#lengthOpened = false
    commands.push(command)
  }
}
