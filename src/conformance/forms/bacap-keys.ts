/**
 * BACAP vectors below the box: AEAD, blinded keys, index chains, fresh capabilities, refused capabilities, sizes.
 *
 * Contract: every field is read and every output recomputed. AEAD records of the old 16-byte nonce are skipped.
 * Knows nothing of: files; boxes (bacap-boxes.ts).
 * Source: pigeonhole.md §1; the vector file's own texts; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { BOX_ID_BYTES } from "../../bacap/box-id.ts"
import { SIGNATURE_BYTES } from "../../bacap/box.ts"
import { advanceTo, BOX_INDEX_BYTES, decodeBoxIndex, encodeBoxIndex, nextIndex, reseed, type MessageBoxIndex } from "../../bacap/box-index.ts"
import {
  decodeReadCap, decodeWriteCap, encodeReadCap, encodeWriteCap, newWriteCap, READ_CAP_BYTES, readCapOf, WRITE_CAP_BYTES
} from "../../bacap/capability.ts"
import { concatBytes } from "../../bytes/concat.ts"
import { constantTimeEqual, isAllZero } from "../../bytes/equal.ts"
import type { CryptoBackend } from "../../crypto/backend.ts"
import { blindAgain, blindPrivateKey, blindPublicKey, factorScalar, signBlinded } from "../../crypto/blinded-ed25519.ts"
import { fieldOf, hexFieldOf, type CaseRecord } from "../case-record.ts"
import { scriptedEntropy } from "../form.ts"
import type { Report } from "../report.ts"

const NONCE_BYTES = 12
/** Bounds the walk that a damaged file can ask for. */
const WALK_STEPS = 2 ** 16
const LAST_COUNTER = 0xffff_ffff_ffff_ffffn

/** Compares a written-out index with a computed one. */
export const expectIndex = (record: CaseRecord, name: string, computed: MessageBoxIndex | undefined): void => {
  record.nested(name, (index) => {
    index.expectU64("idx64", computed?.counter)
    index.expectHex("blinding_factor_K", computed?.blindingKey)
    index.expectHex("encryption_key_E", computed?.encryptionKey)
    index.expectHex("hkdf_state_H", computed?.hkdfState)
    index.expectHex("serialized", computed === undefined ? undefined : encodeBoxIndex(computed))
  })
}

/** Reads a written-out index that is an input; its parts must agree with its serialisation. */
export const readIndex = (record: CaseRecord, name: string): MessageBoxIndex | undefined => {
  const decoded = Either.getOrUndefined(decodeBoxIndex(hexFieldOf(record.raw(name), "serialized")))
  expectIndex(record, name, decoded)
  return decoded
}

/** `case` says which nonce is meant: of 12 bytes, of 16 ending in four zeros (the same), or the old one of 16 (skipped). */
export const runAead = (crypto: CryptoBackend, list: unknown, report: Report): void => {
  const records = Array.isArray(list) ? list : [list]
  records.forEach((value, index) => {
    const name = `aes256_gcm_siv[${index}]`
    const label = fieldOf(value, "case")
    if (typeof label === "string" && label.includes("legacy")) {
      report.skip(name, "legacy: 16-byte nonce of old BACAP")
      return
    }
    report.check(name, value, (record) => {
      const [key, nonce, aad, plaintext] = [record.hex("key"), record.hex("nonce"), record.hex("ad"), record.hex("plaintext")]
      const wide = record.has("case") && record.text("case").includes("nonce16")
      record.require(nonce.length === (wide ? NONCE_BYTES + 4 : NONCE_BYTES), "nonce has not the length that the case states")
      record.require(isAllZero(nonce.subarray(NONCE_BYTES)), "nonce does not end in zeros")
      const short = nonce.subarray(0, NONCE_BYTES)
      const sealed = crypto.aes256GcmSivSeal(key, short, aad, plaintext)
      record.expectHex("ciphertext_and_tag", sealed)
      record.same("plaintext of the ciphertext", plaintext, crypto.aes256GcmSivOpen(key, short, aad, sealed))
    })
  })
}

