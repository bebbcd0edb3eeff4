/**
 * What follows a call: rule D14 (traces, travelling references, log annotations), effect/rpc's headers, and middleware
 * on both sides.
 */
import { assert, describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as RpcClient from "effect/rpc/RpcClient"
import type * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type * as Actor from "furrow/Actor"
import * as Deadline from "furrow/Deadline"
import * as Dialog from "furrow/Dialog"
import * as Nursery from "furrow/Nursery"
import {
  AuthClient,
  Doubt,
  Forbidden,
  Guide,
  Mood,
  NewerGuide,
  NewerMood,
  NoToken,
  Patience,
  Porch,
  Scout,
  Tenant,
  Token,
  Vault
} from "./fixtures/Context.ts"
import type { Auth } from "./fixtures/Context.ts"
import type { World } from "./World.ts"

/** A tracer that keeps what it is told. */
const recorder = () => {
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  return { spans, tracer }
}

const suite = ({ it, main, name }: World): void => {
  describe(`traces (${name})`, () => {
    it("D14 a trace follows a call into the handler and into what that calls, without any tracer", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Guide, main)
          const { seen, span } = yield* Effect.gen(function* () {
            return { seen: yield* client.LookBelow(), span: yield* Effect.currentSpan }
          }).pipe(Effect.withSpan("outermost"))
          for (const view of [seen.here, seen.below]) {
            expect(view.traceId).toBe(span.traceId)
            expect(view.sampled).toBe(true)
          }
          // Every station has a span of its own.
          const ids = [span.spanId, seen.here.spanId, seen.below.spanId]
          expect(new Set(ids).size).toBe(3)
          expect(seen.here.parentId).not.toBe(seen.below.parentId)
        })
      ))

    it("D14 a trace is told as not sampled where it is not", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Guide, main)
          const parent = Tracer.externalSpan({ traceId: "t1", spanId: "s1", sampled: false })
          const { below, here } = yield* client.LookBelow().pipe(Effect.withParentSpan(parent))
          expect([here.traceId, below.traceId]).toStrictEqual(["t1", "t1"])
          expect([here.sampled, below.sampled]).toStrictEqual([false, false])
        })
      ))

    it("D14 without a span there is no trace, and none of one call in another", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Guide, main)
          yield* client.Look().pipe(Effect.withSpan("before"))
          const { below, here } = yield* client.LookBelow()
          expect([here.traceId, below.traceId]).toStrictEqual([undefined, undefined])
        })
      ))

    it("D14 a span that is kept to itself is not told of; those around it are", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Guide, main)
          const alone = yield* client
            .Look()
            .pipe(Effect.withSpan("off"), Effect.withTracerEnabled(false))
          expect(alone.traceId).toBeUndefined()
          const { seen, span } = yield* Effect.gen(function* () {
            const seen = yield* client.Look().pipe(Effect.withTracerEnabled(false))
            return { seen, span: yield* Effect.currentSpan }
          }).pipe(Effect.withSpan("around"))
          expect([seen.traceId, seen.parentId]).toStrictEqual([span.traceId, span.spanId])
        })
      ))

    it("D14 a tracer that is installed sees a span for every call, stream and dialog, each the parent of its handler's", () =>
      Effect.suspend(() => {
        const { spans, tracer } = recorder()
        return Nursery.run(
          Effect.gen(function* () {
            const { client } = yield* Nursery.spawn(Scout, main)
            const called = yield* client.Look()
            const [streamed] = yield* Stream.runCollect(client.LookOn())
            const talked = yield* client.LookIn().pipe(Dialog.use((look) => look.result))
            for (const [view, tag] of [
              [called, "Look"],
              [streamed, "LookOn"],
              [talked, "LookIn"]
            ] as const) {
              const span = spans.find(
                ({ kind, name }) => kind === "client" && name === `Scout.${tag}`
              )
              assert(span !== undefined, `there should be a span for ${tag}`)
              expect(view?.traceId).toBe(span.traceId)
              expect(view?.parentId).toBe(span.spanId)
              expect(span.status._tag).toBe("Ended")
            }
          })
        ).pipe(Effect.withTracer(tracer))
      }))
  })

  describe(`travelling (${name})`, () => {
    it("D14 references that both ends declare follow the call into the handler, and on", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Guide, main)
          const { below, here } = yield* client
            .LookBelow()
            .pipe(Effect.provideService(Tenant, "acme"), Effect.provideService(Mood, "glad"))
          expect([here.tenant, below.tenant]).toStrictEqual(["acme", "acme"])
          // The scout does not declare the mood: it has its own.
          expect([here.mood, below.mood]).toStrictEqual(["glad", "calm"])
          const without = yield* client.LookBelow()
          expect([without.here.tenant, without.below.tenant]).toStrictEqual(["nobody", "nobody"])
        })
      ))

    it("D14 they follow streams and dialogs as well", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Scout, main)
          const views = yield* Effect.gen(function* () {
            const [streamed] = yield* Stream.runCollect(client.LookOn())
            const [started, ended] = yield* client
              .LookIn()
              .pipe(Dialog.use((look) => Effect.map(look.result, (ended) => [look.started, ended])))
            return [streamed, started, ended]
          }).pipe(Effect.provideService(Tenant, "acme"), Effect.provideService(Patience, 3))
          for (const view of views) {
            expect([view?.tenant, view?.patience]).toStrictEqual(["acme", 3])
          }
        })
      ))

    it("D14 what the callee does not know, or knows otherwise, is ignored", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(NewerGuide, main)
          const { below, here } = yield* client
            .LookBelow()
            .pipe(
              Effect.provideService(Tenant, "acme"),
              Effect.provideService(Patience, 3),
              Effect.provideService(NewerMood, 7)
            )
          expect([here.tenant, here.patience, here.mood]).toStrictEqual(["acme", 0, "calm"])
          // The scout would know it, but the guide has none to send on.
          expect([below.tenant, below.patience]).toStrictEqual(["acme", 0])
        })
      ))

    it("D14 a value that does not encode, or is too long, stays behind with a warning, and the call goes on", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Scout, main)
          for (const [value, tenant] of [
            [-1, "acme"],
            [1, "x".repeat(2_000_000)]
          ] as const) {
            const view = yield* client
              .Look()
              .pipe(Effect.provideService(Tenant, tenant), Effect.provideService(Patience, value))
            expect(view.tenant).toBe(tenant === "acme" ? "acme" : "nobody")
            expect(view.patience).toBe(value === 1 ? 1 : 0)
          }
          // A schema that dies of the value is no reason to fail, either.
          const view = yield* client.Look().pipe(Effect.provideService(Patience, Infinity))
          expect(view.patience).toBe(0)
        })
      ))

    it("D14 log annotations follow as scalars, beside the callee's own, and on; no more than 4 KiB of them", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Guide, main)
          const { below, here } = yield* client.LookBelow().pipe(
            Effect.annotateLogs({
              text: "a",
              number: 1.5,
              yes: true,
              nothing: null,
              object: { a: 1 },
              list: [1],
              notANumber: NaN,
              endless: Infinity,
              missing: undefined,
              big: 1n
            })
          )
          const scalars = { text: "a", number: 1.5, yes: true, nothing: null }
          expect(here.annotations).toStrictEqual(scalars)
          expect(below.annotations).toStrictEqual({ scout: "own", ...scalars })

          const long = yield* client.Look().pipe(Effect.annotateLogs("long", "é".repeat(2100)))
          expect(long.annotations).toStrictEqual({})
          const fits = yield* client.Look().pipe(Effect.annotateLogs("long", "e".repeat(4000)))
          expect(fits.annotations).toStrictEqual({ long: "e".repeat(4000) })
        })
      ))

    it("D12 the time left follows as a duration; a deadline without end bounds nothing", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Guide, main)
          const { below, here } = yield* client.LookBelow().pipe(Deadline.within("1 hour"))
          assert(here.timeLeft !== undefined && below.timeLeft !== undefined)
          expect(here.timeLeft).toBeLessThanOrEqual(3_600_000)
          expect(below.timeLeft).toBeLessThanOrEqual(here.timeLeft)
          expect(below.timeLeft).toBeGreaterThan(0)
          const endless = yield* client.Look().pipe(Deadline.within("Infinity"))
          expect(endless.timeLeft).toBeUndefined()
          expect((yield* client.Look()).timeLeft).toBeUndefined()
        })
      ))
  })

  describe(`headers (${name})`, () => {
    it("reach the handler from around the call and with it, the call's own first, by lower-case names", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Porch, main)
          expect(yield* client.Headers()).toStrictEqual({})
          expect(
            yield* client
              .Headers(undefined, { headers: { Lang: "de", "X-Own": "ä\u2028" } })
              .pipe(RpcClient.withHeaders({ lang: "en", agent: "test" }))
          ).toStrictEqual({ lang: "de", agent: "test", "x-own": "ä\u2028" })
        }).pipe(Effect.provide(AuthClient))
      ))

    it("that are too long, or no text, are a defect of that call, and the connection goes on", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Porch, main)
          for (const value of ["x".repeat(2_000_000), 7 as unknown as string]) {
            const exit = yield* Effect.exit(client.Open(undefined, { headers: { value } }))
            assert(Exit.isFailure(exit))
            expect(exit.cause.reasons).toMatchObject([
              { _tag: "Die", defect: { operation: "Porch.Open", lane: "headers" } }
            ])
          }
          expect(yield* client.Open()).toBe("open")
        }).pipe(Effect.provide(AuthClient))
      ))
  })

  /** Calls as whoever has this token. */
  const as = (token: string) => Effect.provideService(Token, token)

  describe(`middleware (${name})`, () => {
    const withClient = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.provide(effect, AuthClient satisfies Layer.Layer<RpcMiddleware.ForClient<Auth>>)

    it("of an actor serves calls, streams and dialogs: it gives a service, by what the client's side has sent", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Vault, main)
          expect(yield* client.WhoAmI().pipe(as("secret"))).toBe("ada")
          expect(yield* Stream.runCollect(client.WhoAmIOn()).pipe(as("secret"))).toStrictEqual([
            "ada"
          ])
          expect(
            yield* client.WhoAmIIn().pipe(
              Dialog.use((who) => Effect.map(who.result, (result) => [who.started, result])),
              as("secret")
            )
          ).toStrictEqual(["ada", "ada"])
        }).pipe(withClient)
      ))

    it("of an actor that refuses fails each kind with its own typed error, and the connection goes on", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Vault, main)
          const refusals: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
            client.WhoAmI(),
            Stream.runDrain(client.WhoAmIOn()),
            client.WhoAmIIn().pipe(Dialog.use(() => Effect.never)),
            Effect.scoped(Effect.asVoid(client.WhoAmIIn()))
          ]
          for (const refusal of refusals) {
            const error = yield* Effect.flip(refusal.pipe(as("guessed")))
            expect(error).toBeInstanceOf(Forbidden)
            expect(error).toStrictEqual(new Forbidden({ why: "no account for guessed" }))
          }
          expect(yield* client.WhoAmI().pipe(as("secret"))).toBe("ada")
        }).pipe(withClient)
      ))

    it("of the caller that refuses fails each kind with its own error before anything is sent", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Vault, main)
          const refusals: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
            client.WhoAmI(),
            Stream.runDrain(client.WhoAmIOn()),
            client.WhoAmIIn().pipe(Dialog.use(() => Effect.never))
          ]
          for (const refusal of refusals) {
            expect(yield* Effect.flip(refusal)).toBeInstanceOf(NoToken)
          }
          expect(yield* client.WhoAmI().pipe(as("secret"))).toBe("ada")
        }).pipe(withClient)
      ))

    it("of one operation leaves the others as they are", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Porch, main)
          expect(yield* client.Open()).toBe("open")
          expect(yield* client.WhoAmI().pipe(as("secret"))).toBe("ada")
          expect(yield* Effect.flip(client.WhoAmI().pipe(as("guessed")))).toBeInstanceOf(Forbidden)
          expect(yield* Effect.flip(client.WhoAmI())).toBeInstanceOf(NoToken)
        }).pipe(withClient)
      ))

    /** Waits until so many lasting calls have begun. */
    const begun = (client: Actor.Client<Actor.OperationsOf<typeof Porch>>, many: number) =>
      Effect.gen(function* () {
        while ((yield* client.Lasting()).begun < many) yield* Effect.yieldNow
      })

    it("of the caller that fails while the callee runs has the callee cancelled, and joined (D1, D7)", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Porch, main)
          const kinds: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
            client.Last(),
            Stream.runDrain(client.LastOn()),
            client.LastIn().pipe(Dialog.use(() => Effect.never))
          ]
          let many = 0
          for (const lasting of kinds) {
            const doubt = Effect.orDie(begun(client, ++many))
            const error = yield* Effect.flip(
              lasting.pipe(as("secret"), Effect.provideService(Doubt, doubt))
            )
            expect(error).toBeInstanceOf(NoToken)
            expect(yield* client.Lasting()).toStrictEqual({ begun: many, ended: many })
          }
        }).pipe(withClient)
      ))

    it("lets what is behind it be interrupted, and joined, as anything else", () =>
      Nursery.run(
        Effect.gen(function* () {
          const { client } = yield* Nursery.spawn(Porch, main)
          const kinds: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
            client.Last(),
            Stream.runDrain(client.LastOn()),
            client.LastIn().pipe(Dialog.use(() => Effect.never))
          ]
          let many = 0
          for (const lasting of kinds) {
            const fiber = yield* Effect.forkChild(lasting.pipe(as("secret")))
            yield* begun(client, ++many)
            yield* Fiber.interrupt(fiber)
            expect(yield* client.Lasting()).toStrictEqual({ begun: many, ended: many })
          }
        }).pipe(withClient)
      ))
  })
}

export default suite
