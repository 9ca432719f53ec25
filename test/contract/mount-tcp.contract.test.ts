/**
 * The mount contract over TCP.
 *
 * Goal and method: see mount.contract.ts; every name has a mount of its own, so that every call crosses a link.
 *
 * @module
 */
import { mountContract } from "./mount.contract.ts"
import { layerTcpNetwork } from "./tcp-rig.ts"

const NAMES = ["tester", "leaver", "probe", "painted", "nobody"]

mountContract("tcp", () => layerTcpNetwork(NAMES))
mountContract("tcp with commands of 64 bytes", () => layerTcpNetwork(NAMES, { sizes: { fromInitiatorBytes: 64, fromResponderBytes: 80 } }))
