/**
 * Many half-open connections, from a process of their own so that nobody else waits for the strangers' work: `PORT COUNT ADDRESS FIRST_MESSAGE_HEX`.
 *
 * Method: connects from ADDRESS as fast as the system lets it; every tenth connection says a whole first message, every other one all but its last byte, the
 * rest nothing. When all have been made, prints how many came up and the most bytes that one of them heard.
 *
 * @module
 */
import { connect } from "node:net"

const [port, count, localAddress, first] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4], Buffer.from(process.argv[5], "hex")]
let connected = 0
let mostBytesHeard = 0

const stranger = (index) => new Promise((done) => {
  let heard = 0
  const socket = connect({ host: "127.0.0.1", port, localAddress })
  socket.on("connect", () => {
    connected++
    done()
  })
  socket.on("error", () => undefined)
  socket.on("data", (chunk) => {
    heard += chunk.length
    mostBytesHeard = Math.max(mostBytesHeard, heard)
  })
  socket.on("close", done)
  if (index % 10 === 0) socket.write(first)
  else if (index % 2 === 0) socket.write(first.subarray(0, -1))
})

const all = []
for (let index = 0; index < count; index++) {
  all.push(stranger(index))
  if (index % 100 === 99) await new Promise((done) => setImmediate(done))
}
await Promise.all(all)
process.stdout.write(`${JSON.stringify({ connected, mostBytesHeard })}\n`, () => process.exit(0))
