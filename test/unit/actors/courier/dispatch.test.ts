/**
 * Which envelopes a courier takes to replicas, and how.
 *
 * Goal: the window of epochs is that of §5.1 on both sides; both replicas are offered the command whatever becomes of the first.
 * Method: instants and queues are arguments.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { dispatch, epochIsNear } from "../../../../actors/courier/dispatch.ts"
import { seededEntropy } from "../../../../src/crypto/entropy.ts"
import { Epoch, epochStartMs, ReplicaEpoch, replicaEpochStartMs } from "../../../../src/params/epoch.ts"
import { tinyParams as params } from "../../../../src/params/presets.ts"
import type { CourierEnvelope } from "../../../../src/pigeonhole/envelope.ts"
import { pigeonhole } from "./copy-bench.ts"

const entropy = seededEntropy("dispatch tests", "entropy")
const envelopeOf = (epoch: bigint): CourierEnvelope => ({
  intermediateReplicas: [4, 2], deks: [entropy(60), entropy(60)], replyIndex: 0, epoch,
  senderPublicKey: entropy(32), ciphertext: entropy(pigeonhole.envelopeCiphertextBytes)
})

describe("an envelope", () => {
  it("E2: of a client whose clock is one epoch ahead or behind is taken, two are not, to the millisecond of the border", () => {
    const startMs = replicaEpochStartMs(params, ReplicaEpoch(9))
    const taken = (nowMs: number) => [6n, 7n, 8n, 9n, 10n, 11n].filter((epoch) => epochIsNear(params, envelopeOf(epoch), nowMs))
    expect(taken(startMs)).toEqual([8n, 9n, 10n])
    expect(taken(startMs - 1)).toEqual([7n, 8n, 9n])
    expect(epochIsNear(params, envelopeOf(2n ** 64n - 1n), epochStartMs(params, Epoch(0)))).toBe(false)
  })

  it.each([[[true, true], true], [[false, true], true], [[true, false], true], [[false, false], false]] as const)(
    "K16: is offered to both replicas; with room %j it counts as sent: %s", (room, sent) => {
      const offered: Array<number> = []
      const offer = (replicaId: number) => room[offered.push(replicaId) - 1]!
      expect(dispatch(pigeonhole, offer, envelopeOf(0n))).toBe(sent)
      expect(offered).toEqual([4, 2])
    })
})
