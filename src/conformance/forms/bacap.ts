/**
 * The form of BACAP vector files.
 *
 * Contract: recognised by any of its sections, most of which no other form has.
 * Knows nothing of: what a case holds (bacap-keys.ts, bacap-boxes.ts).
 * Source: vectors/bacap_vectors.json; departures: none.
 *
 * @module
 */
import { fieldOf } from "../case-record.ts"
import { hasAnyField, type Form } from "../form.ts"
import { runBoxes, runUpstreamCheck } from "./bacap-boxes.ts"
import { runAead, runBlinded, runChains, runNewCaps, runRefusals, runSizes } from "./bacap-keys.ts"

const SECTIONS = [
  "aes256_gcm_siv", "blinded_ed25519", "boxes", "message_box_index_chain", "new_write_cap_from_stream", "parse_and_limit_negatives",
  "upstream_check", "sizes"
]

export const bacapForm: Form = {
  name: "bacap",
  matches: (file) => hasAnyField(file, SECTIONS),
  run: (crypto, file, report) => {
    const section = (name: string, run: (value: unknown) => void): void => {
      if (hasAnyField(file, [name])) run(fieldOf(file, name))
    }
    section("sizes", (value) => runSizes(value, report))
    section("aes256_gcm_siv", (value) => runAead(crypto, value, report))
    section("blinded_ed25519", (value) => runBlinded(crypto, value, report))
    section("message_box_index_chain", (value) => runChains(crypto, value, report))
    section("new_write_cap_from_stream", (value) => runNewCaps(crypto, value, report))
    section("boxes", (value) => runBoxes(crypto, value, report))
    section("parse_and_limit_negatives", (value) => runRefusals(crypto, value, report))
    section("upstream_check", (value) => runUpstreamCheck(crypto, value, report))
    report.unknownFields(file, SECTIONS)
  }
}
