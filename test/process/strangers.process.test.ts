/**
 * Strangers at the doors of real processes.
 *
 * Goal: who has no key, a wrong key, somebody's recorded handshake, garbage, frames of a wrong size, one byte a second or 10,000 half-open connections gets
 * no byte beyond message 2 and disturbs nobody; what is held for them is bounded.
 * Method: an authority, a gateway and a replica run as `funion run`; strangers are raw sockets, on Linux from an address of their own. Meanwhile honest callers
 * come in over fresh links. Resident memory is what the system says. The figures are printed; limits of time and memory are generous.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { connect, createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Context, Effect, Either, Layer, Schedule } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Authority } from "../../actors/authority/protocol.ts"
import { Gateway } from "../../actors/gateway/protocol.ts"
import { makeKeyFiles, type PublicHalf, readSecret } from "../../actors/key-file.ts"
import { knowledgeOf } from "../../actors/knowledge.ts"
import { linkSizesOf } from "../../actors/network-links.ts"
import { freshQueueName } from "../../actors/packet-port.ts"
import { Replica } from "../../actors/replica/protocol.ts"
import { Mount, type MountService } from "../../src/actor/mount.ts"
import { layerMountTcp } from "../../src/actor/mount-tcp.ts"
import { concatBytes, utf8 } from "../../src/bytes/concat.ts"
import { Crypto } from "../../src/crypto/crypto-service.ts"
import { systemEntropy } from "../../src/crypto/entropy.ts"
import { selectBackend } from "../../src/crypto/select-backend.ts"
import { frameBytes } from "../../src/link/frame.ts"
import { type HandshakeIdentity, MESSAGE_1_BYTES, MESSAGE_2_BYTES, MESSAGE_4_BYTES } from "../../src/link/handshake.ts"
import { LinkEnd, type LinkSizes } from "../../src/link/link-end.ts"
import { CommandId } from "../../src/link/padding.ts"
import { claimMatches } from "../../src/link/peer-check.ts"
import { tinyParams } from "../../src/params/presets.ts"
import { nodeIdOf } from "../../src/pki/descriptor.ts"
import { network } from "../../src/topology/builder.ts"
import { actorsOf, type Topology } from "../../src/topology/topology.ts"
import { ROOT } from "./cli-process.ts"

const LIMIT_MS = 120_000
const FLOOD = 10_000
/** Far above what a flood may cost, far below what 10,000 connections would hold. */
const GROWTH_LIMIT_MIB = 160
const STRANGERS_ADDRESS = process.platform === "linux" ? "127.0.0.2" : "127.0.0.1"

/** A caller's own patience: for the rest of a minute. */
const RETRY = { schedule: Schedule.spaced(50), times: 1_200 }

const crypto = Either.getOrThrow(selectBackend())
const root = mkdtempSync(join(tmpdir(), "funion-strangers-"))
const keys = join(root, "keys")
const DOORS = ["authority-0", "gateway-0", "replica-0"] as const
type Door = typeof DOORS[number]
const ROLES = { "authority-0": "authority", "gateway-0": "gateway", "replica-0": "replica" } as const

const base = network({
  name: "doors", params: tinyParams, computes: [{ models: [{ id: "affine", profiles: [0, 1] }] }],
  machines: [{
    name: "here", host: "127.0.0.1", firstPort: 2, firstOperatorPort: 1_002,
    actors: ["authorities", "gateways", "mixes", "serviceNodes", "replicas", "computes"]
  }]
})
const publics = new Map<string, PublicHalf>()
const children = new Map<Door, ChildProcess>()
let ports = new Map<string, number>()
const sizesOf = (door: Door): LinkSizes =>
  linkSizesOf(Either.getOrThrow(knowledgeOf(base, crypto, () => new Uint8Array(32))))(door)

const freePort = (): Promise<number> =>
  new Promise((done) => {
    const server = createServer()
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { readonly port: number }
      server.close(() => done(port))
    })
  })

const placed = async (): Promise<Topology> => {
  const names = Object.keys(base.placement!)
  const free = await Promise.all([...names, ...names].map(freePort))
  ports = new Map(names.map((name, index) => [name, free[index]!]))
  return { ...base, placement: Object.fromEntries(names.map((name, index) =>
    [name, { ...base.placement![name]!, port: free[index]!, operatorPort: free[names.length + index]! }])) }
}

