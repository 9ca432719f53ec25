/**
 * The parts of the lab by name.
 *
 * Contract: a part is run with its name, a scale and a seed, alone in its thread or after others; it gives the same data for the same choice.
 * Knows nothing of: threads, reports.
 * Source: issue "anonymity that is measured", point 4; departures: none.
 *
 * @module
 */
import type { LabPart, LabScale, PartChoice } from "./lab-part.ts"

export interface PartEntry {
  readonly name: string
  /** Larger ones are begun first. */
  readonly weight: number
  readonly load: () => Promise<(choice: PartChoice) => Promise<LabPart>>
}

/** A part's code is loaded when it runs. */
export const PARTS: ReadonlyArray<PartEntry> = [
  { name: "jobs", weight: 10, load: async () => (await import("./parts/job-part.ts")).jobPart },
  { name: "planted", weight: 9, load: async () => (await import("./parts/planted-part.ts")).plantedPart },
  { name: "linked", weight: 6, load: async () => (await import("./parts/planted-part.ts")).linkedPart },
  { name: "storage", weight: 5, load: async () => (await import("./parts/storage-part.ts")).storagePart },
  { name: "online", weight: 4, load: async () => (await import("./parts/online-part.ts")).onlinePart },
  { name: "blocking", weight: 3, load: async () => (await import("./parts/blocking-part.ts")).blockingPart },
  { name: "rules", weight: 1, load: async () => (await import("./parts/rule-part.ts")).rulePart },
  { name: "mixing", weight: 8, load: async () => (await import("./parts/mixing-part.ts")).mixingPart }
]

/** Runs a part by its name. @throws RangeError for a name that is none */
export const runPart = async (name: string, scale: LabScale, seed: number): Promise<LabPart> => {
  const entry = PARTS.find((part) => part.name === name)
  if (entry === undefined) throw new RangeError(`no part ${name}`)
  const part = await entry.load()
  return part({ scale, seed })
}
