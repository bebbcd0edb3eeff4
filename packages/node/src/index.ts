/**
 * Furrow on Node: actors as processes or threads (`NodeSpawner`, `NodeWorkerSpawner`), the programs that run as them
 * (`NodeActor`), and links between programs (`UnixTransport`, `TcpTransport`).
 *
 * Programs import the modules themselves (`@furrow/node/NodeActor`): what an actor imports, it pays for at every spawn.
 */
export * as NodeActor from "./NodeActor.ts"
export * as NodeSpawner from "./NodeSpawner.ts"
export * as NodeWorkerSpawner from "./NodeWorkerSpawner.ts"
export * as TcpTransport from "./TcpTransport.ts"
export * as UnixTransport from "./UnixTransport.ts"
