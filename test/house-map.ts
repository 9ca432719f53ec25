/**
 * The map of the house: which folder may import which, and where each package lives.
 *
 * Goal: one table for two readers, house.test.ts that enforces it and docs.process.test.ts that compares README's map with it.
 * Method: plain data.
 *
 * @module
 */

/** The only folders of `src` that each folder of `src` may import, itself apart. */
export const ALLOWED: Readonly<Record<string, ReadonlyArray<string>>> = {
  bytes: [],
  crypto: ["bytes"],
  sphinx: ["bytes", "crypto"],
  bacap: ["bytes", "crypto"],
  pigeonhole: ["bytes", "crypto", "bacap", "sphinx"],
  params: ["bytes", "sphinx", "pigeonhole"],
  pki: ["bytes", "crypto", "params", "sphinx"],
  disk: ["bytes", "crypto"],
  mixnet: ["bytes", "crypto", "sphinx", "params", "pki", "actor"],
  link: ["bytes", "crypto", "params"],
  actor: ["bytes", "link"],
  session: ["bytes", "crypto", "sphinx", "params", "pki", "mixnet", "actor"],
  storage: ["bytes", "crypto", "bacap", "pigeonhole", "params", "pki", "session", "sphinx", "mixnet"],
  model: ["bytes", "crypto"],
  inference: ["bytes", "crypto", "bacap", "params", "pki", "session", "storage", "model", "pigeonhole", "sphinx", "disk"],
  node: ["bytes", "crypto", "sphinx", "params", "pki", "mixnet", "actor", "pigeonhole", "disk"],
  topology: ["params", "bytes", "sphinx", "pigeonhole"],
  planning: ["params", "sphinx", "pigeonhole", "pki", "link", "mixnet", "node", "storage", "inference", "topology"],
  conformance: ["bytes", "crypto", "sphinx", "bacap", "pigeonhole"],
  simulation: [
    "bytes", "crypto", "sphinx", "bacap", "pigeonhole", "params", "pki", "disk", "mixnet", "link", "actor", "session", "storage", "model", "inference", "node",
    "topology"
  ],
  anonymity: ["mixnet", "simulation"]
}

/** Third-party packages and built-in modules, each with the places that may import it. */
export const HOMES: ReadonlyArray<readonly [RegExp, ReadonlyArray<RegExp>]> = [
  [/^@noble\//, [/^src\/crypto\//]],
  [/^sodium-native$/, [/^src\/crypto\//]],
  [/^node:crypto$/, [/^src\/crypto\//]],
  [/^onnxruntime-node$/, [/^src\/model\//]],
  [/^(@huggingface\/tokenizers|lande|pngjs|@gutenye\/)/, [/^src\/model\//]],
  [/^@effect\/rpc/, [/^src\/actor\//]],
  [/^@effect\/cli/, [/^actors\//]],
  [/^@effect\/platform/, [/^src\/(link|actor)\//, /^actors\//]],
  [/^msgpackr/, [/^src\/(pki|inference|actor)\//]],
  [/^jiti$/, [/^actors\//]],
  [/^@effect\/(cluster|sql|experimental)/, [/^actors\/compute\/cluster\//]],
  [/^classic-level$/, [/^actors\/replica\//]],
  [/^node:/, [/^src\/(crypto|disk|model|link|actor)\//, /^actors\/main\.ts$/, /^actors\/(cli|lab)\//, /^actors\/(launch|key-file|stocks)\.ts$/,
    /^actors\/replica\/[a-z-]*disk[a-z-]*\.ts$/,
    /^actors\/operator\/operator-port\.ts$/, /^src\/node\/unwrap-(thread|worker)\.ts$/, /^bench\//]]
]
