/**
 * The gate in front of a program: a shell that waits for a word on descriptor 3, and then becomes the program.
 *
 * Answers for not one instruction of the program being run before its guardian knows of it; and for a program whose
 * parent has died by then, which never runs. What is said on an actor's wire afterwards is untouched.
 */
import { accessSync, constants, statSync } from "node:fs"
import { delimiter, join, resolve } from "node:path"
import { Shell } from "./Guardian.ts"
import { Fd } from "./WireFd.ts"

/** The word that opens the gate. A shell reads it byte by byte, so what comes next is left to the program. */
export const Open: Uint8Array = Buffer.from("\n")

/**
 * The program behind the gate: the process keeps its number, its descriptors and its arguments. Without the `wire`, the
 * gate's own descriptor stays behind.
 */
export const shut = (
  file: string,
  args: ReadonlyArray<string>,
  wire: "wire" | undefined
): readonly [string, Array<string>] => [
  Shell,
  [
    "-c",
    `read -r _ <&${Fd} && exec "$@"${wire === undefined ? ` ${Fd}<&-` : ""}`,
    "furrow",
    file,
    ...args
  ]
]

/**
 * Whether a shell passes this environment on: most drop variables whose names they could not use themselves. Rather than
 * without them, an actor is started without a gate.
 */
export const passes = (env: Readonly<Record<string, string | undefined>>): boolean =>
  Object.keys(env).every((name) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name))

const isProgram = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}

/** Whether there is such a program, looked for as a shell would: behind the gate it would be missed only then. */
export const isThere = (file: string, cwd: string, path: string | undefined): boolean =>
  (file.includes("/") ? [""] : (path ?? "").split(delimiter)).some((folder) =>
    isProgram(resolve(cwd, join(folder, file)))
  )