/** Starts a process; returns when it says that it is up. */
const open = (door: Door): Promise<void> =>
  new Promise((done, failed) => {
    const args = ["--role", ROLES[door], "--name", door, "--keys", keys, "--topology", join(root, "doors.json"), "--dir", join(root, door)]
    const child = spawn(process.execPath, [join(ROOT, "bin/funion.mjs"), "run", ...args], { stdio: ["ignore", "ignore", "pipe"] })
    children.set(door, child)
    let said = ""
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      said += text
      if (/ up /.test(said)) done()
    })
    child.once("exit", () => failed(new Error(said)))
  })

beforeAll(async () => {
  const topology = await placed()
  writeFileSync(join(root, "doors.json"), JSON.stringify(topology))
  for (const { name } of actorsOf(topology)) publics.set(name, await Effect.runPromise(makeKeyFiles(crypto, keys, name, systemEntropy)))
  await Promise.all(DOORS.map(open))
}, LIMIT_MS)
afterAll(() => {
  for (const child of children.values()) child.kill("SIGKILL")
  rmSync(root, { recursive: true, force: true })
})

const residentMib = (door: Door): number => {
  const pid = children.get(door)!.pid!
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}

const claimOf = (name: string) => ({ additionalData: nodeIdOf(crypto, publics.get(name)!.identityKey), linkKey: publics.get(name)!.linkKey })
const strangersKey = () => crypto.xwingPrivateKey(systemEntropy(32))

/** Who may come in at a door: anybody at an authority, a queue at a gateway, a courier at a replica. */
const guestAt = async (door: Door): Promise<HandshakeIdentity> => {
  if (door === "authority-0") return { linkKey: strangersKey(), additionalData: new Uint8Array(0) }
  if (door === "gateway-0") return { linkKey: strangersKey(), additionalData: utf8(freshQueueName(systemEntropy)) }
  const { linkSeed } = await Effect.runPromise(readSecret(keys, "courier-0"))
  return { linkKey: crypto.xwingPrivateKey(linkSeed), additionalData: claimOf("courier-0").additionalData }
}

const callAt = (door: Door, mount: MountService) =>
  Effect.gen(function* () {
    if (door === "authority-0") return (yield* (yield* mount.connect("guest", door, Authority)).GetConsensus({ epoch: 1 })).status > 0
    if (door === "gateway-0") return (yield* (yield* mount.connect("guest", door, Gateway)).GetConsensus({ epoch: 1 })).status > 0
    const frame = new Uint8Array(sizesOf(door).fromInitiatorBytes - 96)
    return (yield* (yield* mount.connect("guest", door, Replica)).CourierCommand({ frame })).frame.length === frame.length
  })

/** One call over a fresh link; true when the answer is right. A way that is busy is tried again, as every caller does. */
const honest = async (door: Door, port = ports.get(door)!): Promise<boolean> => {
  const { additionalData, linkKey } = await guestAt(door)
  const layer = layerMountTcp({
    self: { name: "guest", linkKey, identityHash: additionalData },
    addresses: () => ({ host: "127.0.0.1", port }),
    peers: { accept: () => undefined, expects: (to, claim) => claimMatches(claim, claimOf(to)) },
    listen: "nowhere",
    sizes: sizesOf(door)
  }).pipe(Layer.provide(Layer.succeed(Crypto, crypto)))
  const call = Effect.flatMap(Layer.build(layer), (built) => Effect.retry(callAt(door, Context.get(built, Mount)), RETRY))
  return Effect.runPromise(Effect.scoped(call))
}

interface Visit {
  readonly socket: Socket
  readonly received: () => Uint8Array
  readonly closed: Promise<Uint8Array>
  /** Waits for that many bytes, or the end. */
  readonly got: (byteCount: number) => Promise<Uint8Array>
}

const visit = (door: Door): Visit => {
  let received: Uint8Array = new Uint8Array(0)
  let look: () => void = () => undefined
  const socket = connect({ host: "127.0.0.1", port: ports.get(door)!, localAddress: STRANGERS_ADDRESS })
  socket.on("error", () => undefined)
  socket.on("data", (chunk) => {
    received = concatBytes(received, chunk)
    look()
  })
  const closed = new Promise<Uint8Array>((done) => socket.on("close", () => {
    look()
    done(received)
  }))
  const got = (byteCount: number): Promise<Uint8Array> =>
    new Promise((done) => {
      look = () => { if (received.length >= byteCount || socket.destroyed) done(received) }
      look()
    })
  return { socket, received: () => received, closed, got }
}

