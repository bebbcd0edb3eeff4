/**
 * A short hash of what schemas look like on the wire, to tell at the handshake whether two ends mean the same.
 *
 * Answers for being the same in every process for schemas that are written alike, whatever their classes are called, and
 * for differing when a field, a type or a known check differs. A filter that is only a function counts by its presence:
 * what it does cannot be compared. Whether a difference matters is for the caller.
 */
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"

/** The fingerprint of an operation: 16 hexadecimal digits over the encoded sides of its lanes, in the order given. */
export const fingerprint = (
  lanes: ReadonlyArray<readonly [name: string, schema: Schema.Constraint]>
): string => hash(lanes.map(([name, schema]) => `${name}:${shape(schema.ast)}`).join("\n"))

/** How many nodes of a schema are looked at: one that makes new schemas without end would keep us for ever. */
const MaxNodes = 10_000

const shape = (ast: SchemaAST.AST): string => {
  const path: Array<SchemaAST.AST> = []
  let nodes = 0

  const text = (ast: SchemaAST.AST): string => {
    // A schema that contains itself: how far up it stands, which is the same in every process.
    const above = path.lastIndexOf(ast)
    if (above >= 0) return `^${path.length - above}`
    if (++nodes > MaxNodes) return "..."
    path.push(ast)
    const written =
      node(ast) +
      checks(ast.checks) +
      checks("encodingChecks" in ast ? ast.encodingChecks : undefined)
    path.pop()
    return written
  }

  const optional = (ast: SchemaAST.AST): string =>
    SchemaAST.isOptional(ast) ? `?${text(ast)}` : text(ast)

  const node = (ast: SchemaAST.AST): string => {
    switch (ast._tag) {
      case "Suspend":
        return text(ast.thunk())
      case "Literal":
        return `${typeof ast.literal}(${json(String(ast.literal))})`
      case "UniqueSymbol":
        return `symbol(${json(String(ast.symbol))})`
      case "Enum":
        return `enum(${ast.enums.map(([, value]) => json(value)).join()})`
      case "TemplateLiteral":
        return `template(${ast.parts.map(text).join()})`
      case "Arrays":
        return `[${ast.elements.map(optional).join()};${ast.rest.map(text).join()}]`
      case "Union":
        return `(${ast.types.map(text).join("|")})`
      case "Objects": {
        const fields = ast.propertySignatures.map(
          ({ name, type }) => `${json(String(name))}${optional(type)}`
        )
        const others = ast.indexSignatures.map(
          ({ parameter, type }) => `[${text(parameter)}]${text(type)}`
        )
        return `{${[...fields.sort(), ...others].join()}}`
      }
      case "Declaration": {
        const known = ast.annotations?.["representation"]
        // Without a representation all that is known of a declared type is the JSON it is written as.
        return known === undefined
          ? `declared(${text(SchemaAST.toEncoded(Schema.toCodecJson(Schema.make(ast)).ast))})`
          : `${json(known)}(${ast.typeParameters.map(text).join()})`
      }
      default:
        return ast._tag
    }
  }

  try {
    return text(SchemaAST.toEncoded(ast))
  } catch {
    // A schema that cannot be walked says so when it is used; two of them are told from any other, not from each other.
    return "opaque"
  }
}

const checks = (all: ReadonlyArray<SchemaAST.Check<never>> | undefined): string =>
  all === undefined ? "" : `<${all.map(check).join()}>`

const check = (one: SchemaAST.Check<never>): string =>
  one._tag === "FilterGroup"
    ? checks(one.checks)
    : one.annotations?.representation === undefined
      ? "filter"
      : json(one.annotations.representation)

const json = (value: unknown): string =>
  JSON.stringify(value, (_, inner) => (typeof inner === "bigint" ? `${inner}n` : inner))

/** FNV-1a over UTF-16 units, 32 bits twice: forwards, and backwards from another basis. */
const hash = (text: string): string => {
  let forwards = 0x811c9dc5
  let backwards = 0x7ee3623b
  for (let i = 0; i < text.length; i++) {
    forwards = Math.imul(forwards ^ text.charCodeAt(i), 0x01000193)
    backwards = Math.imul(backwards ^ text.charCodeAt(text.length - 1 - i), 0x01000193)
  }
  return [forwards, backwards].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("")
}
