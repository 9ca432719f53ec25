/**
 * Size classes: the public ladder of box counts, the only lengths that storage ever sees of a tensor.
 *
 * Contract: class c holds floor(4·2^(c/2) + 1/2) boxes: 4, 6, 8, 11, 16, 23, 32, … ; classes 0..23 exist.
 * Knows nothing of: what is in the boxes, which class a model uses.
 * Source: pigeonhole.md §8.3; departures: the ladder ends at class 23 (11 585 boxes).
 *
 * @module
 */

/** Number of classes in the ladder: ids 0 to 23. */
export const SIZE_CLASS_COUNT = 24

const LADDER: ReadonlyArray<number> = Array.from({ length: SIZE_CLASS_COUNT }, (_, classId) =>
  Math.floor(4 * 2 ** Math.floor(classId / 2) * (classId % 2 === 0 ? 1 : Math.SQRT2) + 0.5))

/** True for an id of the ladder. */
export const isSizeClass = (classId: number): boolean => Number.isInteger(classId) && classId >= 0 && classId < SIZE_CLASS_COUNT

/** Boxes of a class, its manifest included. The id has been checked before; another number dies. */
export const boxesOfClass = (classId: number): number => {
  const boxes = LADDER[classId]
  if (boxes === undefined) throw new RangeError("no such size class")
  return boxes
}

/** The smallest class with room for `boxes` boxes, or `undefined` when the ladder ends below. */
export const classFor = (boxes: number): number | undefined => {
  const classId = LADDER.findIndex((room) => room >= boxes)
  return classId < 0 ? undefined : classId
}
