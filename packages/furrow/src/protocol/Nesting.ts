/**
 * How deep objects and arrays stand in each other, told before anything walks through them by recursion.
 *
 * Answers for JSON text, for values, and for which schemas can hold a deep value at all. What the limit is, and what
 * becomes of a value beyond it, is for others.
 */
import * as Cause from "effect/Cause"
import type * as SchemaAST from "effect/SchemaAST"

const Quote = 0x22
const Backslash = 0x5c
const opens: ReadonlySet<number> = new Set([0x5b, 0x7b])
const closes: ReadonlySet<number> = new Set([0x5d, 0x7d])

/**
 * What is to be said of something thrown because the stack had run out; nothing of anything else. Effect hands what a
 * schema's constructor has thrown on in a Cause.
 */
export const overflow = (thrown: unknown): string | undefined => {
  const cause = thrown instanceof Error ? thrown.cause : undefined
  return isOverflow(Cause.isCause(cause) ? Cause.squash(cause) : thrown)
    ? "it is nested too deep, or contains itself"
    : undefined
}

const isOverflow = (thrown: unknown): boolean =>
  thrown instanceof RangeError && thrown.message.includes("call stack")

/** Whether JSON text nests deeper than `limit`. Of text that is no JSON the answer may be either. */
export const textNestsBeyond = (text: Uint8Array, limit: number): boolean => {
  // A level takes two bytes.
  if (text.length <= 2 * limit) return false
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const byte = text[at]!
    if (byte === Quote) {
      at = endOfString(text, at)
      if (at < 0) return false
    } else if (opens.has(byte)) {
      if (++depth > limit) return true
    } else if (closes.has(byte)) depth--
  }
  return false
}

/** Where the string that begins here ends; -1 if it does not. */
const endOfString = (text: Uint8Array, start: number): number => {
  let end = start
  let backslashes: number
  do {
    end = text.indexOf(Quote, end + 1)
    if (end < 0) return -1
    backslashes = 0
    while (text[end - 1 - backslashes] === Backslash) backslashes++
  } while (backslashes % 2 === 1)
  return end
}

/** Whether a value out of a codec nests deeper than `limit`; it must not contain itself. */
export const valueNestsBeyond = (value: unknown, limit: number): boolean => {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return false
  if (limit === 0) return true
  const isDeep = (member: unknown) =>
    typeof member === "object" && valueNestsBeyond(member, limit - 1)
  if (Array.isArray(value)) return value.some(isDeep)
  for (const key in value) if (isDeep(value[key as keyof typeof value])) return true
  return false
}

/** Whether values of the encoded side of a schema can nest to any depth: it is recursive, or holds JSON. */
export const nestsFreely = (encoded: SchemaAST.AST): boolean => {
  switch (encoded._tag) {
    case "Suspend":
    case "Declaration":
    case "Unknown":
    case "Any":
    case "ObjectKeyword":
      return true
    case "Arrays":
      return [...encoded.elements, ...encoded.rest].some(nestsFreely)
    case "Objects":
      return [...encoded.propertySignatures, ...encoded.indexSignatures].some(({ type }) =>
        nestsFreely(type)
      )
    case "Union":
      return encoded.types.some(nestsFreely)
    default:
      return false
  }
}
