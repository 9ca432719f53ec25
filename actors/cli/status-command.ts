/**
 * `funion status`: every actor of a placed topology, as its operator port tells.
 *
 * Contract: all ports are asked at once, each with a short time limit; what answers late, wrongly or not at all is unreachable. Status 1 unless every
 * actor is up. With `--json` standard output is one JSON object. Figures are as coarse as the actors show them.
 * Knows nothing of: how figures come about.
 * Source: the issue's list; departures: none.
 *
 * @module
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import { Effect, Layer, Schema, Stream } from "effect"
import { actorsOf, type Place, type Topology } from "../../src/topology/topology.ts"
import { HealthReport } from "../operator/protocol.ts"
import { type CliFailure, failed, plainText } from "./cli-failure.ts"
import { printLine } from "./output.ts"
import { loadTopology } from "./topology-file.ts"

export interface StatusRequest {
  readonly topology: Topology
  readonly json: boolean
}

/** One actor's line. */
export interface ActorStatus {
  readonly name: string
  readonly role: string
  readonly machine: string
  readonly state: HealthReport["state"] | "unreachable"
  readonly epoch: number | null
  readonly documentEpoch: number | null
  /** Things that wait, of all queues; rounded down to tens by each queue. */
  readonly queued: number | null
  /** Packets dropped, for all reasons; rounded up to tens by each reason. */
  readonly dropped: number | null
  readonly restarts: number | null
  /** The parts of the sums. */
  readonly queues: Readonly<Record<string, number>>
  readonly drops: Readonly<Record<string, number>>
}

const TIME_LIMIT_MS = 2_000
/** UTF-16 units of an answer that are read. */
const BODY_LIMIT = 65_536
/** An operator port sends nobody anywhere else. */
const httpClient = Layer.provide(FetchHttpClient.layer, Layer.succeed(FetchHttpClient.RequestInit, { redirect: "error" }))

const decodeReport = Schema.decodeUnknown(Schema.parseJson(HealthReport))

const addressOf = ({ operatorHost = "127.0.0.1", operatorPort }: Place): string =>
  `http://${operatorHost.includes(":") ? `[${operatorHost}]` : operatorHost}:${operatorPort}/health`

/** What the port of one actor says; fails in any way when it is not that actor. */
const ask = (name: string, place: Place) =>
  Effect.gen(function*() {
    const client = HttpClient.withTracerPropagation(yield* HttpClient.HttpClient, false)
    const response = yield* client.get(addressOf(place))
    const decoder = new TextDecoder()
    const isShort = (text: string): boolean => text.length <= BODY_LIMIT
    const text = yield* Stream.runFoldWhile(response.stream, "" as string, isShort, (before, part) => before + decoder.decode(part, { stream: true }))
    const report = yield* decodeReport(text)
    return report.name === name ? report : yield* Effect.fail("another actor" as const)
  }).pipe(Effect.scoped, Effect.timeout(TIME_LIMIT_MS))

const sum = (figures: Readonly<Record<string, number>>): number => Object.values(figures).reduce((total, figure) => total + figure, 0)

const statusOf = (name: string, role: string, place: Place): Effect.Effect<ActorStatus, never, HttpClient.HttpClient> =>
  Effect.match(ask(name, place), {
    onFailure: (): ActorStatus => ({
      name, role, machine: place.machine, state: "unreachable", epoch: null, documentEpoch: null, queued: null, dropped: null, restarts: null,
      queues: {}, drops: {}
    }),
    onSuccess: (report): ActorStatus => ({
      name, role, machine: place.machine, state: report.state, epoch: report.epoch, documentEpoch: report.documentEpoch,
      queued: sum(report.queued), dropped: sum(report.dropped), restarts: report.restarts, queues: report.queued, drops: report.dropped
    })
  })

/** All placed actors, in the order of the topology. @errors CliFailure when nothing is placed */
export const readStatus = (topology: Topology): Effect.Effect<ReadonlyArray<ActorStatus>, CliFailure> =>
  Effect.gen(function*() {
    const { placement } = topology
    if (placement === undefined) {
      return yield* failed(`${topology.name} does not say where its actors run: give network({ … }) its machines`)
    }
    const placed = actorsOf(topology).flatMap(({ name, role }) => {
      const place = placement[name]
      return place === undefined ? [] : [{ name, role, place }]
    })
    return yield* Effect.forEach(placed, ({ name, place, role }) => statusOf(name, role, place), { concurrency: "unbounded" })
  }).pipe(Effect.provide(httpClient))

const COLUMNS = ["actor", "role", "state", "epoch", "document", "queued", "dropped", "restarts"]

const cell = (value: number | null): string => (value === null ? "–" : String(value))

/** The parts of a sum that are most of it, for the end of a line. */
const reasons = ({ drops, queues }: ActorStatus): string =>
  [...Object.entries(queues), ...Object.entries(drops)].sort(([, a], [, b]) => b - a).slice(0, 3).map(([word, count]) => `${word} ${count}`).join(", ")

/** The table for people; ends without a line break. */
export const statusTable = (actors: ReadonlyArray<ActorStatus>): string => {
  const rows = [COLUMNS, ...actors.map((actor) => [
    actor.name, actor.role, actor.state, cell(actor.epoch), cell(actor.documentEpoch), cell(actor.queued), cell(actor.dropped), cell(actor.restarts)
  ])]
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)))
  const isNumber = (column: number): boolean => column >= 3
  const notes = ["", ...actors.map(reasons)]
  return rows.map((row, index) => {
    const cells = row.map((text, column) => (isNumber(column) ? text.padStart(widths[column] ?? 0) : text.padEnd(widths[column] ?? 0)))
    return plainText(`${cells.join("  ")}${notes[index] === "" ? "" : `  ${notes[index]}`}`.trimEnd())
  }).join("\n")
}

/** Prints the state of a running network. @errors CliFailure when an actor is not up */
export const runStatus = ({ json, topology }: StatusRequest): Effect.Effect<void, CliFailure> =>
  Effect.gen(function*() {
    const actors = yield* readStatus(topology)
    yield* printLine(json ? JSON.stringify({ network: topology.name, actors }) : statusTable(actors))
    const missing = actors.filter(({ state }) => state !== "up").map(({ name, state }) => `${name} is ${state}`)
    const named = missing.length > 4 ? [...missing.slice(0, 4), "…"] : missing
    if (missing.length > 0) return yield* failed(`${missing.length} of ${actors.length} actors are not up: ${named.join(", ")}`)
  })

/** As `runStatus`, for a topology file. */
export const runStatusOfFile = (request: { readonly file: string; readonly json: boolean }): Effect.Effect<void, CliFailure> =>
  Effect.flatMap(loadTopology(request.file), ({ topology }) => runStatus({ topology, json: request.json }))
