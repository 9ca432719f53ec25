/**
 * The operator port and `funion status`.
 *
 * Goal: health is 200 exactly when the actor is up; nothing but two pages is served; a port that cannot be opened names its field; status tells apart
 * actors that are up, not up, unreachable, and somebody else.
 * Method: real ports on loopback.
 *
 * @module
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { connect } from "node:net"
import { readStatus, runStatus, statusTable } from "../../../actors/cli/status-command.ts"
import { openOperator } from "../../../actors/operator/operator.ts"
import type { ActorHealth } from "../../../src/actor/supervise.ts"
import { Meter, showMetric } from "../../../src/actor/meter.ts"
import { network } from "../../../src/topology/builder.ts"
import { tinyParams } from "../../../src/params/presets.ts"
import type { Topology } from "../../../src/topology/topology.ts"

const open = (name: string, role: string, health: () => ActorHealth | undefined, port = 0) =>
  openOperator({ name, role, params: tinyParams, host: "127.0.0.1", port, health: Effect.sync(health) })

const get = (port: number, path: string, method = "GET") =>
  Effect.promise(async () => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method })
    return { status: response.status, type: response.headers.get("content-type"), text: await response.text() }
  })

/** What comes back for raw bytes until the port closes the connection. */
const send = (port: number, bytes: string) =>
  Effect.promise(() => new Promise<string>((resolve) => {
    let text = ""
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes))
    socket.on("data", (part) => { text += part.toString("latin1") })
    socket.on("error", () => resolve(text))
    socket.on("close", () => resolve(text))
  }))

describe("operator port", () => {
  it.scopedLive("health is 200 when up, 503 when starting, down or draining, and says which", () =>
    Effect.gen(function*() {
      let health: ActorHealth | undefined
      const operator = yield* open("mix-0-0", "mix", () => health)
      const seen: Array<readonly [number, unknown]> = []
      const look = Effect.map(get(operator.port, "/health"), ({ status, text }) => seen.push([status, (JSON.parse(text) as { state: string }).state]))
      yield* look
      for (const state of ["starting", "up", "down"] as const) {
        health = { state, restartCount: 1 }
        yield* look
      }
      health = { state: "up", restartCount: 1 }
      yield* operator.drain
      yield* look
      expect(seen).toEqual([[503, "starting"], [503, "starting"], [200, "up"], [503, "down"], [503, "draining"]])
      const { text, type } = yield* get(operator.port, "/health")
      expect(type).toBe("application/json; charset=utf-8")
      expect(Object.keys(JSON.parse(text) as object)).toEqual(["name", "role", "state", "epoch", "documentEpoch", "restarts", "links", "queued", "dropped"])
    }))

  it.scopedLive("metrics are text of version 0.0.4; everything else is 404 with an empty body; long headers and garbage are refused", () =>
    Effect.gen(function*() {
      const operator = yield* open("mix-0-1", "mix", () => ({ state: "up", restartCount: 0 }))
      const metrics = yield* get(operator.port, "/metrics")
      expect([metrics.status, metrics.type]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"])
      expect(metrics.text).toContain("funion_up{actor=\"mix-0-1\",role=\"mix\"} 1\n")
      for (const [method, path] of [["GET", "/"], ["GET", "/metrics/x"], ["POST", "/health"], ["DELETE", "/metrics"], ["GET", "/healthz"]] as const) {
        expect(yield* get(operator.port, path, method), `${method} ${path}`).toMatchObject({ status: 404, text: "" })
      }
      expect(yield* send(operator.port, `GET /health HTTP/1.1\r\nhost: x\r\nx: ${"a".repeat(20_000)}\r\n\r\n`)).toMatch(/^HTTP\/1.1 431 /)
      expect(yield* send(operator.port, "\u0016\u0003\u0001 garbage\r\n\r\n")).toMatch(/^HTTP\/1.1 400 /)
      expect((yield* get(operator.port, "/health")).status).toBe(200)
    }))

  it.scopedLive("a port that is taken is named by its field", () =>
    Effect.gen(function*() {
      const { port } = yield* open("a", "mix", () => undefined)
      const error = yield* Effect.flip(Effect.scoped(open("mix-0-2", "mix", () => undefined, port)))
      expect([error._tag, error.field]).toEqual(["OperatorPortFailed", "placement.mix-0-2.operatorPort"])
      expect(error.message).toContain(String(port))
    }))

  it.live("the port closes with the scope, and can be opened anew", () =>
    Effect.gen(function*() {
      const { port } = yield* Effect.scoped(open("b", "mix", () => undefined))
      yield* Effect.scoped(Effect.flatMap(open("b", "mix", () => undefined, port), (again) => get(again.port, "/health")))
    }))
})

const placed = (ports: Readonly<Record<string, number>>): Topology => ({
  ...network({ name: "statusnet", params: tinyParams }),
  placement: Object.fromEntries(Object.entries(ports).map(([name, operatorPort]) => [name, { machine: "one", host: "127.0.0.1", port: 1, operatorPort }]))
})

describe("status", () => {
  it.scopedLive("up, starting, unreachable, and a port where another actor answers", () =>
    Effect.gen(function*() {
      const up = { state: "up", restartCount: 2 } as const
      const mix = yield* open("mix-0-0", "mix", () => up)
      yield* showMetric("queued", () => ({ delay: 40 })).pipe(Effect.provideService(Meter, mix.meter))
      const gateway = yield* open("gateway-0", "gateway", () => undefined)
      const topology = placed({ "gateway-0": gateway.port, "mix-0-0": mix.port, "mix-1-0": mix.port, "mix-2-0": 1 })
      const actors = yield* readStatus(topology)
      expect(actors.map(({ name, role, state }) => [name, role, state])).toEqual([
        ["gateway-0", "gateway", "starting"], ["mix-0-0", "mix", "up"], ["mix-1-0", "mix", "unreachable"], ["mix-2-0", "mix", "unreachable"]
      ])
      expect(actors[1]).toMatchObject({ restarts: 2, queued: 0, dropped: 0, documentEpoch: null, epoch: expect.any(Number) })
      const table = statusTable(actors).split("\n")
      expect(table[0]).toMatch(/^actor +role +state +epoch +document +queued +dropped +restarts$/)
      expect(table[3]).toMatch(/^mix-1-0 +mix +unreachable +– +– +– +– +–$/)
      const exit = yield* Effect.exit(runStatus({ topology, json: true }))
      expect(Exit.isFailure(exit) && String(exit.cause)).toContain("3 of 4 actors are not up: gateway-0 is starting, mix-1-0 is unreachable")
    }))

  it.live("a network without places is refused with a sentence that says what to add", () =>
    Effect.map(Effect.flip(readStatus(network({ name: "homeless", params: tinyParams }))), ({ message }) => {
      expect(message).toContain("machines")
    }))
})
