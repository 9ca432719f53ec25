/**
 * Taking a sealed envelope to its two replicas, and what an envelope must look like for that.
 *
 * Contract: dispatching is two offers to bounded queues, so it never waits and nothing has to be bounded besides those queues; both replicas are tried,
 * whatever becomes of the first. An envelope with other lengths than every honest one would not fit the one command length, and is not taken.
 * Knows nothing of: what is inside, who asks, what was dispatched before.
 * Source: pigeonhole.md §5.4, §7 K4, K14, K16; departures: both intermediates are asked even when the first refuses.
 *
 * @module
 */
import { replicaEpochAt } from "../../src/params/epoch.ts"
import type { MixnetParams } from "../../src/params/mixnet-params.ts"
import type { CourierEnvelope } from "../../src/pigeonhole/envelope.ts"
import type { PigeonholeGeometry } from "../../src/pigeonhole/geometry.ts"
import { encodeLinkCommand } from "../../src/pigeonhole/link-command.ts"

/** Puts a command frame into the queue of a replica's link. @returns false when there is no link, or no room */
export type Offer = (replicaId: number, frame: Uint8Array) => boolean

/** Gives each intermediate the command with its own DEK. @returns false when neither had room */
export const dispatch = (pigeonhole: PigeonholeGeometry, offer: Offer, envelope: CourierEnvelope): boolean => {
  const { ciphertext, deks, intermediateReplicas, senderPublicKey } = envelope
  const taken = ([0, 1] as const).map((slot) =>
    offer(intermediateReplicas[slot], encodeLinkCommand({ _tag: "ReplicaMessage", senderPublicKey, dek: deks[slot], ciphertext }, pigeonhole.linkCommandBytes)))
  return taken.includes(true)
}

/** Whether an envelope has the lengths that every honest one has. */
export const hasLengths = (pigeonhole: PigeonholeGeometry, envelope: CourierEnvelope): boolean =>
  envelope.senderPublicKey.length === pigeonhole.nikePublicKeyBytes && envelope.ciphertext.length === pigeonhole.envelopeCiphertextBytes

/** Whether replicas may still, or already, hold the keys of an envelope's replica epoch: the last, the current and the next. */
export const epochIsNear = (params: MixnetParams, envelope: CourierEnvelope, nowMs: number): boolean =>
  Math.abs(Number(envelope.epoch) - replicaEpochAt(params, nowMs)) <= 1
