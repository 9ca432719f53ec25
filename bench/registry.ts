/**
 * The benches by name. A new bench is one file `<question>.bench.ts` and one line here.
 *
 * Contract: names are what `npm run bench -- <name>` takes.
 * Knows nothing of: how benches measure.
 * Source: style.md §2.8; departures: none.
 *
 * @module
 */
import { aezBench } from "./aez.bench.ts"
import { anonymityBench } from "./anonymity/anonymity.bench.ts"
import { shapesBench } from "./anonymity/shapes.bench.ts"
import { bacapBench } from "./bacap.bench.ts"
import type { Bench } from "./harness.ts"
import { inferBench } from "./infer.bench.ts"
import { transferBench } from "./transfer.bench.ts"
import { mixBench } from "./mix.bench.ts"
import { unwrapBench } from "./unwrap.bench.ts"

export const benches: ReadonlyArray<Bench> = [unwrapBench, mixBench, aezBench, bacapBench, inferBench, transferBench, anonymityBench, shapesBench]
