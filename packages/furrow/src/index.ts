/**
 * Furrow: structured concurrency across processes, on Effect.
 *
 * One namespace for each concept. Inside of actors import the modules instead (`furrow/Actor`): what an actor imports,
 * it pays for at every start.
 */
export * as Actor from "./Actor.ts"
export * as ActorPool from "./ActorPool.ts"
export * as ActorProgram from "./ActorProgram.ts"
export * as ChildSpec from "./ChildSpec.ts"
export * as CodecError from "./CodecError.ts"
export * as Deadline from "./Deadline.ts"
export * as Dialog from "./Dialog.ts"
export * as Events from "./Events.ts"
export * as FanOut from "./FanOut.ts"
export * as Gather from "./Gather.ts"
export * as Guard from "./Guard.ts"
export * as Guest from "./Guest.ts"
export * as LocalCluster from "./LocalCluster.ts"
export * as Nursery from "./Nursery.ts"
export * as NurseryLimits from "./NurseryLimits.ts"
export * as Portal from "./Portal.ts"
export * as PortalError from "./PortalError.ts"
export * as ProcessExit from "./ProcessExit.ts"
export * as SessionLimits from "./SessionLimits.ts"
export * as Shared from "./Shared.ts"
export * as Spawner from "./Spawner.ts"
export * as Supervisor from "./Supervisor.ts"
export * as Tasks from "./Tasks.ts"
export * as Topics from "./Topics.ts"
export * as Transport from "./Transport.ts"
export * as Travel from "./Travel.ts"
export * as TreeError from "./TreeError.ts"
