/**
 * Who ends an actor when the process that has spawned it is gone without a word.
 *
 * Answers for the word only; what stands behind it is the world's.
 */

/**
 * A `guardian` beside the process that spawns, or a `watchdog` inside the actor. Nobody has to, if the actor lives in
 * the process that has spawned it.
 */
export type Guard = "guardian" | "watchdog"
