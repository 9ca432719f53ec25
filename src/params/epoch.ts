/**
 * Epochs: numbered stretches of time in which keys and documents are valid.
 *
 * Contract: both kinds of epoch count from one public origin; their periods are parameters of the network. Reads no clock: every instant
 * is an argument, in milliseconds since the Unix epoch. An instant before the origin belongs to epoch 0.
 * Knows nothing of: keys, documents.
 * Source: mixnet.md §7, pigeonhole.md §5.1; departures: periods of any whole number of milliseconds.
 *
 * @module
 */
import { Brand } from "effect"
import type { MixnetParams } from "./mixnet-params.ts"

/** Number of a PKI epoch (20 minutes by default): the life of mix keys, job keys and documents. */
export type Epoch = number & Brand.Brand<"Epoch">
/** Brands a number already known to be a whole, non-negative epoch number. */
export const Epoch = Brand.nominal<Epoch>()

/** Number of a replica epoch (7 days by default): the life of envelope keys, half the life of a box. */
export type ReplicaEpoch = number & Brand.Brand<"ReplicaEpoch">
/** Brands a number already known to be a whole, non-negative replica epoch number. */
export const ReplicaEpoch = Brand.nominal<ReplicaEpoch>()

/** 2017-06-01T00:00:00Z: where both kinds of epoch start. */
export const EPOCH_ORIGIN_MS = Date.UTC(2017, 5, 1)

type Periods = Pick<MixnetParams, "epochPeriodMs" | "replicaEpochPeriodMs">

const periodsSinceOrigin = (nowMs: number, periodMs: number): number => Math.max(0, Math.floor((nowMs - EPOCH_ORIGIN_MS) / periodMs))

/** The epoch that contains the instant `nowMs`. */
export const epochAt = (params: Periods, nowMs: number): Epoch => Epoch(periodsSinceOrigin(nowMs, params.epochPeriodMs))

/** The first instant of `epoch`, Unix milliseconds. */
export const epochStartMs = (params: Periods, epoch: Epoch): number => EPOCH_ORIGIN_MS + epoch * params.epochPeriodMs

/** The replica epoch that contains the instant `nowMs`. */
export const replicaEpochAt = (params: Periods, nowMs: number): ReplicaEpoch => ReplicaEpoch(periodsSinceOrigin(nowMs, params.replicaEpochPeriodMs))

/** The first instant of `replicaEpoch`, Unix milliseconds. */
export const replicaEpochStartMs = (params: Periods, replicaEpoch: ReplicaEpoch): number =>
  EPOCH_ORIGIN_MS + replicaEpoch * params.replicaEpochPeriodMs

/** The replica epoch in which `epoch` starts: what a document's reader uses for envelopes, so that no clock is asked twice. */
export const replicaEpochOf = (params: Periods, epoch: Epoch): ReplicaEpoch =>
  ReplicaEpoch(Math.floor((epoch * params.epochPeriodMs) / params.replicaEpochPeriodMs))
