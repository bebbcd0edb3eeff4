/**
 * Shoots workers while they work, so that everybody can see that the result stays right. SIGKILL leaves a process no last
 * word. Who is hit, and when, is chance; who was hit is known, so that no other loss passes for one of these.
 */
import { Cause, Effect, Random, Stream } from "effect"
import { Events, PortalError, TreeError } from "furrow"

/** At most so many answers pass between two shots: this many, or, later, this part of all that have come. */
const Fewest = 20
const Part = 1 / 4

/** Somebody who shoots. */
export interface Shooting {
  /** Counts an answer, and shoots one of these workers, by name, if it is time. */
  readonly answered: (busy: ReadonlyArray<string>) => Effect.Effect<void>
  /** Whether all that went wrong is the loss of workers that were shot. */
  readonly explains: (cause: Cause.Cause<unknown>) => boolean
}

/** Shoots from now on, for the length of the scope. */
export const shooting = Effect.gen(function* () {
  /** Where each worker lives now. */
  const lives = new Map<string, { readonly pid: number; readonly incarnation: string }>()
  const shot = new Set<string>()
  let answers = 0
  let due = yield* Random.nextIntBetween(1, Fewest)

  yield* Events.stream.pipe(
    Stream.runForEach((event) =>
      Effect.sync(() => {
        if (event._tag !== "Started" && event._tag !== "Stopped" && event._tag !== "Crashed") return
        const { incarnation, path } = event.actor
        const name = path.slice(path.lastIndexOf("/") + 1)
        if (event._tag === "Started" && event.pid !== undefined) {
          lives.set(name, { pid: event.pid, incarnation })
        } else if (lives.get(name)?.incarnation === incarnation) lives.delete(name)
      })
    ),
    Effect.forkScoped({ startImmediately: true })
  )

  const shoot = Effect.fnUntraced(function* (names: ReadonlyArray<string>) {
    const [name] = yield* Random.shuffle(names.filter((name) => lives.has(name)))
    const life = name === undefined ? undefined : lives.get(name)
    if (name === undefined || life === undefined) return
    lives.delete(name)
    shot.add(life.incarnation)
    yield* Effect.ignore(Effect.try(() => process.kill(life.pid, "SIGKILL")))
    due = answers + (yield* Random.nextIntBetween(1, Math.max(Fewest, answers * Part)))
  })

  const lost = (error: unknown): string | undefined =>
    error instanceof TreeError.ActorCrashed
      ? error.actor.incarnation
      : error instanceof PortalError.PortalError && error.reason._tag === "Disconnected"
        ? error.reason.incarnation
        : undefined

  const self: Shooting = {
    answered: (busy) => (++answers < due ? Effect.void : shoot(busy)),
    explains: ({ reasons }) =>
      reasons.every((reason) => {
        const incarnation = Cause.isFailReason(reason)
          ? lost(reason.error)
          : Cause.isDieReason(reason)
            ? lost(reason.defect)
            : undefined
        return incarnation !== undefined && shot.has(incarnation)
      })
  }
  return self
})
