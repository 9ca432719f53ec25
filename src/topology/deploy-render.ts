/**
 * A placed topology as the files of a system that starts its actors.
 *
 * Contract: pure; same topology and options, same text. No secret is ever in it: keys are named by path. One text for all files separates YAML documents
 * by `---` and every file by a comment with its path.
 * Source: the list; departures: none.
 *
 * @module
 */
import { Either } from "effect"
import { renderCompose } from "./deploy-compose.ts"
import { renderKubernetes } from "./deploy-kubernetes.ts"
import { type DeployFile, type DeployOptions, deployPlan, type DeployRefused } from "./deploy-plan.ts"
import { renderSystemd } from "./deploy-systemd.ts"
import type { Topology } from "./topology.ts"

export const DEPLOY_TARGETS = ["compose", "systemd", "kubernetes"] as const
export type DeployTarget = typeof DEPLOY_TARGETS[number]

const RENDERERS = { compose: renderCompose, systemd: renderSystemd, kubernetes: renderKubernetes } as const

/**
 * The files of a deployment.
 * @errors DeployRefused when the topology does not say where its actors run
 */
export const renderDeployment = (
  topology: Topology,
  target: DeployTarget,
  options: DeployOptions = {}
): Either.Either<ReadonlyArray<DeployFile>, DeployRefused> =>
  Either.map(deployPlan(topology, options), RENDERERS[target])

/** All files as one text, without a line break at its end. */
export const joinFiles = (files: ReadonlyArray<DeployFile>, target: DeployTarget): string =>
  files.map(({ path, text }) => `# file: ${path}\n${text}`).join(target === "systemd" ? "\n" : "---\n").trimEnd()
