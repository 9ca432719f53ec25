/**
 * What a replica keeps on disk, in one folder of its own: `boxes/` and `keys/`.
 *
 * Contract: boxes are opened first; their lock keeps a second process from the keys as well.
 * Knows nothing of: other replicas.
 * Source: pigeonhole.md §5.1, §5.6; departures: none.
 *
 * @module
 */
import { Effect, type Scope } from "effect"
import { join } from "node:path"
import type { Entropy } from "../../src/crypto/entropy.ts"
import type { Nike } from "../../src/crypto/mkem.ts"
import type { MixnetParams } from "../../src/params/mixnet-params.ts"
import type { BoxTable } from "./box-table.ts"
import { openDiskBoxTable, type BoxTableUnusable, type DiskBoxTableOptions } from "./box-table-disk.ts"
import { openEnvelopeKeyVault, type EnvelopeKeysUnusable } from "./envelope-keys-disk.ts"
import { EnvelopeKeys } from "./envelope-keys.ts"

export interface ReplicaDiskOptions extends DiskBoxTableOptions {
  readonly params: Pick<MixnetParams, "epochPeriodMs" | "replicaEpochPeriodMs">
  readonly nike: Nike
  readonly entropy: Entropy
}

/** Opens a replica's folder for as long as the scope lives. @errors BoxTableUnusable, EnvelopeKeysUnusable: both with a sentence for the operator */
export const openReplicaDisk = (
  options: ReplicaDiskOptions
): Effect.Effect<{ readonly table: BoxTable; readonly keys: EnvelopeKeys }, BoxTableUnusable | EnvelopeKeysUnusable, Scope.Scope> =>
  Effect.gen(function*() {
    const { directory, entropy, nike, params } = options
    const table = yield* openDiskBoxTable({ ...options, directory: join(directory, "boxes") })
    const vault = yield* openEnvelopeKeyVault(join(directory, "keys"), nike.privateKeyBytes)
    return { table, keys: new EnvelopeKeys(params, nike, entropy, vault) }
  })
