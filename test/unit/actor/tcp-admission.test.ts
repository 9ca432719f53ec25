/**
 * Who is let in, how many bytes are held, and when another attempt is made.
 *
 * Goal: the bounds of a TCP mount, without sockets.
 * Method: stand-ins for links that note their end.
 *
 * @module
 */
import { describe, expect, it } from "vitest"
import { ByteBudget, DEFAULT_TCP_LIMITS, type TcpCount } from "../../../src/actor/tcp-limits.ts"
import { addressKey, Admission } from "../../../src/actor/tcp-listener.ts"
import type { TcpLink } from "../../../src/actor/tcp-link.ts"
import { redialPauseMs } from "../../../src/actor/tcp-route.ts"

const table = (limits: { connections: number; connectionsPerAddress: number; halfOpen: number }) => {
  const counts: Array<TcpCount> = []
  const ended: Array<string> = []
  const admission = new Admission({ limits, count: (count) => counts.push(count) })
  const arrive = (name: string, address = "a", isSilent = true) => {
    if (!admission.makeRoom(address)) return undefined
    const link = { isSilent, end: () => { ended.push(name); admission.left(link) } } as unknown as TcpLink
    admission.enter(address, link)
    return link
  }
  return { admission, arrive, counts, ended }
}

describe("admission", () => {
  it("beyond the half-open limit the oldest silent connection goes, and only then one that has spoken", () => {
    const { admission, arrive, counts, ended } = table({ connections: 100, connectionsPerAddress: 100, halfOpen: 2 })
    arrive("spoken", "a", false)
    arrive("silent")
    arrive("third", "a", false)
    expect(ended).toEqual(["silent"])
    arrive("fourth")
    expect(ended).toEqual(["silent", "spoken"])
    expect([admission.size, admission.halfOpenSize, counts]).toEqual([2, 2, ["evicted-half-open", "evicted-half-open"]])
  })
  it("proved peers are never put out for strangers", () => {
    const { admission, arrive, counts, ended } = table({ connections: 2, connectionsPerAddress: 100, halfOpen: 2 })
    for (const name of ["one", "two"]) admission.opened(arrive(name) as TcpLink, name)
    expect(arrive("stranger")).toBeUndefined()
    expect([ended, counts]).toEqual([[], ["refused-full"]])
  })
  it("one address cannot take the places of others", () => {
    const { admission, arrive, ended } = table({ connections: 100, connectionsPerAddress: 2, halfOpen: 100 })
    const friend = arrive("friend", "b") as TcpLink
    for (let i = 0; i < 10; i++) arrive(`guest ${i}`)
    expect(ended).toHaveLength(8)
    expect(admission.size).toBe(3)
    admission.opened(friend, "friend")
    for (const name of ["x", "y"]) admission.opened(arrive(name, "c") as TcpLink, name)
    expect(arrive("z", "c")).toBeUndefined()
    expect(arrive("z", "d")).toBeDefined()
  })
  it("a flood from one address puts itself out, not a newcomer from another, however silent and however old", () => {
    for (const limits of [{ connections: 100, halfOpen: 8 }, { connections: 8, halfOpen: 100 }]) {
      const { admission, arrive, ended } = table({ ...limits, connectionsPerAddress: 100 })
      arrive("friend", "b")
      for (let i = 0; i < 50; i++) arrive(`guest ${i}`, "a", i % 2 === 0)
      expect(ended).toHaveLength(43)
      expect(ended).not.toContain("friend")
      arrive("other", "c")
      expect([ended.length, ended.includes("friend"), ended.includes("other"), admission.size]).toEqual([44, false, false, 8])
    }
  })
  it("a peer that comes again takes the place of its older link; leaving twice is harmless", () => {
    const { admission, arrive, ended } = table({ connections: 100, connectionsPerAddress: 100, halfOpen: 100 })
    const [older, newer] = [arrive("older"), arrive("newer")] as [TcpLink, TcpLink]
    admission.opened(older, "peer")
    admission.opened(newer, "peer")
    expect(ended).toEqual(["older"])
    admission.left(older)
    expect(admission.size).toBe(1)
    admission.left(newer)
    expect([admission.size, admission.halfOpenSize]).toEqual([0, 0])
  })
  it("addresses are counted by IPv4 address or IPv6 /64", () => {
    expect(addressKey("::ffff:192.0.2.1")).toBe("192.0.2.1")
    expect(addressKey("192.0.2.1")).toBe("192.0.2.1")
    expect(addressKey("2001:db8:0:1::1")).toBe(addressKey("2001:DB8::1:ffff:0:0:9"))
    expect(addressKey("2001:db8::1")).not.toBe(addressKey("2001:db8:0:1::1"))
    expect(addressKey("fe80::1%eth0")).toBe(addressKey("fe80::2%eth1"))
    expect(addressKey("::1")).toBe("0:0:0:0")
  })
})

describe("bounds", () => {
  it("a budget grants no more than its limit and takes back all", () => {
    const budget = new ByteBudget(100)
    expect([budget.change(0, 60), budget.change(0, 41), budget.change(0, 40), budget.change(60, 0), budget.change(40, 100)])
      .toEqual([true, false, true, true, true])
    expect(budget.change(100, 0)).toBe(true)
    expect(budget.usedBytes).toBe(0)
  })
  it("pauses double from 100 ms to 2 s, times a factor from 0.5 to 1.5; the first attempt waits for nothing", () => {
    const pause = (failures: number, u: number) => redialPauseMs(DEFAULT_TCP_LIMITS, failures, u)
    expect([pause(0, 0.9), pause(1, 0), pause(1, 0.5), pause(2, 0.5), pause(5, 0.5), pause(6, 0.5), pause(60, 0.999)])
      .toEqual([0, 50, 100, 200, 1600, 2000, 2998])
  })
})
