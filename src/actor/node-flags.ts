/**
 * How Node is started for processes of this package that move many packets.
 *
 * Contract: plain data.
 * Source: bench/README.md (mix/tcp with and without); departures: none.
 *
 * @module
 */

/** Packets are garbage soon: a large young generation is collected seldom, and nearly nothing in it is left. */
const LARGE_YOUNG_GENERATION = "--max-semi-space-size=64"

/** From the start and larger: the process has the memory, and what is in the air in a simulated network is that of all its nodes. */
const LARGEST_YOUNG_GENERATION: ReadonlyArray<string> = ["--min-semi-space-size=64", "--max-semi-space-size=128"]

/** For a process among others: collecting in several threads costs more processor time than it saves when the other cores are taken. */
export const CROWDED_FLAGS: ReadonlyArray<string> = [LARGE_YOUNG_GENERATION, "--single-threaded-gc"]

/** For a process that has the machine to itself. */
export const ALONE_FLAGS: ReadonlyArray<string> = LARGEST_YOUNG_GENERATION

/** For one of several simulations side by side: half as many collections of the young generation as with 64 MiB, which live packets make dear. */
export const CROWDED_SIMULATION_FLAGS: ReadonlyArray<string> = [...LARGEST_YOUNG_GENERATION, "--single-threaded-gc"]

/** The same for a thread, in MiB: three semi-spaces. */
export const THREAD_YOUNG_GENERATION_MB = 192
