/**
 * Goal: the quick commands of the compiled program answer as promised, and every bad input ends with one line that helps, the right status, and nothing else.
 * Method: the real program as a child process, a few at a time; no network is started here.
 *
 * @module
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { funion, ROOT, type RunOptions } from "./cli-process.ts"

const LIMIT_MS = 60_000
const NOT_FOUR = Uint8Array.of(1, 2, 3)
const TOPOLOGY = "import { network, tinyParams } from \"funion\"\nexport const topology = network({ name: \"mine\", params: tinyParams, replicas: COUNT })\n"
const FILES = {
  "empty.txt": "",
  "list.json": "[]",
  "latin.txt": Uint8Array.of(0x6f, 0x6c, 0xe1),
  "three.bin": NOT_FOUR,
  "no.png": "no picture",
  "good.ts": TOPOLOGY.replace("COUNT", "4"),
  "poor.ts": TOPOLOGY.replace("COUNT", "3"),
  "broken.ts": "export const topology = {\n"
}
const vectors = (name: string): string => readFileSync(join(ROOT, "test/vectors/data", name), "utf8")

/** One command line that must fail: what it is about, the arguments, the status, what the line says. */
type Bad = readonly [title: string, args: ReadonlyArray<string>, status: 1 | 2, says: RegExp, stdin?: string]

const BAD: ReadonlyArray<Bad> = [
  ["an unknown model is answered with the known ones", ["infer", "nope", "x"], 1, /no model "nope" .* lang-id, tiny-lm, ocr-line$/],
  ["a wrong count of numbers", ["infer", "affine", "1", "-2", "3", "--json"], 1, /rows of 4 numbers; got 3$/],
  ["a word that is no number", ["infer", "affine", "1", "2", "three", "4"], 1, /"three" is not a number$/],
  ["an empty text", ["infer", "lang-id", "", "--json"], 1, /the text is empty$/],
  ["an empty file", ["infer", "lang-id", "--file", "empty.txt"], 1, /the text is empty$/],
  ["empty standard input", ["infer", "lang-id", "-"], 1, /the text is empty$/],
  ["a text over the model's limit", ["infer", "tiny-lm", "-"], 1, /too long/, "word ".repeat(400)],
  ["a missing file", ["infer", "lang-id", "--file", "none.txt"], 1, /none\.txt: there is no such file$/],
  ["a file that is no text", ["infer", "lang-id", "--file", "latin.txt"], 1, /UTF-8$/],
  ["a file that is no picture", ["infer", "ocr-line", "--file", "no.png"], 1, /not a PNG image$/],
  ["a tensor of wrong length", ["infer", "affine", "--file", "three.bin", "--dtype", "uint8", "--shape", "1,4"], 1, /float32|f32/],
  ["a tensor of wrong type", ["infer", "affine", "--file", "three.bin", "--dtype", "float99", "--shape", "1,4"], 1, /"float99" is no element type/],
  ["more tokens than the model gives", ["infer", "tiny-lm", "Once", "--max-tokens", "100000"], 1, /whole number from 1 to \d+$/],
  ["a bucket that is not offered", ["infer", "affine", "1", "2", "3", "4", "--bucket", "8"], 1, /not offered in bucket 8; offered: 1/],
  ["a topology that can not run", ["infer", "affine", "1", "2", "3", "4", "--topology", "poor.ts"], 1, /poor\.ts: replicas: /],
  ["a topology file that does not compile", ["topology", "check", "broken.ts"], 1, /broken\.ts can not be run: .* at \d+:\d+$/],
  ["an unknown command", ["infre"], 2, /'infer', 'models'/],
  ["an unknown command of topology", ["topology", "chekc", "good.ts"], 2, /topology check FILE/],
  ["a command that has only commands, alone", ["bench"], 2, /bench needs a command: use bench node$/],
  ["topology alone", ["topology"], 2, /topology needs a command: use topology check FILE or /],
  ["an unknown command of bench", ["bench", "mix"], 2, /bench has no command "mix": use bench node$/],
  ["an option without its value", ["lab", "--seed"], 2, /--seed is no option of this command, or its value is missing, or it is given twice/],
  ["a word that is none of an option's", ["run", "--role", "foo", "--name", "x", "--topology", "good.ts"], 2, /--role: "foo" is none of authority, gateway/],
  ["a target that is none", ["topology", "render", "good.ts", "--target", "foo"], 2, /--target: "foo" is none of compose/],
  ["a backend of simulate that is none", ["simulate", "good.ts", "--backend", "foo"], 2, /--backend: "foo" is none of elided, native, reference/],
  ["one seed and many", ["simulate", "good.ts", "--seed", "1", "--seeds", "1..2"], 2, /--seed and --seeds do not go together/],
  ["an empty name of a file", ["simulate", ""], 1, /the name of the topology file is empty$/],
  ["a scenario that is no object", ["simulate", "good.ts", "--faults", "./list.json"], 1, /list\.json: not a scenario: it is no object with name/],
  ["a report of the lab that has no place", ["lab", "--quick", "--out", "empty.txt"], 1, /--out: "empty\.txt" can not be written/],
  ["more jobs in a quantum than can be played", ["plan", "--users", "100000", "--jobs-per-hour", "1000000"], 1, /too many jobs in a quantum/],
  ["more cover jobs than can be played", ["plan", "--cover-jobs", "100000"], 2, /--cover-jobs: "100000" is no whole number from 0 to 1000/],
  ["options that --paper does not heed", ["plan", "--paper", "--bucket", "2"], 2, /--paper is about one job/],
  ["an unknown option of infer", ["infer", "affine", "--tempo", "1"], 2, /no option --tempo/],
  ["an unknown option of models", ["models", "--tempo"], 2, /--tempo/],
  ["a backend that is not there", ["infer", "affine", "--backend", "quantum", "1"], 2, /native or reference/],
  ["a number option without a number", ["infer", "affine", "--seed", "x", "1"], 2, /--seed: "x" is no whole number/],
  ["no input", ["infer", "lang-id"], 2, /there is no input/],
  ["a client of a network that does not run", ["infer", "affine", "1", "2", "3", "4", "--client", "nobody"], 2, /--client is for running networks/],
  ["a model without a name", ["infer", "", "x"], 1, /there is no model ""/],
  ["keys into a file", ["keygen", "--topology", "good.ts", "--dir", "three.bin"], 1, /three\.bin can not be made: something else than a folder/],
  ["a folder as a file of input", ["infer", "ocr-line", "--file", "."], 1, /this is a folder$/],
  ["no model", ["infer", "--json"], 2, /<MODEL>/]
]

