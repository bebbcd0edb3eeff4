/**
 * The contract suite over Unix sockets: what a dialog promises does not depend on what carries it.
 */
import { suites, unixSockets } from "../../contract/TransportWorld.ts"

suites(unixSockets)
