/**
 * A tree of actors for a program without Effect: calls are promises, streams async iterables, blocks are `await using`.
 *
 * Answers for the same guarantees as in a nursery: closing waits until every actor is gone, and what has crashed is
 * thrown. The shape of clients is `PromiseClient`'s; everything else is the nursery's. It runs in Effect's runtime, and
 * a program that uses it need not know.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as Rpc from "effect/rpc/Rpc"
import type * as Schema from "effect/Schema"
import type { ActorExit, Definition, Portal as EffectPortal, Self } from "furrow/Actor"
import * as Guest from "furrow/Guest"
import * as Nursery from "furrow/Nursery"
import { PortalError } from "furrow/PortalError"
import type { Identity } from "furrow/protocol"
import * as PromiseClient from "./internal/PromiseClient.ts"
import * as Role from "./internal/Role.ts"
import { report } from "./internal/Report.ts"
import { DefaultHurry, runMain, toProcess } from "./internal/Signals.ts"
import * as NodeActor from "./NodeActor.ts"

export type { CallOptions, Client, Dialog } from "./internal/PromiseClient.ts"

// ---------------------------------------------------------------------------------------------------------------------
// What a program has
// ---------------------------------------------------------------------------------------------------------------------

/** A door to one running actor. Disposing of it stops the actor. */
export interface Portal<Ops extends Rpc.Any> extends AsyncDisposable {
  /** One method per operation. What it throws is the operation's own error, or `PortalError`, as instances. */
  readonly client: PromiseClient.Client<Ops>
  /** The life behind the door. */
  readonly actor: Identity.ActorRef
  /** The actor's process, where it has one. */
  readonly pid: number | undefined
  /** Ends the actor, by the ladder if it must be, and waits until it is gone. */
  readonly stop: () => Promise<void>
  /** Waits until the actor is gone: how it ended. Never rejects. */
  readonly exit: () => Promise<ActorExit>
  /** What the actor's process writes there, if it was spawned with `stdout: "pipe"`; else empty. */
  readonly stdout: AsyncIterable<Uint8Array>
  /** The same for `stderr`. */
  readonly stderr: AsyncIterable<Uint8Array>
}

/** What the operations of an actor need that the tree was not given. */
type Lacking<Needed, R> = [Needed] extends [R]
  ? unknown
  : { readonly "give the tree these services": Exclude<Needed, R> }

/** Whether the options can be left out. */
type SpawnParameters<Args extends Schema.Top, S> = [Args] extends [Schema.Void]
  ? [options?: Nursery.SpawnOptions<Args, S>]
  : [options: Nursery.SpawnOptions<Args, S>]

/** An open tree: what it is asked for. */
export interface Tree<R = never> {
  /**
   * Is aborted as soon as something in the tree has failed, or the tree is ending: give it to whatever else the program
   * waits for.
   */
  readonly signal: AbortSignal
  /**
   * Starts an actor that lives until it is stopped or the tree is closed; resolves when its Layer is built. Its crash
   * ends the tree. Rejects with `SpawnError`.
   */
  readonly spawn: <
    Name extends string,
    Ops extends Rpc.Any,
    Args extends Schema.Top,
    S extends R = never
  >(
    actor: Definition<Name, Ops, Args> & Lacking<Rpc.MiddlewareClient<Ops>, R>,
    ...options: SpawnParameters<Args, S>
  ) => Promise<Portal<Ops>>
  /**
   * Starts an actor, uses it once, and ends it; resolves when it has been reaped. Its crash is that of the call alone.
   * Closing the tree cancels it; it then rejects with the reason of `signal`.
   */
  readonly call: <
    Name extends string,
    Ops extends Rpc.Any,
    Args extends Schema.Top,
    A,
    S extends R = never
  >(
    actor: Definition<Name, Ops, Args> & Lacking<Rpc.MiddlewareClient<Ops>, R>,
    use: (client: PromiseClient.Client<Ops>) => PromiseLike<A>,
    ...options: SpawnParameters<Args, S>
  ) => Promise<A>
}

