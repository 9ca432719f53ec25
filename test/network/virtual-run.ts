/**
 * Virtual time for whole networks, as the benches have it.
 *
 * Method: see bench/virtual-run.ts.
 *
 * @module
 */
export { runVirtually } from "../../bench/virtual-run.ts"
