/**
 * Every packet is accounted for: what went into a node came out, ended there, was dropped and counted, or is still inside.
 *
 * Contract: counts of one node over a run. In a node that never crashed the balance is exact, but for loops of its own that came back when nobody waited for
 * them any more; one that crashed forgot what was inside it, so there more may be missing. Never may more come out than went in. What a faulty link lost or
 * doubled on the way out is the link's, not the node's.
 * Knows nothing of: roles, reasons of drops.
 * Source: issue 5, part 1 ("every packet accounted for"); departures: none.
 *
 * @module
 */
import { type Verdict, verdictOf } from "./checker.ts"

/** What became of the packets of one node. */
export interface PacketBalance {
  readonly node: string
  /** Packets that links brought. */
  readonly came: number
  /** Packets and messages that links took. */
  readonly left: number
  /** Sent by the node, but lost (above zero) or doubled (below) by a faulty link. */
  readonly strayed: number
  readonly dropped: number
  /** Among `dropped`: calls that failed after they had set out, so that their packets may have crossed all the same. */
  readonly uncertain: number
  readonly inside: number
  /** Packets of its own that the node sent, and those of its own that came back to it. */
  readonly born: number
  readonly ended: number
  /** Of its own, given up as lost: one that came back after all was not counted again. */
  readonly givenUp: number
  readonly crashed: boolean
}

/** Packets that are missing; below zero, packets out of nowhere. */
export const missingOf = ({ born, came, dropped, ended, inside, left, strayed }: PacketBalance): number =>
  came + born - (left + strayed + dropped + inside + ended)

export const accountingVerdict = (balances: ReadonlyArray<PacketBalance>): Verdict => {
  const findings = balances.flatMap((balance) => {
    const missing = missingOf(balance)
    if (missing < -balance.uncertain) return [`${balance.node}: ${-missing} packets out of nowhere`]
    return missing > balance.givenUp && !balance.crashed ? [`${balance.node}: ${missing} packets are gone and were not counted`] : []
  })
  const sum = (of: (balance: PacketBalance) => number): number => balances.reduce((total, balance) => total + of(balance), 0)
  return verdictOf("accounting", findings, { came: sum(({ came }) => came), dropped: sum(({ dropped }) => dropped), inside: sum(({ inside }) => inside) })
}
