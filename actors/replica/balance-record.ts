/**
 * What a replica remembers of the others: for which configured set its boxes lie right, and which of them it still has to bring their boxes.
 *
 *     members, before   u16 count, then u8 replica id ‖ identity key 32 each
 *     seen              u16 count, then u8 replica id ‖ u64 replica epoch ‖ envelope key 32 each
 *     debts             u16 count, then u8 replica id ‖ u8 scope (0 moved, 1 all) ‖ u8 has place ‖ u64 replica epoch ‖ box id 32 each
 *
 * in this order, after u8 version 1; integers are big-endian, a debt without place has zeros there.
 * Contract: `recordAfter` is a pure function of the last record and a document. A debt of scope `moved` covers the boxes that belong to a fellow now and did
 * not before the set changed; one of scope `all` every box that belongs to it. A set that changes again before a debt is paid makes it `all`, from the start.
 * A fellow that publishes another envelope key for an epoch whose key was public has lost its disk, and is owed all.
 * Knows nothing of: how debts are paid.
 * Source: pigeonhole.md §5.6 (rebalancing), §7 R24; departures: debts follow the configured set, by which boxes are placed, not the set that is online.
 *
 * @module
 */
import type { Either } from "effect"
import { BOX_ID_BYTES, BoxId } from "../../src/bacap/box-id.ts"
import type { DecodeError } from "../../src/bytes/decode-error.ts"
import { constantTimeEqual } from "../../src/bytes/equal.ts"
import { ByteReader } from "../../src/bytes/reader.ts"
import { ByteWriter } from "../../src/bytes/writer.ts"
import type { BoxPlace } from "./box-table.ts"

export interface Member {
  readonly replicaId: number
  readonly identityKey: Uint8Array
}

/** An envelope key that a replica has published. */
export interface SeenKey {
  readonly replicaId: number
  readonly replicaEpoch: number
  readonly envelopeKey: Uint8Array
}

export interface Debt {
  readonly replicaId: number
  readonly scope: "moved" | "all"
  /** Boxes up to here have been brought. */
  readonly after: BoxPlace | undefined
}

export interface BalanceRecord {
  readonly members: ReadonlyArray<Member>
  /** The set before the last change. */
  readonly before: ReadonlyArray<Member>
  readonly seen: ReadonlyArray<SeenKey>
  readonly debts: ReadonlyArray<Debt>
}

const VERSION = 1
const KEY_BYTES = 32
const MEMBER_BYTES = 1 + KEY_BYTES
const SEEN_BYTES = 1 + 8 + KEY_BYTES
const DEBT_BYTES = 3 + 8 + BOX_ID_BYTES
const MEMBER_LIMIT = 256
/** A descriptor has keys of three replica epochs at most. */
const SEEN_LIMIT = 3 * MEMBER_LIMIT

const writeMembers = (writer: ByteWriter, members: ReadonlyArray<Member>): void => {
  writer.u16(members.length)
  for (const { identityKey, replicaId } of members) writer.u8(replicaId).bytes(identityKey)
}

export const encodeBalanceRecord = ({ before, debts, members, seen }: BalanceRecord): Uint8Array => {
  const counted = (members.length + before.length) * MEMBER_BYTES + seen.length * SEEN_BYTES + debts.length * DEBT_BYTES
  const writer = new ByteWriter(1 + 4 * 2 + counted).u8(VERSION)
  writeMembers(writer, members)
  writeMembers(writer, before)
  writer.u16(seen.length)
  for (const { envelopeKey, replicaEpoch, replicaId } of seen) writer.u8(replicaId).u64(replicaEpoch).bytes(envelopeKey)
  writer.u16(debts.length)
  for (const { after, replicaId, scope } of debts) {
    writer.u8(replicaId).u8(scope === "all" ? 1 : 0).u8(after === undefined ? 0 : 1).u64(after?.replicaEpoch ?? 0)
    writer.bytes(after?.boxId ?? new Uint8Array(BOX_ID_BYTES))
  }
  return writer.finish()
}

/** A counted list; nothing is read by a count beyond its limit or the bytes that are there. */
const readList = <A>(reader: ByteReader, limit: number, itemBytes: number, readItem: () => A): ReadonlyArray<A> => {
  const count = reader.u16()
  reader.require(count <= limit, "out-of-range")
  reader.require(count * itemBytes <= reader.remaining, "truncated")
  return reader.failed ? [] : Array.from({ length: count }, readItem)
}

