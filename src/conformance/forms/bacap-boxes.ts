/**
 * BACAP vectors of boxes: writes, tombstones, and boxes that must be refused.
 *
 * Contract: every field is read and every output recomputed; refused boxes are refused by `openBox`, and the recorded error of the reference
 * implementation's low-level decryption (signature, then AEAD, then box id) is recomputed as well.
 * Knows nothing of: files.
 * Source: pigeonhole.md §1.2–§1.8; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { encryptionKeyOf, blindingFactorOf, boxIdOf, openBox, sealBox, sealTombstone, verifyBox } from "../../bacap/box.ts"
import { advanceTo, decodeBoxIndex, indexIsOnStream, nextIndex, type MessageBoxIndex } from "../../bacap/box-index.ts"
import { decodeWriteCap, encodeReadCap, encodeWriteCap, readCapOf, type WriteCap } from "../../bacap/capability.ts"
import { utf8 } from "../../bytes/concat.ts"
import { constantTimeEqual } from "../../bytes/equal.ts"
import type { CryptoBackend } from "../../crypto/backend.ts"
import { blindPublicKey } from "../../crypto/blinded-ed25519.ts"
import type { CaseRecord } from "../case-record.ts"
import type { Report } from "../report.ts"
import { differInOneBit, expectIndex } from "./bacap-keys.ts"

/** Bounds the walk to an index that a damaged file names. */
const WALK_STEPS = 8192

interface Box {
  readonly boxId: Uint8Array
  readonly ciphertext: Uint8Array
  readonly signature: Uint8Array
}

/** Go prints bytes that are no UTF-8 as U+FFFD; how many stand for a run of them differs between decoders. */
const asText = (bytes: Uint8Array): string => new TextDecoder().decode(bytes).replace(/\ufffd+/g, "\ufffd")

const checkWrite = (crypto: CryptoBackend, cap: WriteCap, index: MessageBoxIndex, context: Uint8Array) => (write: CaseRecord): void => {
  const plaintext = write.hex("plaintext")
  const sealed = sealBox(crypto, cap, index, plaintext, context)
  write.expectHex("ciphertext", sealed.ciphertext)
  write.expectHex("signature", sealed.signature)
  if (write.has("verifies")) write.expectBoolean("verifies", verifyBox(crypto, sealed.boxId, sealed.ciphertext, sealed.signature))
  const opened = openBox(crypto, cap.publicKey, index, sealed, context)
  write.same("plaintext of the box", plaintext, Either.isRight(opened) && opened.right._tag === "Data" ? opened.right.plaintext : undefined)
}

const checkTombstone = (crypto: CryptoBackend, cap: WriteCap, index: MessageBoxIndex, context: Uint8Array) => (tombstone: CaseRecord): void => {
  const sealed = sealTombstone(crypto, cap, index, context)
  tombstone.expectHex("ciphertext", sealed.ciphertext)
  tombstone.expectHex("signature", sealed.signature)
  const opened = openBox(crypto, cap.publicKey, index, sealed, context)
  tombstone.expectInteger("decrypts_to_length", Either.isRight(opened) && opened.right._tag === "Tombstone" ? 0 : undefined)
}

const checkEntry = (crypto: CryptoBackend, cap: WriteCap, report: Report) => (entry: CaseRecord, name: string): void => {
  const steps = entry.integer("steps_from_first")
  const index = Either.getOrUndefined(advanceTo(crypto, cap.index, cap.index.counter + BigInt(steps), WALK_STEPS))
  if (index === undefined) {
    entry.fail("steps_from_first leads to no index")
    return
  }
  const context = entry.hex("ctx")
  if (entry.has("ctx_utf8")) entry.require(entry.text("ctx_utf8").replace(/\ufffd+/g, "\ufffd") === asText(context), "ctx_utf8 is not the text of ctx")
  expectIndex(entry, "index", index)
  expectIndex(entry, "next_index", Either.getOrUndefined(nextIndex(crypto, index)))
  entry.expectHex("E_ctx", encryptionKeyOf(crypto, index, context))
  entry.expectHex("K_ctx", blindingFactorOf(crypto, index, context))
  entry.expectHex("box_id", Either.getOrUndefined(boxIdOf(crypto, cap.publicKey, index, context)))
  entry.same("box id of the writer", sealTombstone(crypto, cap, index, context).boxId, Either.getOrUndefined(boxIdOf(crypto, cap.publicKey, index, context)))
  if (entry.has("box_id_without_ctx")) entry.expectHex("box_id_without_ctx", blindPublicKey(crypto, cap.publicKey, index.blindingKey))
  if (entry.has("tombstone")) report.check(`${name}.tombstone`, entry.raw("tombstone"), checkTombstone(crypto, cap, index, context))
  report.checkAll(`${name}.writes`, entry.raw("writes"), checkWrite(crypto, cap, index, context))
}

const open = (crypto: CryptoBackend, index: MessageBoxIndex, context: Uint8Array, box: Box): Uint8Array | undefined =>
  box.ciphertext.length < 16
    ? undefined
    : crypto.aes256GcmSivOpen(encryptionKeyOf(crypto, index, context), box.boxId.subarray(0, 12), box.boxId, box.ciphertext)

