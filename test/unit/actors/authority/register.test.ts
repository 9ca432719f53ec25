/**
 * What an authority takes from nodes.
 *
 * Goal: pinned identities only, by themselves only, one descriptor each and epoch; who withdraws is gone until it comes back itself.
 * Method: the register as a plain object, and real authorities for what follows of a withdrawal; see authority-rig.
 *
 * @module
 */
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { connectAuthorities } from "../../../../actors/directory-client.ts"
import { Register } from "../../../../actors/authority/register.ts"
import { memoryAuthorityStore } from "../../../../actors/authority/store.ts"
import { Mount } from "../../../../src/actor/mount.ts"
import { Epoch } from "../../../../src/params/epoch.ts"
import { signDescriptor, type Descriptor } from "../../../../src/pki/descriptor.ts"
import { Directory } from "../../../../src/pki/directory.ts"
import { makeIdentity } from "../../../../src/pki/network-setting.ts"
import { withdrawDescriptor } from "../../../../src/pki/publish.ts"
import { signWithdrawal } from "../../../../src/pki/withdrawal.ts"
import { compute, node, replica, seedOf } from "../../pki/sample-network.ts"
import { crypto, E, movedTo, nameOf, P, params, pinned, startOf, uploadsFor, withRig } from "./authority-rig.ts"

const epoch = Epoch(E)
const signed = (byte: number, descriptor: Descriptor): Uint8Array => signDescriptor(crypto, seedOf(byte), descriptor)
const register = (store = memoryAuthorityStore()): Register => new Register({ crypto, params, pinned, store })
const gateway = signed(1, node(1, "gateway"))
const fill = (made: Register): Register => {
  for (const [name, bytes] of uploadsFor(E)) expect(made.post(epoch, bytes, name, false)).toEqual({ status: 0 })
  return made
}

describe("descriptors", () => {
  it("of all pinned identities fill the register; the same bytes are accepted again, before and after the document", () => {
    const made = fill(register())
    expect([made.isFull(epoch), made.canForm(epoch), made.descriptors(epoch).length]).toEqual([true, true, pinned.length])
    for (const isClosed of [false, true]) {
      for (const [name, bytes] of uploadsFor(E)) expect(made.post(epoch, bytes, name, isClosed)).toEqual({ status: 0 })
    }
  })
  it.each<readonly [string, number, Descriptor, number]>([
    ["an identity that is not pinned", 77, node(77, "gateway"), 3],
    ["a pinned identity in another role", 1, node(1, "mix"), 3],
    ["a pinned identity in another layer", 2, node(2, "mix", { mixLayer: 1 }), 3],
    ["a pinned identity under another name", 1, node(1, "gateway", { name: "node-2" }), 3],
    ["a replica with another id", 7, replica(7, { replicaId: 8 }), 3],
    ["another epoch", 1, movedTo(E + 1, node(1, "gateway")), 1],
    ["a compute with a window longer than the quantum", 10, compute(10, { releaseWindowMs: params.quantumMs + 1 }), 1]
  ])("of %s are refused", (_, byte, descriptor, status) => {
    expect(register().post(epoch, signed(byte, descriptor), descriptor.name, false).status).toBe(status)
  })
  it("uploaded by somebody else are forbidden; forged ones and garbage are invalid", () => {
    expect(register().post(epoch, gateway, "node-2", false).status).toBe(3)
    expect(register().post(epoch, gateway, "nobody", false).status).toBe(3)
    const forged = gateway.map((byte, at) => (at === gateway.length - 1 ? byte ^ 1 : byte))
    expect(register().post(epoch, forged, "node-1", false)).toEqual({ status: 1, reason: "forged signature" })
    expect(register().post(epoch, new Uint8Array(1_000), "node-1", false)).toEqual({ status: 1, reason: "malformed" })
  })
  it("with other bytes of an identity that has one are a conflict, and so is any after the document; the first stays", () => {
    const made = register()
    const other = signed(1, node(1, "gateway", { mixKeys: new Map([[E, new Uint8Array(32).fill(8)]]) }))
    made.post(epoch, gateway, "node-1", false)
    expect(made.post(epoch, other, "node-1", false).status).toBe(2)
    expect(made.post(epoch, gateway, "node-1", true).status).toBe(0)
    expect(made.post(epoch, signed(2, node(2, "mix")), "node-2", true).status).toBe(2)
  })
  it("handed in are copied: who posted them cannot change them later", () => {
    const made = register()
    const bytes = gateway.slice()
    made.post(epoch, bytes, "node-1", false)
    bytes.fill(0)
    expect(made.descriptors(epoch)).toEqual([gateway])
  })
  it("outlive a crash; those of past epochs are forgotten, in the store too", () => {
    const store = memoryAuthorityStore()
    fill(register(store))
    const again = register(store)
    expect([again.isFull(epoch), again.descriptors(epoch).length]).toEqual([true, pinned.length])
    again.prune(E + 1)
    expect([again.isFull(epoch), store.records()]).toEqual([false, []])
  })
  it("learned from votes fill gaps when they are good, and replace nothing", () => {
    const made = register()
    made.post(epoch, gateway, "node-1", false)
    const other = signed(1, node(1, "gateway", { mixKeys: new Map([[E, new Uint8Array(32).fill(8)]]) }))
    const mix = signed(2, node(2, "mix"))
    made.adopt(epoch, [other, mix, signed(77, node(77, "gateway")), new Uint8Array(9), signed(3, movedTo(E + 1, node(3, "mix")))])
    expect(made.descriptors(epoch)).toEqual([gateway, mix])
  })
})

