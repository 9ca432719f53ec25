/**
 * Compose files for a placed topology: one file per machine, one service per actor.
 *
 * Contract: pure. Services use the machine's own network, so that the addresses of the topology file hold unchanged, and the operator's pages stay on
 * loopback. Each service sees its own key folder, its own volume and the topology file, and may write to nothing else. No secret is in the text.
 * Source: the Compose specification; departures: none.
 *
 * @module
 */
import { byMachine, type DeployFile, type DeployPlan, type DeployUnit, fileWord, probeWords, runWords } from "./deploy-plan.ts"
import { yamlComment, yamlText, type YamlValue } from "./deploy-yaml.ts"

/** User of the processes in the container; key folders belong to it. */
export const CONTAINER_USER = 10_001

/** Compose replaces $NAME in texts; a doubled sign stands for one. */
const literal = (value: YamlValue): YamlValue => {
  if (typeof value === "string") return value.replaceAll("$", "$$$$")
  if (typeof value !== "object" || value === null) return value
  if (Array.isArray(value)) return value.map(literal)
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, member === undefined ? undefined : literal(member)]))
}

const serviceName = (name: string): string => name.toLowerCase().replace(/[^a-z0-9._-]/g, "-")

/** Services of one machine by name; names that differ in case only get a number. */
const named = (units: ReadonlyArray<DeployUnit>): ReadonlyMap<string, DeployUnit> => {
  const services = new Map<string, DeployUnit>()
  for (const unit of units) {
    const name = serviceName(unit.name)
    let free = name
    for (let count = 2; services.has(free); count++) free = `${name}-${count}`
    services.set(free, unit)
  }
  return services
}

const service = (plan: DeployPlan, unit: DeployUnit, volume: string): YamlValue => ({
  image: plan.image,
  entrypoint: ["funion"],
  command: [...runWords(unit, { keys: "/keys", topology: `/etc/funion/${plan.topologyFile}`, data: "/data" })],
  user: `${CONTAINER_USER}:${CONTAINER_USER}`,
  init: true,
  network_mode: "host",
  restart: "always",
  stop_signal: "SIGTERM",
  stop_grace_period: `${unit.graceS}s`,
  read_only: true,
  tmpfs: ["/tmp:mode=1777,size=64m"],
  cap_drop: ["ALL"],
  security_opt: ["no-new-privileges:true"],
  ulimits: { core: 0, nofile: { soft: 16_384, hard: 16_384 } },
  volumes: [
    { type: "bind", source: `./keys/${unit.name}`, target: "/keys", read_only: true, bind: { create_host_path: false } },
    { type: "bind", source: `./${plan.topologyFile}`, target: `/etc/funion/${plan.topologyFile}`, read_only: true, bind: { create_host_path: false } },
    { type: "volume", source: volume, target: "/data" }
  ],
  healthcheck: { test: ["CMD", ...probeWords(unit, "up")], interval: "30s", timeout: "6s", retries: 3, start_period: "120s" },
  logging: { driver: "json-file", options: { "max-size": "10m", "max-file": "3" } }
})

const hint = (plan: DeployPlan, machine: string, units: ReadonlyArray<DeployUnit>): string => yamlComment([
  `Network ${plan.network}, machine ${machine}. Beside this file: ${plan.topologyFile}, and for each service a folder keys/NAME`,
  "with its own NAME.secret (mode 0600) and the NAME.public of all actors:",
  ...units.slice(0, 1).map(({ name }) =>
    `  mkdir -p keys/${name} && cp all-keys/*.public all-keys/${name}.secret keys/${name}/ && chown -R ${CONTAINER_USER} keys/${name}`),
  `The image must hold the program funion, and a folder /data that belongs to user ${CONTAINER_USER}.`
])

/** One compose file for each machine. */
export const renderCompose = (plan: DeployPlan): ReadonlyArray<DeployFile> =>
  byMachine(plan).map(([machine, units]) => {
    const services = named(units)
    const volumeOf = (name: string): string => `data-${name}`
    const document: YamlValue = {
      name: `funion-${serviceName(plan.network)}`,
      services: Object.fromEntries([...services].map(([name, unit]) => [name, service(plan, unit, volumeOf(name))])),
      volumes: Object.fromEntries([...services.keys()].map((name) => [volumeOf(name), {}]))
    }
    return { path: `${fileWord(machine)}/compose.yaml`, text: `${hint(plan, machine, units)}${yamlText(literal(document))}` }
  })
