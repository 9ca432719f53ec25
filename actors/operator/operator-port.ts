/**
 * The HTTP port of one actor for its operator: `GET /health` and `GET /metrics`.
 *
 * Contract: answers both at once from what is known, whatever the actor is doing; everything else is 404 with an empty body. Connections, header size and
 * every wait are bounded, and each connection serves one request. Bodies are not read. Meant for the loopback address: there is no authentication, and
 * nothing here is secret, but nobody else needs it.
 * Knows nothing of: actors, figures.
 * Source: effect-notes.md §6; departures: none.
 *
 * @module
 */
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Data, Effect, type Scope } from "effect"
import { createServer, type Server } from "node:http"
import type { HealthReport } from "./protocol.ts"

/** The operator port could not be opened. */
export class OperatorPortFailed extends Data.TaggedError("OperatorPortFailed")<{
  /** The field to change, e.g. `placement.mix-0-0.operatorPort`. */
  readonly field: string
  /** One sentence: what is wrong and what to change. */
  readonly message: string
}> {}

export interface OperatorPortConfig {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  /** Names the place of host and port in errors, e.g. `placement.mix-0-0`; default `operator`. */
  readonly field?: string
  readonly health: Effect.Effect<HealthReport>
  /** The metrics page. */
  readonly metrics: Effect.Effect<string>
}

const CONNECTION_LIMIT = 32
const HEADER_BYTES_LIMIT = 8_192
/** From the first byte of a request to its last, and longest silence. */
const REQUEST_LIMIT_MS = 5_000
const CHECK_MS = 1_000

const makeServer = (): Server => {
  const server = createServer({
    maxHeaderSize: HEADER_BYTES_LIMIT, headersTimeout: REQUEST_LIMIT_MS, requestTimeout: REQUEST_LIMIT_MS, connectionsCheckingInterval: CHECK_MS
  })
  server.maxConnections = CONNECTION_LIMIT
  server.timeout = REQUEST_LIMIT_MS
  return server
}

const COMMON = { "cache-control": "no-store", connection: "close" }
const PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
const JSON_TYPE = "application/json; charset=utf-8"

const page = (status: number, contentType: string, body: string): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(body, { status, contentType, headers: COMMON })

const nothing = (status: number): HttpServerResponse.HttpServerResponse => HttpServerResponse.empty({ status, headers: COMMON })

const routes = ({ health, metrics }: OperatorPortConfig) =>
  HttpRouter.empty.pipe(
    HttpRouter.get("/health", Effect.map(health, (report) => page(report.state === "up" ? 200 : 503, JSON_TYPE, `${JSON.stringify(report)}\n`))),
    HttpRouter.get("/metrics", Effect.map(metrics, (text) => page(200, PROMETHEUS_TYPE, text))),
    Effect.catchTag("RouteNotFound", () => Effect.succeed(nothing(404))),
    Effect.catchAllCause(() => Effect.succeed(nothing(503)))
  )

const codeOf = (cause: unknown): string => (typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : "")

/** What to change when the system refused an address. */
const refusal = ({ field = "operator", host, port }: OperatorPortConfig, cause: unknown): OperatorPortFailed => {
  const code = codeOf(cause)
  const atPort = (message: string) => new OperatorPortFailed({ field: `${field}.operatorPort`, message })
  if (code === "EADDRINUSE") return atPort(`the port ${port} on ${host} is taken: choose another, or stop what uses it`)
  if (code === "EACCES") return atPort(`this user may not open the port ${port}: choose one from 1024 on`)
  if (port < 0 || port > 65_535 || !Number.isInteger(port)) return atPort(`${port} is no port: use a whole number from 1 to 65535`)
  return new OperatorPortFailed({ field: `${field}.operatorHost`, message: `this machine has no address ${host}: use one of its own, such as 127.0.0.1` })
}

/**
 * Opens the port; it closes with the scope, open connections included.
 * @errors OperatorPortFailed names the field
 */
export const serveOperatorPort = (config: OperatorPortConfig): Effect.Effect<{ readonly port: number }, OperatorPortFailed, Scope.Scope> =>
  Effect.gen(function*() {
    let opened: Server | undefined
    const server = yield* NodeHttpServer.make(() => (opened = makeServer()), { host: config.host, port: config.port }).pipe(
      Effect.mapError(({ cause }) => refusal(config, cause)),
      Effect.catchAllDefect((defect) => Effect.fail(refusal(config, defect)))
    )
    yield* Effect.addFinalizer(() => Effect.sync(() => opened?.closeAllConnections()))
    yield* HttpServer.serveEffect(routes(config)).pipe(Effect.provideService(HttpServer.HttpServer, server))
    const { address } = server
    return { port: address._tag === "TcpAddress" ? address.port : config.port }
  })
