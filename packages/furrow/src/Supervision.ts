/**
 * Keeps children alive: what one supervisor knows of each, and what it does when one of them ends.
 *
 * Answers for no crash being lost. Whatever happens (an end, a failed start, an order) changes what is known in one step
 * that nothing can come between, and sets a repair going: one fiber that stops, waits and starts. What happens meanwhile
 * to children of a repair ends it and is dealt with by a new one, which takes over what was left to do. Who is concerned
 * is `RestartPlan`'s, how often is too often `RestartIntensity`'s; beginning and ending one life is `SupervisedLife`'s.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"
import { Changes } from "./Changes.ts"
import type { AnyChildSpec } from "./ChildSpec.ts"
import * as Events from "./Events.ts"
import * as Ladder from "./Ladder.ts"
import * as Life from "./Life.ts"
import { Nursery, Within } from "./NurseryKey.ts"
import { Cancelled, Disconnected } from "./PortalError.ts"
import type { PortalErrorReason } from "./PortalError.ts"
import type { ActorRef } from "./protocol/Identity.ts"
import { shown } from "./protocol/Identity.ts"
import * as RestartIntensity from "./RestartIntensity.ts"
import { planOf } from "./RestartPlan.ts"
import type { Spawner } from "./Spawner.ts"
import * as SupervisedChild from "./SupervisedChild.ts"
import * as SupervisedLife from "./SupervisedLife.ts"
import { isLastWord } from "./SupervisedLife.ts"
import type { End, LastWords, Reasons } from "./SupervisedLife.ts"
import type { AnyOptions } from "./SupervisorSpec.ts"
import {
  ActorCrashed,
  LimitReached,
  NurseryClosed,
  RestartIntensityExceeded,
  SpawnError,
  StartFailed
} from "./TreeError.ts"
import type { Crash, SpawnErrorReason } from "./TreeError.ts"

/** The backoff where nothing is said; `Supervisor.SupervisorOptions` explains it. */
const defaultBackoff: Schedule.Schedule<unknown, Crash> = Schedule.min([
  Schedule.exponential("50 millis"),
  Schedule.spaced("5 seconds")
]).pipe(Schedule.jittered)

/** A child of a supervisor. */
export type Member = SupervisedChild.Member<Supervision>

/** Whether a child can be called now. */
export type Standing = SupervisedChild.Standing<Supervision>

type Living = SupervisedLife.Living<Supervision>

/** A child that has crashed, and what ended it. */
interface Crashed {
  readonly member: Member
  readonly crash: Crash
}

/** What is being done about a crash, or an order. */
interface Repair {
  /** Crashes that nobody has been told of yet: what they are told with, their wait, is for the backoff to say. */
  readonly untold: Array<Crashed>
  /** Children still to be stopped. */
  readonly stop: Set<Member>
  /** Children still to be started. */
  readonly start: Set<Member>
  /** No child is started before, in milliseconds of the monotonic clock. */
  until: number
  fiber: Fiber.Fiber<unknown> | undefined
}

/** A key that JavaScript would put in front of the others, whatever the order in which they were written. */
const isReordered = (name: string): boolean => String(Number(name) >>> 0) === name

// ---------------------------------------------------------------------------------------------------------------------
// One supervisor
// ---------------------------------------------------------------------------------------------------------------------

/** See the module. Made, then lived with {@link live}. */
export class Supervision {
  readonly members: Array<Member>
  readonly changes: Changes
  /** What it has failed with, once it has ended. */
  readonly failures: Array<Cause.Reason<Crash>> = []
  private readonly life: Life.Life
  private readonly options: AnyOptions
  private readonly limits: RestartIntensity.Limits
  private readonly repairs = new Set<Repair>()
  private readonly begun = Deferred.makeUnsafe<void>()
  private readonly over = Deferred.makeUnsafe<void>()
  private readonly failed = Deferred.makeUnsafe<void>()
  private readonly gone = Deferred.makeUnsafe<void>()
  private past = RestartIntensity.none
  /** How many restarts it has told of. */
  private restarted = 0
  /** It takes nothing any more, and starts nothing. */
  private closing = false
  private gaveUp: RestartIntensityExceeded | undefined
  /** It ends because somebody asked for it. */
  private asked = false
  /** How many, itself among them, are ended one after the other in the time that is left. */
  private several = 1
  private surroundings: Surroundings | undefined

