/**
 * The house rules of this repository, held by a test.
 *
 * Goal: a file that breaks a rule of README's map (import directions, homes of packages, lengths, banned words and calls) fails here by name.
 * Method: every source file is read once as text; no parser, so the rules are written to be checkable by line.
 *
 * @module
 */
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { ALLOWED, HOMES } from "./house-map.ts"

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "..")

const BANNED_CALLS: ReadonlyArray<readonly [string, RegExp, ReadonlyArray<RegExp>]> = [
  ["ambient time", /\bDate\.now\(|\bnew Date\(|\bperformance\.now\(|process\.hrtime/, [/^bench\//]],
  ["ambient randomness", /Math\.random\(|getRandomValues|randomBytes\(|randomFill/, [/^src\/crypto\/entropy\.ts$/]],
  ["ambient timers", /\bsetTimeout\(|\bsetInterval\(/, [/^bench\//, /^src\/actor\/timer\.ts$/]],
  ["running an effect", /\bEffect\.run(Promise|Sync|Fork|Callback)/, [
    /^actors\/main\.ts$/, /^actors\/cli\//, /^bench\//, /^src\/simulation\//, /^actors\/simulator\//
  ]]
]

interface Source {
  readonly path: string
  readonly text: string
  readonly lines: ReadonlyArray<string>
  readonly code: ReadonlyArray<string>
  readonly imports: ReadonlyArray<string>
}

const listTypeScript = (folder: string): ReadonlyArray<string> =>
  readdirSync(join(ROOT, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .sort()

/** Lines without comments and without the contents of string literals. */
const codeOf = (text: string): ReadonlyArray<string> =>
  text
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ""))
    .split("\n")
    .map((line) => line.replace(/"(?:[^"\\]|\\.)*"/g, "\"\"").replace(/'(?:[^'\\]|\\.)*'/g, "''").replace(/\/\/.*$/, ""))

const sources: ReadonlyArray<Source> = ["src", "actors", "topologies", "bench", "test"].flatMap(listTypeScript).map((path) => {
  const text = readFileSync(join(ROOT, path), "utf8")
  const imports = [...text.matchAll(/(?:^|\n)\s*(?:import|export)\s[^"\n]*(?:\n[^"\n]*)*?from "([^"]+)"|import\("([^"]+)"\)/g)]
    .map((match) => match[1] ?? match[2] ?? "")
  return { path, text, lines: text.split("\n"), code: codeOf(text), imports }
})
const product = sources.filter((source) => !source.path.startsWith("test/"))

const findings = (rule: (source: Source) => ReadonlyArray<string>, among: ReadonlyArray<Source> = product): ReadonlyArray<string> =>
  among.flatMap((source) => rule(source).map((finding) => `${source.path}: ${finding}`))

const linesMatching = (source: Source, pattern: RegExp): ReadonlyArray<string> =>
  source.code.flatMap((line, index) => (pattern.test(line) ? [`line ${index + 1}: ${line.trim().slice(0, 80)}`] : []))

const targetOf = (source: Source, specifier: string): string => relative(ROOT, resolve(ROOT, dirname(source.path), specifier))

describe("house: files", () => {
  it("every file opens with a header comment that states its module", () => {
    expect(findings((source) => (/^(#![^\n]*\n)?\/\*\*[\s\S]*?@module\s*\*\//.test(source.text) ? [] : ["no header"]), sources)).toEqual([])
  })
  it("every product header states a contract and a source", () => {
    expect(findings(({ text }) => {
      const header = text.slice(0, text.indexOf("@module"))
      return [...(header.includes("Contract:") ? [] : ["no Contract"]), ...(header.includes("Source:") ? [] : ["no Source"])]
    })).toEqual([])
  })
  it("files have at most 400 lines, lines at most 160 characters", () => {
    expect(findings((source) => [
      ...(source.lines.length > 401 ? [`${source.lines.length} lines`] : []),
      ...source.lines.flatMap((line, index) => (line.length > 160 ? [`line ${index + 1} has ${line.length} characters`] : []))
    ], sources)).toEqual([])
  })
  it("functions have at most 70 lines", () => {
    expect(findings((source) => source.lines.flatMap((line, start) => {
      if (!/(=>|\)|\)\s*:\s*[^={]+)\s*\{\s*$/.test(line) || /^\s*(describe|it|if|for|while|switch|\}|else)/.test(line) || /\bclass\b/.test(line)) return []
      const indent = /^\s*/.exec(line)?.[0].length ?? 0
      const end = source.lines.findIndex((other, index) => index > start && new RegExp(`^\\s{${indent}}[})\\]]`).test(other))
      return end - start > 70 ? [`function at line ${start + 1} has ${end - start} lines`] : []
    }))).toEqual([])
  })
  it("file names are kebab-case nouns", () => {
    expect(findings(({ path }) => {
      const name = path.split("/").at(-1) ?? ""
      return /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z]+(-[a-z]+)*)*\.ts$/.test(name) && !/^(utils?|common|helpers?|misc|types)\.ts$/.test(name) ? [] : ["bad name"]
    }, sources)).toEqual([])
  })
})

describe("house: language", () => {
  const rules: ReadonlyArray<readonly [string, RegExp]> = [
    ["no any", /(:\s*any\b|\bas any\b|<any\b|\bany\[\]|, any>)/],
    ["no default exports", /^export default\b/],
    ["no enums or namespaces", /^\s*(export )?(const )?(enum|namespace) \w/],
    ["no parameter properties", /constructor\([^)]*\b(private|public|protected|readonly)\b/],
    ["no non-null assertions", /[\w)\]]!(?!=)(\.|\[|;|,|\)|\s|$)/]
  ]
  for (const [title, pattern] of rules) {
    it(title, () => {
      expect(findings((source) => linesMatching(source, pattern))).toEqual([])
    })
  }
  it("no barrels but src/index.ts", () => {
    expect(findings((source) => (source.path === "src/index.ts" ? [] : linesMatching(source, /^export \* /)))).toEqual([])
  })
  for (const [title, pattern, except] of BANNED_CALLS) {
    it(`no ${title} outside its home`, () => {
      expect(findings((source) => (except.some((place) => place.test(source.path)) ? [] : linesMatching(source, pattern)))).toEqual([])
    })
  }
})

/** What commands may take from the roles beside their protocols. */
const CLI_IMPORTS = /^actors\/(launch|session-api|key-file|operator\/[a-z-]+|compute\/cluster\/cluster-database|simulator\/[a-z-]+|lab\/[a-z-]+)\.ts$/
/** A simulation stands where launch.ts does, and watches what replicas keep and the bounds that queues state. */
const SIMULATOR_IMPORTS = new RegExp(`^actors/(${[
  "launch", "launch-failed", "session-api", "stocks", "roles", "knowledge", "replica/box-table", "gateway/inboxes", "service-node/queue-host",
  "courier/dedup-cache"
].join("|")})[.]ts$`)
/** The lab runs worlds, and joins them as a client does. */
const LAB_IMPORTS = /^actors\/(launch|directory-client|packet-port|simulator\/[a-z/-]+)\.ts$/

describe("house: imports", () => {
  it("relative imports end in .ts", () => {
    expect(findings((source) => source.imports.filter((specifier) => specifier.startsWith(".") && !/\.(ts|json)$/.test(specifier)), sources)).toEqual([])
  })
  it("the map names the folders of src and no others", () => {
    const folders = readdirSync(join(ROOT, "src"), { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => name)
    expect(Object.keys(ALLOWED).sort()).toEqual(folders.sort())
  })
  it("src imports src only, and only the folders its map allows", () => {
    expect(findings((source) => {
      const folder = /^src\/([^/]+)\//.exec(source.path)?.[1]
      if (folder === undefined) return []
      const allowed = ALLOWED[folder]
      if (allowed === undefined) return [`folder src/${folder} is not in the map`]
      return source.imports.filter((specifier) => specifier.startsWith(".")).flatMap((specifier) => {
        const target = targetOf(source, specifier)
        const other = /^src\/([^/]+)\//.exec(target)?.[1]
        return other !== undefined && (other === folder || allowed.includes(other)) ? [] : [`imports ${target}`]
      })
    })).toEqual([])
  })
  it("topologies import src/topology and src/params only", () => {
    expect(findings((source) => !source.path.startsWith("topologies/") ? [] : source.imports.flatMap((specifier) =>
      /^src\/(topology|params)\//.test(targetOf(source, specifier)) ? [] : [`imports ${specifier}`]))).toEqual([])
  })
  it("a role imports of another role only its protocol; only launch imports behaviours", () => {
    expect(findings((source) => {
      const role = /^actors\/([^/]+)\//.exec(source.path)?.[1]
      if (role === undefined) return []
      return source.imports.filter((specifier) => specifier.startsWith(".")).flatMap((specifier) => {
        const target = targetOf(source, specifier)
        if (target.startsWith("src/")) return target === "src/index.ts" ? [`imports ${target}`] : []
        if (role === "simulator" && SIMULATOR_IMPORTS.test(target)) return []
        if (role === "lab" && LAB_IMPORTS.test(target)) return []
        if (role === "cli" && (CLI_IMPORTS.test(target) || target.startsWith("topologies/"))) return []
        return target.startsWith(`actors/${role}/`) || /^actors\/[^/]+\/protocol\.ts$/.test(target) ? [] : [`imports ${target}`]
      })
    })).toEqual([])
  })
  it("protocols import src only", () => {
    expect(findings((source) => !/^actors\/.*protocol\.ts$/.test(source.path) ? [] : source.imports
      .filter((specifier) => specifier.startsWith(".") && !targetOf(source, specifier).startsWith("src/")))).toEqual([])
  })
  it("third-party packages and built-in modules stay in their homes", () => {
    expect(findings((source) => source.imports.flatMap((specifier) => {
      const home = HOMES.find(([pattern]) => pattern.test(specifier))
      return home === undefined || home[1].some((place) => place.test(source.path)) ? [] : [`imports ${specifier}`]
    }))).toEqual([])
  })
  it("there are no import cycles", () => {
    const graph = new Map(product.map((source) => [source.path, source.imports.filter((s) => s.startsWith(".")).map((s) => targetOf(source, s))]))
    const done = new Set<string>()
    const cycles: Array<string> = []
    const visit = (path: string, trail: ReadonlyArray<string>): void => {
      if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(" -> "))
      if (done.has(path) || trail.includes(path)) return
      for (const next of graph.get(path) ?? []) visit(next, [...trail, path])
      done.add(path)
    }
    for (const path of graph.keys()) visit(path, [])
    expect(cycles).toEqual([])
  })
})
