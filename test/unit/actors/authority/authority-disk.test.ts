/**
 * The store of an authority on disk.
 *
 * Goal: what was kept is there again, whole; what is damaged is named with what to do; nothing is readable by others.
 * Method: a folder of its own; the files changed behind the store's back; a network of authorities on disk, started again.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { openAuthorityDisk } from "../../../../actors/authority/authority-disk.ts"
import { RECORD_KINDS, recordText, type AuthorityRecord } from "../../../../actors/authority/store.ts"
import { crypto, E, P, startOf, withRig } from "./authority-rig.ts"

let directory = ""
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "authority-"))
})
afterEach(() => rmSync(directory, { recursive: true }))

const open = (at = directory) => Effect.runSync(openAuthorityDisk({ directory: at, crypto }))
const failure = (at = directory): string =>
  Either.match(Effect.runSync(Effect.either(openAuthorityDisk({ directory: at, crypto }))), { onLeft: ({ message }) => message, onRight: () => "opened" })
const records: ReadonlyArray<AuthorityRecord> = RECORD_KINDS.map((kind, index) =>
  ({ kind, epoch: E + index, part: "ab12", bytes: new Uint8Array(100).fill(index) }))
const byName = (list: ReadonlyArray<AuthorityRecord>) => [...list].sort((a, b) => (recordText(a) < recordText(b) ? -1 : 1))

describe("records", () => {
  it("are there again, the last of a name, until they are dropped", () => {
    const store = open()
    for (const record of records) {
      expect(store.keep({ ...record, bytes: new Uint8Array(3) })).toBe(true)
      expect(store.keep(record)).toBe(true)
    }
    expect(byName(store.records())).toEqual(byName(records))
    expect(byName(open().records())).toEqual(byName(records))
    for (const record of records) store.drop(record)
    expect([store.records(), open().records(), readdirSync(directory)]).toEqual([[], [], []])
  })
  it("belong to their owner alone", () => {
    const at = join(directory, "authority")
    open(at).keep(records[0] as AuthorityRecord)
    expect(statSync(at).mode & 0o777).toBe(0o700)
    expect(readdirSync(at).map((name) => statSync(join(at, name)).mode & 0o777)).toEqual([0o600])
  })
  it("written in part before a crash are not there; the one before is", () => {
    const store = open()
    store.keep(records[0] as AuthorityRecord)
    writeFileSync(join(directory, `${recordText(records[0] as AuthorityRecord)}.new`), "half")
    expect(open().records()).toEqual([records[0]])
    expect(readdirSync(directory)).toHaveLength(1)
  })
  it.each(RECORD_KINDS)("of kind %s that are damaged, cut off or under another name are named, with what to do", (kind) => {
    const record = { kind, epoch: E, part: "x", bytes: new Uint8Array(20).fill(1) }
    open().keep(record)
    const path = join(directory, recordText(record))
    const good = readFileSync(path)
    const flipped = good.map((byte, at) => (at === 40 ? byte ^ 1 : byte))
    for (const bad of [good.subarray(0, 10), good.subarray(0, good.length - 1), Buffer.concat([good, good]), flipped]) {
      writeFileSync(path, bad)
      expect(failure()).toContain(`${path}: is damaged; `)
      expect(failure()).toContain("remove it")
    }
    rmSync(path)
    writeFileSync(join(directory, `${kind}-${E}-y`), good)
    expect(failure()).toContain("is damaged")
  })
  it("that cannot be written are said not to be kept; a folder out of reach is named", () => {
    const store = open()
    rmSync(directory, { recursive: true })
    expect([store.keep(records[0] as AuthorityRecord), store.records()]).toEqual([false, []])
    writeFileSync(directory, "")
    chmodSync(directory, 0o600)
    expect(failure()).toContain(directory)
  })
})

describe("a network whose authorities are on disk", { timeout: 60_000 }, () => {
  it("serves the same document after a restart of all of them", () => {
    const stores = () => [0, 1, 2].map((index) => open(join(directory, `authority-${index}`)))
    const first = withRig(3, startOf(E) + P / 3, (rig) => Effect.gen(function*() {
      for (const [index, store] of stores().entries()) yield* rig.start(index, { store })
      yield* rig.upload(E)
      yield* Effect.sleep(500)
      return yield* Effect.forEach([0, 1, 2], (index) => rig.certificate(index, E))
    })).result
    const second = withRig(3, startOf(E) + P / 2, (rig) => Effect.gen(function*() {
      for (const [index, store] of stores().entries()) yield* rig.start(index, { store })
      yield* Effect.sleep(100)
      return yield* Effect.forEach([0, 1, 2], (index) => rig.certificate(index, E))
    })).result
    expect(first.every((certificate) => certificate !== undefined)).toBe(true)
    expect(second).toEqual(first)
  })
})
