/**
 * The crypto backend as a service, for the parts of the program that are written with Effect.
 *
 * Contract: one backend per process, chosen at start (`select-backend`); plain code takes it as its first argument instead.
 * Source: style.md §2.7; departures: none.
 *
 * @module
 */
import { Context } from "effect"
import type { CryptoBackend } from "./backend.ts"

export class Crypto extends Context.Tag("funion/crypto/Crypto")<Crypto, CryptoBackend>() {}
