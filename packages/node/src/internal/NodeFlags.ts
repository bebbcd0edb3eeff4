/**
 * The flags of Node that a child is started with.
 *
 * Answers for what of this process's own flags a child may inherit, and for those that say who it is. Those of
 * inspectors, watchers and test runners would stop it or make it something else; `-e` and its kin would run another
 * program.
 */
import * as Prebuilt from "./Prebuilt.ts"

const NotInherited =
  /^--(?:inspect|debug-port|watch|test|eval|print|input-type|interactive|check|run|entry-url|title)(?:-|$)|^-(?:e|p|pe|i|c)$/

/** Marks the module that changes the user, so that a child's own children do not inherit it. */
const IdentityMark = "data:text/javascript,/*furrow:identity*/"

/**
 * Drops the flags that are not inherited, each with its value. A value is a token that does not start with a dash: Node
 * refuses one that does.
 */
const inherited = (tokens: ReadonlyArray<string>): Array<string> => {
  const kept: Array<string> = []
  let keep = true
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at]!
    const text = token.replaceAll('"', "")
    if (text.startsWith("-")) {
      const flag = text.split("=", 1)[0]!.replaceAll("_", "-")
      const identity =
        text.includes(IdentityMark) || tokens[at + 1]?.startsWith(IdentityMark) === true
      keep =
        !NotInherited.test(flag) &&
        !(flag === "--import" && identity) &&
        !text.startsWith(Prebuilt.Flag)
    }
    if (keep) kept.push(token)
  }
  return kept
}

/** This process's `execArgv`, as a child inherits it. */
export const inheritedExecArgv = (execArgv: ReadonlyArray<string>): Array<string> =>
  inherited(execArgv)

/** This process's `NODE_OPTIONS`, as a child inherits it: split as Node splits it, at spaces outside of quotes. */
export const inheritedNodeOptions = (options: string): string =>
  inherited(options.match(/(?:"(?:\\[\s\S]|[^"\\])*"|[^ "])+/g) ?? []).join(" ")

/** A title without control characters. */
export const shown = (title: string): string => title.replaceAll(/\p{Cc}/gu, "")

/** The title of a process, as it is given at its start. */
export const titleFlag = (title: string): string => `--title=${shown(title)}`

/**
 * Changes the user and the group before the main module is loaded. As with Node's own `uid` option, the supplementary
 * groups are given up. Without the right to change, the process ends and says so.
 */
export const identityFlag = (uid: number | undefined, gid: number | undefined): Array<string> => {
  if (uid === undefined && gid === undefined) return []
  const code = [
    // A thread of such a process inherits the flag, and must not change it again.
    'import { isMainThread } from "node:worker_threads"; if (isMainThread) {',
    "try { process.setgroups([]) } catch {}",
    gid === undefined ? "" : `process.setgid(${gid});`,
    uid === undefined ? "" : `process.setuid(${uid});`,
    "}"
  ].join("")
  return [`--import=${IdentityMark}${encodeURIComponent(code)}`]
}

/** Node's limit for the old space, in MiB. */
export const memoryFlag = (memory: number | undefined): Array<string> =>
  memory === undefined ? [] : [`--max-old-space-size=${memory}`]
