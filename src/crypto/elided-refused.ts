/**
 * What is said to whoever asks for the backend without cryptography to serve somebody; apart, so that a command line can say it without loading a backend.
 *
 * Contract: one sentence.
 * Source: none needed; departures: none.
 *
 * @module
 */

export const ELIDED_REFUSED = "it is no cryptography: packets and boxes would be open to everybody. Only funion simulate and funion lab take it"
