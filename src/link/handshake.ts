/**
 * The handshake of a link: `Noise_pqXX_XWING_ChaChaPoly_BLAKE2b`, both ends as steps without side effects.
 *
 * | # | from | content | bytes |
 * |---|---|---|---|
 * | 1 | initiator | `03` ‖ ephemeral public key 1216 | 1217 |
 * | 2 | responder | ciphertext to it 1120 ‖ sealed own link key 1232 ‖ sealed auth message 276 | 2628 |
 * | 3 | initiator | sealed ciphertext to the responder's key 1136 ‖ sealed own link key 1232 ‖ sealed auth message 276 | 2644 |
 * | 4 | responder | sealed ciphertext to the initiator's key 1136 ‖ sealed nothing 16 | 1152 |
 *
 * Contract: a step is a function of its arguments; the state before it stays good. Lengths are checked before anything is computed. The initiator
 * shows its own key only after it has accepted the responder's. Message 4 proves the responder's key, the first frame after it the initiator's:
 * the responder's result must not be trusted before a frame has arrived.
 * Knows nothing of: sockets, clocks (seconds are an argument), where keys come from.
 * Source: mixnet.md §14, Noise revision 34; departures: an unusable key, an all-zero secret and a peer with our own link key are refused.
 *
 * @module
 */
import { Either } from "effect"
import { concatBytes } from "../bytes/concat.ts"
import { constantTimeEqual } from "../bytes/equal.ts"
import type { CryptoBackend, XWingPrivateKey } from "../crypto/backend.ts"
import type { Entropy } from "../crypto/entropy.ts"
import { zeroize } from "../crypto/zeroize.ts"
import { AUTH_MESSAGE_BYTES, type AuthMessage, decodeAuthMessage, encodeAuthMessage } from "./auth-message.ts"
import { type CipherState, TAG_BYTES } from "./cipher-state.ts"
import { HandshakeFailed, type HandshakeFailure } from "./handshake-failed.ts"
import { NoiseTranscript } from "./noise-transcript.ts"
import type { PeerCheck } from "./peer-check.ts"

export const LINK_KEY_BYTES = 1216
const CIPHERTEXT_BYTES = 1120
const SEED_BYTES = 32
const COINS_BYTES = 64
const SEALED_KEY_BYTES = LINK_KEY_BYTES + TAG_BYTES
const SEALED_CIPHERTEXT_BYTES = CIPHERTEXT_BYTES + TAG_BYTES
const SEALED_AUTH_BYTES = AUTH_MESSAGE_BYTES + TAG_BYTES

export const PROTOCOL_NAME = "Noise_pqXX_XWING_ChaChaPoly_BLAKE2b"
export const PROLOGUE = Uint8Array.of(3)

export const MESSAGE_1_BYTES = PROLOGUE.length + LINK_KEY_BYTES
export const MESSAGE_2_BYTES = CIPHERTEXT_BYTES + SEALED_KEY_BYTES + SEALED_AUTH_BYTES
export const MESSAGE_3_BYTES = SEALED_CIPHERTEXT_BYTES + SEALED_KEY_BYTES + SEALED_AUTH_BYTES
export const MESSAGE_4_BYTES = SEALED_CIPHERTEXT_BYTES + TAG_BYTES

/** What one end brings along. */
export interface HandshakeIdentity {
  readonly linkKey: XWingPrivateKey
  /** At most 255 bytes: identity hash, queue id or nothing. */
  readonly additionalData: Uint8Array
}

/** The other end, as it has shown itself. */
export interface HandshakePeer {
  /** What the check answered. */
  readonly name: string
  readonly linkKey: Uint8Array
  readonly additionalData: Uint8Array
  /** The responder's clock in Unix seconds, for the initiator's estimate of skew; 0 from initiators. */
  readonly unixTimeS: number
}

export interface Established {
  readonly peer: HandshakePeer
  readonly sending: CipherState
  readonly receiving: CipherState
  /** 64 bytes, the same on both ends and in no other session. */
  readonly sessionHash: Uint8Array
}

type Step<A> = Either.Either<A, HandshakeFailed>
const failed = (reason: HandshakeFailure): Either.Either<never, HandshakeFailed> => Either.left(new HandshakeFailed({ reason }))

/** Initiator between message 1 and message 2. */
export interface InitiatorOpened {
  readonly identity: HandshakeIdentity
  readonly transcript: NoiseTranscript
  readonly ephemeral: XWingPrivateKey
}

/** Initiator between message 3 and message 4. */
export interface InitiatorAuthenticated {
  readonly identity: HandshakeIdentity
  readonly transcript: NoiseTranscript
  readonly peer: HandshakePeer
}

