/**
 * Execution providers: the parts of the ONNX runtime that compute on a CPU or a GPU, and in which order they are tried.
 *
 * The runtime drops names it does not know with a mere warning and has no fall back of its own, so names are checked here, and the
 * attempts are planned here.
 * Contract: with `requireGpu` no attempt runs on the CPU alone.
 * Knows nothing of: sessions, the runtime's classes.
 * Source: models/README.md §2; departures: none.
 *
 * @module
 */

/** Names that onnxruntime-node knows. Which of them work is a matter of the machine. */
export const EXECUTION_PROVIDERS = ["cpu", "cuda", "tensorrt", "webgpu", "dml", "coreml"] as const
export type ExecutionProvider = (typeof EXECUTION_PROVIDERS)[number]

export interface ProviderWish {
  readonly executionProviders: ReadonlyArray<ExecutionProvider>
  readonly requireGpu: boolean
}

/** The runtime gives each part of a model to the first provider that can run it. */
const startsOnGpu = (providers: ReadonlyArray<ExecutionProvider>): boolean => providers.slice(0, 1).some(isGpu)
const isGpu = (provider: ExecutionProvider): boolean => provider !== "cpu"

/** What is wrong with a list of providers, in words; nothing when it can be tried. */
export const checkProviders = (wish: ProviderWish): string | undefined => {
  const { executionProviders } = wish
  if (executionProviders.length === 0) return "session.executionProviders: at least one is needed"
  const unknown = executionProviders.find((provider) => !EXECUTION_PROVIDERS.includes(provider))
  if (unknown !== undefined) return `session.executionProviders: "${unknown}" is not one of ${EXECUTION_PROVIDERS.join(", ")}`
  if (new Set(executionProviders).size !== executionProviders.length) return "session.executionProviders: one is listed twice"
  if (wish.requireGpu && !executionProviders.some(isGpu)) return "session.requireGpu: no GPU provider is listed"
  if (wish.requireGpu && !startsOnGpu(executionProviders)) return "session.requireGpu: the first provider listed must be a GPU's"
  return undefined
}

/**
 * The lists to try one after another: the whole list, then without its first provider, and so on; lists that begin with the CPU only when no
 * GPU is required, and none with a provider that this build of the runtime does not know (it would be dropped silently).
 * @param knownNames  providers that the build knows, whether they work or not
 */
export const providerAttempts = (wish: ProviderWish, knownNames: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<ExecutionProvider>> =>
  wish.executionProviders
    .map((_, index) => wish.executionProviders.slice(index))
    .filter((list) => list.every((provider) => knownNames.includes(provider)) && (!wish.requireGpu || startsOnGpu(list)))
