/**
 * Backends, geometries, keys and paths for the tests of src/sphinx.
 *
 * @module
 */
import { Either } from "effect"
import type { CryptoBackend } from "../../../src/crypto/backend.ts"
import { seededEntropy, type Entropy } from "../../../src/crypto/entropy.ts"
import { selectBackend } from "../../../src/crypto/select-backend.ts"
import { makeGeometry, NodeId, recipientId, SurbId, type Geometry } from "../../../src/sphinx/geometry.ts"
import type { PathHop } from "../../../src/sphinx/header.ts"
import type { RoutingCommand } from "../../../src/sphinx/routing-command.ts"
import { mixPrivateKey, unwrap, type MixPrivateKey, type Unwrapped } from "../../../src/sphinx/unwrap.ts"

/** The reference backend, and the native one where it can be loaded. */
export const backends: ReadonlyArray<CryptoBackend> = (["reference", "native"] as const).flatMap((name) => {
  const backend = selectBackend(name)
  return Either.isRight(backend) ? [backend.right] : []
})

/** The fastest backend there is. */
export const fastest = backends.at(-1) as CryptoBackend

export const geometryOf = (scheme: "x25519" | "XWING", hopCount: number, userPayloadBytes: number, withSurb: boolean): Geometry =>
  Either.getOrThrow(makeGeometry({ scheme, hopCount, userPayloadBytes, withSurb }))

export const entropyOf = (label: string): Entropy => seededEntropy("sphinx tests", label)

export const SURB_ID = SurbId.unsafe(new Uint8Array(16).fill(0xa5))

export interface TestPath {
  readonly keys: ReadonlyArray<MixPrivateKey>
  readonly hops: ReadonlyArray<PathHop>
}

const commandsOf = (last: boolean, reply: boolean, hopIndex: number): ReadonlyArray<RoutingCommand> => {
  const delay: RoutingCommand = { _tag: "NodeDelay", delayMs: 100 + hopIndex }
  if (!last) return [delay]
  const recipient: RoutingCommand = { _tag: "Recipient", recipient: recipientId(reply ? "queue" : "echo") }
  return reply ? [recipient, { _tag: "SurbReply", surbId: SURB_ID }] : [delay, recipient]
}

/** A path of fresh nodes with the commands of a forward packet, or of a SURB. */
export const makePath = (crypto: CryptoBackend, geometry: Geometry, hopCount: number, kind: "forward" | "reply", label: string): TestPath => {
  const entropy = entropyOf(`${label} ${kind} ${hopCount}`)
  const keys = Array.from({ length: hopCount }, () => mixPrivateKey(crypto, geometry, entropy(32)))
  const hops = keys.map(({ publicKey }, hopIndex) => ({
    nodeId: NodeId.unsafe(entropy(32)),
    publicKey,
    commands: commandsOf(hopIndex === hopCount - 1, kind === "reply", hopIndex)
  }))
  return { keys, hops }
}

export interface Travelled {
  readonly steps: ReadonlyArray<Unwrapped>
  readonly payload: Uint8Array | undefined
}

/** Unwraps hop by hop until the packet is delivered or refused. */
export const travel = (crypto: CryptoBackend, geometry: Geometry, path: TestPath, packet: Uint8Array): Travelled => {
  const steps: Array<Unwrapped> = []
  let current: Uint8Array | undefined = packet
  for (const key of path.keys) {
    if (current === undefined) break
    const step = unwrap(crypto, geometry, key, current)
    if (Either.isLeft(step)) return { steps, payload: undefined }
    steps.push(step.right)
    current = step.right.next?.packet
  }
  return { steps, payload: steps.at(-1)?.payload }
}

/** Why something failed, or "accepted". */
export const reasonOf = <A, E extends { readonly reason: string }>(result: Either.Either<A, E>): string =>
  Either.isLeft(result) ? result.left.reason : "accepted"

/** The bytes with one bit changed. */
export const flipBit = (bytes: Uint8Array, byteIndex: number, bitIndex: number): Uint8Array => {
  const flipped = bytes.slice()
  flipped[byteIndex] = (flipped[byteIndex] as number) ^ (1 << bitIndex)
  return flipped
}

/** The backend, with every secret that it takes in or gives out by the key schedule kept in `secrets`. */
export const recordingBackend = (crypto: CryptoBackend): { readonly recording: CryptoBackend; readonly secrets: Array<Uint8Array> } => {
  const secrets: Array<Uint8Array> = []
  const recording: CryptoBackend = {
    ...crypto,
    hkdfSha256Expand: (prk, info, outputBytes) => {
      const keys = crypto.hkdfSha256Expand(prk, info, outputBytes)
      secrets.push(prk, keys)
      return keys
    },
    chacha20Block32: (seed) => {
      const factor = crypto.chacha20Block32(seed)
      secrets.push(factor)
      return factor
    }
  }
  return { recording, secrets }
}
