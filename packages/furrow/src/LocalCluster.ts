/**
 * Some named copies of one actor, each in a process of its own, as one thing: a portal to each, something done with
 * all, and a client that shares the operations out among them.
 *
 * Answers for all of them starting, or none, and for who is next. The members are daemons of the current nursery, which
 * ends them, and which the crash of one ends. Copies that are lent out, replaced, or started on demand are a pool's.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Hash from "effect/Hash"
import * as HashRing from "effect/HashRing"
import * as Layer from "effect/Layer"
import * as PrimaryKey from "effect/PrimaryKey"
import type * as Rpc from "effect/rpc/Rpc"
import type * as Schema from "effect/Schema"
import type { AnyDefinition, Client, Definition, Portal } from "./Actor.ts"
import type { Launched } from "./launch.ts"
import { bringUp } from "./Nursery.ts"
import type { Nursery, Served } from "./Nursery.ts"
import { shown } from "./protocol/Identity.ts"
import type { LifeOptions, ProcessOptions, Spawner } from "./Spawner.ts"
import * as Tasks from "./Tasks.ts"
import type { SpawnError } from "./TreeError.ts"
import { via } from "./Via.ts"
import type { Running } from "./Via.ts"

// ---------------------------------------------------------------------------------------------------------------------
// What is asked for
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Who the members are: `names`, or so many (`count`) that are called after the actor, `Worker-0`, `Worker-1` and so on.
 * If both are given they have to agree.
 */
export type Members<Name extends string> =
  | { readonly names: ReadonlyArray<Name>; readonly count?: number | undefined }
  | { readonly names?: undefined; readonly count: number }

/** One operation and its payload, whichever of an actor's operations it is. */
export type Routed<Ops extends Rpc.Any> =
  Ops extends Rpc.Rpc<infer Tag, infer Payload, infer _S, infer _E, infer _M, infer _R>
    ? [operation: Tag, payload: Payload["~type.make.in"]]
    : never

/**
 * Which member the cluster's own client takes an operation to. `round-robin`: to one after the other. `least-busy`: to
 * the one with the fewest operations of this client in hand, to several of these in turn. `by`: to the one that the
 * operation's key belongs to, by consistent hashing: what has one key goes to one member, whatever else happens.
 */
export type Balance<Ops extends Rpc.Any> =
  | "round-robin"
  | "least-busy"
  | { readonly by: (...routed: Routed<Ops>) => string }

/** The arguments of each member, if the actor takes any: the same for all, or by the member's name and number. */
type Arguments<Name extends string, Args extends Schema.Top> = [Args] extends [Schema.Void]
  ? { readonly arguments?: undefined }
  : { readonly arguments: Args["Type"] | ((name: Name, index: number) => Args["Type"]) }

/** How a cluster is to be started: its members, and what `Nursery.spawn` takes for each of them. */
export type Options<
  Name extends string,
  Ops extends Rpc.Any,
  Args extends Schema.Top,
  S = never
> = Members<Name> &
  Arguments<Name, Args> &
  Omit<LifeOptions, "name"> &
  ProcessOptions & {
    /** How {@link Cluster.client} shares operations out. Defaults to `round-robin`. */
    readonly balance?: Balance<Ops> | undefined
    /** A definition whose operations the members may call, with `Portal.parent`. Needs its `Service`. */
    readonly serve?: (Served<S> & AnyDefinition) | undefined
  }

// ---------------------------------------------------------------------------------------------------------------------
// What one gets
// ---------------------------------------------------------------------------------------------------------------------

/** Some running copies of one actor. */
export interface Cluster<Name extends string, Ops extends Rpc.Any> {
  /** The members' names, in their order. */
  readonly names: ReadonlyArray<Name>
  /** The door to each member, by its name. */
  readonly portals: { readonly [Member in Name]: Portal<Ops> }
  /**
   * A client whose operations each go to one of the members, as `balance` has it. A member is left out as soon as it is
   * asked to end, the last one apart: what goes to that fails as with its own portal.
   */
  readonly client: Client<Ops>
  /**
   * Does something with every member, at once unless `concurrency` says otherwise: the results by the members' names.
   * The first failure ends the others and joins them, as in `Tasks.run`.
   */
  readonly forEach: <A, E, R>(
    use: (portal: Portal<Ops>, name: Name, index: number) => Effect.Effect<A, E, R>,
    options?: { readonly concurrency?: number | "unbounded" | undefined }
  ) => Effect.Effect<{ readonly [Member in Name]: A }, E, R>
}