  /** Throws what a supervisor cannot be made of. */
  constructor(life: Life.Life, options: AnyOptions, changes: Changes = new Changes()) {
    const names = Object.keys(options.children)
    const reordered = names.find(isReordered)
    if (reordered !== undefined) {
      throw new Error(
        `A supervisor cannot have a child called "${reordered}": JavaScript puts keys that are numbers before all others, and children are started in the order of their keys. Call it "child${reordered}", for example.`
      )
    }
    this.life = life
    this.options = options
    this.limits = RestartIntensity.make(options.intensity)
    this.changes = changes
    this.members = names.map((name) => new SupervisedChild.Member(name, options.children[name]!))
  }

  get ref(): ActorRef {
    const { incarnation, path } = this.life.self
    return { path, incarnation }
  }

  // --- its own life --------------------------------------------------------------------------------------------------

  /** Every child has come up once: it is there. */
  get isReady(): boolean {
    return Deferred.isDoneUnsafe(this.begun)
  }

  /** Waits until it is there, or is ending. */
  get ready(): Effect.Effect<void> {
    return Effect.raceFirst(Deferred.await(this.begun), Deferred.await(this.over))
  }

  /** Waits until it is known that it will fail. */
  get failing(): Effect.Effect<void> {
    return Deferred.await(this.failed)
  }

  /** Waits until it has ended, and every child with it. */
  get ended(): Effect.Effect<void> {
    return Deferred.await(this.gone)
  }

  get isClosing(): boolean {
    return this.closing
  }

  /** Asks it to end. `several`: as for {@link Living.stop}. */
  stop(several = 1): void {
    this.several = several
    this.asked ||= !this.closing
    this.close([])
  }

  private close(reasons: Reasons): void {
    this.failures.push(...reasons)
    if (this.closing) return
    this.closing = true
    if (reasons.length > 0) Deferred.doneUnsafe(this.failed, Exit.void)
    Deferred.doneUnsafe(this.over, Exit.void)
    this.changes.tell()
  }

  /**
   * From the first start to the last end; then `failures` says what it failed with. To be run where nothing interrupts
   * it: it ends when it was asked to `stop`, by itself, or because it gave up.
   */
  get live(): Effect.Effect<void, never, Nursery | Spawner> {
    return Effect.gen({ self: this }, function* () {
      const context = yield* Effect.context<Nursery | Spawner>()
      const run = yield* FiberSet.makeRuntime<Nursery | Spawner>()
      this.surroundings = {
        context,
        clock: yield* Clock.Clock,
        hub: yield* Events.CurrentHub,
        // Not before whoever forks has gone on, and in any case.
        fork: (effect) => run(Effect.andThen(Effect.yieldNow, effect), { uninterruptible: true })
      }
      this.repair([], this.members)
      this.tell()
      yield* Deferred.await(this.over)
      yield* this.endAll(yield* Life.gracesOf(this.life))
      Deferred.doneUnsafe(this.gone, Exit.void)
    }).pipe(Effect.scoped)
  }