const initiator = (identity: HandshakeIdentity, sizes: LinkSizes): LinkEnd =>
  LinkEnd.initiator({ crypto, entropy: systemEntropy, identity, check: () => "door", sizes, unixTimeS: () => 0 })

/** Sends messages 1 and 3 by hand; `write` gets what follows message 3. */
const handshake = async (door: Door, identity: HandshakeIdentity, sizes = sizesOf(door)) => {
  const guest = visit(door)
  const end = initiator(identity, sizes)
  guest.socket.write(end.firstMessage)
  const third = Either.getOrThrow(end.receive((await guest.got(MESSAGE_2_BYTES)).subarray(0, MESSAGE_2_BYTES)))
  guest.socket.write(concatBytes(...third.write))
  return { guest, end }
}

/** As `handshake`, to an open link. */
const link = async (door: Door, identity: HandshakeIdentity) => {
  const { end, guest } = await handshake(door, identity)
  const greeting = MESSAGE_2_BYTES + MESSAGE_4_BYTES + frameBytes(sizesOf(door).fromResponderBytes)
  const opened = Either.getOrThrow(end.receive((await guest.got(greeting)).subarray(MESSAGE_2_BYTES, greeting)))
  guest.socket.write(concatBytes(...opened.write))
  return { guest, end, greeting }
}

describe.each(DOORS)("at %s", (door) => {
  it("an HTTP request, garbage and an unusable first message hear nothing", async () => {
    const unusable = concatBytes(Uint8Array.of(3), new Uint8Array(MESSAGE_1_BYTES - 1).fill(255))
    for (const bytes of [utf8("GET / HTTP/1.1\r\nHost: door\r\n\r\n"), systemEntropy(5_000).fill(9, 0, 1), new Uint8Array(3_000), unusable]) {
      const guest = visit(door)
      guest.socket.write(bytes)
      expect((await guest.closed).length).toBe(0)
    }
    expect(await honest(door)).toBe(true)
  }, LIMIT_MS)
  it("a wrong key hears message 2 and no more, whatever identity it shows", async () => {
    const shown = ["courier-0", "mix-2-0", "authority-0", "client-0"].map((name) => claimOf(name).additionalData)
    for (const additionalData of [...shown, systemEntropy(32), systemEntropy(255)]) {
      const { guest } = await handshake(door, { linkKey: strangersKey(), additionalData })
      expect((await guest.closed).length).toBe(MESSAGE_2_BYTES)
    }
    expect(await honest(door)).toBe(true)
  }, LIMIT_MS)
  it("no key hears message 2 and no more but where documents are given to anybody", async () => {
    if (door === "authority-0") return
    const { guest } = await handshake(door, { linkKey: strangersKey(), additionalData: new Uint8Array(0) })
    expect((await guest.closed).length).toBe(MESSAGE_2_BYTES)
  }, LIMIT_MS)
  it("a recorded good handshake with its call, played again, hears message 2 and no more", async () => {
    const recorded: Array<Uint8Array> = []
    const proxy = createServer((socket) => {
      const inner = connect({ host: "127.0.0.1", port: ports.get(door)! })
      socket.on("data", (chunk) => {
        recorded.push(new Uint8Array(chunk))
        inner.write(chunk)
      })
      inner.pipe(socket)
      for (const each of [socket, inner]) each.on("error", () => undefined)
      socket.on("close", () => inner.destroy())
    })
    await new Promise<void>((done) => proxy.listen(0, "127.0.0.1", done))
    const { port } = proxy.address() as { readonly port: number }
    expect(await honest(door, port)).toBe(true)
    proxy.close()
    const guest = visit(door)
    guest.socket.write(concatBytes(...recorded))
    expect((await guest.closed).length).toBeLessThanOrEqual(MESSAGE_2_BYTES)
    expect(await honest(door)).toBe(true)
  }, LIMIT_MS)
  it("frames of another size, unsealed ones, and a message of 4 GiB end the link without an answer", async () => {
    const guestIdentity = await guestAt(door)
    const large = { fromInitiatorBytes: 100_000, fromResponderBytes: 100_000 }
    const oversized = await handshake(door, guestIdentity, large)
    const fourth = (await oversized.guest.got(MESSAGE_2_BYTES + MESSAGE_4_BYTES)).slice(MESSAGE_2_BYTES, MESSAGE_2_BYTES + MESSAGE_4_BYTES)
    const frame = concatBytes(...Either.getOrThrow(oversized.end.receive(fourth)).write)
    expect(frame.length).toBeGreaterThan(100_000)
    oversized.guest.socket.write(frame)
    const greeting = MESSAGE_2_BYTES + MESSAGE_4_BYTES + frameBytes(sizesOf(door).fromResponderBytes)
    expect((await oversized.guest.closed).length).toBe(greeting)
    const endless = (end: LinkEnd) => Either.getOrThrow(end.seal(CommandId.Segment, new Uint8Array(4).fill(255)))
    for (const misdeed of [() => systemEntropy(20_000), endless]) {
      const { end, greeting: heard, guest } = await link(door, guestIdentity)
      guest.socket.write(misdeed(end))
      expect((await guest.closed).length).toBe(heard)
    }
    expect(await honest(door)).toBe(true)
  }, LIMIT_MS)
})

