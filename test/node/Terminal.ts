/**
 * Real terminals for programs under test: what is written to the program's stdin is typed, what the terminal shows is its
 * stdout, and the end of stdin closes the terminal.
 */
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

/** Whether there is what makes terminals. */
export const isPossible = spawnSync("python3", ["--version"]).status === 0

/** The beginning of a shell's command, after which stands what is to be run in a terminal. */
export const terminal = `exec python3 '${fileURLToPath(new URL("./fixtures/terminal.py", import.meta.url))}'`

/** Puts a program into a terminal of its own. */
export const inTerminal = { shell: `${terminal} "$@"` }

export const CtrlC = "\u0003"
export const CtrlS = "\u0013"
export const CtrlZ = "\u001A"
export const CtrlBackslash = "\u001C"
