/**
 * Two ends of a handshake for tests.
 *
 * Goal: one place that runs the four messages, with hooks where tests interfere.
 * Method: seeded entropy; `quickCrypto` replaces X-Wing by a hash (as wide, as implicit in its rejection, not secure), so that a test can run the
 * handshake thousands of times; tests of the real thing use the native backend.
 *
 * @module
 */
import { Either } from "effect"
import type { CryptoBackend } from "../../../src/crypto/backend.ts"
import { seededEntropy, type Entropy } from "../../../src/crypto/entropy.ts"
import { selectBackend } from "../../../src/crypto/select-backend.ts"
import * as handshake from "../../../src/link/handshake.ts"
import type { HandshakeFailed } from "../../../src/link/handshake-failed.ts"
import type { PeerCheck } from "../../../src/link/peer-check.ts"

export const realCrypto: CryptoBackend = Either.getOrThrow(selectBackend())

const stretch = (crypto: CryptoBackend, label: number, seed: Uint8Array, bytes: number): Uint8Array =>
  crypto.hkdfBlake2b512(seed, new Uint8Array(0), Uint8Array.of(label), bytes)

export const quickCrypto: CryptoBackend = {
  ...realCrypto,
  xwingPrivateKey: (seed) => ({ seed, publicKey: stretch(realCrypto, 1, seed, 1216), expanded: undefined }),
  xwingEncapsulate: (publicKey, coins) => {
    if (publicKey.length !== 1216) return undefined
    const ciphertext = stretch(realCrypto, 2, coins, 1120)
    return { ciphertext, sharedSecret: realCrypto.blake2b256(publicKey, ciphertext) }
  },
  xwingDecapsulate: (key, ciphertext) => (ciphertext.length === 1120 ? realCrypto.blake2b256(key.publicKey, ciphertext) : undefined)
}

export interface Ends {
  readonly initiator: handshake.HandshakeIdentity
  readonly responder: handshake.HandshakeIdentity
  readonly entropy: Entropy
}

export const makeEnds = (crypto: CryptoBackend, seed = "ends"): Ends => {
  const entropy = seededEntropy(seed, "link test")
  const identity = (data: number): handshake.HandshakeIdentity =>
    ({ linkKey: crypto.xwingPrivateKey(entropy(32)), additionalData: new Uint8Array(32).fill(data) })
  return { initiator: identity(1), responder: identity(2), entropy }
}

export const RESPONDER_TIME_S = 1_700_000_000

/** What happened: the side that refused and why, or both results. */
export interface Run {
  readonly refusedBy: "initiator" | "responder" | undefined
  readonly reason: HandshakeFailed["reason"] | undefined
  readonly messages: ReadonlyArray<Uint8Array>
  readonly initiator: handshake.Established | undefined
  readonly responder: handshake.Established | undefined
}

export interface RunOptions {
  /** Gives what arrives in place of message 1..4. */
  readonly onWire?: (number: 1 | 2 | 3 | 4, message: Uint8Array) => Uint8Array
  readonly initiatorCheck?: PeerCheck
  readonly responderCheck?: PeerCheck
}

export const run = (crypto: CryptoBackend, ends: Ends, options: RunOptions = {}): Run => {
  const wire = options.onWire ?? ((_number: number, message: Uint8Array) => message)
  const messages: Array<Uint8Array> = []
  const refused = (refusedBy: "initiator" | "responder", error: HandshakeFailed, responder?: handshake.Established): Run =>
    ({ refusedBy, reason: error.reason, messages, initiator: undefined, responder })
  const sent = (number: 1 | 2 | 3 | 4, message: Uint8Array): Uint8Array => {
    messages.push(message)
    return wire(number, message)
  }
  const opened = handshake.openHandshake(crypto, ends.initiator, ends.entropy)
  const answered = handshake.answerHandshake(crypto, ends.responder, sent(1, opened.message), ends.entropy, RESPONDER_TIME_S)
  if (Either.isLeft(answered)) return refused("responder", answered.left)
  const authenticated = handshake.authenticateInitiator(
    crypto, opened.state, sent(2, answered.right.message), options.initiatorCheck ?? (() => "responder"), ends.entropy)
  if (Either.isLeft(authenticated)) return refused("initiator", authenticated.left)
  const finished = handshake.finishResponder(
    crypto, answered.right.state, sent(3, authenticated.right.message), options.responderCheck ?? (() => "initiator"), ends.entropy)
  if (Either.isLeft(finished)) return refused("responder", finished.left)
  const established = handshake.finishInitiator(crypto, authenticated.right.state, sent(4, finished.right.message))
  if (Either.isLeft(established)) return refused("initiator", established.left, finished.right.state)
  return { refusedBy: undefined, reason: undefined, messages, initiator: established.right, responder: finished.right.state }
}