describe("those who take their time", () => {
  it("one byte a second is put out in the handshake with nothing heard, and holds up nobody on an open link", async () => {
    const drips = (guest: Visit, bytes: Uint8Array) => {
      let at = 0
      const timer = setInterval(() => { if (!guest.socket.destroyed && at < bytes.length) guest.socket.write(bytes.subarray(at, ++at)) }, 1_000)
      void guest.closed.then(() => clearInterval(timer))
    }
    const opened = await Promise.all(DOORS.map(async (door) => {
      const { end, guest } = await link(door, await guestAt(door))
      drips(guest, Either.getOrThrow(end.seal(CommandId.NoOp)))
      return guest
    }))
    const slow = DOORS.map((door) => {
      const guest = visit(door)
      drips(guest, initiator({ linkKey: strangersKey(), additionalData: new Uint8Array(0) }, sizesOf(door)).firstMessage)
      return guest
    })
    const heard = await Promise.all(slow.map(({ closed }) => closed))
    expect(heard.map(({ length }) => length)).toEqual([0, 0, 0])
    for (const door of DOORS) expect(await honest(door)).toBe(true)
    for (const { socket } of opened) socket.destroy()
  }, LIMIT_MS)
})

describe("a flood", () => {
  const flood = (door: Door, count: number): Promise<{ readonly connected: number; readonly mostBytesHeard: number }> =>
    new Promise((done, failed) => {
      const first = initiator({ linkKey: strangersKey(), additionalData: new Uint8Array(0) }, sizesOf(door)).firstMessage
      const args = [String(ports.get(door)), String(count), STRANGERS_ADDRESS, Buffer.from(first).toString("hex")]
      const child = spawn(process.execPath, [join(ROOT, "test/process/stranger-flood.mjs"), ...args], { stdio: ["ignore", "pipe", "inherit"] })
      let said = ""
      child.stdout.setEncoding("utf8").on("data", (text: string) => { said += text })
      child.once("close", (status) => (status === 0 ? done(JSON.parse(said) as { connected: number; mostBytesHeard: number }) : failed(new Error(said))))
    })

  const FLOODED = [["gateway-0", FLOOD], ["replica-0", 500]] as const
  it.each(FLOODED)("%s: %i half-open connections cost bounded memory, and friends come in meanwhile", async (door, count) => {
    const before = residentMib(door)
    let over = false
    let most = before
    const flooding = flood(door, count).finally(() => { over = true })
    const waitsMs: Array<number> = []
    do {
      const sinceMs = performance.now()
      expect(await honest(door)).toBe(true)
      waitsMs.push(Math.round(performance.now() - sinceMs))
      most = Math.max(most, residentMib(door))
    } while (!over)
    const { connected, mostBytesHeard } = await flooding
    expect(connected).toBeGreaterThan(0.9 * count)
    most = Math.max(most, residentMib(door))
    expect(mostBytesHeard).toBeLessThanOrEqual(MESSAGE_2_BYTES)
    expect(most - before).toBeLessThan(GROWTH_LIMIT_MIB)
    expect(children.get(door)!.exitCode).toBe(null)
    process.stderr.write(`${door}: ${connected} half-open connections; resident ${before.toFixed(0)} MiB before, ${most.toFixed(0)} at most, `
      + `${waitsMs.length} honest calls over fresh links meanwhile, slowest ${Math.max(...waitsMs)} ms\n`)
  }, LIMIT_MS)
})
