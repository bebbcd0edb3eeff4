/**
 * What tells a process, or a thread, that was started to be an actor from any other.
 */

/** Stands in front of an actor's name in the arguments it is started with; never in the environment, which leaks. */
export const RolePrefix = "furrow:"