describe("a withdrawal", () => {
  const leave = (from: number) => signWithdrawal(crypto, seedOf(1), Epoch(from))
  it("removes an identity from its epoch on, and votes of others do not bring it back; an upload of its own does", () => {
    const made = fill(register())
    const next = signed(1, movedTo(E + 1, node(1, "gateway")))
    made.post(Epoch(E + 1), next, "node-1", false)
    expect(made.withdraw(leave(E + 1), "node-1", epoch)).toEqual({ status: 0 })
    made.adopt(Epoch(E + 1), [next])
    expect([made.descriptors(epoch).length, made.descriptors(Epoch(E + 1)).length]).toEqual([pinned.length, 0])
    expect(made.post(Epoch(E + 1), next, "node-1", false)).toEqual({ status: 0 })
    expect(made.descriptors(Epoch(E + 1))).toEqual([next])
  })
  it("counts as presence in no epoch, and is not waited for", () => {
    const made = register()
    for (const [name, bytes] of uploadsFor(E, [1])) made.post(epoch, bytes, name, false)
    expect(made.isFull(epoch)).toBe(false)
    made.withdraw(leave(E), "node-1", epoch)
    expect([made.isFull(epoch), made.canForm(epoch)]).toEqual([true, false])
  })
  it("outlives a crash", () => {
    const store = memoryAuthorityStore()
    fill(register(store)).withdraw(leave(E), "node-1", epoch)
    const again = register(store)
    again.adopt(epoch, [gateway])
    expect(again.descriptors(epoch)).toHaveLength(pinned.length - 1)
  })
  it("by another's key, of somebody else, out of range or damaged is refused", () => {
    const made = fill(register())
    expect(made.withdraw(leave(E + 1), "node-2", epoch)).toEqual({ status: 3, reason: "another's key" })
    expect(made.withdraw(signWithdrawal(crypto, seedOf(77), Epoch(E + 1)), "node-1", epoch).status).toBe(3)
    for (const odd of [E - 1, E + 3]) expect(made.withdraw(leave(odd), "node-1", epoch).status).toBe(1)
    expect(made.withdraw(new Uint8Array(5), "node-1", epoch)).toEqual({ status: 1, reason: "malformed" })
    expect(made.descriptors(epoch)).toHaveLength(pinned.length)
  })
  it("keeps a mix out of the next document, and it is back in the one after its return", { timeout: 60_000 }, () => {
    const { result, warnings } = withRig(3, startOf(E) + 100, (rig) => Effect.gen(function*() {
      for (const index of [0, 1, 2]) yield* rig.start(index)
      for (const each of [E, E + 1]) yield* rig.upload(each)
      const gone = yield* Effect.gen(function*() {
        const directory = yield* connectAuthorities("node-3", [0, 1, 2].map(nameOf))
        const choice = { crypto, params, identity: makeIdentity(crypto, "node-3", seedOf(3)), authorityThreshold: 2, limitMs: 2_000 }
        const told = yield* Effect.provideService(withdrawDescriptor(choice), Directory, directory)
        const later = yield* Effect.option(directory.postDescriptor(E + 1, new Uint8Array(1)))
        return [told, later._tag] as const
      }).pipe(Effect.scoped, Effect.provideService(Mount, rig.mount))
      const thief = yield* rig.callAs("node-4", 0)
      const theft = yield* thief.Withdraw({ withdrawal: signWithdrawal(crypto, seedOf(2), Epoch(E + 1)) })
      yield* Effect.sleep(P)
      yield* rig.upload(E + 2)
      yield* Effect.sleep(P)
      const mixesOf = (each: number) => Effect.map(rig.document(0, each), (document) => document?.mixLayers[0]?.map(({ name }) => name).sort())
      return { gone, theft, mixes: yield* Effect.forEach([E, E + 1, E + 2], mixesOf) }
    }))
    expect(result.gone).toEqual([true, "None"])
    expect(result.theft.status).toBe(3)
    expect(result.mixes).toEqual([["node-2", "node-3"], ["node-2"], ["node-2", "node-3"]])
    expect(warnings).toEqual(["authority-0: rejected withdrawal of node-4: another's key"])
  })
  it("that nobody hears ends in time", () => {
    const { result } = withRig(3, startOf(E) + 100, (rig) => Effect.gen(function*() {
      const directory = yield* connectAuthorities("node-3", [0, 1, 2].map(nameOf))
      const choice = { crypto, params, identity: makeIdentity(crypto, "node-3", seedOf(3)), authorityThreshold: 2, limitMs: 2_000 }
      const startedMs = (yield* Effect.clock).unsafeCurrentTimeMillis()
      const told = yield* Effect.provideService(withdrawDescriptor(choice), Directory, directory)
      return [told, (yield* Effect.clock).unsafeCurrentTimeMillis() - startedMs]
    }).pipe(Effect.provideService(Mount, rig.mount)))
    expect(result).toEqual([false, 2_000])
  })
})
