/**
 * Every kind of leaf of every vector file changed once. Goal: no changed value, and no unknown field, passes the conformance run unnoticed.
 * Method: for each place of a form, the file is cut down to what one leaf needs; cut it passes, with the leaf changed the native backend must
 * report a failure. The places that may change unnoticed are listed, each with its reason.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { conformanceExitCode, runConformance } from "../../src/conformance/conformance.ts"
import { nativeBackend } from "../../src/crypto/backends/native.ts"
import { cutTo, leavesOf, mutated, placeOf, recordsOf, valueAt, withUnknownField, type Path } from "./mutation.ts"
import { FILES, textOf } from "./vector-files.ts"

const native = Either.getOrThrow(nativeBackend())

/** Lists whose entries stand alone, so that one is enough to try a leaf of it. */
const STANDS_ALONE = new Set([
  "", "aes256_gcm_siv", "blinded_ed25519", "boxes", "boxes.*.entries", "boxes.*.negative", "boxes.*.entries.*.writes", "message_box_index_chain",
  "message_box_index_chain.*.advance", "message_box_index_chain.*.mutate_kdf_state", "new_write_cap_from_stream", "parse_and_limit_negatives",
  "upstream_check", "cases", "messages", "padding", "geometry.from_sphinx", "geometry.to_sphinx", "geometry.new_geometry", "shard2.sets",
  "shard2.sets.*.results", "parser_checks", "geometries", "commands", "sprp", "packet_key_derivation", "aez_tau_16_no_ad"
])

/** Texts for people: no computation gives them. */
const DESCRIPTIONS = /^(about|format|header|shard2\.rule)$|(^|\.)(name|alg|case|sender_random_layout|random_layout|rng_layout)$/
/** Records that are skipped on purpose. */
const SKIPPED = /^ctidh1024_x25519_informative/
/**
 * Inputs of which another value gives the same outputs: the id of a first node stands nowhere in a forward packet; a refused message, box or
 * blob is refused as well when it reads differently; an AEZ message of no bytes without authenticator has no ciphertext to change; keys K and E
 * of a cap are not used by a box further on; a replica key may be among nobody's two smallest; link lengths do not depend on the hop count;
 * X25519 ignores five bits of a private key.
 */
const FREE_INPUTS = new Set([
  "cases.*.nodes.*.id", "padding.*.message", "padding.*.extract_from", "boxes.*.negative.*.ctx", "parse_and_limit_negatives.*.blob", "*.k", "*.nonce",
  "*.data.*", "parser_checks.*.valid", "cases.*.nodes.*.private_key", "upstream_check.*.write_cap_168", "shard2.sets.*.keys.*", "nr_hops"
])

/** The first and the last path of every place; the last alone where a case is dear. */
const sampled = (name: string, paths: ReadonlyArray<Path>): ReadonlyArray<Path> => {
  const places = new Map<string, Path>()
  for (const path of paths) places.set(`last ${placeOf(path)}`, path)
  if (name !== "sphinx_kem_xwing_vectors.json") for (const path of [...paths].reverse()) places.set(`first ${placeOf(path)}`, path)
  return [...new Set(places.values())]
}

const codeOf = (name: string, file: unknown): number => conformanceExitCode([runConformance([native], name, file)])

const standsAlone = (place: string): boolean => STANDS_ALONE.has(place)

describe("no changed value passes unnoticed", () => {
  it.each(FILES)("%s", (name) => {
    const file = JSON.parse(textOf(name)) as unknown
    const unnoticed: Array<string> = []
    for (const path of sampled(name, leavesOf(file))) {
      const place = placeOf(path)
      if (DESCRIPTIONS.test(place) || SKIPPED.test(place) || FREE_INPUTS.has(place)) continue
      const cut = cutTo(file, path, standsAlone)
      const isLegacy = String(valueAt(cut.file, [...cut.path.slice(0, -1), "case"])).includes("legacy")
      if (isLegacy) continue
      if (codeOf(name, cut.file) !== 0 || codeOf(name, mutated(cut.file, cut.path)) !== 1) unnoticed.push(path.join("."))
    }
    expect(unnoticed).toEqual([])
  })
})

describe("an unknown field fails its case", () => {
  it.each(FILES)("%s", (name) => {
    const file = JSON.parse(textOf(name)) as unknown
    const unnoticed: Array<string> = []
    for (const path of sampled(name, recordsOf(file))) {
      if (SKIPPED.test(placeOf(path))) continue
      const cut = path.length === 0 ? { file, path } : cutTo(file, path, standsAlone)
      if (path.length === 0 && name === "bacap_vectors.json") continue // the whole file; its sections are tried one by one
      if (codeOf(name, cut.file) === 0 && codeOf(name, withUnknownField(cut.file, cut.path)) !== 1) unnoticed.push(path.join("."))
    }
    expect(unnoticed).toEqual([])
  })
})