/** The ordinary Ed25519 secret scalar of a seed. */
const rootScalarOf = (crypto: CryptoBackend, seed: Uint8Array): Uint8Array => {
  const half = crypto.sha512(seed).slice(0, 32)
  half[0] = (half[0] as number) & 0xf8
  half[31] = ((half[31] as number) & 0x3f) | 0x40
  return crypto.scalarReduce(half)
}

export const runBlinded = (crypto: CryptoBackend, list: unknown, report: Report): void =>
  report.checkAll("blinded_ed25519", list, (record, name) => {
    const seed = record.hex("seed")
    const factor = record.hex("factor")
    const root = crypto.ed25519PublicKey(seed)
    record.expectHex("root_public_key", root)
    record.expectHex("private_key_64", concatBytes(seed, root))
    record.expectHex("root_scalar_clamped_mod_l", rootScalarOf(crypto, seed))
    record.expectHex("factor_sha512_256", crypto.sha512_256(factor))
    record.expectHex("factor_scalar_clamped_mod_l", factorScalar(crypto, factor))
    const blinded = blindPrivateKey(crypto, seed, factor)
    record.expectHex("blinded_private_scalar", blinded.scalar)
    record.expectHex("blinded_public_key", blinded.publicKey)
    record.same("blinded public key from the public half", blinded.publicKey, blindPublicKey(crypto, root, factor))
    const secondFactor = record.hex("second_factor")
    const twice = blindAgain(crypto, blinded, secondFactor)
    record.expectHex("twice_blinded_scalar", twice.scalar)
    record.expectHex("twice_blinded_public_key", twice.publicKey)
    record.same("twice blinded public key from the public half", twice.publicKey, blindPublicKey(crypto, blinded.publicKey, secondFactor))
    report.checkAll(`${name}.signatures`, record.raw("signatures"), (signature) => {
      const message = signature.hex("message")
      const signed = signature.hex("signature")
      const verifies = crypto.ed25519Verify(blinded.publicKey, message, signed)
      signature.expectBoolean("verifies", verifies)
      if (verifies) signature.expectHex("signature", signBlinded(crypto, blinded, message))
      if (signature.has("std_ed25519_verifies")) signature.expectBoolean("std_ed25519_verifies", verifies)
    })
  })

export const runChains = (crypto: CryptoBackend, list: unknown, report: Report): void =>
  report.checkAll("message_box_index_chain", list, (record, name) => {
    const start = readIndex(record, "start")
    const rewound = start === undefined ? undefined : advanceTo(crypto, start, start.counter - 1n)
    record.expectBoolean("rewind_by_one_fails", rewound !== undefined && Either.isLeft(rewound))
    let at = start
    report.checkAll(`${name}.advance`, record.raw("advance"), (advance) => {
      const steps = BigInt(advance.integer("steps"))
      const target = (start?.counter ?? 0n) + steps
      // the list usually ascends: walk on from the entry before
      const from = at !== undefined && at.counter <= target ? at : start
      at = from === undefined ? undefined : Either.getOrUndefined(advanceTo(crypto, from, target, WALK_STEPS))
      expectIndex(advance, "index", at)
    })
    report.checkAll(`${name}.mutate_kdf_state`, record.raw("mutate_kdf_state"), (mutation) => {
      const context = mutation.hex("ctx")
      expectIndex(mutation, "index", start === undefined ? undefined : reseed(crypto, start, context))
    })
  })

export const runNewCaps = (crypto: CryptoBackend, list: unknown, report: Report): void =>
  report.checkAll("new_write_cap_from_stream", list, (record) => {
    record.describe("name")
    if (record.has("rng_layout")) record.expectLayout("rng_layout", 32, 32, 16)
    const script = scriptedEntropy(record.hex("rng_bytes_consumed"))
    const cap = newWriteCap(crypto, script.entropy)
    record.require(script.isSpent(), "rng_bytes_consumed: another number of bytes is consumed")
    record.expectHex("write_cap_168", encodeWriteCap(cap))
    record.expectHex("read_cap_136", encodeReadCap(readCapOf(cap)))
    expectIndex(record, "first_index", cap.index)
  })