const readFlag = (reader: ByteReader): boolean => {
  const flag = reader.u8()
  reader.require(flag <= 1, "out-of-range")
  return flag === 1
}

const readDebt = (reader: ByteReader): Debt => {
  const replicaId = reader.u8()
  const scope = readFlag(reader) ? "all" : "moved"
  if (readFlag(reader)) return { replicaId, scope, after: { replicaEpoch: reader.u64number(), boxId: BoxId.unsafe(reader.bytes(BOX_ID_BYTES)) } }
  reader.zeros(8 + BOX_ID_BYTES)
  return { replicaId, scope, after: undefined }
}

/** @errors DecodeError */
export const decodeBalanceRecord = (bytes: Uint8Array): Either.Either<BalanceRecord, DecodeError> => {
  const reader = new ByteReader("balance record", bytes)
  reader.require(reader.u8() === VERSION, "unknown-type")
  const readMember = (): Member => ({ replicaId: reader.u8(), identityKey: reader.bytes(KEY_BYTES) })
  const members = readList(reader, MEMBER_LIMIT, MEMBER_BYTES, readMember)
  const before = readList(reader, MEMBER_LIMIT, MEMBER_BYTES, readMember)
  const seen = readList(reader, SEEN_LIMIT, SEEN_BYTES, (): SeenKey => ({
    replicaId: reader.u8(), replicaEpoch: reader.u64number(), envelopeKey: reader.bytes(KEY_BYTES)
  }))
  const debts = readList(reader, MEMBER_LIMIT, DEBT_BYTES, () => readDebt(reader))
  return reader.finish({ members, before, seen, debts })
}

const isIn = (members: ReadonlyArray<Member>, { identityKey, replicaId }: Member): boolean =>
  members.some((member) => member.replicaId === replicaId && constantTimeEqual(member.identityKey, identityKey))

const sameSet = (a: ReadonlyArray<Member>, b: ReadonlyArray<Member>): boolean => a.length === b.length && a.every((member) => isIn(b, member))

/** Whether a replica that published `now` can be the one that published `then`. */
const hasLostKeys = (then: ReadonlyArray<SeenKey>, now: ReadonlyArray<SeenKey>): boolean =>
  now.some(({ envelopeKey, replicaEpoch }) => then.some((key) => key.replicaEpoch === replicaEpoch && !constantTimeEqual(key.envelopeKey, envelopeKey)))

const sameKeys = (a: ReadonlyArray<SeenKey>, b: ReadonlyArray<SeenKey>): boolean =>
  a.length === b.length && !hasLostKeys(a, b) && b.every(({ replicaEpoch }) => a.some((key) => key.replicaEpoch === replicaEpoch))

/**
 * The record that holds with a new document; the very same object when nothing changed.
 * @param record    undefined for a replica that remembers nothing: it owes everybody what it has
 * @param ownId     the replica's own id; nobody owes itself
 * @param members   the configured set
 * @param published envelope keys of the replicas that are online
 */
export const recordAfter = (
  record: BalanceRecord | undefined,
  ownId: number,
  members: ReadonlyArray<Member>,
  published: ReadonlyArray<SeenKey>
): BalanceRecord => {
  const fellows = members.filter(({ replicaId }) => replicaId !== ownId)
  const last = record ?? { members: [], before: [], seen: [], debts: [] }
  const isSame = record !== undefined && sameSet(last.members, members)
  let hasNewKeys = false
  const seen: Array<SeenKey> = []
  const debts: Array<Debt> = []
  for (const { replicaId } of fellows) {
    const then = last.seen.filter((key) => key.replicaId === replicaId)
    const now = published.filter((key) => key.replicaId === replicaId)
    hasNewKeys ||= now.length > 0 && !sameKeys(then, now)
    seen.push(...(now.length > 0 ? now : then))
    const debt = last.debts.find((each) => each.replicaId === replicaId)
    if (record === undefined || hasLostKeys(then, now)) debts.push({ replicaId, scope: "all", after: undefined })
    else if (isSame) debts.push(...(debt === undefined ? [] : [debt]))
    else debts.push({ replicaId, scope: debt === undefined ? "moved" : "all", after: undefined })
  }
  if (isSame && !hasNewKeys) return last
  return isSame ? { ...last, seen, debts } : { members, before: last.members, seen, debts }
}
