/**
 * What two ends say before `Hello` when one has found the other by an address (a Unix socket, TCP), and how they show
 * each other that they live. Between a parent and its child, who have a pipe, none of this is said.
 *
 * ## The link
 *
 * Whoever accepts the connection says `Link`, once, as its first frame: framed as everything is, in JSON. After it both
 * ends say `Hello`.
 *
 * ## Heartbeats
 *
 * If `Link` names a `heartbeat`, the end that dialled opens a second connection: to the port named, at the host that it
 * has dialled; or, of a Unix socket, to the file beside it whose name is longer by `HeartbeatSuffix`. Its first frame
 * there is `Heartbeat`, with the key. From then on both ends may say `Ping` as often as they like, and answer each with
 * `Pong` at once, whatever else they are doing: a process that computes is alive. The end that accepted says `Ping` at
 * once, and neither says `Hello` before it has heard something there: a link is there when both connections are.
 * Whoever has heard nothing there for as long as it is patient, takes the link for lost and closes it; what was lost in
 * between is only silence, so the second connection may end and be opened again with the same key. It says nothing
 * about the end of the first.
 */
import * as Schema from "effect/Schema"
import { join } from "./Framing.ts"
import { Violation } from "./Protocol.ts"

/** What the file of a Unix socket has appended to its name, for heartbeats. */
export const HeartbeatSuffix = ".heartbeat"

/** The first frame of an end that accepted. The key belongs to this link; a stranger cannot guess it. */
export const Link = Schema.TaggedStruct("Link", {
  heartbeat: Schema.optional(
    Schema.Struct({ key: Schema.String, port: Schema.optional(Schema.Int) })
  )
})

/** See the schema. */
export interface Link extends Schema.Schema.Type<typeof Link> {}

/** The first frame of the second connection. */
export const Heartbeat = Schema.TaggedStruct("Heartbeat", { key: Schema.String })

/** See the schema. */
export interface Heartbeat extends Schema.Schema.Type<typeof Heartbeat> {}

/** The longest frame that may stand first, in bytes. */
export const FirstFrameLimit = 4096

const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true })
const PrefixSize = 4

/** A first frame as the bytes that cross, its length included. */
export const encode = (frame: Link | Heartbeat): Uint8Array =>
  join([encoder.encode(`${JSON.stringify(frame)}\n`)])

const validLink = Schema.decodeUnknownSync(Link)

/**
 * The `Link` that these bytes begin with, and what follows it; `undefined` as long as it is not complete. Throws a
 * `Violation` for anything else.
 */
export const take = (
  bytes: Uint8Array
): { readonly link: Link; readonly rest: Uint8Array } | undefined => {
  if (bytes.length < PrefixSize) return undefined
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
  if (length > FirstFrameLimit) {
    throw new Violation({
      rule: "FrameTooLong",
      detail: `a first frame of ${length} bytes, where at most ${FirstFrameLimit} are allowed`
    })
  }
  const end = PrefixSize + length
  if (bytes.length < end) return undefined
  try {
    const link = validLink(JSON.parse(decoder.decode(bytes.subarray(PrefixSize, end))))
    return { link, rest: bytes.subarray(end) }
  } catch {
    throw new Violation({ rule: "MalformedFrame", detail: "the first frame is no Link" })
  }
}
