/**
 * How a defect crosses a process border: whatever was thrown, written as JSON and rebuilt at the other side as an
 * error, or a plain value, that a person can still work with.
 *
 * Answers for writing anything at all without throwing (causes, groups, proxies, getters that throw, cycles, values that
 * JSON cannot say) and for bounding what is written. What JSON cannot say arrives as text.
 */
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"

/**
 * A defect on the wire. `Error`: an error of any class; `fields` are its own enumerable properties, `errors` the members
 * of a group. `Value`: anything else that was thrown; without `value` it was `undefined`.
 */
export type DefectEncoded =
  | {
      readonly _tag: "Error"
      readonly name: string
      readonly message: string
      readonly stack?: string | undefined
      readonly fields?: { readonly [key: string]: Schema.Json } | undefined
      readonly cause?: DefectEncoded | undefined
      readonly errors?: ReadonlyArray<DefectEncoded> | undefined
    }
  | { readonly _tag: "Value"; readonly value?: Schema.Json | undefined }

/** The longest string of a defect that is written whole, in UTF-16 units; of a longer one the beginning is. */
export const MaxText = 16_384

/** How much is written of one defect in all, in UTF-16 units. */
export const MaxDefect = 262_144

/** How deep causes, groups and fields are followed. */
export const MaxDepth = 24

/** How many members of a group, of an array or of an object are written. */
export const MaxMembers = 128

const Encoded: Schema.Codec<DefectEncoded> = Schema.Union([
  Schema.TaggedStruct("Error", {
    name: Schema.String,
    message: Schema.String,
    stack: Schema.optional(Schema.String),
    fields: Schema.optional(Schema.Record(Schema.String, Schema.Json)),
    cause: Schema.optional(Schema.suspend(() => Encoded)),
    errors: Schema.optional(Schema.Array(Schema.suspend(() => Encoded)))
  }),
  Schema.TaggedStruct("Value", { value: Schema.optional(Schema.Json) })
])

/**
 * Schema of anything that was thrown; on the wire a {@link DefectEncoded}, as JSON in every codec. Decodes to an `Error`
 * of the same name (an `AggregateError` if it has `errors`) with message, stack, own fields and cause, or to the plain
 * value. A subclass of `Error` that sets no `name` goes by the name of its class.
 */
export const Defect: Schema.Codec<unknown, Schema.Json> = Schema.Json.pipe(
  Schema.decodeTo(Encoded),
  Schema.decodeTo(
    Schema.Unknown,
    SchemaTransformation.transform<unknown, DefectEncoded>({
      decode: (encoded) => revive(encoded),
      encode: (defect) => writeDefect(defect, { left: MaxDefect, above: new Set() }, MaxDepth)
    })
  )
)

/** Properties of an error that a `DefectEncoded` holds by name. */
const placed: ReadonlySet<string> = new Set(["name", "message", "stack", "cause", "errors"])

/**
 * Whether a property may stand among the fields. One that shadows a method would make the rebuilt error throw when it is
 * rendered, and `~` begins the marks by which Effect knows its own values.
 */
const isField = (key: string): boolean =>
  !placed.has(key) && !key.startsWith("~") && !(key in Error.prototype)

// ---------------------------------------------------------------------------------------------------------------------
// Writing
// ---------------------------------------------------------------------------------------------------------------------

/** What is left to write, and the objects that contain the one being written. */
interface Budget {
  left: number
  readonly above: Set<object>
}

/** Runs code that belongs to the defect (a getter, a trap of a proxy, a `toJSON`) and so may throw. */
const attempt = <A>(run: () => A, otherwise: A): A => {
  try {
    return run()
  } catch {
    return otherwise
  }
}

const property = (value: object, key: string): unknown =>
  attempt(() => Reflect.get(value, key), "[unreadable]")

const isError = (value: unknown): value is Error =>
  attempt(
    () => value instanceof Error || Object.prototype.toString.call(value) === "[object Error]",
    false
  )

const textOf = (value: unknown): string => String(value)

const nameOf = (error: Error): string => {
  const name = property(error, "name")
  if (typeof name !== "string" || name === "") return "Error"
  const type = name === "Error" ? attempt<unknown>(() => error.constructor.name, name) : name
  return typeof type === "string" && type !== "" ? type : name
}

const writeText = (text: string, budget: Budget): string => {
  const length = Math.min(text.length, MaxText, Math.max(budget.left, 0))
  budget.left -= length
  return length === text.length ? text : `${text.slice(0, length)}[cut]`
}

