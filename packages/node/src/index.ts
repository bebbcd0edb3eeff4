/**
 * Furrow on Node: actors as processes or threads (`NodeSpawner`, `NodeWorkerSpawner`), the programs that run as them
 * (`NodeActor`), links between programs (`UnixTransport`, `TcpTransport`), guests that only Node has (`NodeGuest`),
 * programs that are not ours (`Subprocess`), and trees for programs without Effect (`Furrow`).
 *
 * Programs import the modules themselves (`@furrow/node/NodeActor`): what an actor imports, it pays for at every spawn.
 */
export * as Furrow from "./Furrow.ts"
export * as NodeActor from "./NodeActor.ts"
export * as NodeGuest from "./NodeGuest.ts"
export * as NodeSpawner from "./NodeSpawner.ts"
export * as NodeWorkerSpawner from "./NodeWorkerSpawner.ts"
export * as Subprocess from "./Subprocess.ts"
export * as TcpTransport from "./TcpTransport.ts"
export * as UnixTransport from "./UnixTransport.ts"
