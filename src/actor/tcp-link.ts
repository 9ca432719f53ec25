/**
 * One link over one socket: handshake, commands, messages, and the bounds in time and memory.
 *
 * Contract: `events` are told of the opened peer once, then of messages in order, then of the end once; after the end of nothing. Whatever the peer does,
 * a link holds at most one frame or handshake message, one unfinished message and its bounded queue. When the socket does not take more, frames
 * wait in the queue, not in the socket. A peer that sends faster than its bucket allows is read later.
 * Knows nothing of: calls, names, who dialled whom and why.
 * Source: mixnet.md §14, §17; departures: messages that are ready together share frames.
 *
 * @module
 */
import type { Socket } from "node:net"
import { Either } from "effect"
import type { HandshakePeer } from "../link/handshake.ts"
import type { LinkEnd, LinkProgress } from "../link/link-end.ts"
import { CommandId } from "../link/padding.ts"
import { decodeEnvelope, encodeEnvelope, type Envelope, MessageAssembler, Outgoing } from "./tcp-envelope.ts"
import type { ByteBudget, TcpCount, TcpLimits } from "./tcp-limits.ts"

export interface LinkEvents {
  readonly onOpen: (peer: HandshakePeer) => void
  readonly onMessage: (message: Envelope) => void
  /** `wasOpen` tells a link that ended from one that never came up. */
  readonly onEnd: (wasOpen: boolean) => void
}

export interface LinkContext {
  readonly limits: TcpLimits
  readonly budget: ByteBudget
  readonly count: (count: TcpCount) => void
  readonly nowMs: () => number
  /** Runs `action` after that many milliseconds, if the mount is still there. */
  readonly after: (delayMs: number, action: () => void) => void
  /** Milliseconds for which the peer must not be read, after it sent that many commands. */
  readonly charge: (peer: HandshakePeer, commandCount: number, nowMs: number) => number
}

export class TcpLink {
  readonly #socket: Socket
  readonly #end: LinkEnd
  readonly #context: LinkContext
  readonly #events: LinkEvents
  readonly #assembler: MessageAssembler
  readonly #queue: Outgoing
  readonly #sinceMs: number
  #peer: HandshakePeer | undefined
  #ended = false
  #flushing = false
  #blockedSinceMs: number | undefined
  #heldBytes = 0
  #receivedMs: number
  #sentMs: number
  #pingedMs = 0
  #greeted = false