const bad = async (args: ReadonlyArray<string>, options: RunOptions = {}) => {
  const run = await funion(args, { files: FILES, ...options })
  expect(run.stdout).toBe("")
  expect(run.left).toEqual([])
  expect(run.orphans).toBe(false)
  expect(run.stderr).toMatch(/^funion: [^\n]+\n$/)
  return { status: run.status, line: run.stderr.trimEnd() }
}

describe.concurrent("bad input ends with its status and one line, before any network starts:", () => {
  for (const [title, args, status, says, stdin] of BAD) {
    it(title, async () => {
      const { line, status: given } = await bad(args, stdin === undefined ? {} : { stdin })
      expect(line).toMatch(says)
      expect(given).toBe(status)
    }, LIMIT_MS)
  }
})

describe.concurrent("the quick commands", () => {
  it("help lists the commands, and nothing of the library's own complaints", async () => {
    const { status, stderr, stdout } = await funion(["--help"])
    expect([status, stderr]).toEqual([0, ""])
    for (const command of ["infer", "models", "topology check", "topology show", "conformance", "doctor"]) expect(stdout).toContain(`- ${command}`)
    expect(stdout).not.toContain("\u001b")
  }, LIMIT_MS)
  it("models --json prints one object with shapes, types, profiles and boxes", async () => {
    const { status, stderr, stdout } = await funion(["models", "--json"])
    expect([status, stderr]).toEqual([0, ""])
    const { models, topology } = JSON.parse(stdout) as { readonly topology: string; readonly models: ReadonlyArray<Record<string, unknown>> }
    expect(topology).toBe("tiny")
    expect(models.find(({ id }) => id === "lang-id")).toMatchObject({
      version: 1, inputs: [{ name: "ngrams", dtype: "float32", shape: [1, 620] }], profiles: [{ id: 0, bucket: 1, boxes: { in: 4, out: 4 } }, {}]
    })
  }, LIMIT_MS)
  it("topology check accepts a file outside of the project and warns on standard error", async () => {
    const { left, status, stderr, stdout } = await funion(["topology", "check", "good.ts"], { files: FILES })
    expect([status, stdout]).toEqual([0, "good.ts: the network mine can run\n"])
    expect(stderr).toMatch(/^warning: replicas: 4 replicas/m)
    expect(left).toEqual([])
  }, LIMIT_MS)
  it("topology show prints the network as text", async () => {
    const { status, stdout } = await funion(["topology", "show", join(ROOT, "topologies/echomix.ts")])
    expect(status).toBe(0)
    expect(stdout).toMatch(/^network echomix\n/)
  }, LIMIT_MS)
  it("doctor --json tells the backend, versions, providers and the state of the models' files", async () => {
    const { status, stdout } = await funion(["doctor", "--json"])
    expect(status).toBe(0)
    const report = JSON.parse(stdout) as Record<string, unknown>
    expect(report).toMatchObject({ node: process.versions.node, versions: { effect: "3.22.4", "onnxruntime-node": "1.30.0" } })
    expect(["native", "reference"]).toContain((report["backend"] as { readonly inUse: string }).inUse)
    expect(report["executionProviders"]).toContainEqual({ name: "cpu", bundled: true, usable: true })
    expect(report["models"]).toContainEqual({ id: "ocr-line", version: 1 })
  }, LIMIT_MS)
})

describe.concurrent("conformance", () => {
  const name = "sphinx_commands_vectors.json"
  it("ends with the counts alone on a line, status 0 when all passed", async () => {
    const { status, stdout } = await funion(["conformance", "any-name.txt"], { files: { "any-name.txt": vectors(name) } })
    expect(stdout).toMatch(/\n[1-9]\d* passed, 0 failed\n$/)
    expect(status).toBe(0)
  }, LIMIT_MS)
  it("has status 1 when an expected value is wrong", async () => {
    const text = vectors(name)
    const at = text.search(/[0-9a-f]{16}/)
    const wrong = `${text.slice(0, at)}${text[at] === "0" ? "1" : "0"}${text.slice(at + 1)}`
    const { status, stderr, stdout } = await funion(["conformance", "wrong.json"], { files: { "wrong.json": wrong } })
    expect(stdout).toMatch(/\n\d+ passed, [1-9]\d* failed\n$/)
    expect(stderr).toMatch(/^funion: /)
    expect(status).toBe(1)
  }, LIMIT_MS)
  it("has status 2 for a file that is missing, no vector file, or without a case", async () => {
    const files = { "other.json": "{\"a\":1}", "text.json": "not json", "list.json": "[]" }
    for (const file of ["missing.json", ...Object.keys(files)]) {
      const { status, stderr, stdout } = await funion(["conformance", file], { files })
      expect(stdout).toMatch(/^0 passed, 0 failed\n$/m)
      expect(stderr).toContain(file)
      expect(status).toBe(2)
    }
  }, LIMIT_MS)
})
