/**
 * The shape of the recorded Sphinx runs, and one case turned into geometry, path and draws.
 *
 * @module
 */
import { Either } from "effect"
import { readFileSync } from "node:fs"
import { fromHex } from "../../src/bytes/hex.ts"
import type { CryptoBackend } from "../../src/crypto/backend.ts"
import { geometryFromFields, type GeometryFields } from "../../src/sphinx/geometry-hash.ts"
import { NodeId, type Geometry } from "../../src/sphinx/geometry.ts"
import type { PathHop } from "../../src/sphinx/header.ts"
import { kemHopSecrets, nikeHopSecrets, type HopSecret } from "../../src/sphinx/hop-secret.ts"
import { decodeCommands } from "../../src/sphinx/routing-command.ts"

export const readVectors = <Shape>(fileName: string): Shape =>
  JSON.parse(readFileSync(new URL(`./data/${fileName}`, import.meta.url), "utf8")) as Shape

export const hex = (text: string): Uint8Array => Either.getOrThrow(fromHex(text))

export interface RecordedNode {
  readonly id: string
  readonly public_key: string
  readonly private_key?: string
  readonly private_seed?: string
  readonly commands: ReadonlyArray<string>
}

export interface RecordedHop {
  readonly packet_in?: string
  readonly header_in?: string
  readonly packet_in_sha256: string
  readonly group_element?: string
  readonly kem_ciphertext?: string
  readonly shared_secret: string
  readonly keys: {
    readonly header_mac: string
    readonly header_encryption: string
    readonly header_encryption_iv: string
    readonly payload_encryption: string
    readonly blinding_factor?: string
  }
  readonly replay_tag: string
  readonly commands_out: ReadonlyArray<string>
  readonly payload_out_sha256?: string
}

export interface RecordedCase {
  readonly name: string
  readonly geometry: GeometryFields & { readonly hash: string }
  readonly nodes: ReadonlyArray<RecordedNode>
  readonly hops: ReadonlyArray<RecordedHop>
  readonly payload_length: number
  readonly payload_sha256: string
  readonly sender_random_bytes_in_order: string
  readonly uses_surb: boolean
  readonly surb?: string
  readonly surb_keys?: string
  readonly first_hop?: string
}

export interface RecordedRun {
  readonly geometry: Geometry
  readonly path: ReadonlyArray<PathHop>
  readonly secrets: ReadonlyArray<HopSecret>
  /** Empty unless the case uses a SURB. */
  readonly replyKeyMaterial: Uint8Array
  readonly unusedHops: Uint8Array
}

/** What the sender of a recorded case knew and drew. */
export const recordedRun = (crypto: CryptoBackend, recorded: RecordedCase): RecordedRun => {
  const geometry = Either.getOrThrow(geometryFromFields(recorded.geometry))
  const path = recorded.nodes.map((node) => ({
    nodeId: NodeId.unsafe(hex(node.id)),
    publicKey: hex(node.public_key),
    commands: node.commands.flatMap((command) => Either.getOrThrow(decodeCommands(hex(command))))
  }))
  const draws = hex(recorded.sender_random_bytes_in_order)
  const keyOffset = recorded.uses_surb ? 64 : 0
  const unusedOffset = keyOffset + (geometry.scheme.kind === "nike" ? 32 : 0)
  const secrets = geometry.scheme.kind === "nike"
    ? Either.getOrThrow(nikeHopSecrets(crypto, draws.subarray(keyOffset, unusedOffset), path.map(({ publicKey }) => publicKey)))
    : kemHopSecrets(crypto, recorded.hops.map((hop) => ({ ciphertext: hex(hop.kem_ciphertext!), sharedSecret: hex(hop.shared_secret) })))
  return { geometry, path, secrets, replyKeyMaterial: draws.subarray(0, keyOffset), unusedHops: draws.subarray(unusedOffset) }
}
