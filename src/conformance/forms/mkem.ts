/**
 * The form of MKEM vectors.
 *
 * Contract: encapsulation is repeated with the recorded randomness and compared byte for byte; every recipient decapsulates, answers with the
 * recorded nonce, and is refused the DEK of nobody. Records of NIKEs that this project has not are skipped.
 * Knows nothing of: envelopes.
 * Source: pigeonhole.md §4; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { concatBytes, utf8 } from "../../bytes/concat.ts"
import { ByteWriter } from "../../bytes/writer.ts"
import type { CryptoBackend } from "../../crypto/backend.ts"
import { decapsulate, encapsulate, nikeX25519, nikeX448, openReply, sealReply, type Nike } from "../../crypto/mkem.ts"
import { fieldOf, hexFieldOf, isRecord, type CaseRecord } from "../case-record.ts"
import { hasAnyField, scriptedEntropy, type Form } from "../form.ts"
import type { Report } from "../report.ts"

/** Head of a CBOR item in its shortest form; lengths here are below 2^16. */
const cborHead = (major: number, length: number): Uint8Array => {
  if (length < 24) return Uint8Array.of((major << 5) | length)
  if (length < 256) return Uint8Array.of((major << 5) | 24, length)
  if (length < 65536) return new ByteWriter(3).u8((major << 5) | 25).u16(length).finish()
  return new ByteWriter(5).u8((major << 5) | 26).u32(length).finish()
}
const cborBytes = (bytes: Uint8Array): Uint8Array => concatBytes(cborHead(2, bytes.length), bytes)
const cborText = (text: string): Uint8Array => concatBytes(cborHead(3, utf8(text).length), utf8(text))

/** How the reference implementation keeps an encapsulation: a map of three, shorter keys first. */
const cborCiphertext = (senderPublicKey: Uint8Array, deks: ReadonlyArray<Uint8Array>, envelope: Uint8Array): Uint8Array =>
  concatBytes(
    cborHead(5, 3),
    cborText("Envelope"), cborBytes(envelope),
    cborText("DEKCiphertexts"), cborHead(4, deks.length), ...deks.map(cborBytes),
    cborText("EphemeralPublicKey"), cborBytes(senderPublicKey)
  )

const nikeOf = (crypto: CryptoBackend, name: string): Nike | undefined =>
  name === "x25519" ? nikeX25519(crypto) : name === "x448" ? nikeX448(crypto) : undefined

interface Sender {
  readonly privateKey: Uint8Array
  readonly publicKey: Uint8Array
  readonly envelope: Uint8Array
  readonly plaintext: Uint8Array
}

const checkRecipient = (crypto: CryptoBackend, nike: Nike, sender: Sender, dek: Uint8Array) => (record: CaseRecord): void => {
  const privateKey = record.hex("private_key")
  const publicKey = nike.publicKey(privateKey)
  record.expectHex("public_key", publicKey)
  const secret = nike.sharedSecret(sender.privateKey, publicKey)
  record.expectHex("nike_shared_secret", secret)
  record.expectHex("dek_key_blake2b256_of_secret", secret === undefined ? undefined : crypto.blake2b256(secret))
  record.same("decapsulation", sender.plaintext, Either.getOrUndefined(decapsulate(crypto, nike, privateKey, sender.publicKey, dek, sender.envelope)))
  if (record.has("decapsulates_to")) record.expectHex("decapsulates_to", sender.plaintext)
  const reply = record.hex("envelope_reply")
  record.expectHex("envelope_reply_plaintext", Either.getOrUndefined(openReply(crypto, nike, sender.privateKey, publicKey, reply)))
  const answer = record.hex("envelope_reply_plaintext")
  const script = scriptedEntropy(reply.slice(0, 12))
  record.expectHex("envelope_reply", Either.getOrUndefined(sealReply(crypto, nike, privateKey, sender.publicKey, answer, script.entropy)))
}

