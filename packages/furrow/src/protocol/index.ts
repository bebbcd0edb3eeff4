/**
 * What is said on the wire, for those who look at it, test against it or implement it again; `Protocol` is the
 * specification and the place to begin.
 */
export * as Codec from "./Codec.ts"
export * as Defect from "./Defect.ts"
export * as DialogState from "./DialogState.ts"
export * as Fingerprint from "./Fingerprint.ts"
export * as Framing from "./Framing.ts"
export * as Handshake from "./Handshake.ts"
export * as Identity from "./Identity.ts"
export * as Link from "./Link.ts"
export * as Protocol from "./Protocol.ts"
export * as Reasons from "./Reasons.ts"
