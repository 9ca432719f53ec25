/**
 * Goal: a topology file works wherever it lies, and every way of being wrong is refused with the file's name and one line.
 * Method: files in a folder outside of the project, and the project's own.
 *
 * @module
 */
import { Effect } from "effect"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { defaultTopology, loadTopology } from "../../../actors/cli/topology-file.ts"
import { topology as tiny } from "../../../topologies/tiny.ts"

const folder = mkdtempSync(join(tmpdir(), "funion-topology-"))
afterAll(() => rmSync(folder, { recursive: true }))
const fileOf = (name: string, content: string): string => {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}
const load = (path: string) => Effect.runPromise(loadTopology(path))
let fileCount = 0
/** Each in a file of its own name: a module is run once in a process. */
const refusal = async (content: string, name = `wrong-${fileCount += 1}.ts`): Promise<string> => {
  const { exitStatus, message } = await Effect.runPromise(Effect.flip(loadTopology(fileOf(name, content))))
  expect(exitStatus).toBe(1)
  expect(message).not.toContain("\n")
  expect(message).toContain(name)
  return message
}
const own = (choice: string): string => [
  "import { network, tinyParams } from \"funion\"",
  "import { Option } from \"effect\"",
  `export const topology = network({ name: "mine", params: tinyParams, ${choice} })`
].join("\n")

describe("a topology file", () => {
  it("that is a copy of a shipped one runs anywhere, although the modules it imports are not beside it", async () => {
    const shipped = readFileSync(resolve(import.meta.dirname, "../../../topologies/tiny.ts"), "utf8")
    const { topology } = await load(fileOf("copy.ts", shipped.replace("replicas: 4", "replicas: 5")))
    expect(topology).toMatchObject({ name: "tiny", replicas: { length: 5 } })
  })
  it("outside of the project imports the language of funion, effect and files beside it", async () => {
    fileOf("count.ts", "export enum Count { Replicas = 9 }\n")
    const path = fileOf("mine.ts", `import { Count } from "./count.ts"\n${own("replicas: Option.getOrElse(Option.none<number>(), () => Count.Replicas)")}`)
    const { topology } = await load(path)
    expect(topology.replicas).toHaveLength(9)
    expect(topology.name).toBe("mine")
  })
  it("of the project is the same network that is compiled in", async () => {
    expect((await load(resolve("topologies/tiny.ts"))).topology).toEqual(tiny)
    expect((await Effect.runPromise(defaultTopology("native"))).topology).toEqual(tiny)
    expect((await Effect.runPromise(defaultTopology("reference"))).topology.name).toBe("tiny-reference")
  })
  it("leaves nothing behind", async () => {
    const before = readdirSync(folder).sort()
    await load(join(folder, "mine.ts"))
    expect(readdirSync(folder).sort()).toEqual(before)
  })
})

describe("a refusal names the file and", () => {
  it("the field", async () => {
    expect(await refusal(own("replicas: 3"))).toContain("replicas: there are 3 replicas")
    expect(await refusal(own("authorities: 0"))).toMatch(/authorit/)
    expect(await refusal("export const topology = { name: 1 }")).toContain(": ")
  })
  it("that the constant is missing, when there is none or only a default export", async () => {
    expect(await refusal("export const other = 1")).toContain("no exported constant \"topology\"")
    expect(await refusal("export default { topology: 1 }")).toContain("no exported constant \"topology\"")
    expect(await refusal("export const topology = undefined")).toContain("no exported constant \"topology\"")
  })
  it("that it does not run: spelling with its place, its own error, a missing module", async () => {
    expect(await refusal("export const topology = {\n", "spelling.ts")).toMatch(/can not be run: .* at \d+:\d+$/)
    expect(await refusal("throw new Error(\"boom\\nsecond line\")", "thrower.ts")).toContain("can not be run: boom")
    expect(await refusal("import \"./nowhere.ts\"\nexport const topology = 1", "importer.ts")).toContain("nowhere.ts")
    expect(await refusal("throw undefined", "nothing.ts")).toContain("can not be run")
  })
  it("that it is no file", async () => {
    const missing = await Effect.runPromise(Effect.flip(loadTopology(join(folder, "none.ts"))))
    expect(missing.message).toContain("there is no such file")
    expect((await Effect.runPromise(Effect.flip(loadTopology(folder)))).message).toContain("this is no file")
  })
})
