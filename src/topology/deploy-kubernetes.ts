/**
 * Kubernetes manifests for a placed topology: one StatefulSet per actor, because an identity must never run twice.
 *
 * Contract: pure. An actor whose host begins with its own name runs behind a headless Service of that name; every other host is taken for a machine: the
 * pod runs on the node of that name, in its network. Secrets and public keys are referred to, never contained. Pods run without privileges on a read-only
 * root, and keep their state on a volume of their own.
 * Source: Kubernetes API reference (apps/v1, v1); departures: probes run in the container, because the operator's page is on loopback.
 *
 * @module
 */
import { CONTAINER_USER } from "./deploy-compose.ts"
import { type DeployFile, type DeployPlan, type DeployUnit, fileWord, probeWords, runWords } from "./deploy-plan.ts"
import { yamlComment, yamlText, type YamlValue } from "./deploy-yaml.ts"

/** A name that every kind of object takes: lower-case letters, digits, hyphens, from a letter to a letter or digit. */
const label = (name: string): string => name.toLowerCase().replace(/[^a-z0-9-]/g, "-").replace(/^[^a-z]+|[^a-z0-9]+$/g, "").slice(0, 52) || "x"

/** Every unit with an object name of its own; names that fall together get a number. */
const labelled = (units: ReadonlyArray<DeployUnit>): ReadonlyArray<readonly [string, DeployUnit]> => {
  const taken = new Set<string>()
  return units.map((unit) => {
    const wanted = label(unit.name)
    let free = wanted
    for (let count = 2; taken.has(free); count++) free = `${wanted}-${count}`
    taken.add(free)
    return [free, unit] as const
  })
}

/** Whether a unit has a network of its own, behind a Service. */
const isBehindService = (object: string, { place }: DeployUnit): boolean => place.host.split(".")[0] === object

const appLabels = (plan: DeployPlan, object: string, unit: DeployUnit): YamlValue => ({
  "app.kubernetes.io/name": "funion",
  "app.kubernetes.io/instance": object,
  "app.kubernetes.io/component": unit.role,
  "app.kubernetes.io/part-of": label(plan.network)
})

const PUBLIC_KEYS = "funion-public-keys"
const TOPOLOGY = "funion-topology"

const headlessService = (plan: DeployPlan, object: string, unit: DeployUnit): YamlValue => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: object, labels: appLabels(plan, object, unit) },
  spec: {
    clusterIP: "None",
    publishNotReadyAddresses: true,
    selector: { "app.kubernetes.io/name": "funion", "app.kubernetes.io/instance": object },
    ports: [{ name: "link", port: unit.place.port, protocol: "TCP" }]
  }
})

const container = (plan: DeployPlan, unit: DeployUnit): YamlValue => {
  const probe = (wanted: "up" | "alive", rest: { readonly [key: string]: number }): YamlValue =>
    ({ exec: { command: [...probeWords(unit, wanted)] }, timeoutSeconds: 6, ...rest })
  return {
    name: "actor",
    image: plan.image,
    command: ["funion"],
    args: [...runWords(unit, { keys: "/keys", topology: `/etc/funion/${plan.topologyFile}`, data: "/data" })],
    ports: [{ name: "link", containerPort: unit.place.port, protocol: "TCP" }],
    startupProbe: probe("alive", { periodSeconds: 5, failureThreshold: 60 }),
    livenessProbe: probe("alive", { periodSeconds: 30, failureThreshold: 4 }),
    readinessProbe: probe("up", { periodSeconds: 30, failureThreshold: 2 }),
    securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } },
    volumeMounts: [
      { name: "keys", mountPath: "/keys", readOnly: true },
      { name: "topology", mountPath: "/etc/funion", readOnly: true },
      { name: "data", mountPath: "/data" },
      { name: "tmp", mountPath: "/tmp" }
    ]
  }
}

const podSpec = (plan: DeployPlan, object: string, unit: DeployUnit): YamlValue => ({
  ...(isBehindService(object, unit) ? {} : {
    hostNetwork: true, dnsPolicy: "ClusterFirstWithHostNet", nodeSelector: { "kubernetes.io/hostname": unit.place.machine }
  }),
  automountServiceAccountToken: false,
  enableServiceLinks: false,
  terminationGracePeriodSeconds: unit.graceS,
  securityContext: {
    runAsNonRoot: true, runAsUser: CONTAINER_USER, runAsGroup: CONTAINER_USER, fsGroup: CONTAINER_USER, seccompProfile: { type: "RuntimeDefault" }
  },
  containers: [container(plan, unit)],
  volumes: [
    {
      name: "keys",
      projected: {
        defaultMode: 0o440,
        sources: [
          { secret: { name: `funion-${object}-key`, items: [{ key: `${unit.name}.secret`, path: `${unit.name}.secret` }] } },
          { configMap: { name: PUBLIC_KEYS } }
        ]
      }
    },
    { name: "topology", configMap: { name: TOPOLOGY } },
    { name: "tmp", emptyDir: { medium: "Memory", sizeLimit: "64Mi" } }
  ]
})

const statefulSet = (plan: DeployPlan, object: string, unit: DeployUnit): YamlValue => ({
  apiVersion: "apps/v1",
  kind: "StatefulSet",
  metadata: { name: object, labels: appLabels(plan, object, unit) },
  spec: {
    replicas: 1,
    serviceName: object,
    selector: { matchLabels: { "app.kubernetes.io/name": "funion", "app.kubernetes.io/instance": object } },
    template: { metadata: { labels: appLabels(plan, object, unit) }, spec: podSpec(plan, object, unit) },
    volumeClaimTemplates: [
      { metadata: { name: "data" }, spec: { accessModes: ["ReadWriteOncePod"], resources: { requests: { storage: `${unit.diskGiB}Gi` } } } }
    ]
  }
})

const hint = (plan: DeployPlan, object: string, unit: DeployUnit): string => yamlComment([
  `Network ${plan.network}: ${unit.role} ${unit.name}. Keys and the topology file come from outside:`,
  `  kubectl create secret generic funion-${object}-key --from-file=${unit.name}.secret=keys/${unit.name}.secret`,
  `  kubectl create configmap ${PUBLIC_KEYS} ${plan.names.slice(0, 2).map((name) => `--from-file=keys/${name}.public`).join(" ")} … (all of them)`,
  `  kubectl create configmap ${TOPOLOGY} --from-file=${plan.topologyFile}`
])

/** One manifest file for each actor. */
export const renderKubernetes = (plan: DeployPlan): ReadonlyArray<DeployFile> =>
  labelled(plan.units).map(([object, unit]) => ({
    path: `${fileWord(object)}.yaml`,
    text: `${hint(plan, object, unit)}${yamlText(headlessService(plan, object, unit))}---\n${yamlText(statefulSet(plan, object, unit))}`
  }))
