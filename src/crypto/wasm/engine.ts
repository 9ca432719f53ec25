/**
 * The WebAssembly of the machine, as far as this project needs it.
 *
 * Contract: `undefined` where the runtime has none. The interface is small so that a test can hand in an engine that lacks something or lies.
 * Knows nothing of: any module.
 * Source: WebAssembly JavaScript Interface (W3C); departures: none.
 *
 * @module
 */

/** A compiled module; opaque. */
export type WasmModule = object

/** The members of the global `WebAssembly` that are used here. */
export interface WasmEngine {
  /** True when the engine can compile these bytes. Never throws. */
  readonly validate: (bytes: Uint8Array) => boolean
  readonly Module: new (bytes: Uint8Array) => WasmModule
  readonly Instance: new (module: WasmModule) => { readonly exports: Readonly<Record<string, unknown>> }
}

/** An exported memory: `buffer` is replaced by every `grow`. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer
  /** Adds pages of 64 KiB; throws a RangeError at the module's maximum. */
  readonly grow: (pageCount: number) => number
}

export const WASM_PAGE_BYTES = 65536

/** The runtime's engine. */
export const systemWasmEngine = (): WasmEngine | undefined => (globalThis as { readonly WebAssembly?: WasmEngine }).WebAssembly
