/**
 * The port through which everybody sees the directory: the document in force.
 *
 * Contract: documents given here have been verified (threshold of signatures, not expired). `current` is the document of the current epoch, else of
 * the previous one; everyone who asks in one instant gets the same.
 * Knows nothing of: where documents come from.
 * Source: mixnet.md §13 (fetching), funion.md §7 O22; departures: none.
 *
 * @module
 */
import { Context, Data, type Effect, type Option } from "effect"
import type { Epoch } from "../params/epoch.ts"
import type { Document } from "./document.ts"

/** Neither the current nor the previous epoch has a document. */
export class NoDocument extends Data.TaggedError("NoDocument")<Record<never, never>> {}

export interface PkiViewService {
  readonly current: Effect.Effect<Document, NoDocument>
  /** What `current` gives, at once: for who asks about every packet. */
  readonly held: () => Document | undefined
  /** The document of exactly this epoch, if it is held. */
  readonly forEpoch: (epoch: Epoch) => Effect.Effect<Option.Option<Document>>
}

export class PkiView extends Context.Tag("funion/pki/PkiView")<PkiView, PkiViewService>() {}
