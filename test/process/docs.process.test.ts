/**
 * README and docs against the repository.
 *
 * Goal: no page shows a command that fails, a file that is not there, a table that another file contradicts.
 * Method: fenced `sh` blocks after `<!-- run -->` are run line by line, with `npx funion` replaced by this checkout's own program. Of `sh` blocks after
 * `<!-- infer -->` options and models are checked: whole inferences run in the command line's own process test. All other `sh` lines must be in LONG: the
 * two that begin with `npm install` are exercised by `.ci/run` (clean install, then the tests) and by that process test; the bench runs in its small size
 * in test/unit/bench. Other blocks and tables are compared with the files that they copy.
 *
 * @module
 */
import { execFile } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, relative, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { sortArguments, unmarked } from "../../actors/cli/argument-list.ts"
import * as presets from "../../src/params/presets.ts"
import { STANDARD_MODELS } from "../../src/topology/builder.ts"
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

describe("commands in README and docs", () => {
  const cheap = shellLines(({ mark }) => mark === "run")
  it.each(cheap)("%s runs and prints", async (line) => {
    const { status, stderr, stdout } = await shell(line)
    expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" })
    expect(stdout.trim()).not.toBe("")
  }, RUN_LIMIT_MS)
  it("commands that are not run here are known to be run elsewhere", () => {
    expect(cheap.length).toBeGreaterThan(0)
    expect(shellLines(({ mark }) => mark !== "run" && mark !== "infer").filter((line) => !LONG.includes(line))).toEqual([])
    expect(shellLines(() => true)).toEqual(expect.arrayContaining(LONG.slice(0, 2)))
  })
  it("examples of infer have options that it knows and models that ship", async () => {
    const lines = shellLines(({ mark }) => mark === "infer")
    expect(lines.length).toBeGreaterThan(0)
    for (const line of lines) {
      const words = await shell(line.replace(/^npx funion\b/, `"${process.execPath}" -p "JSON.stringify(process.argv.slice(1))" --`))
      const sorted = Either.getOrThrow(sortArguments(JSON.parse(words.stdout) as ReadonlyArray<string>)).map(unmarked)
      expect(STANDARD_MODELS.filter(({ id }) => sorted.includes(id)).length, line).toBe(1)
    }
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
