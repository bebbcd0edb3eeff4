/** The tasks of `piscina.ts`. */

/** @param {unknown} value */
export const echo = (value) => value

export { isPrime } from "../Payloads.mjs"
