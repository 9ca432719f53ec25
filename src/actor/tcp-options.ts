/**
 * What a TCP mount is told: who we are, who the others are and where, and how much is allowed.
 *
 * Contract: plain values and synchronous functions; nothing here knows sockets.
 * Knows nothing of: documents, configuration files.
 * Source: mixnet.md §14; departures: none.
 *
 * @module
 */
import type { HandshakeIdentity } from "../link/handshake.ts"
import type { LinkSizes } from "../link/link-end.ts"
import type { LinkKey } from "../link/link-services.ts"
import type { PeerCheck, PeerClaim } from "../link/peer-check.ts"
import type { TcpCount, TcpLimits } from "./tcp-limits.ts"

export interface TcpAddress {
  readonly host: string
  readonly port: number
}

/** Who is who: the port behind which documents and configuration stand. All functions are synchronous and must not throw. */
export interface PeerDirectory {
  /** The name of a peer that calls us: what `callerOf` gives; `""` or a name of its queue for one let in without a name; `undefined` to refuse it. */
  readonly accept: PeerCheck
  /** True when the claim is that of the peer we mean to call. */
  readonly expects: (to: string, claim: PeerClaim) => boolean
  /** False for calls that this caller may not make; they look as if they did not exist. Without it every call is allowed. */
  readonly mayCall?: (caller: string, call: string) => boolean
}

export interface TcpMountOptions {
  readonly self: { readonly name: string; readonly linkKey: LinkKey; readonly identityHash: Uint8Array }
  /** Where an actor listens; `undefined` for one that cannot be reached. Asked at every dialling. */
  readonly addresses: (name: string) => TcpAddress | undefined
  readonly peers: PeerDirectory
  /** Where to listen; otherwise at our own address. Port 0 takes any free one. "nowhere": what is served can be called from this process alone. */
  readonly listen?: TcpAddress | "nowhere" | undefined
  readonly onListening?: ((address: TcpAddress) => void) | undefined
  /** What to show to a callee instead of our identity: anonymous clients. Such links are kept apart by caller and callee. */
  readonly credentials?: ((from: string, to: string) => HandshakeIdentity | undefined) | undefined
  /** Lengths of commands, by the actor that is called; both ends must have the same. Default 4 096 bytes both ways. */
  readonly sizes?: LinkSizes | ((callee: string) => LinkSizes) | undefined
  readonly limits?: Partial<TcpLimits> | undefined
  readonly onCount?: ((count: TcpCount) => void) | undefined
  /** A responder's clock against ours, in milliseconds, to the second. */
  readonly onSkew?: ((name: string, skewMs: number) => void) | undefined
}
