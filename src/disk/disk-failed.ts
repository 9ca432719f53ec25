/**
 * A disk did not do what was asked of it.
 *
 * Contract: `message` is a sentence for the operator: which file, what went wrong, what to look at. It holds no contents.
 * Source: style.md §2.4; departures: none.
 *
 * @module
 */
import { Data } from "effect"

export class DiskFailed extends Data.TaggedError("DiskFailed")<{
  readonly path: string
  /** The system's word for it, such as ENOSPC; empty where there is none. */
  readonly code: string
  readonly message: string
}> {}

const codeOf = (error: unknown): string => {
  const code: unknown = typeof error === "object" && error !== null && "code" in error ? error.code : undefined
  return typeof code === "string" ? code : ""
}

const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: "make room on the disk",
  EDQUOT: "make room on the disk",
  EACCES: "check who owns it and its mode",
  EPERM: "check who owns it and its mode",
  EROFS: "the file system is mounted for reading only",
  EIO: "the disk is failing",
  EMFILE: "raise the limit of open files",
  ENOTDIR: "a part of the path is a file"
}

/** @param doing  what was tried, as in "cannot be read" */
export const diskFailed = (path: string, doing: string) => (error: unknown): DiskFailed => {
  const code = codeOf(error)
  const detail = error instanceof Error ? error.message : String(error)
  return new DiskFailed({ path, code, message: `${path}: ${doing} (${detail}); ${ADVICE[code] ?? "check the path and the disk"}` })
}