  constructor(socket: Socket, end: LinkEnd, context: LinkContext, events: LinkEvents) {
    this.#socket = socket
    this.#end = end
    this.#context = context
    this.#events = events
    this.#assembler = new MessageAssembler(context.limits.messageBytes)
    this.#queue = new Outgoing(context.limits.queueBytes)
    this.#sinceMs = context.nowMs()
    this.#receivedMs = this.#sinceMs
    this.#sentMs = this.#sinceMs
    socket.on("data", (chunk) => this.#receive(chunk))
    socket.on("drain", () => {
      this.#blockedSinceMs = undefined
      this.#flush()
    })
    socket.on("error", () => this.end())
    socket.on("close", () => this.end())
    if (end.firstMessage.length > 0) socket.write(end.firstMessage)
  }

  get peer(): HandshakePeer | undefined {
    return this.#peer
  }

  get isEnded(): boolean {
    return this.#ended
  }

  /** True until a complete first message has come. */
  get isSilent(): boolean {
    return this.#end.isSilent
  }

  get ageMs(): number {
    return this.#context.nowMs() - this.#sinceMs
  }

  /**
   * Queues a message. False when it is dropped: the queue or all queues together are full, or it is longer than any peer accepts. `always` is for
   * small messages that must not be lost, whose number is bounded by that of open calls. @throws for a message that cannot be encoded
   */
  send(message: Envelope, always = false): boolean {
    const bytes = encodeEnvelope(message)
    if (this.#ended) return false
    if (bytes.length > this.#context.limits.messageBytes) {
      this.#context.count("message-too-long")
      return false
    }
    if (!always && !this.#hold(bytes.length)) return false
    const queued = this.#queue.offer(bytes, always)
    this.#account()
    if (queued) this.#schedule()
    return queued
  }

  /** A command without content, to keep the link alive. */
  ping(): void {
    if (!this.#ended && this.#peer !== undefined && this.#blockedSinceMs === undefined) this.#writeCommand(CommandId.NoOp)
  }

  /** Called now and then: ends the link when one of its times is over. `inUse`: calls are open. */
  check(inUse: boolean): void {
    const { count, limits, nowMs } = this.#context
    const now = nowMs()
    const over = (sinceMs: number | undefined, limitMs: number): boolean => sinceMs !== undefined && now - sinceMs > limitMs
    if (this.#peer === undefined) {
      if (over(this.#sinceMs, limits.handshakeMs)) this.#endFor("handshake-deadline")
    } else if (over(this.#blockedSinceMs, limits.writeMs)) this.#endFor("write-stalled")
    else if (over(this.#receivedMs, limits.idleMs) && !this.#socket.isPaused()) this.#endFor("idle")
    else if (!this.#end.isInitiator) return
    else if ((inUse || this.#sentMs > this.#receivedMs) && over(Math.max(this.#pingedMs, this.#receivedMs), limits.idleMs / 4)) {
      this.#pingedMs = now
      this.ping()
    } else if (!inUse && over(Math.max(this.#sentMs, this.#receivedMs), limits.idleMs / 2)) {
      count("idle")
      this.close()
    }
  }

  /** Says goodbye and ends. */
  close(): void {
    if (!this.#ended && this.#peer !== undefined && this.#blockedSinceMs === undefined) this.#writeCommand(CommandId.Disconnect)
    this.end(this.#peer !== undefined)
  }

  /** Ends at once, without a word. @param gently  what was written before still leaves, within the time limit of writes */
  end(gently = false): void {
    if (this.#ended) return
    this.#ended = true
    if (gently) {
      this.#socket.end()
      this.#context.after(Math.min(1_000, this.#context.limits.writeMs), () => this.#socket.destroy())
    } else this.#socket.destroy()
    this.#context.budget.change(this.#heldBytes, 0)
    this.#heldBytes = 0
    this.#queue.clear()
    this.#end.wipe()
    this.#events.onEnd(this.#peer !== undefined)
  }

  #endFor(count: TcpCount): void {
    this.#context.count(count)
    this.end()
  }

  #receive(chunk: Uint8Array): void {
    if (this.#ended) return
    const progress = this.#end.receive(chunk)
    if (Either.isLeft(progress)) return this.#endFor(this.#peer === undefined ? "handshake-failed" : "link-broken")
    const { commands, opened, write } = progress.right
    for (const bytes of write) this.#socket.write(bytes)
    if (opened !== undefined) {
      this.#peer = opened
      this.#events.onOpen(opened)
    }
    if (commands.length > 0) this.#take(commands)
  }

  #take(commands: LinkProgress["commands"]): void {
    const { charge, count, nowMs } = this.#context
    this.#receivedMs = nowMs()
    for (const command of commands) {
      if (this.#ended) return
      if (command.id === CommandId.Disconnect) return this.end()
      if (command.id === CommandId.NoOp) this.#answerNoOp()
      else if (!this.#takeSegment(command.body)) return this.#endFor("malformed-message")
    }
    if (this.#ended || this.#peer === undefined) return
    const waitMs = charge(this.#peer, commands.length, this.#receivedMs)
    if (waitMs === 0) return
    count("throttled")
    this.#socket.pause()
    this.#context.after(waitMs, () => {
      this.#receivedMs = nowMs()
      this.#socket.resume()
    })
  }

  /** A responder answers a NoOp by one, so that the initiator knows it is there; the first one ends the handshake and needs no answer. */
  #answerNoOp(): void {
    if (this.#greeted && !this.#end.isInitiator) this.ping()
    this.#greeted = true
  }

  #takeSegment(body: Uint8Array): boolean {
    const messages = this.#assembler.push(body)
    if (messages === undefined || !this.#account()) return false
    for (const bytes of messages) {
      const message = decodeEnvelope(bytes)
      if (message === undefined) return false
      if (this.#ended) return true
      this.#events.onMessage(message)
    }
    return true
  }

  /** True when that many more bytes may be held. */
  #hold(bytes: number): boolean {
    if (!this.#context.budget.change(this.#heldBytes, this.#heldBytes + bytes)) return false
    this.#heldBytes += bytes
    return true
  }

  /** Brings the budget up to date; false when too much is held. */
  #account(): boolean {
    const held = this.#queue.bytes + this.#assembler.heldBytes
    const allowed = this.#context.budget.change(this.#heldBytes, held)
    if (allowed) this.#heldBytes = held
    return allowed
  }

  /** Messages of one turn of the event loop leave together. */
  #schedule(): void {
    if (this.#flushing || this.#blockedSinceMs !== undefined || this.#peer === undefined) return
    this.#flushing = true
    queueMicrotask(() => {
      this.#flushing = false
      this.#flush()
    })
  }

  #flush(): void {
    if (this.#ended || this.#peer === undefined) return
    this.#socket.cork()
    while (this.#blockedSinceMs === undefined && !this.#ended) {
      const body = this.#queue.take(this.#end.bodyBytes)
      if (body === undefined) break
      this.#writeCommand(CommandId.Segment, body)
    }
    this.#socket.uncork()
    this.#account()
  }

  #writeCommand(id: CommandId, body?: Uint8Array): void {
    const frame = this.#end.seal(id, body)
    if (Either.isLeft(frame)) return this.#endFor("link-broken")
    this.#sentMs = this.#context.nowMs()
    if (!this.#socket.write(frame.right)) this.#blockedSinceMs ??= this.#sentMs
  }
}