/** Responder between message 2 and message 3. */
export interface ResponderAnswered {
  readonly identity: HandshakeIdentity
  readonly transcript: NoiseTranscript
}

export interface Sent<State> {
  readonly message: Uint8Array
  readonly state: State
}

interface ShownPeer {
  readonly linkKey: Uint8Array
  readonly auth: AuthMessage
}

const nothing = new Uint8Array(0)

/** Token `skem`, sending side; the sealed ciphertext, or `undefined` for a key that cannot be used. */
const sendStaticKem = (crypto: CryptoBackend, transcript: NoiseTranscript, linkKey: Uint8Array, entropy: Entropy): Uint8Array | undefined => {
  const encapsulated = crypto.xwingEncapsulate(linkKey, entropy(COINS_BYTES))
  if (encapsulated === undefined) return undefined
  const sealed = transcript.seal(encapsulated.ciphertext)
  transcript.mixKeyAndHash(encapsulated.sharedSecret)
  zeroize(encapsulated.sharedSecret)
  return sealed
}

/** Token `skem`, receiving side. */
const receiveStaticKem = (crypto: CryptoBackend, transcript: NoiseTranscript, own: XWingPrivateKey, sealed: Uint8Array): HandshakeFailure | undefined => {
  const ciphertext = transcript.open(sealed)
  if (ciphertext === undefined) return "bad-seal"
  const secret = crypto.xwingDecapsulate(own, ciphertext)
  if (secret === undefined) return "bad-ciphertext"
  transcript.mixKeyAndHash(secret)
  zeroize(secret)
  return undefined
}

/** Token `s` and the payload, sending side. */
const sendIdentity = (transcript: NoiseTranscript, identity: HandshakeIdentity, unixTimeS: number): Uint8Array => {
  const key = transcript.seal(identity.linkKey.publicKey)
  return concatBytes(key, transcript.seal(encodeAuthMessage({ additionalData: identity.additionalData, unixTimeS })))
}

/** Token `s` and the payload, receiving side; `sealed` holds both. */
const receiveIdentity = (transcript: NoiseTranscript, own: HandshakeIdentity, sealed: Uint8Array): ShownPeer | HandshakeFailure => {
  const linkKey = transcript.open(sealed.subarray(0, SEALED_KEY_BYTES))
  if (linkKey === undefined) return "bad-seal"
  const payload = transcript.open(sealed.subarray(SEALED_KEY_BYTES))
  if (payload === undefined) return "bad-seal"
  if (constantTimeEqual(linkKey, own.linkKey.publicKey)) return "bad-key"
  const auth = decodeAuthMessage(payload)
  return Either.isLeft(auth) ? "bad-auth" : { linkKey, auth: auth.right }
}

const checked = (shown: ShownPeer, check: PeerCheck): HandshakePeer | undefined => {
  const { auth, linkKey } = shown
  const name = check({ additionalData: auth.additionalData, linkKey })
  if (name === undefined) return undefined
  // copies: the peer lives as long as the link, and what was opened is a piece of a larger slab
  return { name, linkKey: linkKey.slice(), additionalData: auth.additionalData.slice(), unixTimeS: auth.unixTimeS }
}

/** Message 1, 1217 bytes. */
export const openHandshake = (crypto: CryptoBackend, identity: HandshakeIdentity, entropy: Entropy): Sent<InitiatorOpened> => {
  const ephemeral = crypto.xwingPrivateKey(entropy(SEED_BYTES))
  const transcript = NoiseTranscript.start(crypto, PROTOCOL_NAME, PROLOGUE)
  transcript.mixHash(ephemeral.publicKey)
  return {
    message: concatBytes(PROLOGUE, ephemeral.publicKey, transcript.seal(nothing)),
    state: { identity, transcript, ephemeral }
  }
}

/**
 * Message 1 in, message 2 out (2628 bytes).
 * @param unixTimeS  our clock, which the initiator learns
 * @errors `wrong-length`, `wrong-version`, `bad-key`
 */
export const answerHandshake = (
  crypto: CryptoBackend,
  identity: HandshakeIdentity,
  message1: Uint8Array,
  entropy: Entropy,
  unixTimeS: number
): Step<Sent<ResponderAnswered>> => {
  if (message1.length !== MESSAGE_1_BYTES) return failed("wrong-length")
  if (message1[0] !== PROLOGUE[0]) return failed("wrong-version")
  const transcript = NoiseTranscript.start(crypto, PROTOCOL_NAME, PROLOGUE)
  const ephemeralKey = message1.subarray(PROLOGUE.length)
  transcript.mixHash(ephemeralKey)
  transcript.open(nothing)
  const encapsulated = crypto.xwingEncapsulate(ephemeralKey, entropy(COINS_BYTES))
  if (encapsulated === undefined) return failed("bad-key")
  transcript.mixHash(encapsulated.ciphertext)
  transcript.mixKey(encapsulated.sharedSecret)
  zeroize(encapsulated.sharedSecret)
  const message = concatBytes(encapsulated.ciphertext, sendIdentity(transcript, identity, unixTimeS))
  return Either.right({ message, state: { identity, transcript } })
}

