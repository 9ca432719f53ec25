/**
 * Versions of this package and of those it uses, as installed.
 *
 * Contract: reads `package.json` files only; a package that is not there is "not installed".
 * Knows nothing of: what packages do.
 * Source: none needed; departures: none.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"

const here = fileURLToPath(import.meta.url)
/** This package's folder, whether this file runs as source or compiled into `dist`. */
export const packageFolder = resolve(dirname(here), here.endsWith(".ts") ? "../.." : "../../..")

const versionIn = (path: string): string | undefined => {
  if (!existsSync(path)) return undefined
  const parsed: unknown = JSON.parse(readFileSync(path, "utf8"))
  return typeof parsed === "object" && parsed !== null && "version" in parsed && typeof parsed.version === "string" ? parsed.version : undefined
}

/** Version of an installed package; `.` is this one. */
export const packageVersion = (name: string): string => {
  if (name === ".") return versionIn(join(packageFolder, "package.json")) ?? "unknown"
  for (let from = packageFolder; ; from = dirname(from)) {
    const version = versionIn(join(from, "node_modules", name, "package.json"))
    if (version !== undefined) return version
    if (from === dirname(from)) return "not installed"
  }
}
