/**
 * `funion topology render`: a placed topology as compose files, systemd units, or Kubernetes manifests.
 *
 * Contract: writes to standard output, or one file each below a folder, which is made when it is missing; files that are there are overwritten, others are
 * left alone. Nothing is started, no key is read.
 * Knows nothing of: what files look like.
 * Source: the list; departures: none.
 *
 * @module
 */
import { Effect, Either } from "effect"
import { mkdir, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import type { DeployFile } from "../../src/topology/deploy-plan.ts"
import { type DeployTarget, joinFiles, renderDeployment } from "../../src/topology/deploy-render.ts"
import { type CliFailure, failed, misused, thrownMessage } from "./cli-failure.ts"
import { printLine } from "./output.ts"
import { loadTopology } from "./topology-file.ts"

export interface RenderRequest {
  readonly file: string
  readonly target: DeployTarget
  readonly image: string | undefined
  readonly out: string | undefined
}

/** The characters of an image's name, tag and digest. */
const IMAGE = /^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}$/

const writeTo = (directory: string, files: ReadonlyArray<DeployFile>): Effect.Effect<void, CliFailure> =>
  Effect.forEach(files, ({ path, text }) =>
    Effect.tryPromise({
      try: async () => {
        const target = join(directory, path)
        await mkdir(dirname(target), { recursive: true })
        await writeFile(target, text)
      },
      catch: (thrown) => failed(`--out: ${path} can not be written: ${thrownMessage(thrown)}`)
    }), { discard: true })

/** Renders a topology file. @errors CliFailure naming file and field */
export const runTopologyRender = ({ file, image, out, target }: RenderRequest): Effect.Effect<void, CliFailure> =>
  Effect.gen(function*() {
    if (image !== undefined && !IMAGE.test(image)) return yield* misused(`--image: "${image.slice(0, 64)}" is no name of an image`)
    const { topology } = yield* loadTopology(file)
    const rendered = renderDeployment(topology, target, { topologyFile: file, ...(image === undefined ? {} : { image }) })
    const files = yield* Either.mapLeft(rendered, ({ field, message }) => failed(`${file}: ${field}: ${message}`))
    if (out === undefined) return yield* printLine(joinFiles(files, target))
    yield* writeTo(out, files)
    yield* printLine(files.map(({ path }) => join(out, path)).join("\n"))
  })
