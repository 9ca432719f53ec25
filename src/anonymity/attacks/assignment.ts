/**
 * The cheapest way to pair n things with n others.
 *
 * Contract: the sum of costs is the least of all n! pairings. Costs are finite; forbidden pairs have a large one.
 * Knows nothing of: what is paired.
 * Source: Kuhn 1955, Munkres 1957, in the shortest-augmenting-path form of Jonker and Volgenant 1987; departures: none.
 *
 * @module
 */

/** @param costs  n × n, row by row  @returns for each row its column  @cost O(n³) */
export const cheapestAssignment = (costs: Float64Array, n: number): Int32Array => {
  // rows and columns count from 1; column 0 is where an augmenting path begins
  const [rowPrice, columnPrice] = [new Float64Array(n + 1), new Float64Array(n + 1)]
  const [rowOf, cameFrom] = [new Int32Array(n + 1), new Int32Array(n + 1)]
  for (let row = 1; row <= n; row++) {
    const distance = new Float64Array(n + 1).fill(Infinity)
    const done = new Uint8Array(n + 1)
    rowOf[0] = row
    let column = 0
    do {
      done[column] = 1
      const here = rowOf[column] as number
      let nearest = Infinity
      let next = 0
      for (let other = 1; other <= n; other++) {
        if (done[other] === 1) continue
        const reduced = (costs[(here - 1) * n + other - 1] as number) - (rowPrice[here] as number) - (columnPrice[other] as number)
        if (reduced < (distance[other] as number)) {
          distance[other] = reduced
          cameFrom[other] = column
        }
        if ((distance[other] as number) < nearest) {
          nearest = distance[other] as number
          next = other
        }
      }
      for (let other = 0; other <= n; other++) {
        if (done[other] === 1) {
          rowPrice[rowOf[other] as number] = (rowPrice[rowOf[other] as number] as number) + nearest
          columnPrice[other] = (columnPrice[other] as number) - nearest
        } else distance[other] = (distance[other] as number) - nearest
      }
      column = next
    } while (rowOf[column] !== 0)
    while (column !== 0) {
      const before = cameFrom[column] as number
      rowOf[column] = rowOf[before] as number
      column = before
    }
  }
  const columnOf = new Int32Array(n)
  for (let column = 1; column <= n; column++) columnOf[(rowOf[column] as number) - 1] = column - 1
  return columnOf
}