/** Writes an object's inside, unless it contains itself or too much is written already. */
const within = <A>(
  value: object,
  budget: Budget,
  depth: number,
  write: () => A,
  instead: (why: string) => A
): A => {
  if (budget.above.has(value)) return instead("[circular]")
  if (depth <= 0 || budget.left <= 0) return instead("[cut]")
  budget.above.add(value)
  budget.left -= 8
  const written = attempt<A | undefined>(write, undefined)
  budget.above.delete(value)
  return written ?? instead("[unreadable]")
}

const writeDefect = (value: unknown, budget: Budget, depth: number): DefectEncoded => {
  if (value === undefined) return { _tag: "Value" }
  if (!isError(value)) return { _tag: "Value", value: writeJson(value, budget, depth) }
  return within<DefectEncoded>(
    value,
    budget,
    depth,
    () => {
      const stack = property(value, "stack")
      const errors = property(value, "errors")
      const fields = writeFields(value, budget, depth)
      return {
        _tag: "Error",
        name: writeText(nameOf(value), budget),
        message: writeText(textOf(property(value, "message")), budget),
        ...(typeof stack === "string" && { stack: writeText(stack, budget) }),
        ...(Object.keys(fields).length > 0 && { fields }),
        ...("cause" in value && {
          cause: writeDefect(property(value, "cause"), budget, depth - 1)
        }),
        ...(Array.isArray(errors) && {
          errors: first(errors, (error) => writeDefect(error, budget, depth - 1))
        })
      }
    },
    (why) => ({ _tag: "Value", value: why })
  )
}

const writeJson = (value: unknown, budget: Budget, depth: number): Schema.Json => {
  switch (typeof value) {
    case "boolean":
      return value
    case "number":
      return Number.isFinite(value) ? value : String(value)
    case "bigint":
      return writeText(`${value}n`, budget)
    case "function":
      return "[function]"
    case "object":
      return value === null
        ? null
        : within<Schema.Json>(
            value,
            budget,
            depth,
            () => writeObject(value, budget, depth),
            (why) => why
          )
    default:
      return writeText(textOf(value), budget)
  }
}

const writeObject = (value: object, budget: Budget, depth: number): Schema.Json => {
  const inside = (member: unknown) => writeJson(member, budget, depth - 1)
  if (isError(value)) {
    return {
      name: writeText(nameOf(value), budget),
      message: writeText(textOf(property(value, "message")), budget),
      ...writeFields(value, budget, depth)
    }
  }
  if (Array.isArray(value) || value instanceof Map || value instanceof Set)
    return first(value, inside)
  const toJSON = property(value, "toJSON")
  if (typeof toJSON === "function") return inside(toJSON.call(value))
  const keys = Object.keys(value)
  const isPlain = keys.length > 0 || Object.prototype.toString.call(value) === "[object Object]"
  return isPlain ? writeFields(value, budget, depth) : writeText(textOf(value), budget)
}

/** Own enumerable properties; of an error only those that may be fields. */
const writeFields = (
  value: object,
  budget: Budget,
  depth: number
): { readonly [key: string]: Schema.Json } => {
  const all = !isError(value)
  const fields: Array<[string, Schema.Json]> = []
  for (const key of Object.keys(value)) {
    if (fields.length === MaxMembers || budget.left <= 0) break
    const member = property(value, key)
    if (member === undefined || !(all || isField(key))) continue
    fields.push([writeText(key, budget), writeJson(member, budget, depth - 1)])
  }
  return Object.fromEntries(fields)
}

const first = <A>(members: Iterable<unknown>, write: (member: unknown) => A): Array<A> => {
  const written: Array<A> = []
  for (const member of members) {
    if (written.length === MaxMembers) break
    written.push(write(member))
  }
  return written
}

// ---------------------------------------------------------------------------------------------------------------------
// Rebuilding
// ---------------------------------------------------------------------------------------------------------------------

const revive = (encoded: DefectEncoded): unknown => {
  if (encoded._tag === "Value") return encoded.value
  const { cause, errors, fields, message, name, stack } = encoded
  const error =
    errors === undefined ? new Error(message) : new AggregateError(errors.map(revive), message)
  const set = (key: string, value: unknown, enumerable = false) =>
    Object.defineProperty(error, key, { value, enumerable, configurable: true, writable: true })
  set("name", name)
  // Not the stack of this line: it would send the reader to the wrong place.
  set("stack", stack ?? `${name}: ${message}`)
  if (cause !== undefined) set("cause", revive(cause))
  for (const [key, value] of Object.entries(fields ?? {})) if (isField(key)) set(key, value, true)
  return error
}