/**
 * Starts the members of a cluster all at once, in the current nursery, and returns when all are there. If one fails to
 * start, the others are stopped, and what it failed with is the error. Names that repeat, none at all, and a `count`
 * that is no whole number from 1 on, or not that of the names, are a defect that says which.
 *
 * This is tractor's `open_actor_cluster`, which takes a member for each core if it is told no number; here that is
 * `count: availableParallelism()`.
 *
 * **Example** (Three counters that start from different numbers)
 *
 * ```ts
 * const counters = yield* LocalCluster.open(Counter, {
 *   main,
 *   names: ["a", "b", "c"],
 *   arguments: (_name, index) => ({ from: index * 100 })
 * })
 * yield* counters.portals.b.client.Increment({ by: 1 }) // 101
 * const all = yield* counters.forEach(({ client }) => client.Increment({ by: 1 }))
 * all.c // 201
 * ```
 */
export const open = <
  ActorName extends string,
  Ops extends Rpc.Any,
  Args extends Schema.Top,
  const Name extends string = `${ActorName}-${number}`,
  S = never
>(
  actor: Definition<ActorName, Ops, Args>,
  options: Options<Name, Ops, Args, S>
): Effect.Effect<
  Cluster<Name, Ops>,
  SpawnError,
  Nursery | Spawner | Rpc.MiddlewareClient<Ops> | S
> =>
  Effect.suspend(() => opened(actor, options, [])) as Effect.Effect<
    Cluster<Name, Ops>,
    SpawnError,
    Nursery | Spawner | S
  >

/** Opens a cluster, and notes each member as soon as it is there. */
const opened = <
  ActorName extends string,
  Ops extends Rpc.Any,
  Args extends Schema.Top,
  Name extends string,
  S
>(
  actor: Definition<ActorName, Ops, Args>,
  options: Options<Name, Ops, Args, S>,
  up: Array<Member<Ops>>
): Effect.Effect<Cluster<Name, Ops>, SpawnError, Nursery | Spawner> =>
  Effect.gen(function* () {
    const { arguments: given, balance = "round-robin", count, names: chosen, ...life } = options
    const isOfMember = (args: unknown): args is (name: Name, index: number) => Args["Type"] =>
      typeof args === "function"
    const names = named<Name>(actor.actorName, chosen, count)
    const start = (name: Name, index: number) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const args: unknown = isOfMember(given) ? given(name, index) : given
          const options = { ...life, name, arguments: args }
          const member = new Member<Ops>(name, yield* bringUp(actor, options, "daemon", restore))
          up.push(member)
          return member
        })
      )
    const members = yield* forEach(names, start).pipe(Effect.onError(() => stopAll(up)))
    const portals = record(names, (index) => members[index]!.portal)
    return {
      names,
      portals,
      client: balanced(actor, members, balance),
      forEach: (use, options) =>
        Effect.map(
          forEach(names, (name, index) => use(portals[name], name, index), options),
          (values) => record(names, (index) => values[index]!)
        )
    }
  })

const stopAll = (
  members: ReadonlyArray<{ readonly portal: Pick<Portal<never>, "stop"> }>
): Effect.Effect<void> =>
  Effect.forEach(members, ({ portal }) => portal.stop, { concurrency: "unbounded", discard: true })

/**
 * A cluster as a Layer: gives it as a service, and stops its members, all at once, when the Layer's scope closes.
 *
 * **Example** (A program that needs three counters)
 *
 * ```ts
 * type Counting = LocalCluster.Cluster<"a" | "b" | "c", Actor.OperationsOf<typeof Counter>>
 * class Counters extends Context.Service<Counters, Counting>()("Counters") {}
 * const CountersLive = LocalCluster.layer(Counters, Counter, { main, names: ["a", "b", "c"], arguments: { from: 40 } })
 * ```
 */
export const layer = <
  Id,
  ActorName extends string,
  Ops extends Rpc.Any,
  Args extends Schema.Top,
  const Name extends string = `${ActorName}-${number}`,
  S = never
>(
  service: Context.Key<Id, Cluster<Name, Ops>>,
  actor: Definition<ActorName, Ops, Args>,
  options: Options<Name, Ops, Args, S>
): Layer.Layer<Id, SpawnError, Nursery | Spawner | Rpc.MiddlewareClient<Ops> | S> =>
  Layer.effect(
    service,
    Effect.gen(function* () {
      const up: Array<Member<Ops>> = []
      yield* Effect.addFinalizer(() => stopAll(up))
      return yield* opened(actor, options, up)
    })
  ) as Layer.Layer<Id, SpawnError, Nursery | Spawner | Rpc.MiddlewareClient<Ops> | S>

