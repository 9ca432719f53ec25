/**
 * The processes of a network under chaos: every actor as `funion run`, started, killed and started again from outside.
 *
 * Contract: a process that ends by itself is started again, as an operator's supervisor would do, and counted. Everything is gone when `end` returns.
 * Knows nothing of: jobs, faults.
 * Source: issue "the same topology file on many machines" (process tests); departures: none.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process"
import { createWriteStream, mkdirSync, rmSync, writeFileSync, type WriteStream } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { actorsOf, type Role, type Topology } from "../../src/topology/topology.ts"

const PROGRAM = fileURLToPath(new URL("../../../bin/funion.mjs", import.meta.url))
const RESTART_PAUSE_MS = 500
const FAREWELL_MS = 8_000

interface Member {
  readonly name: string
  readonly role: Role
  readonly log: WriteStream
  child: ChildProcess | undefined
  /** Until an instant nobody starts it; Infinity: never again. */
  heldUntilMs: number
  extra: ReadonlyArray<string>
}

export interface FleetOptions {
  readonly topology: Topology
  /** Folder for keys, data, logs and the topology. */
  readonly directory: string
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const ended = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null

export class Fleet {
  readonly #members = new Map<string, Member>()
  readonly #directory: string
  readonly #topologyFile: string
  /** Ends that nobody asked for. */
  unasked = 0
  #over = false

  constructor({ directory, topology }: FleetOptions) {
    this.#directory = directory
    this.#topologyFile = join(directory, "topology.json")
    mkdirSync(join(directory, "logs"), { recursive: true })
    writeFileSync(this.#topologyFile, JSON.stringify(topology))
    for (const { name, role } of actorsOf(topology)) {
      if (topology.placement?.[name] === undefined) continue
      this.#members.set(name, {
        name, role, child: undefined, heldUntilMs: 0, extra: [], log: createWriteStream(join(directory, "logs", `${name}.log`), { flags: "a" })
      })
    }
  }

  get topologyFile(): string {
    return this.#topologyFile
  }

  get keys(): string {
    return join(this.#directory, "keys")
  }

  names(role?: Role): ReadonlyArray<string> {
    return [...this.#members.values()].filter((member) => role === undefined || member.role === role).map(({ name }) => name)
  }

  dataOf(name: string): string {
    return join(this.#directory, "data", name)
  }

  /** Makes keys and starts everybody. */
  async start(): Promise<void> {
    await this.#runToEnd(["keygen", "--topology", this.#topologyFile, "--dir", this.keys])
    for (const member of this.#members.values()) this.#spawn(member)
  }

  /** SIGKILL, and a new process after the pause of a supervisor. @param downMs  how long it stays away */
  async kill(name: string, downMs = RESTART_PAUSE_MS): Promise<void> {
    await this.takeDown(name)
    void pause(downMs).then(() => this.bringUp(name))
  }

  /** SIGKILL, and nothing more until `bringUp`. */
  async takeDown(name: string): Promise<void> {
    const member = this.#member(name)
    member.heldUntilMs = Infinity
    const { child } = member
    if (child === undefined || ended(child)) return
    const gone = new Promise((resolve) => child.once("exit", resolve))
    child.kill("SIGKILL")
    await gone
  }

  /** @param extra  further options of `funion run` */
  bringUp(name: string, extra: ReadonlyArray<string> = []): void {
    const member = this.#member(name)
    member.heldUntilMs = 0
    member.extra = extra
    if (!this.#over && (member.child === undefined || ended(member.child))) this.#spawn(member)
  }

  /** Removes what an actor keeps; it must be down. */
  emptyDisk(name: string): void {
    rmSync(this.dataOf(name), { recursive: true, force: true })
  }

  async end(): Promise<void> {
    this.#over = true
    const children = [...this.#members.values()].flatMap(({ child }) => (child === undefined || ended(child) ? [] : [child]))
    const gone = Promise.all(children.map((child) => new Promise((resolve) => child.once("exit", resolve))))
    for (const child of children) child.kill("SIGTERM")
    await Promise.race([gone, pause(FAREWELL_MS)])
    for (const child of children) if (!ended(child)) child.kill("SIGKILL")
    await gone
    for (const { log } of this.#members.values()) log.end()
  }

  #member(name: string): Member {
    const member = this.#members.get(name)
    if (member === undefined) throw new RangeError(`no process ${name}`)
    return member
  }

  #spawn(member: Member): void {
    const { extra, log, name, role } = member
    const args = [
      PROGRAM, "run", "--role", role, "--name", name, "--keys", this.keys, "--topology", this.#topologyFile, "--dir", this.dataOf(name), ...extra
    ]
    const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] })
    member.child = child
    child.stderr?.pipe(log, { end: false })
    child.once("error", () => undefined)
    child.once("exit", () => {
      if (this.#over || member.heldUntilMs > 0 || member.child !== child) return
      this.unasked += 1
      void pause(RESTART_PAUSE_MS).then(() => {
        if (!this.#over && member.heldUntilMs === 0 && member.child === child) this.#spawn(member)
      })
    })
  }

  #runToEnd(args: ReadonlyArray<string>): Promise<void> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ["ignore", "ignore", "pipe"] })
      let said = ""
      child.stderr?.on("data", (chunk: Buffer) => { said += chunk.toString() })
      child.once("error", reject)
      child.once("exit", (code) => (code === 0 ? resolve() : reject(new Error(`funion ${args[0]}: ${said.trim()}`))))
    })
  }
}
