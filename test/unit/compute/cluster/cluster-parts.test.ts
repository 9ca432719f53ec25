/**
 * Goal: the rules by which runs find slots, runners find out whether they fit, and rows find their end.
 * Method: pure functions; a database of its own for the sweep.
 *
 * @module
 */
import * as EntityId from "@effect/cluster/EntityId"
import { Effect, Either, Redacted } from "effect"
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { parseClusterStorage, readClusterStorage, tablePrefix } from "../../../../actors/compute/cluster/cluster-database.ts"
import { patienceMs } from "../../../../actors/compute/cluster/cluster-host.ts"
import { groupOf, missingModels, modelsForRunners, modelsOfRunner, workersOfRunners } from "../../../../actors/compute/cluster/model-set.ts"
import { ANY_GROUP, drawRun, GPU_GROUP, RunEntity, runOfEntity, slotIds } from "../../../../actors/compute/cluster/run-entity.ts"
import { seededEntropy } from "../../../../src/crypto/entropy.ts"
import { planned, timing } from "./cluster-rig.ts"

const cpu = { ...planned(), hash: Uint8Array.of(1) }
const demands = { ...cpu, hash: Uint8Array.of(2), session: { ...cpu.session, executionProviders: ["cuda" as const], requireGpu: true } }
const wishes = { ...cpu, hash: Uint8Array.of(3), session: { ...cpu.session, executionProviders: ["cuda" as const, "cpu" as const] } }

describe("models and GPUs", () => {
  it("a model that demands one goes to GPU slots, one that wishes for one only where there are any, others anywhere", () => {
    expect([cpu, demands, wishes].map(({ session }) => [groupOf(session, false), groupOf(session, true)]))
      .toEqual([[ANY_GROUP, ANY_GROUP], [GPU_GROUP, GPU_GROUP], [ANY_GROUP, GPU_GROUP]])
  })
  it("a runner without one needs all models but those that demand one; one with needs all", () => {
    const all = [cpu, demands, wishes]
    const asked = modelsForRunners(all)
    expect(modelsOfRunner(all, false)).toEqual([cpu, wishes])
    expect(modelsOfRunner(all, true)).toEqual(all)
    const missing = [[cpu, wishes], all, []].map((own) => [missingModels(asked, own, false), missingModels(asked, own, true)])
    expect(missing).toEqual([[0, 1], [0, 0], [2, 3]])
  })
  it("a run's id lies in the group and on the slot that were wanted", () => {
    const places = { getShardId: (id: string, group: string) => slotIds(4).find((slot) => slot.group === group && slot.id === 1 + (id.charCodeAt(1) % 4))! }
    const entropy = seededEntropy(1, "runs")
    for (const group of [ANY_GROUP, GPU_GROUP] as const) {
      for (let slot = 0; slot < 4; slot++) {
        const { entityId, run } = drawRun(places, entropy, group, slot)
        expect(RunEntity.getShardGroup(EntityId.make(entityId))).toBe(group)
        expect(places.getShardId(entityId, group).id).toBe(slot + 1)
        expect(runOfEntity(entityId)).toEqual(run)
      }
    }
    expect(["", "c", "c00", `c${"zz".repeat(16)}`].map(runOfEntity)).toEqual([undefined, undefined, undefined, undefined])
  })
})

describe("shares and spans", () => {
  it("workers are shared out evenly and none is lost", () => {
    const runners = ["a", "b", "c"]
    expect([3, 4, 8].map((workers) => workersOfRunners({ runners, workers }))).toEqual([[1, 1, 1], [2, 1, 1], [3, 3, 2]])
    expect(workersOfRunners({ workers: 3 })).toEqual([])
  })
  it("a run's patience covers two deaths of its runner", () => {
    expect(patienceMs(700, timing)).toBe(3 * 2_700 + 2 * (3_000 + 400 + 3_000 + 50))
  })
  it("no two names share tables", () => {
    const names = ["compute-0", "compute.0", "compute-.0", "compute--0", "compute0"]
    expect(new Set(names.map(tablePrefix)).size).toBe(names.length)
  })
})

describe("where the database is", () => {
  it("is a server or a file, and nothing else", () => {
    expect(parseClusterStorage(" postgres://u:p@h:1/d \n")).toMatchObject({ right: { kind: "postgres" } })
    expect(parseClusterStorage("file:/var/lib/funion/cluster.db")).toEqual(Either.right({ kind: "libsql", path: "/var/lib/funion/cluster.db" }))
    expect(parseClusterStorage("data/cluster.db")).toEqual(Either.right({ kind: "libsql", path: "data/cluster.db" }))
    for (const text of ["", "http://host/db", "mysql://u:secret@h/d", "a b", "x?mode=memory"]) {
      const refused = parseClusterStorage(text)
      expect(Either.isLeft(refused) && !refused.left.message.includes("secret")).toBe(true)
    }
  })
  it("is read from a file of the owner's alone, and stays hidden", async () => {
    const folder = mkdtempSync(join(tmpdir(), "funion-cluster-"))
    try {
      const path = join(folder, "database")
      writeFileSync(path, "postgres://u:secret@h/d\n")
      chmodSync(path, 0o640)
      expect((await Effect.runPromise(Effect.flip(readClusterStorage(path)))).message).toContain("chmod 600")
      chmodSync(path, 0o600)
      const storage = await Effect.runPromise(readClusterStorage(path))
      expect(JSON.stringify(storage) + String(storage)).not.toContain("secret")
      expect(storage.kind === "postgres" && Redacted.value(storage.url)).toBe("postgres://u:secret@h/d")
      expect((await Effect.runPromise(Effect.flip(readClusterStorage(join(folder, "none"))))).message).toContain("can not be read")
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
