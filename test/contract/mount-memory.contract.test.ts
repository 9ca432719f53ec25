/**
 * The mount contract over the mount inside one process.
 *
 * Goal and method: see mount.contract.ts.
 *
 * @module
 */
import { layerMountMemory } from "../../src/actor/mount-memory.ts"
import { mountContract } from "./mount.contract.ts"

mountContract("memory", () => layerMountMemory())
mountContract("memory with a tap", () => layerMountMemory({ tap: () => undefined }))
