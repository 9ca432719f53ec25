// One runner of a compute service as a process of its own, for cluster.process.test.ts. Argument: its configuration as JSON. Prints one line per event.
import { Effect, Layer } from "effect"
const dist = new URL("../../dist/", import.meta.url)
const load = (path) => import(new URL(path, dist).href)
const [{ parseClusterStorage }, { planModel }, { runner }, { Mount }, { layerMountTcp }, { Crypto }, { seededEntropy }, { selectBackend }, { claimMatches },
  { defaultModelsDirectory }, { ModelHost }, { layerThreads }] = await Promise.all([
  load("actors/compute/cluster/cluster-database.js"), load("actors/compute/cluster/model-set.js"), load("actors/compute/cluster/runner.js"),
  load("src/actor/mount.js"), load("src/actor/mount-tcp.js"), load("src/crypto/crypto-service.js"), load("src/crypto/entropy.js"),
  load("src/crypto/select-backend.js"), load("src/link/peer-check.js"), load("src/model/model-folder.js"), load("src/model/model-host.js"),
  load("src/model/model-host-threads.js")
])

const { compute, hangsAfter, name, service, storage, timing } = JSON.parse(process.argv[2])
const crypto = selectBackend().right
// the keys of test/contract/tcp-rig.ts
const linkKeyOf = (actor) => crypto.xwingPrivateKey(seededEntropy(actor, "link key")(32))
const identityHashOf = (actor) => crypto.blake2b256(new TextEncoder().encode(actor))
const serviceClaim = { linkKey: linkKeyOf(compute).publicKey, additionalData: identityHashOf(compute) }
const tell = (line) => Effect.sync(() => { process.stdout.write(`${line}\n`) })

const mount = layerMountTcp({
  self: { name, linkKey: linkKeyOf(name), identityHash: identityHashOf(name) },
  addresses: (other) => (other === compute ? service : undefined),
  peers: { accept: (claim) => (claimMatches(claim, serviceClaim) ? compute : undefined), expects: (_, claim) => claimMatches(claim, serviceClaim) },
  listen: { host: "127.0.0.1", port: 0 },
  onListening: ({ port }) => { process.stdout.write(`port ${port}\n`) }
})
const life = Effect.gen(function*() {
  const threads = yield* ModelHost
  let begun = 0
  const run = (modelId, inputs, limitMs) => Effect.suspend(() => {
    begun += 1
    return Effect.zipRight(tell(`begun ${begun}`), begun > hangsAfter ? Effect.never : threads.run(modelId, inputs, limitMs))
  })
  const models = [planModel(crypto, { id: "affine" }, defaultModelsDirectory, false).right]
  const config = { crypto, name, compute, storage: parseClusterStorage(storage).right, slots: 4, workers: 2, gpu: false, models, host: { run }, timing }
  yield* runner(config)(tell("ready"))
})
const layer = Layer.merge(mount, layerThreads({ models: [{ id: "affine" }], workers: 1 })).pipe(Layer.provideMerge(Layer.succeed(Crypto, crypto)))
Effect.runPromise(Effect.provide(Effect.scoped(life), layer)).catch((error) => {
  process.stderr.write(`${error}\n`)
  process.exit(1)
})
