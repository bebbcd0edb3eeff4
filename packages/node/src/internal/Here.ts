/**
 * Where the modules of this package stand, and with which ending: its sources, or what was compiled from them.
 *
 * The one place that asks: when it is built into a file with others (see `Prebuilt`), the answer stays the same.
 */
import { extname } from "node:path"

/** The URL of this module. */
export const url: string = import.meta.url

/** The URL of a module beside this one. */
export const neighbour = (name: string): URL => new URL(`./${name}${extname(url)}`, url)