const checkCase = (crypto: CryptoBackend, nike: Nike, report: Report) => (record: CaseRecord, name: string): void => {
  record.expectText("nike", nike.name)
  if (record.has("random_layout")) record.expectLayout("random_layout", nike.privateKeyBytes, 32, 12, 12)
  const recipients = record.list("recipients")
  const publicKeys = recipients.map((one) => hexFieldOf(one, "public_key"))
  const plaintext = record.hex("plaintext")
  const script = scriptedEntropy(record.hex("random_bytes_in_order"))
  const made = Either.getOrUndefined(encapsulate(crypto, nike, publicKeys, plaintext, script.entropy))
  record.require(script.isSpent(), "random_bytes_in_order: another number of bytes is consumed")
  record.expectHex("sender_private_key", made?.senderPrivateKey)
  record.expectHex("sender_public_key", made?.senderPublicKey)
  record.expectHex("envelope", made?.ciphertext)
  record.expectInteger("envelope_length", made?.ciphertext.length)
  record.expectHexList("deks", made?.deks)
  if (record.has("cbor_ciphertext")) {
    record.expectHex("cbor_ciphertext", made === undefined ? undefined : cborCiphertext(made.senderPublicKey, made.deks, made.ciphertext))
  }
  const messageKey = record.hex("message_key")
  if (made === undefined) return
  const body = made.ciphertext
  record.same("envelope under message_key", plaintext, crypto.chacha20Poly1305Open(messageKey, body.slice(0, 12), new Uint8Array(0), body.slice(12)))
  const sender = { privateKey: made.senderPrivateKey, publicKey: made.senderPublicKey, envelope: body, plaintext }
  if (record.has("wrong_dek_error")) record.expectText("wrong_dek_error", wrongDekError(crypto, nike, sender, recipients, made.deks))
  recipients.forEach((one, index) => {
    report.check(`${name}.recipients[${index}]`, one, checkRecipient(crypto, nike, sender, made.deks[index] ?? new Uint8Array(0)))
  })
}

/** The text upstream gives when a DEK does not open; undefined when a damaged DEK opens. */
const wrongDekError = (
  crypto: CryptoBackend, nike: Nike, sender: Sender, recipients: ReadonlyArray<unknown>, deks: ReadonlyArray<Uint8Array>
): string | undefined => {
  const [first] = deks
  if (first === undefined) return undefined
  const damaged = first.slice()
  damaged[0] = (damaged[0] as number) ^ 1
  const opened = decapsulate(crypto, nike, hexFieldOf(recipients[0], "private_key"), sender.publicKey, damaged, sender.envelope)
  return Either.isLeft(opened) && opened.left.reason === "bad-dek" ? "failed to trial decrypt" : undefined
}

const isInformative = (name: string): boolean => name.endsWith("_informative")

export const mkemForm: Form = {
  name: "mkem",
  matches: (file) => {
    const cases = fieldOf(file, "cases")
    const looksLikeMkem = Array.isArray(cases) && cases.some((one) => hasAnyField(one, ["deks", "message_key", "recipients"]))
    return looksLikeMkem || (isRecord(file) && hasAnyField(file, ["ctidh1024_x25519_informative"]))
  },
  run: (crypto, file, report) => {
    const cases = fieldOf(file, "cases")
    if (Array.isArray(cases)) {
      cases.forEach((value, index) => {
        const nike = nikeOf(crypto, String(fieldOf(value, "nike")))
        const name = `cases[${index}]`
        if (nike === undefined) report.check(name, value, (record) => record.fail(`nike ${String(fieldOf(value, "nike"))} is unknown`))
        else report.check(name, value, (record) => checkCase(crypto, nike, report)(record, name))
      })
    }
    const names = isRecord(file) ? Object.keys(file) : []
    for (const name of names.filter(isInformative)) report.skip(name, "informative: this project has not that NIKE")
    report.unknownFields(file, ["cases", ...names.filter(isInformative)])
  }
}
