/**
 * The ledger of reply blocks.
 *
 * Goal: each block is redeemed once, keys never outlive their use, and the ledger stays within its bounds.
 * Method: blocks with made-up keys; what opens and what does not is decided by the real `openSurbReply` over random bytes.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { SURBS_PER_EXCHANGE, SurbLedger } from "../../../src/session/surb-ledger.ts"
import { SurbId } from "../../../src/sphinx/geometry.ts"
import { openSurbReply } from "../../../src/sphinx/surb.ts"
import { crypto } from "./fake-network.ts"

const idOf = (number: number): SurbId => {
  const bytes = new Uint8Array(16)
  new DataView(bytes.buffer).setUint32(0, number)
  return SurbId.unsafe(bytes)
}
const newKeys = () => new Uint8Array(64).fill(5)
const isWiped = (keys: Uint8Array) => keys.every((byte) => byte === 0)

/** A payload that opens under `newKeys()`: zeros behind the stand-in cipher of the fake network. */
const goodPayload = () => crypto.sprpEncipher(newKeys().subarray(0, 48), newKeys().subarray(48), new Uint8Array(100))

describe("the ledger", () => {
  it("the payload used below opens", () => {
    expect(Either.isRight(openSurbReply(crypto, newKeys(), goodPayload()))).toBe(true)
  })

  it("redeems a block once and overwrites its keys", () => {
    const [ledger, keys, owner] = [new SurbLedger<object>(), newKeys(), {}]
    ledger.registerExchange(idOf(1), keys, owner, 0)
    expect(ledger.redeem(crypto, idOf(1), goodPayload())._tag).toBe("Reply")
    expect(isWiped(keys)).toBe(true)
    expect(ledger.redeem(crypto, idOf(1), goodPayload())._tag).toBe("Unknown")
    expect([ledger.size, ledger.ownerCount]).toEqual([0, 0])
  })

  it("a payload that does not open uses the block up too", () => {
    const [ledger, keys] = [new SurbLedger<object>(), newKeys()]
    ledger.registerExchange(idOf(1), keys, {}, 0)
    expect(ledger.redeem(crypto, idOf(1), new Uint8Array(100).fill(1))._tag).toBe("Garbled")
    expect(ledger.size).toBe(0)
    expect(isWiped(keys)).toBe(true)
  })

  it("keeps the newest blocks of an exchange, and none of one that is over", () => {
    const [ledger, owner, all] = [new SurbLedger<object>(), {}, Array.from({ length: 10 }, newKeys)]
    all.forEach((keys, number) => ledger.registerExchange(idOf(number), keys, owner, 0))
    expect(ledger.size).toBe(SURBS_PER_EXCHANGE)
    expect(all.map(isWiped)).toEqual([...Array<boolean>(10 - SURBS_PER_EXCHANGE).fill(true), ...Array<boolean>(SURBS_PER_EXCHANGE).fill(false)])
    ledger.dropOwner(owner)
    expect(all.every(isWiped)).toBe(true)
    expect([ledger.size, ledger.ownerCount]).toEqual([0, 0])
  })

  it("decoys expire; exchanges do not", () => {
    const [ledger, decoy, real] = [new SurbLedger<object>(), newKeys(), newKeys()]
    ledger.registerDecoy(idOf(1), decoy, 100, 0)
    ledger.registerExchange(idOf(2), real, {}, 0)
    ledger.registerDecoy(idOf(3), newKeys(), 1e9, 5000)
    expect([isWiped(decoy), isWiped(real), ledger.size]).toEqual([true, false, 2])
  })

  it("when full, the oldest decoy gives way before any exchange", () => {
    const [ledger, keys] = [new SurbLedger<object>(4), Array.from({ length: 6 }, newKeys)]
    ledger.registerExchange(idOf(0), keys[0]!, {}, 0)
    for (let number = 1; number < 6; number++) ledger.registerDecoy(idOf(number), keys[number]!, 1e9, 0)
    expect(ledger.size).toBe(4)
    expect(keys.map(isWiped)).toEqual([false, true, true, false, false, false])
    ledger.clear()
    expect(keys.every(isWiped)).toBe(true)
  })
})
