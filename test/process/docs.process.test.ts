/**
 * README and docs against the repository.
 *
 * Goal: no page shows a command that fails, a file that is not there, a table that another file contradicts.
 * Method: fenced `sh` blocks after `<!-- run -->` are run line by line, with `npx funion` replaced by this checkout's own program. `sh` blocks after
 * `<!-- infer -->` (an inference) and `<!-- network -->` (needs a running network) are parsed by the command tree itself, and what they name is looked
 * up: model, topology file, actor and its role. Of these keygen is run, too. Lines after `<!-- chaos -->` are given to that program with one more option
 * that it does not know, and it must stumble over that one. All other `sh` lines must be in LONG: the two that begin with `npm install` are exercised by
 * `.ci/run` (clean install, then the tests) and by the command line's own process test; the bench runs in its small size in test/unit/bench. Options in
 * commands within sentences must be options of that command. Other blocks and tables are compared with the files that they copy.
 *
 * @module
 */
import { execFile } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, relative, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import * as CliConfig from "@effect/cli/CliConfig"
import * as CommandDescriptor from "@effect/cli/CommandDescriptor"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { Effect, Either } from "effect"
import { describe, expect, it } from "vitest"
import { sortArguments } from "../../actors/cli/argument-list.ts"
import { funion } from "../../actors/cli/command-tree.ts"
import { loadTopology } from "../../actors/cli/topology-file.ts"
import { TABLE_HEADS } from "../../bench/bench-command.ts"
import * as presets from "../../src/params/presets.ts"
import { STANDARD_MODELS } from "../../src/topology/builder.ts"
import { actorsOf, type Topology } from "../../src/topology/topology.ts"
import { ALLOWED } from "../house-map.ts"

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..")
const BIN = join(ROOT, "bin/funion.mjs")
const RUN_LIMIT_MS = 60_000

const LONG = [
  "npm install && npx funion infer lang-id \"Onde fica a estação mais próxima?\"",
  "npm install && npm test",
  "npm run -s bench -- unwrap",
  "npm run -s bench -- infer"
]