interface Parsed {
  readonly byteLength: number
  /** What upstream calls the thing in its length error. */
  readonly upstreamName: string
  readonly index: Either.Either<MessageBoxIndex, { readonly reason: string }>
}

const parse = (crypto: CryptoBackend, type: string, blob: Uint8Array): Parsed | undefined => {
  switch (type) {
    case "WriteCap":
      return { byteLength: WRITE_CAP_BYTES, upstreamName: "BoxOwnerCap", index: Either.map(decodeWriteCap(crypto, blob), (cap) => cap.index) }
    case "ReadCap":
      return { byteLength: READ_CAP_BYTES, upstreamName: "ReadCap", index: Either.map(decodeReadCap(crypto, blob), (cap) => cap.index) }
    case "MessageBoxIndex":
      return { byteLength: BOX_INDEX_BYTES, upstreamName: "MessageBoxIndex", index: decodeBoxIndex(blob) }
    default:
      return undefined
  }
}

/** What a name promises about the reason of the refusal; names that promise nothing are free. */
const nameHolds = (name: string, blob: Uint8Array, parsed: Parsed): boolean => {
  const reason = Either.isLeft(parsed.index) ? parsed.index.left.reason : "accepted"
  if (name === "valid") return reason === "accepted"
  if (name === "empty") return blob.length === 0
  if (name === "short") return blob.length < parsed.byteLength
  if (name === "long") return blob.length > parsed.byteLength
  if (name.includes("not on the curve")) return reason === "not-a-point"
  if (name.includes("public half")) return reason === "inconsistent" || reason === "not-a-point"
  return true
}

/** Capabilities that must be refused, and valid ones among them; a last index counts as refused when the record asks for the step behind it. */
export const runRefusals = (crypto: CryptoBackend, list: unknown, report: Report): void =>
  report.checkAll("parse_and_limit_negatives", list, (record) => {
    const [type, blob, name] = [record.text("type"), record.hex("blob"), record.text("name")]
    const parsed = parse(crypto, type, blob)
    if (parsed === undefined) {
      record.fail(`type ${type} is unknown`)
      return
    }
    record.require(nameHolds(name, blob, parsed), `the blob is not what its name says: ${name}`)
    const atLimit = Either.isRight(parsed.index) && parsed.index.right.counter === LAST_COUNTER && name !== "valid"
    const exhausted = atLimit && Either.isRight(parsed.index) && Either.isLeft(nextIndex(crypto, parsed.index.right))
    record.expectBoolean("must_be_rejected", Either.isLeft(parsed.index) || exhausted)
    const wrongLength = blob.length !== parsed.byteLength
    // the code that was run looked at lengths only
    record.expectBoolean("rejected_by_the_code_run", wrongLength)
    if (wrongLength || record.has("error")) {
      record.expectText("error", wrongLength ? `invalid ${parsed.upstreamName} binary size` : undefined)
    }
  })

export const runSizes = (value: unknown, report: Report): void =>
  report.check("sizes", value, (record) => {
    record.expectInteger("box_id", BOX_ID_BYTES)
    record.expectInteger("message_box_index", BOX_INDEX_BYTES)
    record.expectInteger("read_cap", READ_CAP_BYTES)
    record.expectInteger("signature", SIGNATURE_BYTES)
    record.expectInteger("write_cap", WRITE_CAP_BYTES)
  })

/** True when two byte strings of one length differ in exactly one bit at or behind `fromByte`. */
export const differInOneBit = (a: Uint8Array, b: Uint8Array, fromByte = 0): boolean => {
  if (a.length !== b.length || !constantTimeEqual(a.subarray(0, fromByte), b.subarray(0, fromByte))) return false
  let bits = 0
  for (let i = fromByte; i < a.length; i++) for (let d = (a[i] as number) ^ (b[i] as number); d !== 0; d &= d - 1) bits += 1
  return bits === 1
}
