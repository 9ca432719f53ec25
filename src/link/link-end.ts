/**
 * One end of a link: the handshake, then commands, without sockets.
 *
 * Contract: bytes in, bytes and commands out, whatever the chunks. Before the handshake ends it holds at most one handshake message. A link is `open`,
 * and its peer named, when the first frame of the peer has opened: until then the peer has not proved its key, and nothing is told of it. Both
 * ends send a NoOp at once, so this costs no round trip. After a failure every call gives the same failure.
 * Knows nothing of: sockets, time limits, what segments hold.
 * Source: mixnet.md §14; departures: the initiator, too, sends a NoOp.
 *
 * @module
 */
import { Either } from "effect"
import { concatBytes } from "../bytes/concat.ts"
import type { CryptoBackend } from "../crypto/backend.ts"
import type { Entropy } from "../crypto/entropy.ts"
import { FrameOpener, FrameSealer } from "./frame.ts"
import {
  answerHandshake, authenticateInitiator, type Established, finishInitiator, finishResponder, type HandshakeIdentity, type HandshakePeer,
  type InitiatorAuthenticated, type InitiatorOpened, MESSAGE_1_BYTES, MESSAGE_2_BYTES, MESSAGE_3_BYTES, MESSAGE_4_BYTES, openHandshake, PROLOGUE,
  type ResponderAnswered
} from "./handshake.ts"
import { HandshakeFailed, LinkBroken } from "./handshake-failed.ts"
import { type Command, COMMAND_HEADER_BYTES, CommandId, padCommand, unpadCommand } from "./padding.ts"
import type { PeerCheck } from "./peer-check.ts"

/** Command lengths of the two directions; both ends must agree. */
export interface LinkSizes {
  readonly fromInitiatorBytes: number
  readonly fromResponderBytes: number
}

export interface LinkEndConfig {
  readonly crypto: CryptoBackend
  readonly entropy: Entropy
  readonly identity: HandshakeIdentity
  readonly check: PeerCheck
  readonly sizes: LinkSizes
  /** Our clock in Unix seconds, for the responder's auth message. */
  readonly unixTimeS: () => number
  /** Asked before a responder computes anything for a complete first message. */
  readonly mayAnswer?: () => boolean
}

export interface LinkProgress {
  readonly write: ReadonlyArray<Uint8Array>
  /** The peer, once: with the first frame that opened. */
  readonly opened: HandshakePeer | undefined
  /** In order; `NoOp`s included. */
  readonly commands: ReadonlyArray<Command>
}

type LinkFailure = HandshakeFailed | LinkBroken

type Phase =
  | { readonly _tag: "Message1" }
  | { readonly _tag: "Message2"; readonly state: InitiatorOpened }
  | { readonly _tag: "Message3"; readonly state: ResponderAnswered }
  | { readonly _tag: "Message4"; readonly state: InitiatorAuthenticated }
  | { readonly _tag: "Frames"; readonly established: Established; readonly sealer: FrameSealer; readonly opener: FrameOpener }
  | { readonly _tag: "Dead"; readonly failure: LinkFailure }

type FramesPhase = Extract<Phase, { readonly _tag: "Frames" }>
type Waiting = Exclude<Phase["_tag"], "Frames" | "Dead">
const MESSAGE_BYTES: Readonly<Record<Waiting, number>> =
  { Message1: MESSAGE_1_BYTES, Message2: MESSAGE_2_BYTES, Message3: MESSAGE_3_BYTES, Message4: MESSAGE_4_BYTES }
const NO_BODY = new Uint8Array(0)

export class LinkEnd {
  readonly #config: LinkEndConfig
  readonly #isInitiator: boolean
  #phase: Phase
  #open = false
  #message: Uint8Array
  #filled = 0
  #first: Uint8Array = NO_BODY

  private constructor(config: LinkEndConfig, isInitiator: boolean, phase: Phase, messageBytes: number) {
    this.#config = config
    this.#isInitiator = isInitiator
    this.#phase = phase
    this.#message = new Uint8Array(messageBytes)
  }

  /** The end that dialled; `firstMessage` must be sent at once. */
  static initiator(config: LinkEndConfig): LinkEnd {
    const { message, state } = openHandshake(config.crypto, config.identity, config.entropy)
    const end = new LinkEnd(config, true, { _tag: "Message2", state }, MESSAGE_2_BYTES)
    end.#first = message
    return end
  }

  /** The end that was dialled. */
  static responder(config: LinkEndConfig): LinkEnd {
    return new LinkEnd(config, false, { _tag: "Message1" }, MESSAGE_1_BYTES)
  }

  /** Message 1 of an initiator, empty for a responder. */
  get firstMessage(): Uint8Array {
    return this.#first
  }

  get isInitiator(): boolean {
    return this.#isInitiator
  }

  /** True once the peer has proved itself. */
  get isOpen(): boolean {
    return this.#open
  }

  /** True while a responder has not had a complete first message. */
  get isSilent(): boolean {
    return this.#phase._tag === "Message1"
  }

