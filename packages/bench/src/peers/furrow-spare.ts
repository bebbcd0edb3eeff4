/** Furrow whose next actor is a process that waits for it already; each waits for its spare before it is measured. */
import type { Peer } from "../Peer.ts"
import { openWith } from "./furrow.ts"

/** Opens it. */
export const open = (): Promise<Peer> => openWith(1)
