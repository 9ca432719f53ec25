/**
 * The conformance run as its command sees it: recognition, counts, exit codes, and damaged files. Goal: nothing passes by not being looked at.
 *
 * @module
 */
import { Either } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { CaseRecord } from "../../../src/conformance/case-record.ts"
import { conformanceExitCode, formatConformance, runConformance, runConformanceText } from "../../../src/conformance/conformance.ts"
import { nativeBackend } from "../../../src/crypto/backends/native.ts"
import { referenceBackend } from "../../../src/crypto/backends/reference.ts"

const native = Either.getOrThrow(nativeBackend())
const BACKENDS = [native, referenceBackend]
const delay = { NodeDelay: 1234, NodeDelayCmdWant: "80000004d2" }
const run = (file: unknown) => runConformance(BACKENDS, "some-file.json", file)
const code = (file: unknown) => conformanceExitCode([run(file)])

describe("exit codes and output", () => {
  it("a good file passes in both backends, and the last line says how many", () => {
    const outcome = run(delay)
    expect(outcome.form).toBe("sphinx-commands")
    expect(outcome.cases.map((one) => [one.backend, one.outcome])).toEqual([["native", "passed"], ["reference", "passed"]])
    expect(formatConformance([outcome]).split("\n").at(-1)).toBe("2 passed, 0 failed")
    expect(conformanceExitCode([outcome])).toBe(0)
  })
  it("one wrong value fails with its name, expected and computed", () => {
    const outcome = run({ ...delay, NodeDelay: 1235 })
    expect(conformanceExitCode([outcome])).toBe(1)
    const text = formatConformance([outcome])
    expect(text).toContain("NodeDelayCmdWant: expected 80000004d2, computed 80000004d3")
    expect(text.split("\n").at(-1)).toBe("0 passed, 2 failed")
  })
  it("files of unknown form, without a case, and texts that are no JSON end with 2", () => {
    for (const file of [{}, [], null, 5, "x", true, { about: "nothing" }, { cases: [] }, { boxes: [] }, { messages: [] }, [{}], [[]], { geometries: [] }]) {
      expect(code(file)).toBe(2)
    }
    for (const text of ["", "{", "\u0000", "[".repeat(20_000)]) expect(conformanceExitCode([runConformanceText(BACKENDS, "f", text)])).toBe(2)
    expect(conformanceExitCode([])).toBe(2)
  })
  it("one file of unknown form makes the whole run end with 2, whatever the others did", () => {
    expect(conformanceExitCode([run(delay), run({})])).toBe(2)
    expect(conformanceExitCode([run(delay), run({ ...delay, NodeDelay: 1 })])).toBe(1)
  })
  it("the form is recognised by content, not by the file's name", () => {
    expect(runConformanceText(BACKENDS, "bacap_vectors.json", JSON.stringify(delay)).form).toBe("sphinx-commands")
  })
  it("a section that only skips is no case", () => {
    expect(code({ ctidh1024_x25519_informative: { anything: 1 } })).toBe(2)
    expect(code({ aes256_gcm_siv: [{ case: "nonce16 (legacy)" }] })).toBe(2)
  })
})

describe("unknown fields", () => {
  it("fail their case, wherever they stand", () => {
    const padding = { message: "78", target: 6, padded: "000000017800" }
    expect(code({ padding: [padding] })).toBe(0)
    expect(code({ padding: [{ ...padding, more: 1 }] })).toBe(1)
    expect(code({ padding: [padding], unheard_of: [] })).toBe(1)
    expect(code({ padding: [padding], about: "texts for people are no cases" })).toBe(0)
    expect(code({ padding: [padding], about: ["not a text"] })).toBe(1)
    expect(code({ ...delay, NodeDelays: 1 })).toBe(1)
  })
  it("a missing field fails too", () => {
    expect(code({ NodeDelay: 1234 })).toBe(1)
    expect(code({ padding: [{ message: "78", target: 6 }] })).toBe(1)
  })
})