const read = (path: string): string => readFileSync(join(ROOT, path), "utf8")
const PAGES = ["README.md", ...readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`)]
const readme = read("README.md")

interface Block {
  readonly page: string
  readonly mark: string | undefined
  readonly language: string
  readonly text: string
}

const blocksOf = (page: string): ReadonlyArray<Block> =>
  [...read(page).matchAll(/(?:<!-- ([a-z-]+) -->\n)?```([a-z]*)\n([\s\S]*?)```/g)]
    .map(([, mark, language = "", text = ""]) => ({ page, mark, language, text }))

const blocks = PAGES.flatMap(blocksOf)
const shellLines = (chosen: (block: Block) => boolean): ReadonlyArray<string> =>
  blocks.filter((block) => block.language === "sh" && chosen(block)).flatMap(({ text }) => text.split("\n")).map((line) => line.replace(/\s+#.*$/, "").trim())
    .filter((line) => line !== "")

const marked = (mark: string): string => blocks.find((block) => block.mark === mark)?.text ?? ""

/** The rows of the table after a mark, header and rule left out, cells trimmed. */
const tableAfter = (mark: string, page = readme): ReadonlyArray<ReadonlyArray<string>> => {
  const after = page.slice(page.indexOf(`<!-- ${mark} -->\n`) + `<!-- ${mark} -->\n`.length)
  const rows = after.split("\n")
  const end = rows.findIndex((row) => !row.startsWith("|"))
  return rows.slice(2, end).map((row) => row.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim()))
}

interface Ended {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

const shell = (line: string, folder = ROOT): Promise<Ended> =>
  new Promise((done) => {
    const command = line.replace(/\bnpx funion\b/g, `"${process.execPath}" "${BIN}"`)
    const child = execFile("sh", ["-c", command], { cwd: folder, timeout: RUN_LIMIT_MS }, (error, stdout, stderr) => {
      done({ status: error === null ? 0 : child.exitCode ?? 1, stdout, stderr })
    })
  })

/** The words that a shell makes of each line, without `npx funion`. */
const wordsOf = async (lines: ReadonlyArray<string>): Promise<ReadonlyArray<ReadonlyArray<string>>> => {
  expect(lines.filter((line) => !/^npx funion /.test(line))).toEqual([])
  const show = "words() { printf '%s\\001' \"$@\"; printf '\\002'; }"
  const { stdout } = await shell([show, ...lines.map((line) => line.replace(/^npx funion\b/, "words"))].join("\n"))
  return stdout.split("\u0002").slice(0, -1).map((words) => words.split("\u0001").slice(0, -1))
}

/** The value after an option. */
const valueOf = (words: ReadonlyArray<string>, option: string): string | undefined =>
  words.includes(option) ? words[words.indexOf(option) + 1] : undefined

/** What is wrong with the names in a command line that parses. */
const strangeNames = (words: ReadonlyArray<string>, topology: Topology | undefined): ReadonlyArray<string> => {
  const [command = "", model = ""] = words.filter((word, index) => !word.startsWith("--") && !(words[index - 1] ?? "").startsWith("--"))
  const actors = topology === undefined ? [] : actorsOf(topology)
  const [name, role, client] = ["--name", "--role", "--client"].map((option) => valueOf(words, option))
  const takesModel = ["infer", "upload", "dispatch"].includes(command)
  return [
    ...(takesModel && !STANDARD_MODELS.some(({ id }) => id === model) ? [`there is no model ${model}`] : []),
    ...(name !== undefined && !actors.some((actor) => actor.name === name) ? [`there is no actor ${name}`] : []),
    ...(role !== undefined && !actors.some((actor) => actor.name === name && actor.role === role) ? [`${name} is no ${role}`] : []),
    ...(client !== undefined && !actors.some((actor) => actor.name === client && actor.role === "client") ? [`there is no client ${client}`] : [])
  ]
}

const loads = new Map<string, Promise<Either.Either<Topology, ReadonlyArray<string>>>>()

/** The network of a topology file; each file is loaded once. */
const topologyOf = (file: string): Promise<Either.Either<Topology, ReadonlyArray<string>>> => {
  const load = Effect.mapBoth(loadTopology(join(ROOT, file)), { onFailure: ({ message }) => [message], onSuccess: ({ topology }) => topology })
  const known = loads.get(file) ?? Effect.runPromise(Effect.either(load))
  loads.set(file, known)
  return known
}

/** What is wrong with a command line, as the command tree and the files that it names tell; nothing is run. */
const problemsOf = (words: ReadonlyArray<string>): Promise<ReadonlyArray<string>> =>
  Effect.gen(function*() {
    const sorted = yield* Either.mapLeft(sortArguments(words), (message) => [message])
    const parsed = CommandDescriptor.parse(funion.descriptor, ["funion", ...sorted], CliConfig.defaultConfig)
    const directive = yield* Effect.mapError(parsed, (error) => [JSON.stringify(error)])
    if (directive._tag === "BuiltIn" || directive.leftover.length > 0) return [`is no whole command: ${words.join(" ")}`]
    const file = valueOf(words, "--topology")
    return strangeNames(words, file === undefined ? undefined : yield* yield* Effect.promise(() => topologyOf(file)))
  }).pipe(Effect.merge, Effect.provide(NodeContext.layer), Effect.runPromise)

/** The help of a command; of a command that there is not the library shows that of the whole program. */
const helpOf = (path: ReadonlyArray<string>): Promise<string> =>
  CommandDescriptor.parse(funion.descriptor, ["funion", ...path, "--help"], CliConfig.defaultConfig).pipe(
    Effect.map((directive) => (directive._tag === "BuiltIn" ? JSON.stringify(directive.option) : "")),
    Effect.provide(NodeContext.layer),
    Effect.runPromise
  )

/** The options of the command that some words begin with, as its help shows them; undefined when there is none. */
const optionsOf = async (words: ReadonlyArray<string>): Promise<ReadonlySet<string> | undefined> => {
  const path = words.slice(0, ["topology", "bench"].includes(words[0] ?? "") ? 2 : 1).filter((word) => !word.startsWith("-"))
  const help = await helpOf(path)
  if (path.length > 0 && help === await helpOf([])) return undefined
  return new Set([...help.matchAll(/--[a-z][a-z-]*/g)].map(([option]) => option))
}

describe("commands in README and docs", () => {
  const cheap = shellLines(({ mark }) => mark === "run")
  it.each(cheap)("%s runs and prints", async (line) => {
    const { status, stderr, stdout } = await shell(line)
    expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" })
    expect(stdout.trim()).not.toBe("")
  }, RUN_LIMIT_MS)
  it("commands that are not run here are known to be run elsewhere", () => {
    expect(cheap.length).toBeGreaterThan(0)
    expect(shellLines(({ mark }) => !["run", "infer", "network", "chaos"].includes(mark ?? "")).filter((line) => !LONG.includes(line))).toEqual([])
    expect(shellLines(() => true)).toEqual(expect.arrayContaining(LONG.slice(0, 2)))
  })
  it("examples of inferences and of running networks parse, and name what is there", async () => {
    const lines = [...shellLines(({ mark }) => mark === "infer"), ...shellLines(({ mark }) => mark === "network")]
    expect(lines.length).toBeGreaterThan(8)
    const found = await Promise.all((await wordsOf(lines)).map(async (words, index) => ({ line: lines[index], problems: await problemsOf(words) })))
    expect(found.map(({ line }) => line)).toEqual(lines)
    expect(found.filter(({ problems }) => problems.length > 0)).toEqual([])
  }, RUN_LIMIT_MS)
  it("mistakes in examples are found", async () => {
    const mistakes: ReadonlyArray<readonly [line: string, word: string]> = [
      ["npx funion infer lang-id hello --topologi topologies/tiny.ts", "no option"],
      ["npx funion keygen --topology topologies/two-machines.ts --nam mix-1-0", "nam"],
      ["npx funion run --rol mix --name mix-1-0 --topology topologies/two-machines.ts", "rol"],
      ["npx funion run --role mix --name mix-1-0 --topology topologies/two-machine.ts", "two-machine.ts"],
      ["npx funion run --role mix --name mix-9-0 --topology topologies/two-machines.ts", "mix-9-0"],
      ["npx funion run --role gateway --name mix-1-0 --topology topologies/two-machines.ts", "gateway"],
      ["npx funion upload lang-ID hello --cap in.cap --topology topologies/two-machines.ts", "lang-ID"],
      ["npx funion fetch --topology topologies/two-machines.ts", "TICKET"],
      ["npx funion stauts --topology topologies/two-machines.ts", "Invalid subcommand"]
    ]
    const words = await wordsOf(mistakes.map(([line]) => line))
    const found = await Promise.all(words.map(problemsOf))
    expect(mistakes.filter(([, word], index) => found[index]?.join(" ").includes(word) !== true)).toEqual([])
  }, RUN_LIMIT_MS)
  it("examples of keygen make the two files that the pages say", async () => {
    const folder = mkdtempSync(join(tmpdir(), "funion-docs-"))
    try {
      symlinkSync(join(ROOT, "topologies"), join(folder, "topologies"))
      const lines = [...new Set(shellLines(({ mark }) => mark === "network").filter((line) => /^npx funion keygen .*--name/.test(line)))]
      expect(lines.length).toBeGreaterThan(0)
      for (const line of lines) {
        const { status, stderr, stdout } = await shell(line, folder)
        expect({ line, status, stderr: status === 0 ? "" : stderr }).toEqual({ line, status: 0, stderr: "" })
        expect(stdout.trim().split("\n").map((path) => [path.replace(/^.*\./, ""), statSync(join(folder, path)).mode & 0o777])).toEqual([
          ["secret", 0o600], ["public", 0o644]
        ])
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  }, RUN_LIMIT_MS)
  it("examples of chaos have options that it knows", async () => {
    const lines = shellLines(({ mark }) => mark === "chaos")
    expect(lines.length).toBeGreaterThan(0)
    const stumble = async (words: string): Promise<string> => (await shell(`"${process.execPath}" dist/bench/chaos/main.js ${words} --no-such-option`)).stderr
    const words = lines.map((line) => /^npm run (?:-s )?chaos -- (.*)$/.exec(line)?.[1])
    expect(words).not.toContain(undefined)
    expect(await stumble(words.join(" "))).toContain("no option --no-such-option")
    expect(await stumble("--quik")).toContain("no option --quik")
  }, RUN_LIMIT_MS)
  it("commands within sentences have options of that command", async () => {
    const named = PAGES.flatMap((page) => [...read(page).replace(/```[\s\S]*?```/g, "").matchAll(/`(?:npx )?funion ([^`]+)`/g)]
      .map(([, text = ""]) => ({ page, words: text.replace(/\s+/g, " ").split(" ") })))
    expect(named.length).toBeGreaterThan(5)
    const strange = async (words: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
      const options = await optionsOf(words)
      return options === undefined ? ["no such command"] : words.filter((word) => /^--[a-z]/.test(word) && !options.has(word.replace(/=.*$/, "")))
    }
    const found = await Promise.all(named.map(async ({ page, words }) => ({ page, command: words.join(" "), strange: await strange(words) })))
    expect(found.filter((each) => each.strange.length > 0)).toEqual([])
    expect(await strange(["topology", "render", "FILE", "--targets"])).toEqual(["--targets"])
    expect(await strange(["topologies", "check"])).toEqual(["no such command"])
  })
  it("the example of a topology file can run", async () => {
    const folder = mkdtempSync(join(tmpdir(), "funion-docs-"))
    try {
      writeFileSync(join(folder, "mine.ts"), marked("topology"))
      const { status, stderr, stdout } = await shell("npx funion topology check mine.ts", folder)
      expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" })
      expect(stdout).toContain("the network mine can run")
      expect(marked("topology").trim().split("\n").length).toBeLessThanOrEqual(10)
    } finally {
      rmSync(folder, { recursive: true })
    }
  }, RUN_LIMIT_MS)
  it("README's table of options has exactly the options of infer", async () => {
    const { stdout } = await shell("npx funion infer --help")
    const inherited = ["completions", "log-level", "help", "wizard", "version"]
    const offered = new Set([...stdout.matchAll(/^\s*(?:\(-[a-z], )?--([a-z-]+)/gm)].map(([, name]) => name).filter((name) => !inherited.includes(name ?? "")))
    const table = tableAfter("options").map(([option = ""]) => option).join(" ")
    const shown = new Set([...table.matchAll(/--([a-z-]+)/g)].map(([, name]) => name))
    expect([...shown].sort()).toEqual([...offered].sort())
    expect(shown.size).toBeGreaterThan(5)
  }, RUN_LIMIT_MS)
})

