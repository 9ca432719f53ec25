/**
 * The port through which a role reaches the directory authorities: descriptors and withdrawals out, signed documents in.
 *
 * Contract: a call fails with `DirectoryUnavailable` within bounded time or gives what the authorities answered; nothing is verified here.
 * Knows nothing of: how authorities are reached (directly, or by a client through its gateway).
 * Source: mixnet.md §12 (upload), §13 (fetching); departures: none.
 *
 * @module
 */
import { Context, Data, type Effect } from "effect"

/** No authority (or gateway) answered in time. */
export class DirectoryUnavailable extends Data.TaggedError("DirectoryUnavailable")<Record<never, never>> {}

export interface DirectoryService {
  /** Uploads a signed descriptor to every authority; gives how many accepted it. */
  readonly postDescriptor: (epoch: number, descriptor: Uint8Array) => Effect.Effect<number, DirectoryUnavailable>
  /** Says to every authority that the actor will be gone (see withdrawal); gives how many took it. After that nothing is uploaded through this port. */
  readonly withdraw: (withdrawal: Uint8Array) => Effect.Effect<number, DirectoryUnavailable>
  /** What was offered as the signed document of `epoch`, to be verified one by one: any of it may be forged. Empty when nobody has one. */
  readonly getConsensus: (epoch: number) => Effect.Effect<ReadonlyArray<Uint8Array>, DirectoryUnavailable>
}

export class Directory extends Context.Tag("funion/pki/Directory")<Directory, DirectoryService>() {}
