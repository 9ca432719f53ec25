/**
 * The vector files that the conformance run takes, by name.
 *
 * Goal: one list for the tests that run all of them.
 * Method: a file that is not here is run by a test of its own.
 *
 * @module
 */
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const DATA = join(dirname(fileURLToPath(import.meta.url)), "data")
export const FILES: ReadonlyArray<string> = [
  "aez_sprp_vectors.json", "bacap_vectors.json", "mkem_vectors.json", "pigeonhole_vectors.json", "replica_wire_vectors.json",
  "sphinx_commands_vectors.json", "sphinx_geometry_vectors.json", "sphinx_kem_xwing_vectors.json", "sphinx_nike_x25519_vectors.json",
  "sphinx_primitives_vectors.json", "sphinx_vectors.json", "wire_commands_vectors.json",
  ...readdirSync(join(DATA, "aez")).map((name) => `aez/${name}`)
]
export const textOf = (name: string): string => readFileSync(join(DATA, name), "utf8")
