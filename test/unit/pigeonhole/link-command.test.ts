/**
 * Link commands. Goal: every command of the table survives its round trip at the link's length, and damaged ones are refused.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { BoxId } from "../../../src/bacap/box-id.ts"
import { EnvelopeHash } from "../../../src/pigeonhole/envelope.ts"
import { REPLICA_ERROR } from "../../../src/pigeonhole/error-code.ts"
import { LINK_BODIES } from "../../../src/pigeonhole/link-body.ts"
import { decodeLinkCommand, encodeLinkCommand, type LinkCommand } from "../../../src/pigeonhole/link-command.ts"
import { pattern } from "./codec-claims.ts"

const signed = { epoch: 9n, publicKey: pattern(32), payload: pattern(7) }
const COMMANDS: ReadonlyArray<LinkCommand> = [
  { _tag: "NoOp" }, { _tag: "Disconnect" }, { _tag: "ReplicaDecoy" },
  { _tag: "SendPacket", packet: pattern(11) }, { _tag: "SendRetrievePacket", packet: pattern(12) },
  { _tag: "SendRetrievePacketReply", surbId: pattern(16), payload: pattern(5) },
  { _tag: "MessageDelivered", sequence: 4294967295 }, { _tag: "RetrieveMessage", sequence: 12345 },
  { _tag: "Message", sequence: 7, surbId: pattern(16), payload: pattern(9) },
  { _tag: "ReplicaMessage", senderPublicKey: pattern(32), dek: pattern(60), ciphertext: pattern(4) },
  { _tag: "ReplicaMessageReply", errorCode: REPLICA_ERROR.invalidEpoch, envelopeHash: EnvelopeHash.unsafe(pattern(32)), replicaId: 200, reply: pattern(3) },
  { _tag: "ReplicaWrite", boxId: BoxId.unsafe(pattern(32)), signature: pattern(64), payload: pattern(6) },
  { _tag: "ReplicaWriteReply", errorCode: REPLICA_ERROR.boxAlreadyExists },
  { _tag: "PostReplicaDescriptor", epoch: 1n, payload: pattern(3) }, { _tag: "PostReplicaDescriptorStatus", code: 1 },
  { _tag: "PostDescriptor", epoch: 2n, payload: pattern(3) }, { _tag: "PostDescriptorStatus", code: 3 },
  { _tag: "GetConsensus", epoch: 123n }, { _tag: "GetConsensus2", epoch: 124n },
  { _tag: "Consensus", code: 0, document: pattern(8) },
  { _tag: "Consensus2", code: 1, chunkNumber: 2, chunkTotal: 3, chunk: pattern(8) },
  { _tag: "GetVote", epoch: 5n, publicKey: pattern(32) },
  { _tag: "Vote", ...signed }, { _tag: "Reveal", ...signed }, { _tag: "Sig", ...signed }, { _tag: "Cert", ...signed },
  { _tag: "VoteStatus", code: 7 }, { _tag: "RevealStatus", code: 8 }, { _tag: "SigStatus", code: 20 }, { _tag: "CertStatus", code: 14 }
]

describe("link commands", () => {
  it("the samples cover every command, and no two share an id", () => {
    expect(COMMANDS.map((command) => command._tag).sort()).toEqual(Object.keys(LINK_BODIES).sort())
    expect(new Set(Object.values(LINK_BODIES).map((body) => body.id)).size).toBe(COMMANDS.length)
  })
  it("every command survives its round trip unpadded", () => {
    for (const command of COMMANDS) {
      const bytes = encodeLinkCommand(command)
      expect(Either.getOrThrow(decodeLinkCommand(bytes))).toEqual(command)
      for (let end = 0; end < bytes.length; end++) expect(Either.isLeft(decodeLinkCommand(bytes.subarray(0, end)))).toBe(true)
    }
  })
  it("every command has the link's length when padded, and parses back", () => {
    for (const command of COMMANDS) {
      const bytes = encodeLinkCommand(command, 300)
      expect(bytes.length).toBe(300)
      expect(Either.getOrThrow(decodeLinkCommand(bytes))).toEqual(command)
    }
  })
  it("one flipped bit anywhere in a padded command is refused or gives another command", () => {
    for (const command of COMMANDS) {
      const bytes = encodeLinkCommand(command, 200)
      for (let at = 0; at < bytes.length; at++) {
        const flipped = bytes.slice()
        flipped[at]! ^= 1 << (at % 8)
        const decoded = decodeLinkCommand(flipped)
        if (Either.isRight(decoded)) {
          expect(decoded.right).not.toEqual(command)
          expect(encodeLinkCommand(decoded.right, 200)).toEqual(flipped)
        }
      }
    }
    const padded = encodeLinkCommand({ _tag: "ReplicaDecoy" }, 64)
    for (let at = 0; at < padded.length; at++) {
      const flipped = padded.slice()
      flipped[at]! ^= 1
      const decoded = decodeLinkCommand(flipped)
      expect(Either.isLeft(decoded) || decoded.right._tag !== "ReplicaDecoy").toBe(true)
    }
  })
  it("R32: a reserved byte, padding that is not zero and a body beyond the bytes are refused", () => {
    const reason = (bytes: Uint8Array) => Either.match(decodeLinkCommand(bytes), { onLeft: (error) => error.reason, onRight: () => "accepted" })
    expect(reason(Uint8Array.of(0, 1, 0, 0, 0, 0))).toBe("reserved-not-zero")
    expect(reason(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1))).toBe("padding-not-zero")
    expect(reason(Uint8Array.of(2, 0, 255, 255, 255, 255, 1))).toBe("truncated")
    expect(reason(Uint8Array.of(99, 0, 0, 0, 0, 0))).toBe("unknown-type")
    expect(reason(Uint8Array.of(0, 0, 0, 0, 0, 1, 5))).toBe("trailing-bytes")
  })
  it("R32: bodies shorter than 8: pk + 64, 9: 34, 12: 96, and 13 of any length but 1 are refused", () => {
    const accepted = (id: number, bodyBytes: number) =>
      Either.isRight(decodeLinkCommand(Uint8Array.of(id, 0, 0, 0, bodyBytes >> 8, bodyBytes & 255, ...new Uint8Array(bodyBytes))))
    for (const [id, least] of [[8, 96], [9, 34], [12, 96], [13, 1]] as const) {
      expect([accepted(id, least - 1), accepted(id, least)]).toEqual([false, true])
    }
    expect(accepted(13, 2)).toBe(false)
  })
  it("a sender key of another NIKE is cut off at its own length", () => {
    const command: LinkCommand = { _tag: "ReplicaMessage", senderPublicKey: pattern(56), dek: pattern(60), ciphertext: pattern(40) }
    expect(Either.getOrThrow(decodeLinkCommand(encodeLinkCommand(command, 400), 56))).toEqual(command)
  })
  it("a command longer than its link is our own mistake and dies", () => {
    expect(() => encodeLinkCommand({ _tag: "SendPacket", packet: pattern(20) }, 20)).toThrow(RangeError)
  })
})