describe("forms beyond the files at hand", () => {
  const messages = (...list: ReadonlyArray<unknown>) => code({ messages: list })
  it("courier replies nest `envelope_reply` and `copy_command_reply`", () => {
    const hash = "05".repeat(32)
    const envelopeReply = { envelope_hash: hash, reply_index: 1, reply_type: 1, payload: "0a0b", error_code: 0 }
    const reply = { type: "CourierQueryReply", fields: { reply_type: 0, envelope_reply: envelopeReply }, encoded: `00${hash}0101000000020a0b00` }
    expect(messages(reply)).toBe(0)
    expect(messages({ ...reply, fields: { reply_type: 0, envelope_reply: { ...envelopeReply, error_code: 1 } } })).toBe(1)
    const copied = { type: "CourierQueryReply", fields: { reply_type: 1, copy_command_reply: { status: 2, error_code: 10, failed_envelope_index: "5" } } }
    expect(messages({ ...copied, encoded: "01020a0000000000000005", length: 11 })).toBe(0)
    expect(messages({ ...copied, encoded: "01020a0000000000000006", length: 11 })).toBe(1)
  })
  it("replica writes, replies and stream elements, with or without written-out lengths", () => {
    const [box, signature] = ["01".repeat(32), "02".repeat(64)]
    const write = { type: "ReplicaWrite", fields: { box_id: box, signature, payload: "0708" }, encoded: `${box}${signature}000000020708` }
    expect(messages(write, { ...write, fields: { ...write.fields, payload_len: 2 } })).toBe(0)
    expect(messages({ ...write, fields: { ...write.fields, payload_len: 3 } })).toBe(1)
    expect(messages({ type: "ReplicaWriteReply", fields: { error_code: 9 }, encoded: "09" })).toBe(0)
    const readReply = { error_code: 11, box_id: box, signature, payload: "" }
    expect(messages({ type: "ReplicaReadReply", fields: readReply, encoded: `0b${box}${signature}00000000` })).toBe(0)
    expect(messages({ type: "CopyStreamElement", fields: { flags: 3, envelope_len: 1, envelope_data: "ff" }, encoded: "0300000001ff" })).toBe(0)
    expect(messages({ type: "CopyCommand", fields: { write_cap: "ff" }, encoded: "00000001ff" })).toBe(0)
    expect(messages({ type: "NoSuchMessage", fields: {}, encoded: "" })).toBe(1)
  })
  it("replica link replies", () => {
    const reply = {
      name: "ReplicaMessageReply", parses_as: "ReplicaMessageReply", last_padding_byte: 0, padded_length: 100,
      fields: { error_code: 1, envelope_hash: "05".repeat(32), replica_id: 200, envelope_reply: "0a" },
      unpadded: `09000000002301${"05".repeat(32)}c80a`
    }
    expect(code({ commands: [reply] })).toBe(0)
    expect(code({ commands: [{ ...reply, parses_as: "ReplicaWrite" }] })).toBe(1)
  })
  it("an index at 2^64 − 1 that must not be stepped, and a padded message that is extracted", () => {
    const last = "ff".repeat(8) + "00".repeat(96)
    const refusal = { type: "MessageBoxIndex", blob: last, name: "step past 2^64-1", must_be_rejected: true, rejected_by_the_code_run: false }
    expect(code({ parse_and_limit_negatives: [refusal] })).toBe(0)
    expect(code({ parse_and_limit_negatives: [{ ...refusal, name: "valid" }] })).toBe(1)
    expect(code({ padding: [{ extract_from: "00000001ff00", message: "ff" }] })).toBe(0)
    expect(code({ padding: [{ extract_from: "00000001ff00", message: "fe" }] })).toBe(1)
  })
})

describe("damaged files", () => {
  const FILES: ReadonlyArray<Record<string, unknown>> = [
    { padding: [{ message: "78", target: 6, padded: "000000017800" }] },
    { boxes: [{ write_cap_168: "00" }] }, { cases: [{ hops: [], nodes: [] }] }, { cases: [{ recipients: [], nike: "x25519", deks: [] }] },
    { shard2: { sets: [{ keys: ["00"], results: [{ box_id: "00", chosen_key_indices_in_order: [0, 1] }] }] } },
    { copy_stream: { envelopes: ["00"], elements: [{}], max_plaintext_payload_length: 3 } }, { sprp: [{ length: 9e15 }] },
    { aes256_gcm_siv: [{ key: "00", nonce: "", ad: "", plaintext: "", ciphertext_and_tag: "" }] }, { end_to_end_query: { write_cap: "" } },
    { commands: [{ name: "ReplicaWrite", parses_as: "ReplicaWrite", padded_length: 1e15, fields: { box_id: "00" } }] }
  ]
  it("fail, and never end the run with an exception", () => {
    for (const file of FILES.slice(1)) expect(code(file)).toBe(1)
  })
  it("so does any JSON in the place of a section", () => {
    const sections = [
      "aes256_gcm_siv", "blinded_ed25519", "boxes", "message_box_index_chain", "new_write_cap_from_stream", "parse_and_limit_negatives", "sizes",
      "upstream_check", "messages", "parser_checks", "padding", "geometry", "shard2", "copy_stream", "end_to_end_query", "commands", "cases",
      "geometries", "sprp", "packet_key_derivation", "aez_tau_16_no_ad", "hash", "stream", "kdf", "xwing", "NoOp", "NextHopID"
    ]
    fc.assert(
      fc.property(fc.constantFrom(...sections), fc.jsonValue({ maxDepth: 3 }), (section, value) => {
        expect(conformanceExitCode([runConformance([native], "f", { [section]: value })])).toBeGreaterThan(0)
      }),
      { numRuns: 400 }
    )
  })
})

describe("CaseRecord", () => {
  it("reports wrong kinds and unread fields, and gives empty values instead", () => {
    const problems: Array<string> = []
    const record = new CaseRecord({ a: 1, b: "zz", c: "00", d: [1, "x"], e: -1, f: "18446744073709551616", left: true }, problems)
    expect([record.hex("a"), record.hex("b"), record.text("a"), record.integer("e"), record.u64("f"), record.boolean("c")]).toEqual([
      new Uint8Array(0), new Uint8Array(0), "", 0, 0n, false
    ])
    expect(record.integerList("d")).toEqual([1, 0])
    record.close()
    expect(problems).toEqual([
      "a is not hexadecimal text", "b is not hexadecimal text", "a is not a text", "e is not a whole number", "f is not a 64-bit number",
      "c is not true or false", "d[1] is not a whole number", "left is an unknown field"
    ])
  })
  it("does not read inherited names", () => {
    const problems: Array<string> = []
    new CaseRecord({}, problems).text("toString")
    expect(problems).toEqual(["toString is missing"])
  })
})