/** A tree that whoever opened it has to close. */
export interface OpenTree<R = never> extends Tree<R>, AsyncDisposable {
  /**
   * Never resolves; rejects with the failure of the tree, when everything in it is gone. For `Promise.race`; a rejection
   * that nobody looks at is no error of the process.
   */
  readonly crashed: Promise<never>
  /**
   * Stops every actor, the last started first, and resolves when all are gone. Rejects with the failure of the tree, if
   * something in it has crashed; whoever asks again only waits. A failure that nobody has asked for, neither here nor by
   * `crashed`, is printed when the process ends, which then does so with 1 instead of 0.
   */
  readonly close: () => Promise<void>
  /** The same as `close`. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/** How a tree is opened. */
export interface Options<R = never, E = never> extends Omit<Nursery.NurseryOptions, "onBodyEnd"> {
  /**
   * Whether SIGINT, SIGTERM and SIGHUP end the tree in order, and then the process with 130, 143 or 129, as
   * `NodeActor.runMain` has it; the second signal ends all of it at once, and an exception that nobody caught ends it
   * with 1. Defaults to `false`: the signals are the program's own. Without a handler of its own they end the process
   * at once, and every actor with it, killed by the guardian.
   */
  readonly signals?: boolean | undefined
  /**
   * Services beside those of Node: another `Spawner` (`NodeWorkerSpawner.layer`), what is served to children
   * (`serve`), what the clients' middleware needs. Defaults to none.
   */
  readonly services?: Layer.Layer<R, E, NodeActor.Services> | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Opening
// ---------------------------------------------------------------------------------------------------------------------

/** Everything that a tree's own effects may need. */
type Needs<R> = R | NodeActor.Services | Nursery.Nursery | Self

/** The loss of an actor that is known to have crashed. */
const tellsOfCrash = (error: unknown): boolean =>
  error instanceof PortalError &&
  error.reason._tag === "Disconnected" &&
  error.reason.crash !== undefined

const isCancelled = (error: unknown): boolean =>
  error instanceof PortalError && error.reason._tag === "Cancelled"

const makeTree = <R>(context: Context.Context<Needs<R>>, signal: AbortSignal): Tree<R> => {
  const run = PromiseClient.runIn(context)
  const clientOf = <Ops extends Rpc.Any>(
    actor: { readonly group: { readonly requests: ReadonlyMap<string, unknown> } },
    client: EffectPortal<Ops>["client"],
    isTold: (error: unknown) => boolean
  ) => PromiseClient.make(client, actor.group.requests.keys(), run, isTold)
  /** Why the tree ends, whoever closes it is told. */
  const isEnding = () => signal.aborted
  return {
    signal,
    spawn: (actor, ...options) => {
      // What the services must be, the parameters' types have asked for.
      const spawning = Nursery.spawn(actor, ...options) as Effect.Effect<
        EffectPortal<never>,
        unknown,
        Needs<R>
      >
      const opening = run(spawning).then((portal) => {
        let isStopped = false
        const stop = () => {
          isStopped = true
          return run(portal.stop)
        }
        // Whoever stops an actor knows it. The crash of one ends the tree, but what was called on it hears of it first.
        const isTold = (error: unknown) =>
          isEnding() || tellsOfCrash(error) || (isStopped && isCancelled(error))
        return {
          client: clientOf(actor, portal.client, isTold) as never,
          actor: portal.actor,
          pid: portal.pid,
          stop,
          exit: () => run(portal.exit),
          stdout: PromiseClient.iterable(portal.stdout),
          stderr: PromiseClient.iterable(portal.stderr),
          [Symbol.asyncDispose]: stop
        }
      })
      return PromiseClient.quiet(opening, isEnding)
    },
    call: (actor, use, ...options) => {
      const calling = Nursery.call(
        actor,
        (client) => Effect.promise(async () => use(clientOf(actor, client, isEnding))),
        ...options
      ) as Effect.Effect<Awaited<ReturnType<typeof use>>, unknown, Needs<R>>
      // What nobody waits for does not hold up the tree that is closed.
      return PromiseClient.quiet(run(calling, signal.aborted ? undefined : signal), isEnding)
    }
  }
}

/** Why, if something in the tree has failed, is known only when it has ended. */
const ending = (): Error =>
  Object.assign(new Error("The tree is ending: it was closed, or something in it has failed."), {
    name: "AbortError"
  })

/**
 * Runs a tree's block. Gives how it ended; nothing, if a signal has ended it: then the process is ending, and nobody is
 * to go on.
 */
const start = <A, E, R, LE>(
  body: Effect.Effect<A, E, Needs<R>>,
  options: Options<R, LE>
): Promise<Exit.Exit<A, unknown>> => {
  const { services, signals, ...block } = options
  const given = (services ?? Layer.empty) as Layer.Layer<R, LE, NodeActor.Services>
  const program = Nursery.run(body, block).pipe(
    Effect.provide(Layer.provideMerge(given, NodeActor.layer)),
    // What the program writes to stdout is its own.
    Effect.provideService(Logger.LogToStderr, true)
  ) as Effect.Effect<A, unknown>
  if (signals !== true) return Effect.runPromiseExit(program)
  return new Promise((resolve) => {
    runMain(Effect.exit(program), {
      always: false,
      listen: toProcess,
      hurry: DefaultHurry,
      tell: (error) => report(Cause.die(error)),
      exitCode: (exit) => {
        if (Exit.isSuccess(exit)) resolve(exit.value)
        else report(exit.cause)
        return 0
      }
    })
  })
}

/** Does not return in a process that was started for an actor that it does not run: it would start itself for ever. */
const refuseRole = async (): Promise<void> => {
  const name = Role.notTaken()
  if (name === undefined) return
  Role.misused(Role.hasWire() ? Role.asRoot(name) : Role.withoutWire(name))
  await new Promise(() => {})
}

/**
 * Opens a tree of actors, for as long as it is not closed. Closing it waits until every actor in it has run its
 * finalizers, has exited and has been reaped; a process that ends without closing leaves nothing behind either.
 *
 * Errors are thrown as instances of their classes: an operation's own, `PortalError`, `SpawnError`, `ActorCrashed`. One
 * failure is thrown as it is, several as an `AggregateError`. When an actor crashes, pending calls reject, the others are
 * stopped, `signal` is aborted, and closing rejects with the crash. An open tree keeps the process alive.
 *
 * **Example** (A counter, without Effect)
 *
 * ```ts
 * const main = async () => {
 *   await using tree = await Furrow.open()
 *   const { client } = await tree.spawn(Counter, { main: new URL("./counter.main.ts", import.meta.url), arguments: { from: 40 } })
 *   return await client.Increment({ by: 2 })
 * }
 * ```
 */
export const open = async <R = never, E = never>(
  options: Options<R, E> = {}
): Promise<OpenTree<R>> => {
  await refuseRole()
  const controller = new AbortController()
  const closing = Deferred.makeUnsafe<void>()
  const opened = Deferred.makeUnsafe<Tree<R>>()
  const block = start(
    Effect.gen(function* () {
      const tree = makeTree(yield* Effect.context<Needs<R>>(), controller.signal)
      Deferred.doneUnsafe(opened, Exit.succeed(tree))
      yield* Deferred.await(closing)
    }).pipe(Effect.onExit(() => Effect.sync(() => controller.abort(ending())))),
    options
  )
  const failed = block.then((exit) => {
    if (Exit.isFailure(exit)) throw PromiseClient.thrown(exit.cause)
  })
  const crashed = failed.then(() => new Promise<never>(() => {}))
  crashed.catch(() => {})
  const tree = await Promise.race([Effect.runPromise(Deferred.await(opened)), crashed])
  const untold = Untold.watch(block)
  let isAsked = false
  const close = () => {
    untold.tell()
    Deferred.doneUnsafe(closing, Exit.void)
    if (isAsked) return failed.catch(() => {})
    isAsked = true
    return failed
  }
  return {
    ...tree,
    get crashed() {
      untold.tell()
      return crashed
    },
    close,
    [Symbol.asyncDispose]: close
  }
}

/** The failure of a tree, until somebody asks for it: at the latest it is told when the process ends. */
class Untold {
  private isTold = false
  private failure: Cause.Cause<unknown> | undefined

