// Two clients, one answer: the first uploads and commissions, the second fetches with nothing but the ticket.
import { Effect } from "effect"
import { dispatch, fetch, infer, launch, network, oneCoreParams, oneCoreService, upload } from "funion"

const topology = network({ name: "example", params: oneCoreParams, computes: [oneCoreService], clients: 2 })

const program = Effect.gen(function*() {
  const running = yield* launch(topology)
  const answer = yield* infer(running, "lang-id", { text: "Wo ist der nächste Bahnhof?" })
  console.log(answer.model, answer.text, answer.bucket)

  const uploaded = yield* upload(running, "affine", { numbers: [1, 2, 3, 4] }, { client: "client-0" })
  const ticket = yield* dispatch(running, uploaded, { client: "client-0" })
  const fetched = yield* fetch(running, ticket, { client: "client-1" })
  console.log(fetched.model, fetched.numbers?.join(" "))
})

await Effect.runPromise(Effect.scoped(program))
