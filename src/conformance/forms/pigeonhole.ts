/**
 * The form of Pigeonhole vector files.
 *
 * Contract: recognised by any of its sections.
 * Knows nothing of: what a case holds (pigeonhole-messages.ts, pigeonhole-parts.ts).
 * Source: vectors/pigeonhole_vectors.json; departures: none.
 *
 * @module
 */
import { fieldOf, isRecord } from "../case-record.ts"
import { hasAnyField, type Form } from "../form.ts"
import { runMessages, runParserChecks } from "./pigeonhole-messages.ts"
import { runCopyStream, runGeometry, runPadding, runQuery, runShards } from "./pigeonhole-parts.ts"

const SECTIONS = ["messages", "parser_checks", "padding", "geometry", "shard2", "copy_stream", "end_to_end_query"]

export const pigeonholeForm: Form = {
  name: "pigeonhole",
  matches: (file) => hasAnyField(file, SECTIONS) && isRecord(file),
  run: (crypto, file, report) => {
    const section = (name: string, run: (value: unknown) => void): void => {
      if (hasAnyField(file, [name])) run(fieldOf(file, name))
    }
    section("messages", (value) => runMessages(crypto, value, report))
    section("parser_checks", (value) => runParserChecks(crypto, value, report))
    section("padding", (value) => runPadding(value, report))
    section("geometry", (value) => runGeometry(value, report))
    section("shard2", (value) => runShards(crypto, value, report))
    section("copy_stream", (value) => runCopyStream(value, report))
    section("end_to_end_query", (value) => runQuery(crypto, value, report))
    report.unknownFields(file, SECTIONS)
  }
}
