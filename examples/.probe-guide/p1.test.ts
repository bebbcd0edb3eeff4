import { it } from "@effect/vitest"
import { Effect, Cause, Exit, Stream, Schema, Context, Fiber, Deferred, Layer, Duration } from "effect"
import { TestClock } from "effect/testing"
import * as Rpc from "effect/rpc/Rpc"
import { Actor, Dialog, Nursery, Deadline, Events, PortalError, Portal } from "furrow"
import { TestWorld } from "furrow/testing"
import { Reasons, Codec } from "furrow/protocol"


import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import { Travel } from "furrow"
import { References, Layer as L } from "effect"
const log = (name: string, x: unknown) => Effect.sync(() => console.log(name.padEnd(34), show(x)))
const show = (x: unknown): string => {
  if (Exit.isExit(x)) return Exit.isSuccess(x) ? `Success(${show(x.value)})` : `Failure[${x.cause.reasons.map((r) => {
    const ann = Cause.reasonAnnotations(r)
    const h = Context.getOrUndefined(ann, Reasons.Hops)?.map((h) => `${h.actor.path}:${h.operation ?? "-"}`).join(">")
    const nj = Context.getOrUndefined(ann, Reasons.NotJoined)
    const by = Context.getOrUndefined(ann, Reasons.InterruptedBy)
    const e: any = Cause.isFailReason(r) ? r.error : Cause.isDieReason(r) ? r.defect : "interrupt"
    return `${r._tag} ${e?._tag ?? e?.name ?? e} ${e?.reason?._tag ?? ""} ${e?.reason?.by?.path ?? ""} hops=${h ?? ""} nj=${JSON.stringify(nj) ?? ""} by=${by?.path ?? ""}`
  }).join(" | ")}]`
  return JSON.stringify(x) ?? String(x)
}

class User extends Context.Service<User, string>()("User") {}
class Forbidden extends Schema.TaggedError<Forbidden>()("Forbidden", {}) {}
class Auth extends RpcMiddleware.Service<Auth, { provides: User }>()("Auth", { error: Forbidden }) {}
const Tenant = Context.Reference<string>("app/Tenant", { defaultValue: () => "nobody" })
const Who = Rpc.make("Who", { success: Schema.String })
const Rep = Rpc.make("Rep", { payload: { done: Schema.Int } })
class Root extends Actor.make("Root", [Rep]) {}
class A extends Actor.make("A", [Who], { travelling: [Travel.make(Tenant, Schema.String)] }).middleware(Auth) {}
const ALive = A.toLayer(Effect.gen(function* () {
  const self = yield* Actor.Self
  const parent = yield* Portal.parent(Root)
  yield* log("self", self)
  yield* Effect.forkScoped(Effect.asVoid(Effect.exit(parent.client.Rep({ done: 1 })).pipe(Effect.tap((x) => log("rep", x)))))
  return A.of({ Who: (_: void, { headers }) => Effect.gen(function* () {
    yield* parent.client.Rep({ done: 3 }).pipe(Effect.orDie)
    const ann = yield* References.CurrentLogAnnotations
    return `${yield* User} ${yield* Tenant} ${headers["x"]} ${JSON.stringify(ann)} ${yield* Effect.orElseSucceed(Effect.map(Effect.currentSpan, (s) => s.traceId + (s.parent as any).value?.spanId ), () => "nospan")}`
  }) })
})).pipe(Layer.provide(Layer.succeed(Auth)((effect, { headers }) => headers["user"] === undefined ? Effect.fail(new Forbidden()) : Effect.provideService(effect, User, headers["user"]))))
const RootLive = Root.toLayer({ Rep: ({ done }) => log("report", done) })
const world = TestWorld.layer([A.program(ALive)])
it.effect("x", () => Nursery.run(Effect.gen(function* () {
  const a = yield* Nursery.spawn(A, { serve: Root, name: "worker" })
  yield* log("forbidden", yield* Effect.exit(a.client.Who()))
  yield* log("ok", yield* Effect.exit(a.client.Who(undefined, { headers: { user: "ann", x: "1" } }).pipe(Effect.provideService(Tenant, "acme"), Effect.annotateLogs({ a: 1, b: { c: 2 } }))))
  yield* log("withHeaders", yield* Effect.exit(a.client.Who().pipe(RpcClient.withHeaders({ user: "bob" }))))
  yield* log("span", yield* Effect.exit(Effect.withSpan(Effect.flatMap(Effect.currentSpan, (s) => Effect.tap(a.client.Who(undefined, { headers: { user: "ann" } }), () => log("trace", s.traceId))), "top")))
  const v = yield* Effect.flatMap(A.Portal, ({ client }) => client.Who(undefined, { headers: { user: "l" } })).pipe(Effect.provide(Nursery.layer(A, { serve: Root })))
  yield* log("layer", v)
  const b = yield* Nursery.spawn(A, { name: "x/y" }).pipe(Effect.exit)
  yield* log("name", b)
  if (Exit.isFailure(b)) console.log(Cause.pretty(b.cause).slice(0,300))
  const c = yield* Nursery.spawn(A)
  yield* log("unserved", yield* Effect.exit(c.client.Who(undefined, { headers: { user: "ann" } })))
})).pipe(Effect.provide(RootLive), Effect.provide(world)))
