/**
 * Why a link did not come up, or ended.
 *
 * Contract: reasons come from closed lists; neither class ever holds keys, names or bytes of the peer. Nothing of it is told to the peer: all it
 * sees is that the connection closes.
 * Knows nothing of: sockets.
 * Source: style.md §2.4, mixnet.md §14; departures: none.
 *
 * @module
 */
import { Data } from "effect"

/**
 * `wrong-length`, `wrong-version`: not a message of this protocol. `bad-key`: a public key that cannot be used. `bad-ciphertext`: a KEM ciphertext
 * that cannot be opened. `bad-seal`: altered, replayed, or made with other keys. `bad-auth`: a malformed auth message. `peer-refused`: the
 * proven identity is not one we talk to. `busy`: too many handshakes at the moment. `deadline`, `closed`: no complete handshake in time.
 */
export type HandshakeFailure =
  | "wrong-length" | "wrong-version" | "bad-key" | "bad-ciphertext" | "bad-seal" | "bad-auth" | "peer-refused" | "busy" | "deadline" | "closed"

export class HandshakeFailed extends Data.TaggedError("HandshakeFailed")<{ readonly reason: HandshakeFailure }> {
  override get message(): string {
    return `link handshake: ${this.reason}`
  }
}

/**
 * `bad-seal`: altered, reordered, repeated or missing bytes. `wrong-command-length`: a command that does not have the length of its direction.
 * `malformed-command`: header or padding. `unexpected-command`: well formed, but not allowed here. `nonce-exhausted`: 2^53 messages were sent.
 */
export type LinkBreak = "bad-seal" | "wrong-command-length" | "malformed-command" | "unexpected-command" | "nonce-exhausted"

export class LinkBroken extends Data.TaggedError("LinkBroken")<{ readonly reason: LinkBreak }> {
  override get message(): string {
    return `link: ${this.reason}`
  }
}
