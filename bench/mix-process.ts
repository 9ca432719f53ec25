/**
 * A mix in a process of its own, for the bench of the packet path over TCP: what it uses of the processor is then what the mix costs.
 *
 * Contract: messages of the starter in, answers out; see `ToMixProcess`. Ends when the starter goes.
 * Knows nothing of: how many packets come.
 * Source: issue 4, point 4; departures: none.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { machineClock } from "../src/actor/timer.ts"
import { Mount } from "../src/actor/mount.ts"
import type { CryptoBackend } from "../src/crypto/backend.ts"
import { selectBackend } from "../src/crypto/select-backend.ts"
import { BenchPeers } from "./mix-tcp.ts"
import { makeMixSetting, makePackets, MIX, ownKey, publicKeyNow, RECEIVER, SENDER, startMix, unwrapAll } from "./mix-rig.ts"
import { collectAll, collectYoung, processUs, usedBytes } from "./harness.ts"

export type ToMixProcess =
  /** Starts the mix; answered by its port. */
  | { readonly type: "start"; readonly backend: CryptoBackend["name"]; readonly userPayloadBytes: number; readonly receiverPort: number }
  /** Answered by the microseconds of processor time so far, that of collecting the garbage included. */
  | { readonly type: "used" }
  /** Answered by the bytes in use, on the heap and in array buffers. */
  | { readonly type: "heap" }
  /** Unwraps the first packets of the bench without a mix; answered by the microseconds of processor time, as above. */
  | { readonly type: "bare"; readonly packetCount: number }
  /** Answered by the fold of what the last `bare` gave. */
  | { readonly type: "fold" }

const answer = (value: number): void => { process.send?.(value) }

const serve = (message: Extract<ToMixProcess, { type: "start" }>): Effect.Effect<never> =>
  Effect.scoped(Effect.gen(function*() {
    const crypto = yield* Either.match(selectBackend(message.backend), { onLeft: (error) => Effect.die(error), onRight: Effect.succeed })
    const setting = makeMixSetting(crypto, message.userPayloadBytes)
    const publicKey = publicKeyNow(setting, Date.now())
    const peers = new BenchPeers(crypto, [SENDER, MIX, RECEIVER])
    peers.place(RECEIVER, message.receiverPort)
    const mount = yield* peers.mountOf(MIX)
    yield* Effect.provideService(startMix(setting), Mount, mount)
    let packets: ReadonlyArray<Uint8Array> = []
    let fold = 0
    const used = (): number => {
      collectYoung()
      return processUs()
    }
    process.on("message", (request: ToMixProcess) => {
      if (request.type === "used") return answer(used())
      if (request.type === "heap") return answer(usedBytes())
      if (request.type === "fold") return answer(fold)
      if (request.type !== "bare") return
      if (packets.length !== request.packetCount) {
        packets = makePackets(setting, publicKey, request.packetCount)
        collectAll()
      }
      const startUs = used()
      fold = unwrapAll(setting, ownKey(setting, Date.now()), packets)
      answer(used() - startUs)
    })
    answer(peers.addresses.get(MIX)?.port ?? 0)
    return yield* Effect.never
  }))

process.once("message", (message: ToMixProcess) => {
  if (message.type === "start") Effect.runFork(Effect.withClock(serve(message), machineClock))
})
process.on("disconnect", () => process.exit(0))