  /** Ends every child, the last started first, as far as there is time for an order. */
  private endAll(graces: Life.Graces): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      yield* joined(this.repairs)
      while (true) {
        const there = this.members.filter(({ life }) => life !== undefined)
        if (there.length === 0) return
        const left = yield* Life.timeLeft(graces)
        const still = there.length + this.several - 1
        const inOrder = Ladder.areInTime(left, still)
        const ended = yield* Effect.forEach(
          inOrder ? there.slice(-1) : there,
          (member) => this.halt(member, inOrder ? still : this.several),
          { concurrency: "unbounded" }
        )
        this.failures.push(...ended.flat())
      }
    })
  }

  // --- what happens --------------------------------------------------------------------------------------------------

  private get world(): Surroundings {
    if (this.surroundings === undefined) throw new Error("This supervisor is not there yet.")
    return this.surroundings
  }

  private get now(): number {
    return Life.nowUnsafe(this.world.clock)
  }

  /** Whatever has changed: who waits may look, and what follows by itself does. */
  private tell(): void {
    const forgotten = this.members.filter(
      ({ added, birth, life, refused, resting }) =>
        added !== undefined &&
        (refused !== undefined || resting !== undefined) &&
        birth === undefined &&
        life === undefined
    )
    for (const member of forgotten) this.members.splice(this.members.indexOf(member), 1)
    const isThere = this.members.every(
      ({ added, everUp, resting }) => added !== undefined || everUp || resting !== undefined
    )
    if (isThere && !this.closing) Deferred.doneUnsafe(this.begun, Exit.void)
    this.changes.tell()
  }

  /** A child has come up. */
  private cameUp(member: Member, life: Living): void {
    member.life = life
    member.expected = false
    if (member.everUp) member.restarts++
    member.everUp = true
    member.upSince = this.now
    this.world.fork(Effect.map(life.ended, (end) => this.hasEnded(member, end)))
  }

  /** A child did not come up. */
  private failedToStart(member: Member, cause: Cause.Cause<Crash>): void {
    // What it failed with as it was ended half-way is nobody's bug here.
    const reasons = cause.reasons.flatMap((reason): Reasons => {
      if (Cause.isInterruptReason(reason)) return []
      const error = Cause.isDieReason(reason) ? reason.defect : undefined
      if (!(error instanceof ActorCrashed)) return [reason]
      Events.publishTo(this.world.hub, { _tag: "Crashed", actor: error.actor, cause: error.cause })
      return [Cause.makeFailReason(error)]
    })
    member.undone = reasons.filter(isLastWord)
    const isAdding = member.added !== undefined && !member.everUp
    if (isAdding && !this.closing && member.resting === undefined) {
      // A bug in what somebody adds is that one's.
      const own = reasons.filter(isAdders)
      if (own.length > 0) member.refused = Cause.fromReasons(own)
      return
    }
    if (reasons.some(Cause.isDieReason)) return this.close(reasons)
    if (this.closing) return void this.failures.push(...member.undone)
    const crash = reasons.find(Cause.isFailReason)?.error
    if (crash === undefined || crash instanceof ActorCrashed || member.resting !== undefined) return
    if (!member.everUp) return this.close(reasons)
    this.actOn(member, { _tag: "Crashed", crash })
  }

  /** A life has ended. */
  private hasEnded(member: Member, end: End): void {
    const { expected, upSince } = member
    member.life = undefined
    // It has been well for long enough to begin anew.
    if (this.now - upSince >= this.limits.within) member.step = undefined
    // A bug is one also in what was ended on purpose.
    if (end._tag === "Died") this.close(end.reasons)
    else if (!expected && !this.closing) this.actOn(member, end)
    this.tell()
  }

  private actOn(member: Member, end: Exclude<End, { readonly _tag: "Died" }>): void {
    const { restart } = member.spec
    switch (end._tag) {
      case "Stopped":
        return this.rest(member, { how: "stopped" })
      case "Finished":
        if (restart !== "permanent" || end.crash === undefined) {
          return this.rest(member, { how: "ended", crash: end.crash })
        }
        return this.crashed(member, end.crash)
      case "Crashed":
        if (restart === "temporary") return this.rest(member, { how: "ended", crash: end.crash })
        return this.crashed(member, end.crash)
    }
  }

  /** A child is not to be there any more. */
  private rest(member: Member, resting: NonNullable<Member["resting"]>): void {
    member.resting = resting
    if (resting.how !== "ended" || !member.spec.significant) return
    const { autoShutdown = "never" } = this.options
    const isLast = this.members.every(
      ({ resting, spec }) => resting !== undefined || !spec.significant
    )
    if (autoShutdown === "anySignificant" || (autoShutdown === "allSignificant" && isLast)) {
      this.close([])
    }
  }

  /** A child has crashed that is to be there. */
  private crashed(member: Member, crash: Crash): void {
    const time = this.now
    const verdict = RestartIntensity.judge(this.limits, this.past, time)
    if (!verdict.allowed) return this.giveUp(member, crash, verdict.limit, verdict.restarts)
    this.past = verdict.past
    const plan = planOf(
      this.options.strategy ?? "one-for-one",
      this.members.map(({ resting, spec: { restart } }) => ({ restart, resting: resting?.how })),
      this.members.indexOf(member)
    )
    const membersAt = (places: ReadonlyArray<number>) => places.map((place) => this.members[place]!)
    const stop = membersAt(plan.stop)
    const start = membersAt(plan.start)
    for (const sibling of stop) {
      if (!start.includes(sibling)) sibling.resting = { how: "ended" }
    }
    for (const sibling of start) sibling.resting = undefined
    this.repair(stop, start, { member, crash })
  }

  private giveUp(
    member: Member,
    crash: Crash,
    limit: RestartIntensityExceeded["limit"],
    restarts: number
  ): void {
    if (this.closing) return
    const error = new RestartIntensityExceeded({
      child: member.name,
      limit,
      restarts,
      ...(limit === "intensity" ? { within: this.limits.within } : {}),
      cause: Cause.fail(crash)
    })
    this.gaveUp = error
    Events.publishTo(this.world.hub, {
      _tag: "GaveUp",
      child: member.name,
      actor: this.pathOf(member),
      error
    })
    this.close([Cause.makeFailReason(error)])
  }

  // --- what is done --------------------------------------------------------------------------------------------------

  /** Sets a repair going. It takes over from those that concern some of the same children. */
  private repair(stop: ReadonlyArray<Member>, start: ReadonlyArray<Member>, after?: Crashed): void {
    if (this.closing) return
    const concerned = new Set([...stop, ...start])
    const before = [...this.repairs].filter((other) =>
      [...other.stop, ...other.start].some((member) => concerned.has(member))
    )
    const repair: Repair = {
      untold: after === undefined ? [] : [after],
      stop: new Set([...stop, ...before.flatMap((other) => [...other.stop])]),
      start: new Set([...start, ...before.flatMap((other) => [...other.start])]),
      until: 0,
      fiber: undefined
    }
    this.repairs.add(repair)
    // From now on the end of those that are to be stopped is nothing that happens to them.
    for (const member of stop) member.expected = true
    repair.fiber = this.world.fork(
      Effect.gen({ self: this }, function* () {
        yield* joined(before)
        repair.untold.unshift(...before.flatMap(({ untold }) => untold.splice(0)))
        // What somebody has asked for waits for nothing.
        const waits = after !== undefined
        if (waits) repair.until = Math.max(0, ...before.map(({ until }) => until))
        yield* this.carryOut(repair, waits)
      }).pipe(
        Effect.onExit((exit) =>
          Effect.sync(() => {
            this.repairs.delete(repair)
            if (Exit.isSuccess(exit)) return
            // A schedule of the user's own may die.
            const defects = exit.cause.reasons.filter(Cause.isDieReason)
            if (defects.length > 0) this.close(defects)
          })
        )
      )
    )
  }

  /** Stops, waits if it is to, starts. Whatever interrupts it, what is left to do stands in the repair. */
  private carryOut(repair: Repair, waits: boolean): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      for (let next = repair.untold[0]; next !== undefined; next = repair.untold[0]) {
        const { crash, member } = next
        // A step of the schedule may take its time.
        const wait = waits ? yield* Effect.interruptible(this.backoff(member, crash)) : 0
        if (this.closing) return
        repair.untold.shift()
        // By now somebody may have stopped it.
        if (member.resting !== undefined) continue
        if (wait === undefined) return this.giveUp(member, crash, "backoff", this.restarted)
        repair.until = Math.max(repair.until, this.now + wait)
        this.tellOf(member, crash, wait)
      }

      for (const member of this.members.filter((member) => repair.stop.has(member)).toReversed()) {
        // What it fails with while it ends is told as its crash; it is started again in any case.
        if (member.life !== undefined) yield* Effect.interruptible(this.halt(member))
        repair.stop.delete(member)
      }

      const left = repair.until - this.now
      if (left > 0) yield* Effect.interruptible(Effect.sleep(left))

      for (const member of this.members.filter((member) => repair.start.has(member))) {
        if (member.resting === undefined && member.life === undefined) {
          const birth = this.world.fork(this.bringUp(member))
          member.birth = birth
          yield* Effect.interruptible(Fiber.await(birth)).pipe(
            Effect.onInterrupt(() => Fiber.interrupt(birth))
          )
          // Its crash is in hand, and the rest of this with it.
          if (member.life === undefined && member.resting === undefined) return
        }
        repair.start.delete(member)
      }
    })
  }

  /** How long to wait before the next start of a child, in milliseconds; nothing if the schedule has ended. */
  private backoff(member: Member, crash: Crash): Effect.Effect<number | undefined> {
    return Effect.gen({ self: this }, function* () {
      // Some schedules know the hours of the day.
      const time = this.world.clock.currentTimeMillisUnsafe()
      member.step ??= yield* Schedule.toStep(this.options.backoff ?? defaultBackoff)
      return yield* Pull.matchEffect(member.step(time, crash), {
        onSuccess: ([, wait]) => Effect.succeed(Duration.toMillis(wait)),
        onDone: () => Effect.undefined,
        onFailure: Effect.failCause
      })
    })
  }

  /** The path that a child's lives have. */
  private pathOf({ name, spec }: Member): string {
    return `${this.ref.path}/${spec._tag === "Actor" ? (spec.options.name ?? name) : name}`
  }

  private tellOf(member: Member, crash: Crash, wait: number): void {
    this.restarted++
    Events.publishTo(this.world.hub, {
      _tag: "Restarting",
      child: member.name,
      actor: this.pathOf(member),
      cause: crash,
      restarts: this.past.recent.length,
      wait
    })
  }

  /** Ends a child, and waits until it is gone: what it failed with as it ended. */
  private halt(member: Member, several = 1): Effect.Effect<LastWords> {
    return Effect.suspend(() => {
      const { life } = member
      if (life === undefined) return Effect.succeed([])
      member.expected = true
      return Effect.tap(life.stop(several), () => this.changes.until(() => member.life !== life))
    })
  }

  /** Brings a child up; what comes of it is known when it ends. */
  private bringUp(member: Member): Effect.Effect<void, never, Nursery | Spawner> {
    return Effect.gen({ self: this }, function* () {
      const { added, spec } = member
      const starting = Effect.suspend((): Effect.Effect<Living, Crash, Nursery | Spawner> =>
        spec._tag === "Actor"
          ? SupervisedLife.ofActor(member.name, spec, this.ref)
          : SupervisedLife.ofSupervisor(
              new Supervision(this.life, spec.options, this.changes),
              this.world.fork
            )
      )
      const born = yield* Effect.exit(
        added === undefined ? starting : Effect.provideContext(starting, added)
      )
      member.birth = undefined
      member.undone = []
      if (Exit.isSuccess(born)) this.cameUp(member, born.value)
      else this.failedToStart(member, born.cause)
      this.tell()
    })
  }

  /** What its end is to the supervisor above. */
  get howItEnded(): End {
    const defects = this.failures.filter(Cause.isDieReason)
    if (defects.length > 0) return { _tag: "Died", reasons: defects }
    if (this.gaveUp !== undefined) return { _tag: "Crashed", crash: this.gaveUp }
    return this.asked ? { _tag: "Stopped" } : { _tag: "Finished", crash: undefined }
  }

  // --- what it is asked for ------------------------------------------------------------------------------------------

  member(name: string): Member | undefined {
    return this.members.find((member) => member.name === name)
  }

  /** Whether a child can be called now. */
  standingOf(member: Member): Standing {
    const { life, resting } = member
    if (life !== undefined && member.isUp) return { _tag: "Up", life }
    const gone = (reason: PortalErrorReason) => ({ _tag: "Gone", reason }) as const
    if (resting?.how === "ended") {
      const crash = resting.crash instanceof ActorCrashed ? resting.crash.cause.exit : undefined
      return gone(
        new Disconnected({ ...(crash === undefined ? {} : { crash }), detail: "it has ended" })
      )
    }
    if (resting !== undefined) return gone(new Cancelled({ by: this.ref }))
    if (!this.closing) return { _tag: "Down" }
    return gone(
      this.failures.length > 0
        ? new Disconnected({ detail: "its supervisor has given up" })
        : new Cancelled({ by: this.ref })
    )
  }

  refuse(name: string, reason: SpawnErrorReason): Effect.Effect<never, SpawnError> {
    return Effect.fail(new SpawnError({ actor: shown(`${this.ref.path}/${name}`), reason }))
  }

  private refuseAs(name: string, why: string): Effect.Effect<never, SpawnError> {
    return this.refuse(name, new StartFailed({ cause: Cause.die(new Error(why)), stderr: "" }))
  }

  /** Adds a child, and waits until it is there. What its first start fails with, whoever adds it meets. */
  add(name: string, spec: AnyChildSpec): Effect.Effect<Member, SpawnError, Spawner> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.gen({ self: this }, function* () {
        const given = yield* Effect.context<Spawner>()
        const { maxChildren = Infinity } = this.options
        if (this.closing) return yield* this.refuse(name, new NurseryClosed())
        if (this.member(name) !== undefined) {
          return yield* this.refuseAs(name, `its supervisor has a child called "${name}" already`)
        }
        const count = this.members.filter(({ added }) => added !== undefined).length
        if (count >= maxChildren) {
          return yield* this.refuse(
            name,
            new LimitReached({
              limit: "maxChildren",
              most: maxChildren,
              detail: `${count} children were added to its supervisor, and its limit "maxChildren" is ${maxChildren}`
            })
          )
        }
        const surroundings = within(given, this.world.context)
        const member: Member = new SupervisedChild.Member(name, spec, surroundings)
        this.members.push(member)
        this.repair([], [member])
        const isSettled = () =>
          member.everUp ||
          member.refused !== undefined ||
          member.resting !== undefined ||
          this.closing
        yield* restore(this.changes.until(isSettled)).pipe(
          Effect.onInterrupt(() => this.remove(member))
        )
        if (member.refused !== undefined) return yield* Effect.failCause(member.refused)
        if (member.everUp) return member
        return yield* this.closing
          ? this.refuse(name, new NurseryClosed())
          : this.refuseAs(name, "somebody has stopped it while it came up")
      })
    )
  }

  /**
   * Ends a child for good, and waits until it is gone: what it failed with as it ended. Whoever stops waiting does not
   * keep it from ending.
   */
  remove(member: Member): Effect.Effect<LastWords> {
    return Effect.suspend(() => {
      member.resting ??= { how: "stopped" }
      member.step = undefined
      member.birth?.interruptUnsafe()
      // It may have come up at that very moment.
      const halted = Effect.andThen(
        this.changes.until(() => member.birth === undefined),
        this.halt(member)
      )
      if (member.birth !== undefined || member.life !== undefined) this.world.fork(halted)
      else member.undone = []
      this.tell()
      return Effect.map(halted, (reasons) => [...member.undone, ...reasons])
    })
  }

  /** Ends the present life of a child, if there is one, and starts a new one; waits until that is there. */
  renew(name: string): Effect.Effect<void, SpawnError> {
    return Effect.suspend(() => {
      const member = this.member(name)
      if (member === undefined)
        return this.refuseAs(name, `its supervisor has no child called "${name}"`)
      if (this.closing) return this.refuse(name, new NurseryClosed())
      const before = member.life
      member.resting = undefined
      member.step = undefined
      this.repair([member], [member])
      return Effect.andThen(
        this.changes.until(
          () =>
            (member.isUp && member.life !== before) ||
            member.refused !== undefined ||
            member.resting !== undefined ||
            this.closing
        ),
        (): Effect.Effect<void, SpawnError> => {
          if (member.refused !== undefined) return Effect.failCause(member.refused)
          return this.closing && !member.isUp ? this.refuse(name, new NurseryClosed()) : Effect.void
        }
      )
    })
  }
}

/** What the start of an actor fails with for whoever adds it: that it did not come up, or a bug. */
const isAdders = (reason: Cause.Reason<Crash>): reason is Cause.Reason<SpawnError> =>
  !Cause.isFailReason(reason) || reason.error instanceof SpawnError

/** Interrupts repairs, and waits until each has come to its end. */
const joined = (repairs: Iterable<Repair>): Effect.Effect<void> =>
  Effect.forEach([...repairs], ({ fiber }) => Fiber.interrupt(fiber!), {
    concurrency: "unbounded",
    discard: true
  })

/** What a supervisor needs for what it does by itself. */
interface Surroundings {
  readonly context: Context.Context<Nursery | Spawner>
  readonly clock: Clock.Clock
  readonly hub: Events.Hub
  readonly fork: <A>(effect: Effect.Effect<A, never, Nursery | Spawner>) => Fiber.Fiber<A>
}

/** What whoever adds a child gives it, with the block, and the time, of its supervisor. */
const within = (
  given: Context.Context<Spawner>,
  own: Context.Context<Nursery | Spawner>
): Context.Context<Nursery | Spawner> =>
  Context.merge(given, Context.pick(Nursery, Within, Life.CurrentGrace, Life.CurrentLife)(own))
