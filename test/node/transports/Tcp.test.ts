/**
 * The contract suite over TCP: what a dialog promises does not depend on what carries it.
 */
import { suites, tcp } from "../../contract/TransportWorld.ts"

suites(tcp)
