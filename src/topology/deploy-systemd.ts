/**
 * systemd units for a placed topology: one service per actor, in a folder per machine.
 *
 * Contract: pure. Each service runs as a user of its own that exists while it runs, sees its own secret key through the credentials of systemd, and may
 * write to its own state folder alone. No secret is in the text.
 * Source: systemd.exec(5), systemd.service(5), systemd.unit(5); departures: none. MemoryDenyWriteExecute is left off: the engine compiles at run time.
 *
 * @module
 */
import { byMachine, type DeployFile, type DeployPlan, type DeployUnit, fileWord, runWords } from "./deploy-plan.ts"

const KEYS_FOLDER = "/etc/funion/keys"

/** A word of a command line: % and $ stand for themselves, blanks and quotes do not end it. */
const word = (text: string): string => {
  const escaped = text.replaceAll("%", "%%").replaceAll("$", "$$$$").replaceAll("\\", "\\\\").replaceAll("\"", "\\\"").replace(/[\u0000-\u001f\u007f]/g, " ")
  return /^[A-Za-z0-9_./:=@+,%-]+$/.test(escaped) ? escaped : `"${escaped}"`
}

/** A text in a line that is no command. */
const phrase = (text: string): string => text.replaceAll("%", "%%").replace(/[\u0000-\u001f\u007f\\]/g, " ")

const HARDENING = [
  "DynamicUser=yes", "NoNewPrivileges=yes", "ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes", "PrivateDevices=yes", "PrivateUsers=yes",
  "ProtectClock=yes", "ProtectHostname=yes", "ProtectKernelTunables=yes", "ProtectKernelModules=yes", "ProtectKernelLogs=yes", "ProtectControlGroups=yes",
  "ProtectProc=invisible", "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX", "RestrictNamespaces=yes", "RestrictRealtime=yes", "RestrictSUIDSGID=yes",
  "LockPersonality=yes", "CapabilityBoundingSet=", "AmbientCapabilities=", "SystemCallArchitectures=native", "SystemCallFilter=@system-service",
  "SystemCallErrorNumber=EPERM", "UMask=0077", "LimitCORE=0", "LimitNOFILE=16384", "MemorySwapMax=0"
]

const unitText = (plan: DeployPlan, unit: DeployUnit): string => {
  const state = `funion/${unit.name}`
  const words = runWords(unit, { keys: "@keys@", topology: `/etc/funion/${plan.topologyFile}`, data: "@data@" })
  // %d and %S are systemd's own, so they are put in after the escaping
  const command = words.map(word).join(" ").replace("@keys@", "%d").replace("@data@", `%S/${state}`)
  return [
    `# Network ${phrase(plan.network)}, machine ${phrase(unit.place.machine)}. Needs /usr/local/bin/funion, /etc/funion/${plan.topologyFile},`,
    `# ${KEYS_FOLDER}/${unit.name}.secret (owner root, mode 0600) and the .public files named below.`,
    "[Unit]",
    `Description=funion ${unit.role} ${unit.name} of network ${phrase(plan.network)}`,
    "After=network-online.target time-sync.target",
    "Wants=network-online.target",
    "StartLimitIntervalSec=0",
    "",
    "[Service]",
    "Type=exec",
    `ExecStart=/usr/local/bin/funion ${command}`,
    `StateDirectory=${state}`,
    "StateDirectoryMode=0700",
    `LoadCredential=${unit.name}.secret:${KEYS_FOLDER}/${unit.name}.secret`,
    ...plan.names.map((name) => `LoadCredential=${name}.public:${KEYS_FOLDER}/${name}.public`),
    "Restart=always",
    "RestartSec=2",
    "KillSignal=SIGTERM",
    "KillMode=mixed",
    `TimeoutStopSec=${unit.graceS}`,
    "StandardOutput=journal",
    "StandardError=journal",
    `SyslogIdentifier=funion-${unit.name}`,
    ...HARDENING,
    "",
    "[Install]",
    "WantedBy=multi-user.target",
    ""
  ].join("\n")
}

/** One unit file for each actor. */
export const renderSystemd = (plan: DeployPlan): ReadonlyArray<DeployFile> =>
  byMachine(plan).flatMap(([machine, units]) =>
    units.map((unit) => ({ path: `${fileWord(machine)}/funion-${fileWord(unit.name)}.service`, text: unitText(plan, unit) })))
