/**
 * The game behind ε_E: one packet crosses the network once; which of two clients sent it?
 *
 * The adversary sees all links, and the inside of the nodes whose truth is in its beliefs. It sums over all ways through the network from the exit back to
 * the clients and says the likelier of the two. No one who sees the same can do better, as far as the beliefs about single nodes are right.
 *
 * Contract: one of the candidates is the true sender, the other is drawn from the clients; equal weights are settled by a coin.
 * Knows nothing of: storage, jobs.
 * Source: Echomix (arXiv 2501.02933) for the game; funion.md §5; departures: none.
 *
 * @module
 */
import { drawIndex, type Draw } from "../draws.ts"
import { originOf } from "../flow.ts"
import { senderWeights, type RouteBeliefs } from "../route-posterior.ts"
import { at } from "../series.ts"
import { firstWins, guessingAttack, type GuessingAttack } from "./attack-result.ts"

/**
 * @param exits  events of packets whose whole way lies in the recording; those that no client sent are passed over
 * @param clients  names of the parties that may have sent
 */
export const distinguishSenders = (
  name: string,
  beliefs: RouteBeliefs,
  exits: ReadonlyArray<number>,
  clients: ReadonlyArray<string>,
  draw: Draw
): GuessingAttack => {
  const indexes = clients.map((client) => beliefs.flow.names.indexOf(client)).filter((index) => index >= 0)
  const known = new Set(indexes)
  let [wins, trials] = [0, 0]
  for (const exit of exits) {
    const sender = at(beliefs.flow.from, originOf(beliefs.flow, exit))
    if (!known.has(sender) || indexes.length < 2) continue
    const place = indexes.indexOf(sender)
    const other = indexes[(place + 1 + drawIndex(draw, indexes.length - 1)) % indexes.length] ?? 0
    const weights = senderWeights(beliefs, exit)
    trials++
    if (firstWins(at(weights, sender), at(weights, other), draw())) wins++
  }
  return guessingAttack(name, wins, trials, 0.5, indexes.length)
}
