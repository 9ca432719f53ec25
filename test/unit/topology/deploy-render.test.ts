/**
 * Rendered deployments.
 *
 * Goal: every placed actor gets one unit that runs `funion run` with its role and name; YAML is read back as it was meant, whatever names hold; no unit has
 * a right it does not need; a topology without places is refused.
 * Method: a reader of the emitted subset of YAML; text searches in unit files.
 *
 * @module
 */
import { Either } from "effect"
import { describe, expect, it } from "vitest"
import { tinyParams } from "../../../src/params/presets.ts"
import { network } from "../../../src/topology/builder.ts"
import { DEPLOY_TARGETS, joinFiles, renderDeployment, type DeployTarget } from "../../../src/topology/deploy-render.ts"
import { yamlText, type YamlValue } from "../../../src/topology/deploy-yaml.ts"
import { actorsOf, type Topology } from "../../../src/topology/topology.ts"

/** Reads the subset that `yamlText` writes: block lists and records, JSON texts, plain scalars, [] and {}. */
const readYaml = (text: string): unknown => {
  const shown = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"))
  const lines = shown.map((line) => ({ indent: /^ */.exec(line)![0].length, text: line.trim() }))
  let at = 0
  const scalar = (word: string): unknown => JSON.parse(word)
  const key = (word: string): string => (word.startsWith("\"") ? JSON.parse(word) as string : word)
  const block = (indent: number): unknown => {
    const first = lines[at]!
    if (!first.text.startsWith("- ") && !/^("(?:[^"\\]|\\.)*"|[A-Za-z_][\w./-]*):( |$)/.test(first.text)) return scalar(lines[at++]!.text)
    if (first.text.startsWith("- ")) {
      const list: Array<unknown> = []
      while (lines[at]?.indent === indent && lines[at]!.text.startsWith("- ")) {
        lines[at] = { indent: indent + 2, text: lines[at]!.text.slice(2) }
        list.push(block(indent + 2))
      }
      return list
    }
    const record: Record<string, unknown> = {}
    while (lines[at]?.indent === indent && !lines[at]!.text.startsWith("- ")) {
      const [, name, , rest] = /^("(?:[^"\\]|\\.)*"|[A-Za-z_][\w./-]*):( (.*))?$/.exec(lines[at++]!.text)!
      record[key(name!)] = rest === undefined ? block(lines[at]!.indent) : scalar(rest)
    }
    return record
  }
  const value = block(0)
  if (at !== lines.length) throw new Error(`line not read: ${lines[at]!.text}`)
  return value
}

const base = network({ name: "placed", params: tinyParams })
const ODD_NAMES: Readonly<Record<string, string>> = { "gateway-0": "No", "client-0": "Null.1e3" }
const named: Topology = JSON.parse(JSON.stringify(base), (_key, value: unknown) => (typeof value === "string" ? ODD_NAMES[value] ?? value : value)) as Topology
const placement = Object.fromEntries(actorsOf(named).map(({ name }, index) => [name, {
  machine: index % 2 === 0 ? "a: #1" : "on", host: name === "replica-0" ? "replica-0.funion.svc" : "192.0.2.7", port: 7_000 + index, operatorPort: 8_000 + index
}]))
const topology: Topology = { ...named, placement }
const filesOf = (target: DeployTarget, of: Topology = topology) =>
  Either.getOrThrow(renderDeployment(of, target, { topologyFile: "../nets/my net.ts", image: "registry.example:5000/funion:1$x" }))

type Json = { readonly [key: string]: Json } & ReadonlyArray<Json> & string

describe("yamlText", () => {
  const odd: YamlValue = {
    yes: "no", "1e3": "0x1f", "": "", "a: b # c": "\"quoted\"\n- line\ttab\u2028\u007f\\", number: -1.5, gone: undefined,
    list: [[], {}, [["deep"], { y: null, n: true }]],
    text: ["~", "null", "*a", "&b", "!c", "%d", "@e", "`f`", "{g}", "[h]", "|", ">", "?", "- i", "é𝄞"]
  }
  it("odd keys and texts come back as they were", () => {
    expect(readYaml(yamlText(odd))).toEqual(JSON.parse(JSON.stringify(odd)))
  })
  it("no text is left for a reader to take for a truth value or a number", () => {
    for (const line of yamlText(odd).split("\n")) expect(line).not.toMatch(/(: |- )(no|~|0x1f|1e3|\*|&|!|%|@|`|\||>|\?)$/)
    expect(() => yamlText(Number.NaN)).toThrow(RangeError)
  })
})

describe("every target", () => {
  for (const target of DEPLOY_TARGETS) {
    it(`${target}: one unit per actor, which runs its role and name; no secret but by its path`, () => {
      const text = joinFiles(filesOf(target), target)
      for (const { name, role } of actorsOf(topology)) {
        const words = target === "systemd" ? `run --role ${role} --name ${name} --keys ` : `${role}"XX- "--name"XX- "${name}"XX- "--keys"`
        expect(text.replace(/\n\s*/g, target === "systemd" ? "\n" : "XX").split(words).length - 1, name).toBe(1)
        expect(text).toContain(target === "compose" ? `"./keys/${name}"` : `${name}.secret`)
      }
      expect(text).not.toMatch(/[0-9a-f]{32}/)
    })
    it(`${target}: a topology without places, or with an actor that has none, is refused with what to add`, () => {
      const { placement: _, ...unplaced } = topology
      const refused = Either.getOrThrow(Either.flip(renderDeployment(unplaced, target)))
      expect([refused.field, refused.message.includes("machines: [{")]).toEqual(["placement", true])
      const { "mix-1-0": __, ...rest } = placement
      const homeless = Either.getOrThrow(Either.flip(renderDeployment({ ...topology, placement: rest }, target)))
      expect(homeless.message).toBe("mix-1-0 has no place: add it to a machine")
    })
    it(`${target}: files have names of their own, without odd characters`, () => {
      const paths = filesOf(target).map(({ path }) => path)
      expect(new Set(paths).size).toBe(paths.length)
      for (const path of paths) expect(path).toMatch(/^[A-Za-z0-9][A-Za-z0-9./-]*$/)
    })
  }
})

