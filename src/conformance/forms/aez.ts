/**
 * The forms of AEZ v5 vectors: lists of extract, hash, PRF and encryption cases; the Sphinx payload permutation with key derivation.
 *
 * Contract: whole AEZ is one implementation for both backends; where the permutation is a backend's own (32 bytes and more), both are compared.
 * Knows nothing of: packets.
 * Source: sphinx.md §4, §5, §14; departures: none.
 *
 * @module
 */
import { utf8 } from "../../bytes/concat.ts"
import { aezDecrypt, aezEncrypt, aezExtract, aezHash, aezPrf } from "../../crypto/aez.ts"
import type { CryptoBackend } from "../../crypto/backend.ts"
import { derivePacketKeys, blindingFactorOf } from "../../sphinx/key-material.ts"
import { patternedPayload } from "../../sphinx/patterned-payload.ts"
import { fieldOf, type CaseRecord } from "../case-record.ts"
import { hasAnyField, listsRecordsWith, type Form } from "../form.ts"
import type { Report } from "../report.ts"

/** Shortest input of the payload permutation. */
const PERMUTATION_BYTES = 32
const PACKET_KDF_INFO = "katzenpost-kdf-v0-hkdf-sha256"

export const aezExtractForm: Form = {
  name: "aez-extract",
  matches: (file) => listsRecordsWith(file, ["a", "b"]),
  run: (crypto, file, report) => report.checkAll("extract", file, (record) => record.expectHex("b", aezExtract(crypto, record.hex("a"))))
}

/** `tau` is in bits. */
export const aezHashForm: Form = {
  name: "aez-hash",
  matches: (file) => listsRecordsWith(file, ["k", "tau", "data", "v"]),
  run: (crypto, file, report) =>
    report.checkAll("hash", file, (record) => {
      const key = aezExtract(crypto, record.hex("k"))
      record.expectHex("v", aezHash(key, record.integer("tau"), record.hexList("data")))
    })
}

/** `tau` is the length of the output in bytes. */
export const aezPrfForm: Form = {
  name: "aez-prf",
  matches: (file) => listsRecordsWith(file, ["k", "delta", "tau", "r"]),
  run: (crypto, file, report) =>
    report.checkAll("prf", file, (record) => {
      const key = aezExtract(crypto, record.hex("k"))
      record.expectHex("r", aezPrf(key, record.hex("delta"), boundedBytes(record, "tau")))
    })
}

/** A length in bytes that a check may allocate. */
const boundedBytes = (record: CaseRecord, name: string): number => {
  const byteLength = record.integer(name)
  record.require(byteLength <= 1 << 24, `${name} is out of bounds`)
  return Math.min(byteLength, 1 << 24)
}

/** `tau` is in bytes. */
const checkEncrypt = (crypto: CryptoBackend, record: CaseRecord): void => {
  const [key, nonce, data, tau, message] = [record.hex("k"), record.hex("nonce"), record.hexList("data"), boundedBytes(record, "tau"), record.hex("m")]
  const ciphertext = aezEncrypt(crypto, key, nonce, data, tau, message)
  record.expectHex("c", ciphertext)
  record.same("message of the ciphertext", message, aezDecrypt(crypto, key, nonce, data, tau, ciphertext))
  const isPermutation = key.length === 48 && nonce.length === 16 && data.length === 0 && tau === 0 && message.length >= PERMUTATION_BYTES
  if (isPermutation) record.same("the backend's permutation", ciphertext, crypto.sprpEncipher(key, nonce, message))
}

export const aezEncryptForm: Form = {
  name: "aez-encrypt",
  matches: (file) => listsRecordsWith(file, ["k", "nonce", "data", "tau", "m", "c"]),
  run: (crypto, file, report) => report.checkAll("encrypt", file, (record) => checkEncrypt(crypto, record))
}

const encipher = (crypto: CryptoBackend, key: Uint8Array, nonce: Uint8Array, text: Uint8Array): Uint8Array =>
  text.length < PERMUTATION_BYTES ? aezEncrypt(crypto, key, nonce, [], 0, text) : crypto.sprpEncipher(key, nonce, text)