  /** Body bytes that fit into one command of ours. */
  get bodyBytes(): number {
    const { fromInitiatorBytes, fromResponderBytes } = this.#config.sizes
    return (this.#isInitiator ? fromInitiatorBytes : fromResponderBytes) - COMMAND_HEADER_BYTES
  }

  /** Takes bytes from the peer. @errors HandshakeFailed, LinkBroken: the connection must be closed without a word */
  receive(chunk: Uint8Array): Either.Either<LinkProgress, LinkFailure> {
    const write: Array<Uint8Array> = []
    let rest = chunk
    while (this.#phase._tag !== "Frames" && this.#phase._tag !== "Dead" && rest.length > 0) {
      const taken = Math.min(rest.length, this.#message.length - this.#filled)
      this.#message.set(rest.subarray(0, taken), this.#filled)
      this.#filled += taken
      rest = rest.subarray(taken)
      if (this.#phase._tag === "Message1" && this.#message[0] !== PROLOGUE[0]) this.#die(new HandshakeFailed({ reason: "wrong-version" }))
      else if (this.#filled === this.#message.length) this.#step(this.#phase, this.#message, write)
    }
    if (this.#phase._tag === "Dead") return Either.left(this.#phase.failure)
    return this.#phase._tag === "Frames" ? this.#openFrames(this.#phase, rest, write) : Either.right({ write, opened: undefined, commands: [] })
  }

  /** The frame of one command; before the handshake's end a mistake of ours that dies. @errors LinkBroken `nonce-exhausted` */
  seal(id: CommandId, body: Uint8Array = NO_BODY): Either.Either<Uint8Array, LinkBroken> {
    if (this.#phase._tag !== "Frames") throw new RangeError("the link has no keys")
    const { sealer } = this.#phase
    return sealer.seal(padCommand({ id, body }, sealer.commandBytes))
  }

  /** Overwrites the keys; every later `receive` fails. */
  wipe(): void {
    if (this.#phase._tag === "Frames") {
      this.#phase.sealer.wipe()
      this.#phase.opener.wipe()
    }
    this.#die(new HandshakeFailed({ reason: "closed" }))
  }

  #step(phase: Phase, message: Uint8Array, write: Array<Uint8Array>): void {
    const { check, crypto, entropy, identity, unixTimeS } = this.#config
    if (phase._tag === "Message1") {
      if (this.#config.mayAnswer?.() === false) return this.#die(new HandshakeFailed({ reason: "busy" }))
      this.#sent(answerHandshake(crypto, identity, message, entropy, unixTimeS()), write, (state) => this.#await({ _tag: "Message3", state }))
    } else if (phase._tag === "Message2") {
      this.#sent(authenticateInitiator(crypto, phase.state, message, check, entropy), write, (state) => this.#await({ _tag: "Message4", state }))
    } else if (phase._tag === "Message3") {
      this.#sent(finishResponder(crypto, phase.state, message, check, entropy), write, (state) => this.#establish(state, write))
    } else if (phase._tag === "Message4") {
      const finished = finishInitiator(crypto, phase.state, message)
      if (Either.isLeft(finished)) this.#die(finished.left)
      else this.#establish(finished.right, write)
    }
  }

  #sent<State>(
    step: Either.Either<{ readonly message: Uint8Array; readonly state: State }, HandshakeFailed>,
    write: Array<Uint8Array>,
    next: (state: State) => void
  ): void {
    if (Either.isLeft(step)) return this.#die(step.left)
    write.push(step.right.message)
    next(step.right.state)
  }

  #await(phase: Extract<Phase, { readonly _tag: Waiting }>): void {
    this.#phase = phase
    this.#message = new Uint8Array(MESSAGE_BYTES[phase._tag])
    this.#filled = 0
  }

  #establish(established: Established, write: Array<Uint8Array>): void {
    const { fromInitiatorBytes, fromResponderBytes } = this.#config.sizes
    const [ours, theirs] = this.#isInitiator ? [fromInitiatorBytes, fromResponderBytes] : [fromResponderBytes, fromInitiatorBytes]
    const sealer = new FrameSealer(established.sending, ours)
    this.#phase = { _tag: "Frames", established, sealer, opener: new FrameOpener(established.receiving, theirs) }
    this.#message = NO_BODY
    const noOp = this.seal(CommandId.NoOp)
    if (Either.isRight(noOp)) write.push(noOp.right)
  }

  #openFrames(phase: FramesPhase, bytes: Uint8Array, write: ReadonlyArray<Uint8Array>): Either.Either<LinkProgress, LinkFailure> {
    const padded = phase.opener.push(bytes)
    if (Either.isLeft(padded)) return this.#broken(padded.left)
    const commands: Array<Command> = []
    for (const bytesOfOne of padded.right) {
      const command = unpadCommand(bytesOfOne)
      if (Either.isLeft(command)) return this.#broken(command.left)
      commands.push(command.right)
    }
    const opened = !this.#open && commands.length > 0 ? phase.established.peer : undefined
    this.#open ||= commands.length > 0
    return Either.right({ write: write.length > 1 ? [concatBytes(...write)] : write, opened, commands })
  }

  /** Before the first frame has opened, a bad frame means that the peer has not the key it showed. */
  #broken(failure: LinkBroken): Either.Either<never, LinkFailure> {
    const told = this.#open ? failure : new HandshakeFailed({ reason: "bad-seal" })
    this.#die(told)
    return Either.left(told)
  }

  #die(failure: LinkFailure): void {
    this.#message = NO_BODY
    if (this.#phase._tag !== "Dead") this.#phase = { _tag: "Dead", failure }
  }
}