describe("compose", () => {
  const [first, second] = filesOf("compose").map(({ text }) => readYaml(text) as Json)
  const merged = (part: string): Record<string, Json> => Object.assign({}, first![part], second![part]) as Record<string, Json>
  it("one file per machine; a service has no privileges, a read-only root, its own volume, and time to stop", () => {
    const services = merged("services")
    expect(Object.keys(services).length).toBe(actorsOf(topology).length)
    for (const [name, service] of Object.entries(services)) {
      expect(service, name).toMatchObject({ read_only: true, cap_drop: ["ALL"], restart: "always", network_mode: "host" })
      expect(service["security_opt"]).toEqual(["no-new-privileges:true"])
      expect(service["image"]).toBe("registry.example:5000/funion:1$$x")
      expect(merged("volumes")).toHaveProperty([`data-${name}`])
    }
    expect(services["no"]!["command"]).toContain("No")
    expect(Number.parseInt(services["compute-0"]!["stop_grace_period"]!, 10)).toBeGreaterThan(Math.max(...topology.computes[0]!.deadlinesMs) / 1000)
    expect(JSON.stringify(services["mix-0-0"]!["healthcheck"])).toContain(`127.0.0.1:${placement["mix-0-0"]!.operatorPort}/health`)
  })
})

describe("systemd", () => {
  it("a unit has a user and a folder of its own, one secret, and no way to more privileges", () => {
    const text = filesOf("systemd").find(({ path }) => path.endsWith("funion-mix-0-0.service"))!.text
    const expected = ["DynamicUser=yes", "StateDirectory=funion/mix-0-0", "NoNewPrivileges=yes", "Restart=always", "KillSignal=SIGTERM", "TimeoutStopSec=30"]
    for (const line of [...expected, "LimitCORE=0"]) {
      expect(text.split("\n")).toContain(line)
    }
    expect(text.match(/^LoadCredential=.*\.secret:.*/gm)).toEqual(["LoadCredential=mix-0-0.secret:/etc/funion/keys/mix-0-0.secret"])
    expect(text).toContain("--keys %d --topology /etc/funion/topology.ts --dir %S/funion/mix-0-0\n")
  })
})

describe("kubernetes", () => {
  const manifests = filesOf("kubernetes").flatMap(({ text }) => text.split("---\n").map((part) => readYaml(part) as Json))
  const ofKind = (kind: string) => manifests.filter((each) => each["kind"] === kind)
  const podOf = (name: string) => ofKind("StatefulSet").find((each) => each["metadata"]!["name"] === name)!["spec"]!["template"]!["spec"]!
  it("one StatefulSet of one pod and one headless Service per actor, with names that are allowed and different", () => {
    const names = ofKind("StatefulSet").map((each) => each["metadata"]!["name"]!)
    expect(new Set(names).size).toBe(actorsOf(topology).length)
    for (const name of names) expect(name).toMatch(/^[a-z]([a-z0-9-]*[a-z0-9])?$/)
    for (const set of ofKind("StatefulSet")) expect(set["spec"]).toMatchObject({ replicas: 1, volumeClaimTemplates: [{ metadata: { name: "data" } }] })
    expect(ofKind("Service").map((each) => each["spec"]!["clusterIP"])).toEqual(names.map(() => "None"))
  })
  it("a host that begins with the actor's name is its Service; any other is the node it runs on", () => {
    expect(podOf("replica-0")).not.toHaveProperty("hostNetwork")
    expect(podOf("replica-1")).toMatchObject({ hostNetwork: true, nodeSelector: { "kubernetes.io/hostname": placement["replica-1"]!.machine } })
  })
  it("pods have no privileges and no token, keys from a Secret, probes, and time to stop", () => {
    const pod = podOf("compute-0")
    expect(pod).toMatchObject({ automountServiceAccountToken: false, securityContext: { runAsNonRoot: true } })
    expect(pod["containers"]![0]).toMatchObject({
      securityContext: { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
      readinessProbe: { exec: { command: expect.arrayContaining(["node"]) } }, livenessProbe: expect.anything()
    })
    expect(JSON.stringify(pod["volumes"])).toContain("\"secret\":{\"name\":\"funion-compute-0-key\"")
    expect(Number(pod["terminationGracePeriodSeconds"])).toBeGreaterThan(30)
  })
})