const decipher = (crypto: CryptoBackend, key: Uint8Array, nonce: Uint8Array, text: Uint8Array): Uint8Array | undefined =>
  text.length < PERMUTATION_BYTES ? aezDecrypt(crypto, key, nonce, [], 0, text) : crypto.sprpDecipher(key, nonce, text)

/** Long plaintexts are not written out: they are the pattern. */
const checkPermutation = (crypto: CryptoBackend, record: CaseRecord): void => {
  const length = boundedBytes(record, "length")
  const pattern = patternedPayload(length)
  const plaintext = record.has("plaintext") ? record.hex("plaintext") : pattern
  record.require(plaintext.length === length, "length is not the plaintext's")
  const [key, nonce] = [record.hex("key"), record.hex("nonce")]
  const ciphertext = encipher(crypto, key, nonce, plaintext)
  if (record.has("ciphertext") || !record.has("ciphertext_sha256")) record.expectHex("ciphertext", ciphertext)
  if (record.has("ciphertext_sha256")) record.expectHex("ciphertext_sha256", crypto.sha256(ciphertext))
  record.same("plaintext of the ciphertext", plaintext, decipher(crypto, key, nonce, ciphertext))
  if (record.has("decrypt_of_plaintext_sha256")) {
    const inverse = decipher(crypto, key, nonce, plaintext)
    record.expectHex("decrypt_of_plaintext_sha256", inverse === undefined ? undefined : crypto.sha256(inverse))
  }
}

const checkKeyDerivation = (crypto: CryptoBackend, record: CaseRecord): void => {
  const ikm = record.hex("ikm")
  const keys = derivePacketKeys(crypto, ikm)
  record.expectText("hkdf_info_utf8", PACKET_KDF_INFO)
  record.same("HKDF with that info", crypto.hkdfSha256Expand(ikm, utf8(PACKET_KDF_INFO), keys.material.length), keys.material)
  record.expectHex("hash_sha512_256_of_ikm", crypto.sha512_256(ikm))
  record.expectHex("header_mac_key", keys.headerMac)
  record.expectHex("header_encryption_key", keys.headerEncryption)
  record.expectHex("header_encryption_iv", keys.headerIv)
  record.expectHex("payload_encryption_key", keys.payloadEncryption)
  record.expectHex("blinding_factor", blindingFactorOf(crypto, keys))
  record.expectHex("mac_of_pattern_100", crypto.hmacSha256(keys.headerMac, patternedPayload(100)))
  record.expectHex("stream_200", crypto.aes256Ctr(keys.headerEncryption, keys.headerIv, new Uint8Array(200)))
}

const SECTIONS = ["sprp", "packet_key_derivation", "aez_tau_16_no_ad"]

const runTau16 = (crypto: CryptoBackend, list: unknown, report: Report): void =>
  report.checkAll("aez_tau_16_no_ad", list, (record) => {
    const [key, nonce, plaintext, tau] = [record.hex("key"), record.hex("nonce"), record.hex("plaintext"), boundedBytes(record, "tau")]
    const ciphertext = aezEncrypt(crypto, key, nonce, [], tau, plaintext)
    record.expectHex("ciphertext", ciphertext)
    record.same("plaintext of the ciphertext", plaintext, aezDecrypt(crypto, key, nonce, [], tau, ciphertext))
  })

export const aezSprpForm: Form = {
  name: "aez-sprp",
  matches: (file) => hasAnyField(file, SECTIONS),
  run: (crypto, file, report) => {
    if (hasAnyField(file, ["sprp"])) report.checkAll("sprp", fieldOf(file, "sprp"), (record) => checkPermutation(crypto, record))
    if (hasAnyField(file, ["packet_key_derivation"])) {
      report.checkAll("packet_key_derivation", fieldOf(file, "packet_key_derivation"), (record) => checkKeyDerivation(crypto, record))
    }
    if (hasAnyField(file, ["aez_tau_16_no_ad"])) runTau16(crypto, fieldOf(file, "aez_tau_16_no_ad"), report)
    report.unknownFields(file, SECTIONS)
  }
}
