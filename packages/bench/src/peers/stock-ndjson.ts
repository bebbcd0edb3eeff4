/** Stock effect/rpc as in `stock.ts`, but as lines of JSON. */
import type { Peer } from "../Peer.ts"
import * as Stock from "./stock.ts"

/** Opens it. */
export const open = (): Promise<Peer> => Stock.open("ndjson")
