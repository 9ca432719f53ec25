/**
 * Goal: the commands for networks of many processes answer every clumsy or hostile use with one line that says what to do, the right status, nothing on
 * standard output, and without a file or a process left behind.
 * Method: the real program as a child process, a few at a time, with keys made by this process; no whole network is started. The places of the topology
 * are free ports of this machine.
 *
 * @module
 */
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { createServer, type Server } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Either } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { writeCapability } from "../../actors/cli/capability-file.ts"
import { makeKeyFiles } from "../../actors/key-file.ts"
import { systemEntropy } from "../../src/crypto/entropy.ts"
import { selectBackend } from "../../src/crypto/select-backend.ts"
import { tinyParams } from "../../src/params/presets.ts"
import { network } from "../../src/topology/builder.ts"
import { actorsOf, type Topology } from "../../src/topology/topology.ts"
import { funion, type Run, ROOT } from "./cli-process.ts"

const LIMIT_MS = 120_000
const crypto = Either.getOrThrow(selectBackend())
const root = mkdtempSync(join(tmpdir(), "funion-cli-many-"))
const at = (...parts: ReadonlyArray<string>): string => join(root, ...parts)
const keys = at("keys")
const TINY = join(ROOT, "topologies/tiny.ts")

const listening = (): Promise<Server> =>
  new Promise((done) => {
    const server = createServer((socket) => socket.destroy())
    server.listen(0, "127.0.0.1", () => done(server))
  })
const portOf = (server: Server): number => (server.address() as { readonly port: number }).port
/** Somebody else's, at the port of gateway-0, for the whole run. */
let squatter: Server

const base = network({
  name: "mine", params: tinyParams, computes: [{ models: [{ id: "affine", profiles: [0, 1] }] }],
  machines: [{
    name: "here", host: "127.0.0.1", firstPort: 2, firstOperatorPort: 1_002,
    actors: ["authorities", "gateways", "mixes", "serviceNodes", "replicas", "computes", "clients"]
  }]
})

/** The topology with every actor at a port that was free a moment ago. */
const placed = async (taken: number): Promise<Topology> => {
  const servers = await Promise.all(Object.keys(base.placement!).flatMap(() => [listening(), listening()]))
  const ports = servers.map(portOf)
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))))
  return {
    ...base,
    placement: Object.fromEntries(Object.entries(base.placement!).map(([name, place], index) =>
      [name, { ...place, port: name === "gateway-0" ? taken : ports[2 * index]!, operatorPort: ports[2 * index + 1]! }]))
  }
}

beforeAll(async () => {
  squatter = await listening()
  const topology = await placed(portOf(squatter))
  writeFileSync(at("mine.json"), JSON.stringify(topology))
  writeFileSync(at("other.json"), JSON.stringify({ ...topology, name: "other" }))
  const { placement: _, ...homeless } = topology
  writeFileSync(at("homeless.json"), JSON.stringify(homeless))
  for (const { name } of actorsOf(topology)) await Effect.runPromise(makeKeyFiles(crypto, keys, name, systemEntropy))
  const cap = { kind: "ticket", network: "mine", model: undefined, bytes: systemEntropy(256) } as const
  await Effect.runPromise(writeCapability(at("damaged.ticket"), cap))
  await Effect.runPromise(writeCapability(at("far.ticket"), { ...cap, network: "far" }))
  await Effect.runPromise(writeCapability(at("damaged.input"), { kind: "input", network: "mine", model: "affine", bytes: systemEntropy(900) }))
}, LIMIT_MS)
afterAll(() => {
  squatter.close()
  rmSync(root, { recursive: true, force: true })
})

/** The one line for the person; log lines of a started actor apart. */
const lineOf = ({ stderr }: Run): string => {
  const said = stderr.split("\n").filter((line) => line !== "" && !/^\d{4}-\d\d-\d\dT\S+ (info|warning) /.test(line))
  expect(said).toHaveLength(1)
  expect(said[0]).toMatch(/^funion: /)
  return said[0] ?? ""
}