/** The error of a reader that checks signature, AEAD and box id in this order; undefined when the box is good. */
const upstreamError = (crypto: CryptoBackend, cap: WriteCap, index: MessageBoxIndex, context: Uint8Array, box: Box): string | undefined => {
  if (!verifyBox(crypto, box.boxId, box.ciphertext, box.signature)) return "signature verification failed"
  if (box.ciphertext.length > 0 && open(crypto, index, context, box) === undefined) return "gcmsiv: decryption failure"
  const expected = boxIdOf(crypto, cap.publicKey, index, context)
  return Either.isRight(expected) && constantTimeEqual(expected.right, box.boxId) ? undefined : "reply does not match expected box ID"
}

/** The ciphertext that one flipped bit has damaged, found through the signature that still belongs to it. */
const isOneBitFromSigned = (crypto: CryptoBackend, box: Box): boolean => {
  for (let bit = 0; bit < 8 * box.ciphertext.length && bit < 4096; bit++) {
    const repaired = box.ciphertext.slice()
    repaired[bit >> 3] = (repaired[bit >> 3] as number) ^ (1 << (bit & 7))
    if (verifyBox(crypto, box.boxId, repaired, box.signature)) return true
  }
  return false
}

/** What a name promises about the damage; names that promise nothing are free. */
const damageIsAsNamed = (crypto: CryptoBackend, cap: WriteCap, index: MessageBoxIndex, context: Uint8Array, box: Box, name: string): boolean => {
  if (name === "ciphertext bit flipped") return isOneBitFromSigned(crypto, box)
  const signatureIsMeant = name === "signature bit flipped" || name === "signature S half flipped" || name === "signature from next index"
  if (!signatureIsMeant) return true
  const plaintext = open(crypto, index, context, box)
  if (plaintext === undefined) return false
  if (name !== "signature from next index") {
    return differInOneBit(sealBox(crypto, cap, index, plaintext, context).signature, box.signature, name.includes("S half") ? 32 : 0)
  }
  const next = nextIndex(crypto, index)
  return Either.isRight(next) && constantTimeEqual(sealBox(crypto, cap, next.right, plaintext, context).signature, box.signature)
}

const checkRefused = (crypto: CryptoBackend, cap: WriteCap) => (record: CaseRecord): void => {
  const index = Either.getOrUndefined(decodeBoxIndex(record.hex("index")))
  const context = record.hex("ctx")
  const name = record.text("name")
  const box = { boxId: record.hex("box_id"), ciphertext: record.hex("ciphertext"), signature: record.hex("signature") }
  if (index === undefined || !indexIsOnStream(crypto, cap.index, index, WALK_STEPS)) {
    record.fail("index is not on the stream of the cap")
    return
  }
  const expectedId = Either.getOrUndefined(boxIdOf(crypto, cap.publicKey, index, context))
  record.expectText("error", upstreamError(crypto, cap, index, context, box))
  if (record.has("expected_box_id_at_index")) record.expectHex("expected_box_id_at_index", expectedId)
  if (record.has("low_level_decrypt_alone_accepts")) {
    const plausible = verifyBox(crypto, box.boxId, box.ciphertext, box.signature)
    const accepts = plausible && (box.ciphertext.length === 0 || open(crypto, index, context, box) !== undefined)
    record.expectBoolean("low_level_decrypt_alone_accepts", accepts)
  }
  record.require(damageIsAsNamed(crypto, cap, index, context, box, name), `the box is not damaged as its name says: ${name}`)
  record.require(Either.isLeft(openBox(crypto, cap.publicKey, index, box, context)), "the box was accepted")
}

export const runBoxes = (crypto: CryptoBackend, list: unknown, report: Report): void =>
  report.checkAll("boxes", list, (record, name) => {
    record.describe("name")
    const cap = Either.getOrUndefined(decodeWriteCap(crypto, record.hex("write_cap_168")))
    record.expectHex("write_cap_168", cap === undefined ? undefined : encodeWriteCap(cap))
    record.expectHex("read_cap_136", cap === undefined ? undefined : encodeReadCap(readCapOf(cap)))
    record.expectHex("root_public_key", cap?.publicKey)
    expectIndex(record, "first_index", cap?.index)
    if (cap === undefined) {
      record.describe("entries", "negative")
      return
    }
    report.checkAll(`${name}.entries`, record.raw("entries"), checkEntry(crypto, cap, report))
    if (record.has("negative")) report.checkAll(`${name}.negative`, record.raw("negative"), checkRefused(crypto, cap))
  })

/** Records that repeat upstream's own published vectors; context and plaintext are texts there. */
export const runUpstreamCheck = (crypto: CryptoBackend, list: unknown, report: Report): void =>
  report.checkAll("upstream_check", list, (record) => {
    const cap = Either.getOrUndefined(decodeWriteCap(crypto, record.hex("write_cap_168")))
    const context = utf8(record.text("ctx"))
    const plaintext = utf8(record.text("plaintext"))
    const steps = BigInt(record.integer("advance_by"))
    const index = cap === undefined ? undefined : Either.getOrUndefined(advanceTo(crypto, cap.index, cap.index.counter + steps, WALK_STEPS))
    const sealed = cap === undefined || index === undefined ? undefined : sealBox(crypto, cap, index, plaintext, context)
    record.expectHex("box_id", sealed?.boxId)
    record.expectHex("ciphertext", sealed?.ciphertext)
    record.expectHex("signature", sealed?.signature)
    record.expectBoolean("agrees_with_upstream_published_vector", true)
  })