describe("copies in README", () => {
  it("the map of the tree is the one that the house test enforces", () => {
    const shown = Object.fromEntries(tableAfter("map").map(([folder = "", , allowed = ""]) =>
      [folder.replace(/^`src\/(.*)`$/, "$1"), allowed === "–" ? [] : allowed.split(" ")]))
    expect(shown).toEqual(ALLOWED)
  })
  it("the example for programs is docs/example.mjs, in at most 20 lines", () => {
    expect(marked("example")).toBe(read("docs/example.mjs"))
    expect(marked("example").trimEnd().split("\n").length).toBeLessThanOrEqual(20)
  })
  it("every dependency has its reason, and none is named that is not there", () => {
    const manifest = JSON.parse(read("package.json")) as Record<"dependencies" | "devDependencies", Record<string, string>>
    const shown = tableAfter("dependencies").flatMap(([names = ""]) => [...names.matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? ""))
    expect([...shown].sort()).toEqual([...Object.keys(manifest.dependencies), ...Object.keys(manifest.devDependencies)].sort())
    expect(tableAfter("dependencies").filter(([, reason = ""]) => reason === "")).toEqual([])
  })
  it("the tables of parameters have every parameter, with the values of the presets", () => {
    const page = read("docs/operators.md")
    const cell = (field: string, value: unknown): string => {
      if (value === undefined) return "formula"
      if (field === "profiles") return String((value as ReadonlyArray<unknown>).length)
      if (Array.isArray(value)) return value.join(", ")
      return typeof value === "object" && value !== null ? Object.values(value).filter((part) => part !== true).join(", ") : String(value)
    }
    const rowsOf = (tiny: object, echomix: object): unknown =>
      Object.fromEntries(Object.entries(tiny).map(([field, value]) => [field, [cell(field, value), cell(field, new Map(Object.entries(echomix)).get(field))]]))
    const shown = (mark: string): unknown =>
      Object.fromEntries(tableAfter(mark, page).map(([field = "", , tiny, echomix]) => [field.replaceAll("`", ""), [tiny, echomix]]))
    expect(shown("params")).toEqual(rowsOf(presets.tinyParams, presets.echomixParams))
    expect(shown("service")).toEqual(rowsOf(presets.tinyService, presets.echomixService))
  })
  it("the bench's output has the columns that the bench prints, and a row for each of its cases", () => {
    const [, heads = "", ...rows] = marked("bench-output").trimEnd().split("\n")
    const cells = (line: string): ReadonlyArray<string> => line.split(/ {2,}/)
    expect(cells(heads)).toEqual(TABLE_HEADS)
    expect(rows.slice(0, -1).map((row) => cells(row).length)).toEqual(rows.slice(1).map(() => TABLE_HEADS.length))
    const ids = ["x25519", "x-wing"].flatMap((scheme) => [2000, 30_000].map((bytes) => `unwrap/${scheme}/${bytes}`))
    expect(rows.slice(0, -1).map((row) => cells(row)[0])).toEqual(ids)
  })
  it("licences of models are those of their manifests", () => {
    const text = readme.replace(/\s+/g, " ")
    const ids = readdirSync(join(ROOT, "models"))
    expect(ids.length).toBeGreaterThan(0)
    const missing = ids.filter((id) => {
      const { licence } = JSON.parse(read(`models/${id}/manifest.json`)) as { readonly licence: string }
      return !text.includes(`\`${id}\` ${licence}`)
    })
    expect(missing).toEqual([])
  })
})

/** Every file of a folder that says in its header how it departs from its source. */
const departing = (folder: string): ReadonlyArray<string> =>
  readdirSync(join(ROOT, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .filter((path) => {
      const text = read(path)
      const header = text.slice(0, text.indexOf("@module")).replace(/\n \* ?/g, " ").replace(/\s+/g, " ")
      return /departures: (?!none)/.test(header)
    })

describe("files named in README and docs", () => {
  it("every file and folder that a page names exists", () => {
    const named = PAGES.flatMap((page) => [
      ...[...read(page).matchAll(/`((?:src|actors|topologies|models|bench|test|docs|bin|\.ci)\/[\w./-]*)`/g)].map(([, path]) => path ?? ""),
      ...[...read(page).matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)].map(([, path]) => relative(ROOT, resolve(ROOT, dirname(page), path ?? "")))
    ])
    expect(named.length).toBeGreaterThan(50)
    expect(named.filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
  })
  it("every file whose header names a departure is on the page of departures", () => {
    const page = read("docs/protocol-departures.md")
    const files = ["src", "actors", "topologies"].flatMap(departing)
    expect(files.length).toBeGreaterThan(20)
    expect(files.filter((path) => !page.includes(`\`${path}\``))).toEqual([])
  })
})