const refused = async (args: ReadonlyArray<string>, status: 1 | 2, says: RegExp): Promise<void> => {
  const run = await funion(args)
  expect(lineOf(run)).toMatch(says)
  expect([run.status, run.stdout, run.left, run.orphans]).toEqual([status, "", [], false])
}

const runArgs = (role: string, name: string, change: Readonly<Record<string, string>> = {}): ReadonlyArray<string> =>
  ["run", ...Object.entries({ role, name, topology: at("mine.json"), keys, dir: at("data", name), ...change })
    .flatMap(([option, value]) => [`--${option}`, value])]
const stepArgs = (...args: ReadonlyArray<string>): ReadonlyArray<string> => [...args, "--topology", at("mine.json"), "--keys", keys]
const keygenArgs = (dir: string, name?: string): ReadonlyArray<string> =>
  ["keygen", "--topology", at("mine.json"), "--dir", dir, ...(name === undefined ? [] : ["--name", name])]

describe.concurrent("keygen", () => {
  it("makes two files, the secret for its owner alone, and says which; the second time it touches nothing", async () => {
    const dir = at("fresh-keys")
    const first = await funion(keygenArgs(dir, "mix-0-0"))
    expect([first.status, first.stdout, first.stderr]).toEqual([0, `${dir}/mix-0-0.secret\n${dir}/mix-0-0.public\n`, ""])
    expect([dir, `${dir}/mix-0-0.secret`, `${dir}/mix-0-0.public`].map((path) => statSync(path).mode & 0o777)).toEqual([0o700, 0o600, 0o644])
    const before = readFileSync(`${dir}/mix-0-0.secret`)
    await refused(keygenArgs(dir, "mix-0-0"), 1, /mix-0-0\.secret is already there and is not written over/)
    expect(readFileSync(`${dir}/mix-0-0.secret`)).toEqual(before)
  }, LIMIT_MS)
  it("refuses a name that the topology does not have, and lists those it has", () =>
    refused(keygenArgs(at("never"), "mix-9-9"), 1, /no actor "mix-9-9" in mine; it has authority-0, gateway-0, /), LIMIT_MS)
  it("refuses a folder that is none", () => refused(keygenArgs(at("mine.json"), "mix-0-0"), 1, /mine\.json can not be made: something else/), LIMIT_MS)
  it("for all writes nothing when there is one public half without its secret", async () => {
    const dir = at("half-keys")
    mkdirSync(dir)
    copyFileSync(join(keys, "mix-1-0.public"), join(dir, "mix-1-0.public"))
    await refused(keygenArgs(dir), 1, /mix-1-0\.public is here without its secret half, which another machine has/)
    expect(readdirSync(dir)).toEqual(["mix-1-0.public"])
  }, LIMIT_MS)
})

