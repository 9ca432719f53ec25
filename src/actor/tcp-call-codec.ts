/**
 * The calls of a group as plain values: what a mount that leaves the process needs of their schemas.
 *
 * Contract: encoding follows the schemas of the protocol (so byte strings stay byte strings where the protocol says `Frame`); a value that does not fit
 * its schema is a mistake of ours when it is encoded (throws) and a `Left` when it is decoded.
 * Knows nothing of: bytes, links.
 * Source: effect-notes.md §2, §3; departures: groups with middleware and schemas that need services or time are refused, as in memory.
 *
 * @module
 */
import { type Rpc, type RpcGroup, RpcSchema } from "@effect/rpc"
import { Context, type Either, Option, Schema } from "effect"
import { OneWay } from "./actor.ts"

type Decode = (encoded: unknown) => Either.Either<unknown, unknown>
type Encode = (value: unknown) => unknown

export interface CallCodec {
  readonly isStream: boolean
  /** Nothing is answered, see `OneWay`. */
  readonly isOneWay: boolean
  /** Fills in defaults and checks types, as the protocol's schema constructs payloads; then encodes. */
  readonly encodePayload: Encode
  readonly decodePayload: Decode
  /** The answer, or one item of a stream. */
  readonly encodeValue: Encode
  readonly decodeValue: Decode
  /** Declared errors, of the call or of its stream. */
  readonly encodeError: Encode
  readonly decodeError: Decode
}

type Plain = Schema.Schema<unknown, unknown>

const codecOf = (rpc: Rpc.AnyWithProps): CallCodec => {
  if (rpc.middlewares.size > 0) throw new RangeError(`call ${rpc._tag} has middleware`)
  const payload = rpc.payloadSchema as unknown as Plain & { readonly make?: (value: unknown) => unknown }
  const encode = Schema.encodeUnknownSync(payload)
  const stream = Option.getOrUndefined(RpcSchema.getStreamSchemas(rpc.successSchema.ast))
  const value = (stream?.success ?? rpc.successSchema) as unknown as Plain
  const declared = rpc.errorSchema as unknown as Plain
  const error = stream === undefined ? declared : Schema.Union(declared, stream.failure as unknown as Plain)
  return {
    isStream: stream !== undefined,
    isOneWay: Context.get(rpc.annotations, OneWay),
    encodePayload: (given) => encode(payload.make === undefined ? given : payload.make(given)),
    decodePayload: Schema.decodeUnknownEither(payload),
    encodeValue: Schema.encodeUnknownSync(value),
    decodeValue: Schema.decodeUnknownEither(value),
    encodeError: Schema.encodeUnknownSync(error),
    decodeError: Schema.decodeUnknownEither(error)
  }
}

/** Codecs by call name. */
export const codecsOf = <Rpcs extends Rpc.Any>(group: RpcGroup.RpcGroup<Rpcs>): ReadonlyMap<string, CallCodec> =>
  new Map([...(group.requests as unknown as ReadonlyMap<string, Rpc.AnyWithProps>).values()].map((rpc) => [rpc._tag, codecOf(rpc)]))