  static watch(block: Promise<Exit.Exit<unknown, unknown>>): Untold {
    const untold = new Untold()
    void block.then((exit) => {
      if (Exit.isSuccess(exit) || untold.isTold) return
      untold.failure = exit.cause
      process.on("exit", untold.onExit)
    })
    return untold
  }

  private readonly onExit = (code: number): void => {
    if (this.failure !== undefined) report(this.failure)
    if (code === 0) process.exitCode = 1
  }

  /** Somebody is told otherwise. */
  tell(): void {
    this.isTold = true
    process.off("exit", this.onExit)
  }
}

/**
 * Opens a tree for the length of an async function, and gives what that returns. It is {@link open} with the rules of a
 * block: a crash aborts `tree.signal` and waits for the body to have ended, for 3 seconds by default (`patience`); the
 * crash is then what is thrown, and a body that fails because of it adds nothing. The end of the body aborts the signal,
 * too: what it has begun and not waited for ends then.
 *
 * **Example** (A tree for the length of a function)
 *
 * ```ts
 * const answer = Furrow.run(async (tree) => {
 *   const { client } = await tree.spawn(Counter, { main: new URL("./counter.main.ts", import.meta.url), arguments: { from: 40 } })
 *   return client.Increment({ by: 2 })
 * })
 * ```
 */
export const run = async <A, R = never, E = never>(
  body: (tree: Tree<R>) => PromiseLike<A>,
  options: Options<R, E> & {
    /** How long the body may take to end when the tree is ending. Defaults to 3 seconds. */
    readonly patience?: Duration.Input | undefined
  } = {}
): Promise<A> => {
  await refuseRole()
  const { patience, ...others } = options
  const controller = new AbortController()
  const { signal } = controller
  const exit = await start(
    Effect.flatMap(Effect.context<Needs<R>>(), (context) =>
      Guest.run(
        "body",
        (cancelled) => {
          cancelled.addEventListener("abort", () => controller.abort(cancelled.reason))
          return body(makeTree(context, signal))
        },
        { patience }
      )
    ).pipe(
      // What the body throws is thrown, whatever it is called.
      Effect.catchTag("GuestCancelled", ({ cause }) => Effect.die(cause)),
      Effect.onExit(() => Effect.sync(() => controller.abort(ending())))
    ),
    others
  )
  if (Exit.isSuccess(exit)) return exit.value
  throw PromiseClient.thrown(exit.cause)
}
