/**
 * Goal: a compute service keeps no capability of a dispatch but in the journal of an admitted job.
 * Method: a backend that remembers every plaintext it opened and every key it sealed a reply with.
 *
 * @module
 */
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import type { CryptoBackend } from "../../../src/crypto/backend.ts"
import { dispatchPlaintextBytes } from "../../../src/inference/dispatch.ts"
import { begin, planJob, scenario, send, World } from "./compute-bench.ts"
import { crypto } from "./sample-job.ts"

describe("admission", () => {
  it("overwrites the plaintext and the reply key of every dispatch that it has answered, admitted, repeated or rejected", () => {
    const secrets: Array<Uint8Array> = []
    const watching: CryptoBackend = {
      ...crypto,
      chacha20Poly1305Open: (key, nonce, aad, sealed) => {
        const plaintext = crypto.chacha20Poly1305Open(key, nonce, aad, sealed)
        if (plaintext?.length === dispatchPlaintextBytes(1)) secrets.push(plaintext)
        return plaintext
      },
      chacha20Poly1305Seal: (key, nonce, aad, plaintext) => {
        if (plaintext.length === 64) secrets.push(key)
        return crypto.chacha20Poly1305Seal(key, nonce, aad, plaintext)
      }
    }
    const world = new World()
    const statuses = scenario(Effect.gen(function* () {
      const life = yield* begin(world, { crypto: watching })
      const job = planJob(world, 1)
      const first = yield* send(life, job.dispatch)
      const again = yield* send(life, job.dispatch)
      const unknown = yield* send(life, planJob(world, 2, { modelVersion: 99 }).dispatch)
      const malformed = yield* send(life, planJob(world, 3).dispatch, (plaintext) => plaintext.fill(7, 0, 1))
      expect(life.state.journal.openJobs()[0]?.dispatch.outputWriteCap).toEqual(job.dispatch.outputWriteCap)
      return [first, again, unknown, malformed].map((reply) => reply?._tag)
    }))
    expect(statuses).toEqual(["Accepted", "Accepted", "Rejected", "Rejected"])
    expect(secrets).toHaveLength(8)
    expect(secrets.filter((bytes) => bytes.some((byte) => byte !== 0))).toEqual([])
  })
})
