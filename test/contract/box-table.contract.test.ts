/**
 * Both box tables under the contract of a table.
 *
 * Goal: a replica cannot tell memory from disk.
 * Method: the one suite over each; a disk table gets a folder of its own, removed afterwards.
 *
 * @module
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { openDiskBoxTable } from "../../actors/replica/box-table-disk.ts"
import { makeMemoryBoxTable } from "../../actors/replica/box-table-memory.ts"
import { boxTableContract } from "./box-table.contract.ts"

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "funion-boxes-"))),
  (directory) => Effect.promise(() => rm(directory, { recursive: true }))
)

boxTableContract("in memory", Effect.sync(() => makeMemoryBoxTable(1_000)))
boxTableContract("on disk", Effect.flatMap(folder, (directory) => openDiskBoxTable({ directory, quotaBytes: 1e9, reserveBytes: 0 })))