const record = <Name extends string, A>(names: ReadonlyArray<Name>, of: (index: number) => A) =>
  Object.fromEntries(names.map((name, index) => [name, of(index)])) as {
    readonly [Member in Name]: A
  }

/** Does something with each, at once; the first failure ends the others, and nothing that they fail with is lost. */
const forEach = <Name extends string, A, E, R>(
  names: ReadonlyArray<Name>,
  use: (name: Name, index: number) => Effect.Effect<A, E, R>,
  options?: { readonly concurrency?: number | "unbounded" | undefined }
): Effect.Effect<ReadonlyArray<A>, E, R> =>
  Tasks.run(
    Effect.fnUntraced(function* (tasks: Tasks.Tasks<A, E>) {
      const started = yield* Effect.forEach(names, (name, index) =>
        tasks.start(
          Effect.suspend(() => use(name, index)),
          { name }
        )
      )
      return yield* Effect.forEach(started, ({ result }) => result)
    }),
    options
  )

/** The members' names, if they make sense. */
const named = <Name extends string>(
  actor: string,
  names: ReadonlyArray<Name> | undefined,
  count: number | undefined
): ReadonlyArray<Name> => {
  const refuse = (why: string): never => {
    throw new RangeError(`A cluster of "${actor}" cannot be opened: ${why}.`)
  }
  if (names === undefined) {
    if (!(Number.isSafeInteger(count) && count! >= 1)) {
      refuse(`its "count" must be a whole number of at least 1, and it is ${String(count)}`)
    }
    // What members are called that were given no names.
    return Array.from({ length: count! }, (_, index) => `${actor}-${index}` as Name)
  }
  const list = `"names" (${names.map((name) => shown(name)).join(", ")})`
  if (names.length === 0) refuse(`${list} names no member`)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) refuse(`${list} has "${shown(twice)}" more than once`)
  if (count !== undefined && count !== names.length) {
    refuse(`${list} has ${names.length} names, and its "count" is ${String(count)}`)
  }
  return [...names]
}

// ---------------------------------------------------------------------------------------------------------------------
// Who is next
// ---------------------------------------------------------------------------------------------------------------------

/** A member, as whoever chooses one sees it. */
class Member<Ops extends Rpc.Any> implements PrimaryKey.PrimaryKey {
  readonly name: string
  readonly portal: Portal<Ops>
  readonly isEnding: () => boolean
  /** How many operations of the cluster's client it has in hand. */
  busy = 0

  constructor(name: string, { isEnding, portal }: Launched) {
    this.name = name
    this.portal = portal as Portal<Ops>
    this.isEnding = isEnding
  }

  [PrimaryKey.symbol](): string {
    return spread(this.name)
  }
}

/**
 * A text as the ring is to see it. The ring's own hash takes short texts that are alike to numbers side by side, so that
 * of three members one may get all keys: in front of the text stands that hash with its bits mixed, as MurmurHash3
 * does it in the end.
 */
const spread = (text: string): string => {
  let hash = Hash.string(text)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return `${(hash ^ (hash >>> 16)) >>> 0} ${text}`
}

/** A client that takes each operation to one of the members that are still there. */
const balanced = <Name extends string, Ops extends Rpc.Any, Args extends Schema.Top>(
  actor: Definition<Name, Ops, Args>,
  all: ReadonlyArray<Member<Ops>>,
  balance: Balance<Ops>
): Client<Ops> => {
  const members = [...all]
  const ring = HashRing.addMany(HashRing.make<Member<Ops>>(), all)
  const leave = (member: Member<Ops>) => {
    if (members.length === 1) return
    members.splice(members.indexOf(member), 1)
    HashRing.remove(ring, member)
  }

  let turn = 0
  const inTurn = (some: ReadonlyArray<Member<Ops>>) => some[turn++ % some.length]!
  const choose = ({ operation, payload }: Running): Member<Ops> => {
    for (const member of members.filter(({ isEnding }) => isEnding())) leave(member)
    if (balance === "round-robin") return inTurn(members)
    if (balance === "least-busy") {
      const least = Math.min(...members.map(({ busy }) => busy))
      return inTurn(members.filter(({ busy }) => busy === least))
    }
    // An operation of this actor, with the payload that its own method was given.
    return HashRing.get(ring, spread(balance.by(...([operation, payload] as Routed<Ops>))))!
  }
  return via(actor, (running, hold) =>
    Effect.sync(() => {
      const member = choose(running)
      member.busy++
      hold(
        Effect.sync(() => {
          member.busy--
        })
      )
      return member.portal.client
    })
  )
}