/**
 * Message 2 in, message 3 out (2644 bytes). The responder is checked before our own key is sent.
 * @errors `wrong-length`, `bad-ciphertext`, `bad-seal`, `bad-auth`, `bad-key`, `peer-refused`
 */
export const authenticateInitiator = (
  crypto: CryptoBackend,
  state: InitiatorOpened,
  message2: Uint8Array,
  check: PeerCheck,
  entropy: Entropy
): Step<Sent<InitiatorAuthenticated>> => {
  if (message2.length !== MESSAGE_2_BYTES) return failed("wrong-length")
  const { identity } = state
  const transcript = state.transcript.clone()
  const ciphertext = message2.subarray(0, CIPHERTEXT_BYTES)
  const secret = crypto.xwingDecapsulate(state.ephemeral, ciphertext)
  if (secret === undefined) return failed("bad-ciphertext")
  transcript.mixHash(ciphertext)
  transcript.mixKey(secret)
  zeroize(secret)
  const shown = receiveIdentity(transcript, identity, message2.subarray(CIPHERTEXT_BYTES))
  if (typeof shown === "string") return failed(shown)
  const peer = checked(shown, check)
  if (peer === undefined) return failed("peer-refused")
  const sealedCiphertext = sendStaticKem(crypto, transcript, peer.linkKey, entropy)
  if (sealedCiphertext === undefined) return failed("bad-key")
  const message = concatBytes(sealedCiphertext, sendIdentity(transcript, identity, 0))
  return Either.right({ message, state: { identity, transcript, peer } })
}

/**
 * Message 3 in, message 4 out (1152 bytes) with the responder's keys.
 * @errors `wrong-length`, `bad-ciphertext`, `bad-seal`, `bad-auth`, `bad-key`, `peer-refused`
 */
export const finishResponder = (
  crypto: CryptoBackend,
  state: ResponderAnswered,
  message3: Uint8Array,
  check: PeerCheck,
  entropy: Entropy
): Step<Sent<Established>> => {
  if (message3.length !== MESSAGE_3_BYTES) return failed("wrong-length")
  const transcript = state.transcript.clone()
  const failure = receiveStaticKem(crypto, transcript, state.identity.linkKey, message3.subarray(0, SEALED_CIPHERTEXT_BYTES))
  if (failure !== undefined) return failed(failure)
  const shown = receiveIdentity(transcript, state.identity, message3.subarray(SEALED_CIPHERTEXT_BYTES))
  if (typeof shown === "string") return failed(shown)
  const peer = checked(shown, check)
  if (peer === undefined) return failed("peer-refused")
  const sealedCiphertext = sendStaticKem(crypto, transcript, peer.linkKey, entropy)
  if (sealedCiphertext === undefined) return failed("bad-key")
  const message = concatBytes(sealedCiphertext, transcript.seal(nothing))
  const { fromInitiator, fromResponder } = transcript.split()
  const sessionHash = transcript.hash
  transcript.wipe()
  return Either.right({ message, state: { peer, sending: fromResponder, receiving: fromInitiator, sessionHash } })
}

/**
 * Message 4 in, the initiator's keys out.
 * @errors `wrong-length`, `bad-ciphertext`, `bad-seal`
 */
export const finishInitiator = (crypto: CryptoBackend, state: InitiatorAuthenticated, message4: Uint8Array): Step<Established> => {
  if (message4.length !== MESSAGE_4_BYTES) return failed("wrong-length")
  const transcript = state.transcript.clone()
  const failure = receiveStaticKem(crypto, transcript, state.identity.linkKey, message4.subarray(0, SEALED_CIPHERTEXT_BYTES))
  if (failure !== undefined) return failed(failure)
  if (transcript.open(message4.subarray(SEALED_CIPHERTEXT_BYTES)) === undefined) return failed("bad-seal")
  const { fromInitiator, fromResponder } = transcript.split()
  const sessionHash = transcript.hash
  transcript.wipe()
  return Either.right({ peer: state.peer, sending: fromInitiator, receiving: fromResponder, sessionHash })
}