describe.concurrent("run refuses", () => {
  it("a role that contradicts the name", () => refused(runArgs("mix", "gateway-0"), 2, /--role mix: in mine gateway-0 is of role gateway$/), LIMIT_MS)
  it("a role that does not exist, and lists the roles", () =>
    refused(runArgs("miner", "mix-0-0"), 2, /authority, gateway, mix, service-node, courier, replica, compute, client/), LIMIT_MS)
  it("to start without keys", () =>
    refused(runArgs("mix", "mix-0-0", { keys: at("no-keys") }), 1, /mix-0-0\.secret is missing: make it with "funion keygen/), LIMIT_MS)
  it("to start without the public halves of others", async () => {
    const dir = at("lonely-keys")
    mkdirSync(dir)
    for (const half of ["secret", "public"]) copyFileSync(join(keys, `mix-0-0.${half}`), join(dir, `mix-0-0.${half}`))
    await refused(runArgs("mix", "mix-0-0", { keys: dir }), 1, /authority-0\.public is missing: .* on the machine of authority-0, and copy it here$/)
  }, LIMIT_MS)
  it("a secret that others may read", async () => {
    const dir = at("open-keys")
    mkdirSync(dir)
    copyFileSync(join(keys, "mix-0-0.secret"), join(dir, "mix-0-0.secret"))
    chmodSync(join(dir, "mix-0-0.secret"), 0o640)
    await refused(runArgs("mix", "mix-0-0", { keys: dir }), 1, /may be read by others \(mode 640\): change it with "chmod 600 /)
  }, LIMIT_MS)
  it("a topology without machines, naming the field", () =>
    refused(runArgs("client", "client-0", { topology: at("homeless.json") }), 1, /placement/), LIMIT_MS)
  it("a port that somebody else has, naming the field", () =>
    refused(runArgs("gateway", "gateway-0"), 1, /placement\.gateway-0\.port: 127\.0\.0\.1:\d+ can not be listened at/), LIMIT_MS)
})

describe("a running actor", () => {
  it("ends by Ctrl-C with nobody left, and its folder is refused to another actor and another network", async () => {
    let interrupted = false
    const run = await funion(runArgs("authority", "authority-0"), {
      onStderr: (text, child) => {
        if (interrupted || !/ up /.test(text) || child.pid === undefined) return
        interrupted = true
        process.kill(-child.pid, "SIGINT")
      }
    })
    expect([run.status, run.stdout, run.left, run.orphans]).toEqual([0, "", [], false])
    expect(run.stderr).toMatch(/ stopped /)
    const dir = at("data", "authority-0")
    expect(statSync(dir).mode & 0o777).toBe(0o700)
    const before = readdirSync(dir)
    await refused(runArgs("mix", "mix-1-0", { dir }), 1, /authority-0: belongs to authority-0, not to mix-1-0; give mix-1-0 a directory of its own$/)
    await refused(runArgs("authority", "authority-0", { dir, topology: at("other.json") }), 1, /belongs to network mine .*, and this is network other /)
    expect(readdirSync(dir)).toEqual(before)
  }, LIMIT_MS)
})

describe.concurrent("the steps apart refuse, before anybody is asked,", () => {
  const affine = (...rest: ReadonlyArray<string>) => stepArgs("upload", "affine", "1", "2", "3", "4", ...rest)
  const commission = (model: string, file: string) => stepArgs("dispatch", model, "--input", at(file), "--cap", at("new"))
  it("a network that does not run anywhere", () =>
    refused(["fetch", at("damaged.ticket"), "--topology", TINY], 1, /^funion: tiny says of no actor where it runs/), LIMIT_MS)
  it("to write over a file", async () => {
    const before = readFileSync(at("far.ticket"))
    await refused(affine("--cap", at("far.ticket")), 1, /far\.ticket is already there and is not written over/)
    expect(readFileSync(at("far.ticket"))).toEqual(before)
  }, LIMIT_MS)
  it("to write into a folder that is not there", () =>
    refused(affine("--cap", at("nowhere", "in.cap")), 1, /nowhere is no folder that you may write to$/), LIMIT_MS)
  it("a file of another kind", () =>
    refused(commission("affine", "far.ticket"), 1, /far\.ticket is not an uploaded input \(made by funion upload\)$/), LIMIT_MS)
  it("an input of another model", () =>
    refused(commission("lang-id", "damaged.input"), 1, /was uploaded for the model affine, not for lang-id$/), LIMIT_MS)
  it("an input that is damaged", () =>
    refused(commission("affine", "damaged.input"), 1, /damaged\.input is damaged/), LIMIT_MS)
  it("a ticket that is damaged", () => refused(stepArgs("fetch", at("damaged.ticket")), 1, /damaged\.ticket is damaged/), LIMIT_MS)
  it("an option that is given twice", () =>
    refused(stepArgs("fetch", at("far.ticket"), "--keys", "elsewhere"), 2, /the option --keys is given twice$/), LIMIT_MS)
})

describe("up", () => {
  it("refuses a topology without machines and makes no keys", async () => {
    await refused(["up", "--topology", TINY, "--keys", at("up-keys"), "--dir", at("up-data")], 1, /^funion: tiny says of no actor where it runs: add machines/)
    expect([existsSync(at("up-keys")), existsSync(at("up-data"))]).toEqual([false, false])
  }, LIMIT_MS)
})
