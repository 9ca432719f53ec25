/**
 * A link that can be cut or slowed from outside: TCP connections passed on between two addresses.
 *
 * Contract: while cut, connections are refused and those that stood are closed without a word; while slow, every chunk is late by the same time.
 * Knows nothing of: what passes.
 * Source: none needed; departures: none.
 *
 * @module
 */
import { connect, createServer, type Server, type Socket } from "node:net"

export interface LinkProxy {
  readonly cut: () => void
  readonly slow: (delayMs: number) => void
  readonly mend: () => void
  readonly close: () => Promise<void>
}

interface Address {
  readonly host: string
  readonly port: number
}

/** Passes connections to `from` on to `to`. */
export const openLinkProxy = async (from: Address, to: Address): Promise<LinkProxy> => {
  const sockets = new Set<Socket>()
  let isCut = false
  let delayMs = 0
  const pass = (source: Socket, target: Socket): void => {
    source.on("data", (chunk) => {
      if (delayMs === 0) target.write(chunk)
      else setTimeout(() => { if (!target.destroyed) target.write(chunk) }, delayMs)
    })
    source.on("error", () => source.destroy())
    source.on("close", () => {
      sockets.delete(source)
      target.destroy()
    })
  }
  const server: Server = createServer((incoming) => {
    if (isCut) return incoming.destroy()
    const outgoing = connect({ host: to.host, port: to.port, noDelay: true })
    incoming.setNoDelay(true)
    sockets.add(incoming).add(outgoing)
    pass(incoming, outgoing)
    pass(outgoing, incoming)
  })
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen({ host: from.host, port: from.port }, resolve)
  })
  return {
    cut: () => {
      isCut = true
      for (const socket of sockets) socket.destroy()
    },
    slow: (ms) => { delayMs = ms },
    mend: () => {
      isCut = false
      delayMs = 0
    },
    close: () => new Promise((resolve) => {
      for (const socket of sockets) socket.destroy()
      server.close(() => resolve())
    })
  }
}
